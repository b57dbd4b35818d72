//! The table of subscriptions: each of them a stream, each event published once.

use std::collections::{BTreeMap, BTreeSet};

use eventhive_http::Config;

use crate::support::{Client, Server, config_of_vectors, vectors};

/// Subscriptions of the vectors that a stray comma turns into everything in the original, and what they mean here.
const EMPTY_BATCHES: &[(&str, &str)] =
    &[("/,foo", "/foo"), ("/foo,", "/foo"), ("/foo,,bar", "/foo,bar"), ("/foo,/", "/foo")];

/// Reads a stream up to the event `last`; gives the paths' numbers of those that came.
async fn numbers(stream: &mut Client, last: u64) -> BTreeSet<u64> {
    let mut came = BTreeSet::new();
    loop {
        let number = stream.event().await["n"].as_u64().unwrap();
        if number == last {
            return came;
        }
        assert!(came.insert(number), "{number} came twice");
    }
}

/// Publishes each event once, with a mark behind them that everything subscribes; gives what each stream received.
async fn deliver(
    server: &Server,
    streams: &mut [(String, Client)],
    events: &[String],
) -> BTreeMap<String, BTreeSet<u64>> {
    for (n, event) in events.iter().enumerate() {
        server.put(event, &format!("{{\"n\":{n}}}")).await;
    }
    let last = events.len() as u64;
    server.put("/end-of-the-table", &format!("{{\"n\":{last}}}")).await;
    let mut received = BTreeMap::new();
    for (name, stream) in streams {
        received.insert(name.clone(), numbers(stream, last).await);
    }
    received
}

/// The target with one more batch, for the mark. Adding it changes nothing for the others.
fn with_mark(target: &str) -> String {
    let (path, query) =
        target.split_once('?').map_or((target, String::new()), |(path, query)| (path, format!("?{query}")));
    if path.trim_matches([',', '/']).is_empty() { target.to_owned() } else { format!("{path},end-of-the-table{query}") }
}

#[tokio::test]
async fn every_pair_of_the_vectors_is_delivered_or_not_as_the_original_does() {
    let server = Server::start(config_of_vectors());
    let vectors = vectors();
    let rows = vectors["matching"]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 666);
    let column = |at: usize| rows.iter().map(|row| row[at].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>();
    let (subscriptions, events) = (column(0), column(1).into_iter().collect::<Vec<_>>());
    let mut streams = Vec::new();
    for subscription in subscriptions {
        let stream = server.subscribed(&with_mark(&subscription), "").await;
        streams.push((subscription, stream));
    }
    let received = deliver(&server, &mut streams, &events).await;
    for row in rows {
        let (subscription, event) = (row[0].as_str().unwrap(), row[1].as_str().unwrap());
        let number = events.iter().position(|known| known == event).unwrap() as u64;
        let delivered = received[subscription].contains(&number);
        match EMPTY_BATCHES.iter().find(|(known, _)| *known == subscription) {
            None => assert_eq!(row[2], delivered, "{row}"),
            Some((_, meant)) => {
                let wanted = meant
                    .split(',')
                    .any(|topic| format!("{event}/").contains(&format!("/{}/", topic.trim_matches('/'))));
                assert_eq!(delivered, wanted, "{row}");
            }
        }
    }
}

#[tokio::test]
async fn every_row_of_the_vectors_shows_a_private_event_to_those_with_the_right_and_to_nobody_else() {
    let server = Server::start(Config { max_sessions: 500, ..config_of_vectors() });
    let vectors = vectors();
    let rows = vectors["private_events"]["rows"].as_array().unwrap();
    let events: Vec<String> =
        rows.iter().map(|row| row[3].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>().into_iter().collect();
    let mut streams = Vec::new();
    for (name, header, target) in rows.iter().map(|row| (&row[0], &row[1], &row[2])).collect::<Vec<_>>() {
        let name = format!("{name} {target}");
        if streams.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let header = header.as_str().map_or(String::new(), |value| format!("Authorization: {value}\r\n"));
        streams.push((name, server.subscribed(&with_mark(target.as_str().unwrap()), &header).await));
    }
    let received = deliver(&server, &mut streams, &events).await;
    for row in rows {
        let number = events.iter().position(|known| row[3] == **known).unwrap() as u64;
        // The original knows no `basic`.
        let as_who = if row[0] == "lower-case scheme" { serde_json::Value::from("testuser") } else { row[0].clone() };
        let expected =
            rows.iter().find(|other| other[0] == as_who && other[2] == row[2] && other[3] == row[3]).unwrap();
        let delivered = received[&format!("{} {}", row[0], row[2])].contains(&number);
        assert_eq!(expected[4], delivered, "{row}");
    }
}

#[tokio::test]
async fn every_path_of_the_vectors_comes_back_with_its_topics() {
    let server = Server::start(config_of_vectors());
    // `all:all` sees every private event.
    let mut stream = server.subscribed("/", "Authorization: Basic YWxsOmFsbA==\r\n").await;
    let vectors = vectors();
    for row in vectors["paths"]["rows"].as_array().unwrap() {
        let target = row["request_target"].as_str().unwrap();
        let mut client = server.client().await;
        let (head, text) = client.put(target, "{\"a\":1}", "").await;
        if target.contains(['<', '>']) {
            // The HTTP library takes them for no target. Clients are to encode them.
            assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
            continue;
        }
        assert!(head.starts_with("HTTP/1.1 202 "), "{target}: {head}{text}");
        let event = stream.event().await;
        assert_eq!(event["pubsub_topics"], row["pubsub_topics"], "{target}");
        assert_eq!(event["pubsub_path"], row["pubsub_path"], "{target}");
    }
}
