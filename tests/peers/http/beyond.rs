//! What only our door has, asked of it by curl.

use serde_json::Value;

use super::curl::{Stream, curl, put, put_with};
use super::served::{Served, until};

const KEYS: &str = "origins: ['https://app.example'], max_sessions: 3, ping_interval_secs: 0.2";

/// A request, and what its answer has.
struct Row {
    name: &'static str,
    arguments: &'static [&'static str],
    body: &'static str,
    status: u16,
    headers: &'static [(&'static str, Option<&'static str>)],
}

const PUT: &[&str] = &["-X", "PUT", "--data-binary", "@-"];

const fn row(name: &'static str, arguments: &'static [&'static str], status: u16) -> Row {
    Row { name, arguments, body: "", status, headers: &[] }
}

const ANSWERS: &[Row] = &[
    Row { body: "{}", ..row("a publish from no page", PUT, 202) },
    Row {
        body: "{}",
        headers: &[("access-control-allow-origin", Some("https://app.example")), ("vary", Some("origin"))],
        ..row(
            "a publish of a named origin",
            &["-X", "PUT", "--data-binary", "@-", "-H", "Origin: https://app.example"],
            202,
        )
    },
    Row {
        body: "{}",
        headers: &[("access-control-allow-origin", None)],
        ..row(
            "a publish of another origin",
            &["-X", "POST", "--data-binary", "@-", "-H", "Origin: https://evil.example"],
            403,
        )
    },
    Row {
        headers: &[
            ("access-control-allow-origin", Some("https://app.example")),
            ("access-control-allow-methods", Some("GET, HEAD, PUT, POST")),
            ("access-control-max-age", Some("600")),
        ],
        ..row(
            "a browser's question for a named origin",
            &["-X", "OPTIONS", "-H", "Origin: https://app.example", "-H", "Access-Control-Request-Method: PUT"],
            204,
        )
    },
    Row {
        headers: &[("access-control-allow-origin", None), ("access-control-allow-methods", None)],
        ..row(
            "a browser's question for another origin",
            &["-X", "OPTIONS", "-H", "Origin: https://evil.example", "-H", "Access-Control-Request-Method: PUT"],
            400,
        )
    },
    Row {
        body: "{\"n\":1}",
        ..row("a publish with a key", &["-X", "PUT", "--data-binary", "@-", "-H", "Idempotency-Key: k"], 202)
    },
    Row {
        body: "{\"n\":2}",
        ..row("the same key with another body", &["-X", "PUT", "--data-binary", "@-", "-H", "Idempotency-Key: k"], 422)
    },
    Row {
        body: "{\"a\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}",
        ..row("a chunked body", &["-X", "POST", "--data-binary", "@-", "-H", "Transfer-Encoding: chunked"], 202)
    },
];

#[test]
fn every_request_of_the_table_gets_its_answer() {
    let server = Served::door(KEYS);
    for row in ANSWERS {
        let answer = curl(&[row.arguments, &[&server.url("/a")]].concat(), row.body.as_bytes());
        assert_eq!(answer.status, row.status, "{}: {answer:?}", row.name);
        for (name, value) in row.headers {
            assert_eq!(answer.header(name), *value, "{}: {name}", row.name);
        }
        let is_cursor = answer.header("x-pubsub-cursor").is_some_and(|cursor| cursor.len() == 36);
        assert_eq!(is_cursor, row.status == 202, "{}: {answer:?}", row.name);
    }
}

#[test]
fn a_key_publishes_once_and_the_answer_names_the_cursor_of_the_event() {
    let server = Served::door(KEYS);
    let (url, mut stream) = (server.url("/a"), Stream::subscribed(&[server.url("/")]));
    let cursor = |body: &str, key: &str| {
        let answer = put_with(&url, body, &["-H", &format!("Idempotency-Key: {key}")]);
        answer.header("x-pubsub-cursor").unwrap().to_owned()
    };
    let first = cursor("{\"n\":1}", "k");
    assert_eq!(cursor("{\"n\":1}", "k"), first);
    let second = cursor("{\"n\":1}", "l");
    assert_eq!(stream.event()["pubsub_cursor"], *first);
    assert_eq!(stream.event()["pubsub_cursor"], *second);
}

#[test]
fn a_stream_of_server_sent_events_goes_on_where_it_was_left() {
    let server = Served::door(KEYS);
    let (url, accept) = (server.url("/a"), "Accept: text/event-stream");
    let mut stream = Stream::subscribed(&["-H", accept, &url]);
    assert!(stream.head.contains("\r\ncontent-type: text/event-stream\r\n"), "{}", stream.head);
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(put(&url, &format!("{{\"n\":{n}}}")).header("x-pubsub-cursor").unwrap().to_owned());
        let id = std::iter::repeat_with(|| stream.line()).find(|line| line.starts_with("id: ")).unwrap();
        assert_eq!(id, format!("id: {}\n", ids[n]));
        assert!(stream.line().starts_with(&format!("data: {{\"n\": {n}, ")));
    }
    drop(stream);
    let mut again = Stream::open(&["-H", accept, "-H", &format!("Last-Event-ID: {}", ids[0]), &url]);
    let data: Vec<_> =
        std::iter::repeat_with(|| again.line()).filter(|line| line.starts_with("data: ")).take(2).collect();
    assert!(data[0].starts_with("data: {\"n\": 1, ") && data[1].starts_with("data: {\"n\": 2, "), "{data:?}");
}

#[test]
fn lines_are_compressed_where_the_client_names_what_it_wants_and_arrive_at_once() {
    for (coding, offers) in [("zstd", "zstd, gzip"), ("gzip", "gzip, deflate")] {
        let server = Served::door(KEYS);
        let (url, offers) = (server.url("/a"), format!("Accept-Encoding: {offers}"));
        let mut stream =
            Stream::subscribed(&["--compressed", "-H", &offers, "-H", "Accept: application/x-ndjson", &url]);
        assert!(stream.head.contains("\r\ncontent-type: application/x-ndjson\r\n"), "{}", stream.head);
        assert!(stream.head.contains(&format!("\r\ncontent-encoding: {coding}\r\n")), "{}", stream.head);
        for n in 0..20 {
            put(&url, &format!("{{\"n\":{n}}}"));
            assert_eq!(stream.event()["n"], n);
        }
        // PyPubSub's own clients offer it too, without meaning it.
        let plain = Stream::subscribed(&["--compressed", &url]);
        assert!(!plain.head.contains("content-encoding"), "{}", plain.head);
    }
}

#[test]
fn a_place_that_is_lost_is_said_in_the_head() {
    let server = Served::door(KEYS);
    let known = put(&server.url("/a"), "{}").header("x-pubsub-cursor").unwrap().to_owned();
    for (cursor, said) in [(&*known, "found"), ("8c13f3e9-2e8c-4a51-8a05-0123456789ab", "unknown")] {
        let stream = Stream::open(&["-H", &format!("X-Fetch-Since-Cursor: {cursor}"), &server.url("/a")]);
        assert!(stream.head.contains(&format!("\r\nx-pubsub-replay: {said}\r\n")), "{}", stream.head);
    }
}

#[test]
fn beyond_the_number_of_streams_a_client_is_told_to_come_later() {
    let server = Served::door(KEYS);
    let url = server.url("/");
    let streams: Vec<_> = (0..3).map(|_| Stream::subscribed(&[&url])).collect();
    let answer = curl(&[&url], b"");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{answer:?}");
    drop(streams);
    let subscribers =
        |url: &str| -> Value { curl(&["-I", url], b"").header("x-subscribers").unwrap().parse().unwrap() };
    until("there is room again", || subscribers(&url) == 0);
    Stream::subscribed(&[&url]);
}
