//! What a stream looks like: chunks, pings, endings of lines.

use std::time::Duration;

use eventhive_http::Config;

use crate::support::{Server, config_of_vectors, header};

#[tokio::test]
async fn each_event_is_one_chunk_even_where_many_come_at_once() {
    let server = Server::start(Config { max_payload: 1 << 20, ..config_of_vectors() });
    let mut stream = server.subscribed("/a", "").await;
    let (mut client, text) = (server.client().await, "ä☃\u{1f600}".repeat(10_000));
    for n in 0..200 {
        client.put("/a", &format!("{{\"n\":{n},\"text\":\"{}\"}}", if n % 50 == 0 { &*text } else { "" }), "").await;
    }
    for n in 0..200 {
        // `event` expects each chunk to be one whole line.
        let event = stream.event().await;
        assert_eq!(event["n"], n);
        assert_eq!(event["text"], if n % 50 == 0 { &*text } else { "" });
    }
}

#[tokio::test]
async fn a_ping_comes_at_once_and_then_whatever_the_traffic() {
    let server = Server::start(Config { ping_interval: Duration::from_millis(50), ..config_of_vectors() });
    let mut stream = server.stream("/a", "").await;
    let (mut last, mut publisher) = (stream.ping().await, server.client().await);
    let mut events = 0;
    for n in 0..4 {
        publisher.put("/a", &format!("{{\"n\":{n}}}"), "").await;
        loop {
            let line = stream.line().await;
            match line["stillalive"].as_f64() {
                None => events += 1,
                Some(ping) => {
                    assert!(ping >= last + 0.049, "{ping} follows {last} too soon");
                    last = ping;
                    break;
                }
            }
        }
    }
    assert_eq!(events, 4);
}

#[tokio::test]
async fn old_clients_get_a_nul_behind_each_line_in_the_same_chunk() {
    let server = Server::start(config_of_vectors());
    let mut old = server.stream("/a", "User-Agent: xx svnwcsub/1.0\r\n").await;
    assert!(old.chunk().await.unwrap().ends_with(b"}\n\0"));
    let mut new = server.subscribed("/a", "User-Agent: SVNWCSUB\r\n").await;
    server.put("/a", "{}").await;
    assert!(old.chunk().await.unwrap().ends_with(b"}\n\0"));
    assert!(new.chunk().await.unwrap().ends_with(b"}\n"));
}

#[tokio::test]
async fn an_event_carries_its_topics_its_path_its_time_and_its_cursor() {
    let server = Server::start(config_of_vectors());
    let mut stream = server.subscribed("/fruits", "").await;
    let before = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let head = server.put("/fruits//apples?x=1", r#"{"text":"Äpfel"}"#).await;
    let event = stream.event().await;
    assert_eq!(event["text"], "Äpfel");
    assert_eq!(event["pubsub_topics"], serde_json::json!(["fruits", "apples"]));
    assert_eq!(event["pubsub_path"], "/fruits//apples");
    assert_eq!(event["pubsub_cursor"].as_str().map(str::len), Some(36));
    assert_eq!(event["pubsub_cursor"].as_str(), header(&head, "x-pubsub-cursor"));
    let time = event["pubsub_timestamp"].as_f64().unwrap();
    assert!((before..before + 60.0).contains(&time), "{before} {time}");
}

#[tokio::test]
async fn a_door_that_has_all_the_streams_it_may_have_says_to_come_later() {
    let server = Server::start(Config { max_sessions: 1, ..config_of_vectors() });
    let first = server.subscribed("/", "").await;
    let mut second = server.client().await;
    second.get("/", "").await;
    let (head, _) = second.answer().await;
    assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
    assert_eq!(header(&head, "retry-after"), Some("5"));
    drop(first);
    server.until("there is room again", |stats| stats.sessions == 0).await;
    server.subscribed("/", "").await;
}
