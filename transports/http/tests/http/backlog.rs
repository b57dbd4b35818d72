//! Streams that begin in the past.

use std::time::{Duration, Instant};

use eventhive_hub::{BacklogBounds, HubSettings};
use eventhive_listener::Limits;
use serde_json::Value;

use crate::support::{Client, PATIENCE, Server, config_of_vectors, header, vectors};
use crate::vector_requests::backlog_header;

/// Reads up to the first ping; gives the numbers of the events before it.
async fn replayed(stream: &mut Client) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let line = stream.line().await;
        if line.get("stillalive").is_some() {
            return events;
        }
        events.push(line["i"].clone());
    }
}

/// A server that keeps five events, and the cursors of the eight that were published.
async fn server() -> (Server, Vec<String>) {
    let backlog = BacklogBounds { messages: 5, ..BacklogBounds::default() };
    let hub = HubSettings { backlog, ..HubSettings::default() };
    let server = Server::start_on(hub, config_of_vectors(), Limits::default());
    let mut cursors = Vec::new();
    for i in 0..8 {
        let head = server.put(&format!("/b/{i}"), &format!("{{\"i\":{i}}}")).await;
        cursors.push(header(&head, "x-pubsub-cursor").unwrap().to_owned());
    }
    (server, cursors)
}

#[tokio::test]
async fn every_row_of_the_vectors_replays_what_it_should() {
    let (server, cursors) = server().await;
    let vectors = vectors();
    let rows = vectors["backlog"]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 14);
    for row in rows {
        let name = row["name"].as_str().unwrap();
        let header = backlog_header(name, &cursors).map_or(String::new(), |header| format!("{header}\r\n"));
        let mut stream = server.stream(row["path"].as_str().unwrap(), &header).await;
        let expected = row.get("correct").unwrap_or(&row["chunks"]).as_array().unwrap();
        let (last, events) = expected.split_last().unwrap();
        assert_eq!((last, &*replayed(&mut stream).await), (&Value::from("ping"), events), "{name}");
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_found_is_said() {
    let (server, cursors) = server().await;
    let said = async |headers: &str| {
        let stream = server.subscribed("/zzz", headers).await;
        header(&stream.head, "x-pubsub-replay").map(str::to_owned)
    };
    assert_eq!(said("").await, None);
    assert_eq!(said(&format!("X-Fetch-Since-Cursor: {}\r\n", cursors[6])).await.as_deref(), Some("found"));
    assert_eq!(said(&format!("X-Fetch-Since-Cursor: {}\r\n", cursors[0])).await.as_deref(), Some("unknown"));
    assert_eq!(
        said("X-Fetch-Since-Cursor: 8c13f3e9-2e8c-4a51-8a05-0123456789ab\r\n").await.as_deref(),
        Some("unknown")
    );
    assert_eq!(said("X-Fetch-Since: 0\r\n").await.as_deref(), Some("found"));
}

#[tokio::test]
async fn since_a_time_comes_what_arrived_then_or_later() {
    let (server, _) = server().await;
    let mut all = server.stream("/b", "X-Fetch-Since: 0\r\n").await;
    let mut times = Vec::new();
    for _ in 3..8 {
        times.push(all.line().await["pubsub_timestamp"].clone());
    }
    let mut some = server.stream("/b", &format!("X-Fetch-Since: {}\r\n", times[3])).await;
    assert_eq!(replayed(&mut some).await, [6, 7]);
}

#[tokio::test]
async fn what_is_published_during_a_replay_comes_once_and_in_order() {
    let server = Server::start(config_of_vectors());
    let mut publisher = server.client().await;
    for i in 0..500 {
        publisher.put("/b", &format!("{{\"i\":{i}}}"), "").await;
    }
    let publish = async {
        for i in 500..1000 {
            publisher.put("/b", &format!("{{\"i\":{i}}}"), "").await;
        }
    };
    let read = async {
        for _ in 0..10 {
            let mut stream = server.stream("/b", "X-Fetch-Since: 0\r\n").await;
            for i in 0..550 {
                assert_eq!(stream.event().await["i"], i);
            }
        }
    };
    tokio::join!(publish, read);
}

#[tokio::test]
async fn private_events_are_replayed_to_those_with_the_right_alone() {
    let server = Server::start(config_of_vectors());
    server.put("/private/git/privaterepo.git", "{\"i\":1}").await;
    server.put("/git", "{\"i\":2}").await;
    let mut anyone = server.stream("/git", "X-Fetch-Since: 0\r\n").await;
    assert_eq!(replayed(&mut anyone).await, [2]);
    let mut user = server.stream("/git", "X-Fetch-Since: 0\r\nAuthorization: Basic dGVzdHVzZXI6Zm9vYmFy\r\n").await;
    assert_eq!(replayed(&mut user).await, [1, 2]);
}

#[tokio::test]
async fn the_cursor_of_a_private_event_is_as_any_that_is_made_up_to_who_has_no_right_to_it() {
    let server = Server::start(config_of_vectors());
    let mut cursors = Vec::new();
    for (path, i) in [("/git", 1), ("/private/git/privaterepo.git", 2), ("/private/other", 3), ("/git", 4)] {
        let head = server.put(path, &format!("{{\"i\":{i}}}")).await;
        cursors.push(header(&head, "x-pubsub-cursor").unwrap().to_owned());
    }
    let made_up = "8c13f3e9-2e8c-8a51-8a05-0123456789ab";
    let user = "Authorization: Basic dGVzdHVzZXI6Zm9vYmFy\r\n";
    let asked = async |cursor: &str, more: &str| {
        let mut stream = server.stream("/", &format!("X-Fetch-Since-Cursor: {cursor}\r\n{more}")).await;
        let varies = |line: &&str| ["date", "x-requests", "x-subscribers"].iter().any(|name| line.starts_with(name));
        let mut head: Vec<_> = stream.head.lines().filter(|line| !varies(line)).map(str::to_owned).collect();
        // Theirs is any order.
        head.sort();
        (head.concat().contains("x-pubsub-replay: found"), head, replayed(&mut stream).await)
    };
    for more in ["", "X-Fetch-Since: 0\r\n", user] {
        let unknown = asked(made_up, more).await;
        assert!(!unknown.0);
        for (at, cursor) in cursors.iter().enumerate() {
            let (is_found, _, events) = asked(cursor, more).await;
            match (at, more == user) {
                (0, true) => assert_eq!((is_found, events), (true, vec![2.into(), 4.into()])),
                (0, false) => assert_eq!((is_found, events), (true, vec![4.into()])),
                (1, true) => assert_eq!((is_found, events), (true, vec![4.into()]), "it may see this one"),
                (3, _) => assert_eq!((is_found, events), (true, vec![])),
                _ => assert_eq!(asked(cursor, more).await, unknown, "{at} {more}"),
            }
        }
    }
}

#[tokio::test]
async fn paths_as_long_as_the_protocol_has_them_are_topics_and_streams() {
    let server = Server::start(config_of_vectors());
    // The longest target is of 8190 bytes, its slash included.
    let path = format!("/{}", "x".repeat(8189));
    let mut live = server.subscribed(&path, "").await;
    server.put(&path, "{\"i\":1}").await;
    assert_eq!(live.event().await["i"], 1);
    let mut since = server.stream(&path, "X-Fetch-Since: 0\r\n").await;
    assert_eq!(replayed(&mut since).await, [1]);
}

#[tokio::test]
async fn a_path_that_is_too_long_for_the_hub_is_refused_before_a_stream_begins() {
    let hub = HubSettings { max_topic_bytes: 10, ..HubSettings::default() };
    let server = Server::start_on(hub, config_of_vectors(), Limits::default());
    let cursor = "X-Fetch-Since-Cursor: 8c13f3e9-2e8c-8a51-8a05-0123456789ab\r\n";
    for headers in ["", "X-Fetch-Since: 0\r\n", cursor] {
        let mut client = server.client().await;
        client.get("/elevenbytes", headers).await;
        let (head, _) = client.answer().await;
        assert!(head.starts_with("HTTP/1.1 400 "), "{headers}{head}");
    }
    assert_eq!(server.door.stats().accepted, 0);
}

#[tokio::test]
async fn what_the_backlog_keeps_bounds_a_replay_by_cursor_as_it_does_one_by_time() {
    let all = BacklogBounds { messages: usize::MAX, bytes: usize::MAX, age: None };
    let bounds = [
        BacklogBounds { messages: 2, ..all },
        BacklogBounds { bytes: 500, ..all },
        BacklogBounds { age: Some(Duration::from_millis(100)), ..all },
    ];
    for backlog in bounds {
        let hub = HubSettings { backlog, ..HubSettings::default() };
        let server = Server::start_on(hub, config_of_vectors(), Limits::default());
        let mut cursors = Vec::new();
        for i in 0..6 {
            let head = server.put("/b", &format!("{{\"i\":{i},\"filling\":\"{}\"}}", "x".repeat(100))).await;
            cursors.push(header(&head, "x-pubsub-cursor").unwrap().to_owned());
        }
        let asked = async |headers: &str| {
            let mut stream = server.stream("/b", headers).await;
            let said = header(&stream.head, "x-pubsub-replay").map(str::to_owned);
            (said.unwrap(), replayed(&mut stream).await)
        };
        // By age they go in time.
        let began = Instant::now();
        let kept = loop {
            let (said, kept) = asked("X-Fetch-Since: 0\r\n").await;
            assert_eq!(said, "found");
            if kept.len() <= 2 && (backlog.age.is_none() || kept.is_empty()) {
                break kept.len();
            }
            assert!(began.elapsed() < PATIENCE, "{backlog:?} {kept:?}");
        };
        for (at, cursor) in cursors.iter().enumerate() {
            let expected: Vec<Value> = (at + 1..6).map(Value::from).collect();
            let found = asked(&format!("X-Fetch-Since-Cursor: {cursor}\r\n")).await;
            // What is known is that of which nothing has gone since.
            let is_known = 5 - at <= kept;
            let expected = if is_known { ("found".to_owned(), expected) } else { ("unknown".to_owned(), vec![]) };
            assert_eq!(found, expected, "{backlog:?} {at}");
        }
    }
}
