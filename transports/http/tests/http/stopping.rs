//! The end of a door.

use std::time::Duration;

use crate::support::{End, Server, config_of_vectors};

#[tokio::test]
async fn a_stop_sends_what_waits_ends_streams_in_good_order_and_takes_no_new_ones() {
    let server = Server::start(config_of_vectors());
    let mut streams = Vec::new();
    for _ in 0..30 {
        streams.push(server.subscribed("/a", "").await);
    }
    server.put("/a", "{\"n\":1}").await;
    let Server { listeners, door, hub, .. } = server;
    let stopping = tokio::spawn(async move {
        listeners.stop(Duration::from_secs(10)).await;
        hub.close().await;
    });
    for stream in &mut streams {
        assert_eq!(stream.event().await["n"], 1);
        let end = loop {
            match stream.chunk().await {
                Ok(ping) => assert!(ping.starts_with(b"{\"stillalive\": ")),
                Err(end) => break end,
            }
        };
        assert_eq!(end, End::Complete);
    }
    stopping.await.unwrap();
    assert_eq!(door.stats().sessions, 0);
}
