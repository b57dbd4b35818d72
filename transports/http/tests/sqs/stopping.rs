//! The end of a door.

use std::collections::BTreeSet;
use std::time::Duration;

use eventhive_http::Config;
use eventhive_http::sqs::QueueConfig;
use eventhive_hub::{Hub, HubSettings};
use tokio::time::timeout;

use crate::hive::Hive;
use crate::moto::Moto;
use crate::proxy::Proxy;
use crate::storing::Gate;

/// Less than the polls of these tests last, and the time for draining.
const AT_ONCE: Duration = Duration::from_secs(8);

#[tokio::test]
async fn a_poll_under_way_is_given_up_when_the_door_stops() {
    let moto = Moto::shared().await;
    let queue = moto.created("polled").await;
    let proxy = Proxy::start(moto.address()).await;
    let wait = Duration::from_secs(20);
    let hive = Hive::reading([QueueConfig { wait, ..queue.read_at(&proxy.url(), true) }]);
    proxy.until_asked("ReceiveMessage", 1).await;
    timeout(AT_ONCE, hive.stop(wait)).await.expect("it does not wait for the poll");
}

#[tokio::test]
async fn a_reader_that_waits_for_its_server_ends_at_once() {
    let moto = Moto::shared().await;
    let hive = Hive::reading([moto.queue("never").read_at(&moto.url(), true)]);
    hive.until("it is missed often enough to wait long", |stats| stats.failures >= 3).await;
    timeout(AT_ONCE, hive.stop(Duration::from_secs(20))).await.expect("it does not wait for the next try");
}

#[tokio::test]
async fn what_the_hub_has_not_taken_when_the_door_stops_comes_again() {
    let moto = Moto::shared().await;
    let queue = moto.created("interrupted").await;
    for number in 0..10 {
        queue.send(format!("{{\"n\":{number}}}")).await;
    }
    // The hub takes four, then its backlog is behind.
    let gate = Gate::new(4);
    let hub = Hub::with_backlog(HubSettings::default(), gate.clone());
    let config = || Config { queues: vec![queue.read_at(&moto.url(), true)], ..Config::default() };
    let hive = Hive::on(hub, config());
    gate.until_full().await;
    timeout(AT_ONCE, hive.stop(Duration::from_secs(20))).await.expect("it does not wait for the hub");
    queue.until_size(6).await;

    let hive = Hive::on(Hub::new(HubSettings::default()), config());
    let mut stream = hive.stream("/").await;
    let mut rest = BTreeSet::new();
    while rest.len() < 6 {
        rest.insert(stream.event().await["n"].as_u64().unwrap());
    }
    assert_eq!(rest.into_iter().collect::<Vec<_>>(), [4, 5, 6, 7, 8, 9]);
    queue.until_size(0).await;
}
