//! Starting and stopping.

use std::time::Duration;

use eventhive::{ConnectorOutcome, StartError, StartOptions};
use serde_json::json;

use super::memory::Memory;

const TWO: &str = "connectors:\n  one: {pubsub_type: memory, input_channel: a, init: {}}\n  two: {pubsub_type: memory, input_channel: '', init: {}}\n";

#[tokio::test]
async fn start_tells_what_is_up_and_what_is_not_and_why() {
    let network = Memory::new();
    network.set_up(false);
    let hive = network.hive(TWO);
    let started = hive.start().await.unwrap();
    let outcomes: Vec<_> = started.connectors.iter().map(|one| (one.name.as_str(), one.outcome.to_string())).collect();
    let trying = "not up yet, keeps trying: the broker is away".to_owned();
    assert_eq!(outcomes, [("one", trying.clone()), ("two", trying)]);
    network.set_up(true);
    let mut state = hive.link_state("one").unwrap();
    tokio::time::timeout(Duration::from_secs(10), state.wait_for(|state| state.is_up())).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_required_connector_that_is_not_up_fails_the_start_and_leaves_nothing_running() {
    let network = Memory::new();
    network.set_up(false);
    let hive = network.hive(TWO);
    let error = hive.start_with(StartOptions::new().require("two")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "required connectors did not come up: two: not up yet, keeps trying: the broker is away"
    );
    assert!(hive.link_states().is_empty());
    assert_eq!(network.hub.stats().sessions, 0);
}

#[tokio::test]
async fn a_required_name_that_is_not_configured_is_an_error_and_the_start_can_be_repeated() {
    let hive = Memory::new().hive(TWO);
    let error = hive.start_with(StartOptions::new().require("three")).await.unwrap_err();
    assert_eq!(error, StartError::Unknown { names: vec!["three".to_owned()] });
    let started = hive.start().await.unwrap();
    assert!(started.connectors.iter().all(|one| one.outcome == ConnectorOutcome::Up));
    assert_eq!(hive.start().await, Err(StartError::NotIdle));
}

#[tokio::test]
async fn stop_sends_what_waits_and_then_calls_to_the_network_are_refused() {
    let network = Memory::new();
    let listener = network.hive("connectors: {net: {pubsub_type: memory, input_channel: a, init: {}}}");
    let mut events = listener.stream("a/x").unwrap();
    listener.start().await.unwrap();
    let hive = network.hive("connectors: {net: {pubsub_type: memory, input_channel: '', init: {}}}");
    hive.start().await.unwrap();
    for number in 0..100 {
        hive.emit("net/a/x", json!({"number": number})).unwrap().published.unwrap().unwrap();
    }
    hive.stop(Duration::from_secs(10)).await;
    for number in 0..100 {
        assert_eq!(super::memory::next(&mut events).await.payload().as_value().unwrap(), &json!({"number": number}));
    }
    let late = hive.emit("net/a/x", json!({}));
    assert!(late.is_err(), "the network is no longer known: {late:?}");
}

/// A server that accepts and says nothing keeps a start waiting.
async fn waiting_start() -> (tokio::net::TcpListener, eventhive::Hive) {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let yaml = format!("connectors: {{net: {{pubsub_type: websocket, input_channel: '', init: {{port: {port}}}}}}}");
    (silent, eventhive::Hive::from_yaml(&yaml).unwrap())
}

#[tokio::test]
async fn a_start_that_is_given_up_leaves_nothing_behind() {
    let (silent, hive) = waiting_start().await;
    let reached = tokio::select! {
        accepted = silent.accept() => accepted.is_ok(),
        _ = hive.start() => false,
    };
    assert!(reached, "the start has begun, and is dropped here");
    super::memory::until("the route is gone", || hive.emit("net/a/x", json!({})).is_err()).await;
    assert_eq!(hive.start().await, Err(StartError::NotIdle));
}

#[tokio::test]
async fn a_hive_that_is_stopped_while_it_starts_does_not_run_afterwards() {
    let (silent, hive) = waiting_start().await;
    let starting = tokio::spawn({
        let hive = hive.clone();
        async move { hive.start().await }
    });
    silent.accept().await.unwrap();
    hive.stop(Duration::from_secs(5)).await;
    assert_eq!(starting.await.unwrap(), Err(StartError::NotIdle));
    assert!(hive.link_states().is_empty());
}

#[tokio::test]
async fn a_subscription_that_the_broker_refuses_is_told_and_asked_for_again() {
    let network = Memory::new();
    network.refuse(1);
    let hive = network.hive("connectors: {net: {pubsub_type: memory, input_channel: a, init: {}}}");
    let mut events = hive.stream("a/x").unwrap();
    let started = hive.start().await.unwrap();
    let outcome = started.connectors[0].outcome.to_string();
    assert_eq!(outcome, "not up yet, keeps trying: not subscribed: the broker refused: not today");
    super::memory::until("the subscription stands", || network.hub.stats().subscriptions == 1).await;
    network.publish("net/a/x", "{}");
    super::memory::next(&mut events).await;
}

#[test]
fn a_hive_starts_from_a_plain_thread_and_under_tokio_and_under_actix() {
    let network = Memory::new();
    let plain = network.hive(TWO);
    assert!(futures_util::FutureExt::now_or_never(plain.start()).is_none_or(|started| started.is_ok()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async { assert!(network.hive(TWO).start().await.is_ok()) });
    actix_rt::System::new().block_on(async { assert!(network.hive(TWO).start().await.is_ok()) });
}
