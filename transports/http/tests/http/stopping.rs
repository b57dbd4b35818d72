//! The end of a door.

use std::io::Write;
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

#[tokio::test]
async fn a_compressed_stream_ends_as_a_whole_one() {
    let server = Server::start(config_of_vectors());
    let mut stream = server.stream("/a", "Accept: application/x-ndjson\r\nAccept-Encoding: gzip\r\n").await;
    server.put("/a", "{\"n\":1}").await;
    let listeners = server.listeners;
    let stopping = tokio::spawn(async move { listeners.stop(Duration::from_secs(10)).await });
    let mut decoder = flate2::write::GzDecoder::new(Vec::new());
    let end = loop {
        match stream.chunk().await {
            Ok(chunk) => decoder.write_all(&chunk).unwrap(),
            Err(end) => break end,
        }
    };
    assert_eq!(end, End::Complete);
    // With its checksum, which only the end has.
    let text = String::from_utf8(decoder.finish().unwrap()).unwrap();
    assert!(text.contains("{\"n\": 1, ") && text.ends_with("}\n"), "{text}");
    stopping.await.unwrap();
}
