//! What the original has not, on the same paths.

use std::io::Write;

use eventhive_http::Config;

use crate::support::{Server, config_of_vectors, header};

#[tokio::test]
async fn browsers_get_events_with_ids_and_come_back_with_the_last() {
    let server = Server::start(config_of_vectors());
    let mut stream = server.stream("/a", "Accept: text/event-stream\r\n").await;
    assert_eq!(header(&stream.head, "content-type"), Some("text/event-stream"));
    assert_eq!(header(&stream.head, "cache-control"), Some("no-store"));
    assert_eq!(stream.chunk().await.unwrap(), b"retry: 2000\n\n");
    assert!(stream.chunk().await.unwrap().starts_with(b": {\"stillalive\": "));
    let head = server.put("/a", "{\"n\": 1}").await;
    let id = header(&head, "x-pubsub-cursor").unwrap();
    let event = String::from_utf8(stream.chunk().await.unwrap()).unwrap();
    assert!(event.starts_with(&format!("id: {id}\ndata: {{\"n\": 1, \"pubsub_timestamp\": ")), "{event}");
    assert!(event.ends_with("}\n\n"), "{event}");
    drop(stream);
    server.put("/a", "{\"n\": 2}").await;
    let mut again = server.stream("/a", &format!("Accept: text/event-stream\r\nLast-Event-ID: {id}\r\n")).await;
    again.chunk().await.unwrap();
    assert!(String::from_utf8(again.chunk().await.unwrap()).unwrap().contains("data: {\"n\": 2, "));
}

#[tokio::test]
async fn a_browser_whose_place_is_lost_is_told_by_an_event() {
    let server = Server::start(config_of_vectors());
    let id = "8c13f3e9-2e8c-4a51-8a05-0123456789ab";
    let mut stream = server.stream("/a", &format!("Accept: text/event-stream\r\nLast-Event-ID: {id}\r\n")).await;
    let opening = String::from_utf8(stream.chunk().await.unwrap()).unwrap();
    assert_eq!(opening, "retry: 2000\n\nevent: gap\ndata: {\"replay\": \"unknown\"}\n\n");
}

#[tokio::test]
async fn lines_go_by_the_name_that_others_know_too() {
    let server = Server::start(config_of_vectors());
    let mut stream = server.subscribed("/a", "Accept: application/x-ndjson\r\nUser-Agent: svnwcsub\r\n").await;
    assert_eq!(header(&stream.head, "content-type"), Some("application/x-ndjson"));
    server.put("/a", "{\"n\": 1}").await;
    assert_eq!(stream.event().await["n"], 1);
}

#[tokio::test]
async fn a_stream_is_compressed_for_those_who_name_what_they_want_one_event_a_chunk() {
    let server = Server::start(config_of_vectors());
    let plain = server.subscribed("/a", "Accept: */*\r\nAccept-Encoding: gzip, deflate, zstd\r\n").await;
    assert_eq!(header(&plain.head, "content-encoding"), None);
    let accept = "Accept: application/x-ndjson\r\nAccept-Encoding: gzip\r\n";
    let mut stream = server.stream("/a", accept).await;
    assert_eq!(header(&stream.head, "content-encoding"), Some("gzip"));
    let mut decoder = flate2::write::GzDecoder::new(Vec::new());
    let mut line = async || {
        decoder.write_all(&stream.chunk().await.unwrap()).unwrap();
        decoder.flush().unwrap();
        String::from_utf8(std::mem::take(decoder.get_mut())).unwrap()
    };
    assert!(line().await.starts_with("{\"stillalive\": "));
    for n in 0..20 {
        server.put("/a", &format!("{{\"n\":{n}}}")).await;
        let line = line().await;
        assert!(line.starts_with(&format!("{{\"n\": {n}, ")) && line.ends_with("}\n"), "{line}");
    }
}

#[tokio::test]
async fn beyond_the_number_of_compressed_streams_they_are_plain() {
    let server = Server::start(Config { max_compressed: 1, ..config_of_vectors() });
    let accept = "Accept: application/x-ndjson\r\nAccept-Encoding: zstd, gzip\r\n";
    let coding = async || {
        let stream = server.stream("/a", accept).await;
        let coding = header(&stream.head, "content-encoding").map(str::to_owned);
        (stream, coding)
    };
    let (first, one) = coding().await;
    assert_eq!((one.as_deref(), coding().await.1), (Some("zstd"), None));
    drop(first);
    server.until("there is room again", |stats| stats.compressed == 0).await;
    assert_eq!(coding().await.1.as_deref(), Some("zstd"));
}

#[tokio::test]
async fn a_key_publishes_once_however_often_it_comes() {
    let server = Server::start(config_of_vectors());
    let mut stream = server.subscribed("/", "").await;
    let put = async |target: &str, key: &str| {
        let head = server.put_with(target, "{\"n\":1}", &format!("Idempotency-Key: {key}\r\n")).await;
        header(&head, "x-pubsub-cursor").unwrap().to_owned()
    };
    let first = put("/a", "k1").await;
    assert_eq!(put("/a", "k1").await, first);
    let others = [put("/a", "k2").await, put("/b", "k1").await];
    assert!(others.iter().all(|other| *other != first));
    for cursor in [&first, &others[0], &others[1]] {
        assert_eq!(stream.event().await["pubsub_cursor"], **cursor);
    }
    assert_eq!(server.door.stats().repeated, 1);
    let (head, _) = server.client().await.put("/a", "{\"n\":2}", "Idempotency-Key: k1\r\n").await;
    assert!(head.starts_with("HTTP/1.1 422 "), "{head}");
    let (head, _) = server.client().await.put("/a", "{}", &format!("Idempotency-Key: {}\r\n", "x".repeat(256))).await;
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
}

#[tokio::test]
async fn two_requests_with_one_key_at_once_publish_once() {
    let server = Server::start(config_of_vectors());
    let put = async || server.put_with("/a", "{}", "Idempotency-Key: same\r\n").await;
    let heads = futures_util::future::join_all((0..20).map(|_| put())).await;
    let cursors: std::collections::BTreeSet<_> = heads.iter().map(|head| header(head, "x-pubsub-cursor")).collect();
    assert_eq!(cursors.len(), 1);
    assert_eq!(server.hub.stats().published, 1);
}

#[tokio::test]
async fn payloads_of_other_doors_that_are_no_objects_are_wrapped() {
    let server = Server::start(config_of_vectors());
    let mut stream = server.subscribed("/", "").await;
    server.hub.publish(eventhive_hub::Draft::json("a/b", "[1,2]")).unwrap();
    server.hub.publish(eventhive_hub::Draft::bytes("a/b", "text")).unwrap();
    let event = stream.event().await;
    assert_eq!((&event["payload"], &event["pubsub_wrapped"]), (&serde_json::json!([1, 2]), &"json".into()));
    assert_eq!(event["pubsub_path"], "/a/b");
    assert_eq!(stream.event().await["payload"], "text");
}
