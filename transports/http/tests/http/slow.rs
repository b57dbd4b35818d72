//! Those who do not read.

use std::time::Duration;

use eventhive_http::Config;
use eventhive_hub::HubSettings;
use eventhive_listener::Limits;

use crate::support::{End, Server, config_of_vectors};

#[tokio::test]
async fn a_slow_reader_is_dropped_alone_and_sees_that_its_stream_is_not_complete() {
    let config = Config { queue_bytes: 1 << 16, max_payload: 1 << 20, ..config_of_vectors() };
    let server = Server::start(config);
    let mut slow = server.subscribed("/a", "").await;
    let mut quick = server.subscribed("/a", "").await;
    let mut publisher = server.client().await;
    let text = "x".repeat(100_000);
    let mut published = 0;
    while server.door.stats().slow == 0 {
        assert!(published < 1000, "a reader that takes nothing is kept");
        publisher.put("/a", &format!("{{\"n\":{published},\"text\":\"{text}\"}}"), "").await;
        assert_eq!(quick.event().await["n"], published);
        published += 1;
    }
    // What was sent before is still there to be read; then comes no last chunk.
    let mut read = 0;
    let end = loop {
        match slow.chunk().await {
            Ok(_) => read += 1,
            Err(end) => break end,
        }
    };
    assert_eq!(end, End::Aborted);
    assert!(read < published);
    assert_eq!(server.door.stats().sessions, 1);
}

#[tokio::test]
async fn the_policy_may_drop_events_instead_and_keep_the_stream() {
    let overflow = eventhive_transport::Overflow::DropOldest;
    let config = Config { queue_bytes: 1 << 16, max_payload: 1 << 20, overflow, ..config_of_vectors() };
    let server = Server::start(config);
    let mut slow = server.subscribed("/a", "").await;
    let mut publisher = server.client().await;
    let text = "x".repeat(100_000);
    let mut published = 0;
    while server.hub.stats().drops.oldest == 0 {
        assert!(published < 1000, "nothing is dropped");
        publisher.put("/a", &format!("{{\"n\":{published},\"text\":\"{text}\"}}"), "").await;
        published += 1;
    }
    publisher.put("/a", "{\"n\":\"last\"}", "").await;
    while slow.event().await["n"] != "last" {}
    assert_eq!(server.door.stats().sessions, 1);
}

#[tokio::test]
async fn a_client_that_takes_nothing_for_too_long_is_cut() {
    let config = Config {
        queue_bytes: 64 << 20,
        max_payload: 1 << 20,
        send_timeout: Duration::from_millis(300),
        ping_interval: Duration::from_millis(100),
        ..config_of_vectors()
    };
    let server = Server::start_on(HubSettings::default(), config, Limits::default());
    let stuck = server.subscribed("/a", "").await;
    let mut publisher = server.client().await;
    let text = "x".repeat(1_000_000);
    for _ in 0..12 {
        publisher.put("/a", &format!("{{\"text\":\"{text}\"}}"), "").await;
    }
    server.until("it is cut", |stats| stats.sessions == 0 && stats.cut == 1).await;
    drop(stuck);
}
