//! Every request of the vectors, byte for byte.

use serde_json::Value;

use crate::support::{Client, Server, config_of_vectors, header, vectors};
use crate::vector_requests::bytes;

/// Where the library of the original answers by itself, or the original is wrong: status and text here.
fn expected(row: &Value) -> (u16, Option<&str>) {
    const BAD: &str = "I could not understand your request, sorry! Please see https://pubsub.apache.org/api.html for usage documentation.\n";
    const LARGE: &str = "Payload is too large for me to serve, please make it shorter.\n";
    match row["name"].as_str().unwrap() {
        "PUT empty body" | "PUT without Content-Length" | "PUT invalid UTF-8" | "PUT unknown charset" | "PUT NaN" => {
            (400, Some(BAD))
        }
        "PUT chunked beyond max_payload_size" | "PUT chunked beyond 1 MiB" => (400, Some(LARGE)),
        "request line over 8190 bytes" => (400, Some(BAD)),
        "lower-case method" | "no Host header" | "raw non-ASCII in the target" => (400, None),
        _ => {
            let status = row["status_line"].as_str().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
            (status, Some(row["body"].as_str().unwrap()))
        }
    }
}

#[tokio::test]
async fn every_request_of_the_vectors_gets_the_answer_of_the_original() {
    let server = Server::start(config_of_vectors());
    let vectors = vectors();
    let rows = vectors["requests"].as_array().unwrap();
    assert!(rows.len() > 40);
    for row in rows {
        let name = row["name"].as_str().unwrap();
        let (status, body) = expected(row);
        let mut client = server.client().await;
        client.send(&bytes(row)).await;
        let head = client.head().await;
        assert_eq!(head.split(' ').nth(1), Some(&*status.to_string()), "{name}: {head}");
        if body.is_none() {
            continue;
        }
        assert_eq!(header(&head, "server"), Some("PyPubSub/0.7.4"), "{name}");
        for name in ["x-subscribers", "x-requests", "date"] {
            assert!(header(&head, name).is_some_and(|value| !value.is_empty()), "{name}: {head}");
        }
        if status == 200 {
            assert_stream(row, &head, client).await;
            continue;
        }
        assert_eq!(header(&head, "content-type"), Some("text/plain; charset=utf-8"), "{name}");
        let size = header(&head, "content-length").map_or(0, |size| size.parse::<usize>().unwrap());
        while client.buffer.len() < size {
            assert!(client.more().await, "{name}: {head}");
        }
        let text = String::from_utf8(client.buffer.split_to_size(size)).unwrap();
        assert_eq!(Some(&*text), body.map(|body| &body[..size.min(body.len())]), "{name}");
        assert_eq!(size == 0, status == 204, "{name}");
    }
}

async fn assert_stream(row: &Value, head: &str, mut client: Client) {
    let name = row["name"].as_str().unwrap();
    if row["request"].as_str().unwrap().contains("HTTP/1.0") {
        assert_eq!(header(head, "content-type"), Some("application/octet-stream"));
        while client.more().await {}
        assert!(client.buffer.is_empty(), "{name}");
        return;
    }
    assert_eq!(header(head, "content-type"), Some("application/vnd.pypubsub-stream"), "{name}");
    assert_eq!(header(head, "transfer-encoding"), Some("chunked"), "{name}");
    // With `X-Fetch-Since`, what the rows before have published comes first.
    while client.line().await.get("stillalive").is_none() {}
}

/// `Vec::split_off` the other way round.
trait SplitTo {
    fn split_to_size(&mut self, size: usize) -> Vec<u8>;
}

impl SplitTo for Vec<u8> {
    fn split_to_size(&mut self, size: usize) -> Vec<u8> {
        let rest = self.split_off(size);
        std::mem::replace(self, rest)
    }
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_refused_before_it_comes() {
    let server = Server::start(config_of_vectors());
    let mut client = server.client().await;
    client.send(b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n").await;
    let (head, text) = client.answer().await;
    assert!(head.starts_with("HTTP/1.1 400 "));
    assert_eq!(text, "Payload is too large for me to serve, please make it shorter.\n");
}

#[tokio::test]
async fn a_chunked_body_may_be_as_large_as_the_limit_and_no_larger() {
    let server = Server::start(config_of_vectors());
    for (size, status) in [(1000, "202"), (1001, "400")] {
        let mut client = server.client().await;
        let body = format!("{{\"a\":\"{}\"}}", "x".repeat(size - 8));
        let (one, two) = body.split_at(500);
        client.send(b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        for part in [one, two] {
            client.send(format!("{:x}\r\n{part}\r\n", part.len()).as_bytes()).await;
        }
        client.send(b"0\r\n\r\n").await;
        assert_eq!(client.head().await.split(' ').nth(1), Some(status), "{size}");
    }
}

#[tokio::test]
async fn pipelined_publishes_are_answered_and_published_in_order() {
    let server = Server::start(config_of_vectors());
    let mut stream = server.subscribed("/n", "").await;
    let mut client = server.client().await;
    let requests: String = (0..50)
        .map(|n| format!("PUT /n HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n{{\"n\":{n:02}}}", n = n + 10))
        .collect();
    client.send(requests.as_bytes()).await;
    for _ in 0..50 {
        assert!(client.answer().await.0.starts_with("HTTP/1.1 202 "));
    }
    for n in 0..50 {
        assert_eq!(stream.event().await["n"], n + 10);
    }
}

#[tokio::test]
async fn the_counters_tell_of_streams_and_requests() {
    let server = Server::start(config_of_vectors());
    let mut client = server.client().await;
    let (head, _) = client.put("/x", "{}", "").await;
    assert_eq!((header(&head, "x-subscribers"), header(&head, "x-requests")), (Some("0"), Some("1")));
    let stream = server.subscribed("/", "").await;
    // A stream does not count itself.
    assert_eq!((header(&stream.head, "x-subscribers"), header(&stream.head, "x-requests")), (Some("0"), Some("2")));
    let (head, _) = client.put("/x", "{}", "").await;
    assert_eq!((header(&head, "x-subscribers"), header(&head, "x-requests")), (Some("1"), Some("3")));
    drop(stream);
    server.until("the stream is gone", |stats| stats.sessions == 0).await;
}

#[tokio::test]
async fn whoever_hangs_up_is_forgotten_at_once() {
    let server = Server::start(config_of_vectors());
    for _ in 0..20 {
        drop(server.subscribed("/", "").await);
    }
    server.until("no stream is left", |stats| stats.sessions == 0).await;
    crate::support::until("the hub has no session", || server.hub.stats().sessions == 0).await;
    assert!(server.listeners.connections() <= 20);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
    let config = eventhive_http::Config { send_timeout: std::time::Duration::from_millis(100), ..config_of_vectors() };
    let server = Server::start(config);
    let mut client = server.client().await;
    client.send(b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{").await;
    assert!(client.head().await.starts_with("HTTP/1.1 408 "));
}

#[tokio::test]
async fn a_body_that_comes_a_byte_at_a_time_is_not_waited_for_for_ever() {
    // Longer than the time between the bytes, even on a machine that is busy; all of them would take minutes.
    let config = eventhive_http::Config { send_timeout: std::time::Duration::from_secs(2), ..config_of_vectors() };
    let server = Server::start(config);
    let mut client = server.client().await;
    client.send(b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n").await;
    let trickle = async {
        let (mut reader, mut writer) = client.socket.split();
        let mut answer = vec![0; 13];
        let mut bytes = tokio::time::interval(std::time::Duration::from_millis(200));
        let mut read = std::pin::pin!(tokio::io::AsyncReadExt::read_exact(&mut reader, &mut answer));
        loop {
            tokio::select! {
                read = &mut read => break read.map(|_| ()).unwrap(),
                // The server may have hung up; then the answer is there.
                _ = bytes.tick() => drop(tokio::io::AsyncWriteExt::write_all(&mut writer, b" ").await),
            }
        }
        answer
    };
    let answer = tokio::time::timeout(crate::support::PATIENCE, trickle).await.expect("it is not waited for");
    assert_eq!(String::from_utf8(answer).unwrap(), "HTTP/1.1 408 ");
}
