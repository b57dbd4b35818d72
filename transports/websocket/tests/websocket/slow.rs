//! Peers that do not read, do not answer, or are gone without a word.

use std::time::Duration;

use bytes::Bytes;
use eventhive_hub::{Draft, HubSettings, SessionSettings};
use eventhive_listener::Limits;
use eventhive_transport::{Filter, Overflow};
use eventhive_websocket::Config;
use futures_util::StreamExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{PATIENCE, Server, until};

/// Enough events to fill every buffer between the hub and a peer that does not read.
async fn flood(server: &Server, topic: &str, events: usize) {
    let payload = Bytes::from(vec![b'x'; 100_000]);
    for _ in 0..events {
        server.hub.ready().await;
        server.hub.publish(Draft::bytes(topic, payload.clone())).unwrap();
    }
}

#[tokio::test]
async fn a_peer_that_never_reads_is_disconnected_and_costs_nobody_else_an_event() {
    let server = Server::start(Config::default());
    let (mut stuck, mut reader) = (server.client().await, server.client().await);
    stuck.subscribe(&["t"]).await;
    reader.subscribe(&["t"]).await;
    let reading = tokio::spawn(async move {
        for _ in 0..200 {
            reader.notified().await;
        }
        reader
    });
    flood(&server, "t", 200).await;
    let mut reader = tokio::time::timeout(PATIENCE, reading).await.unwrap().unwrap();
    // The hub ends the session by its policy, the watchdog cuts the connection that nothing moves on.
    server.until("the slow session is gone", |stats| stats.sessions == 1).await;
    let stats = server.door.stats();
    assert_eq!((stats.slow, stats.cut), (1, 1));
    assert!(server.hub.stats().drops.slow_consumer > 0);
    reader.nothing_came().await;
    drop(stuck);
}

#[tokio::test]
async fn a_peer_that_reads_again_in_time_is_told_why_it_ends() {
    let server = Server::start(Config::default());
    let mut slow = server.client().await;
    slow.subscribe(&["t"]).await;
    flood(&server, "t", 200).await;
    server.until("the policy is applied", |stats| stats.slow == 1).await;
    let end = tokio::time::timeout(PATIENCE, async {
        loop {
            match slow.socket.next().await {
                Some(Ok(Message::Close(frame))) => return frame,
                Some(Ok(_)) => {}
                other => panic!("ended without a word: {other:?}"),
            }
        }
    });
    assert_eq!(u16::from(end.await.unwrap().unwrap().code), 1013);
}

#[tokio::test]
async fn with_drop_oldest_a_slow_session_stays_and_misses_events() {
    let server = Server::start(Config { overflow: Overflow::DropOldest, ..Config::default() });
    let mut slow = server.client().await;
    slow.subscribe(&["t", "last"]).await;
    flood(&server, "t", 200).await;
    server.hub.publish(Draft::json("last", "1")).unwrap();
    until("events were dropped", || server.hub.stats().drops.oldest > 0).await;
    let mut got = 0;
    while slow.notified().await.0 == "t" {
        got += 1;
    }
    assert!(got < 200);
    slow.nothing_came().await;
}

#[tokio::test]
async fn a_silent_peer_is_pinged_and_then_closed_as_python_does_it() {
    let config = Config {
        ping_interval: Duration::from_millis(100),
        ping_timeout: Duration::from_millis(200),
        ..Config::default()
    };
    let server = Server::start(config);
    let mut client = server.client().await;
    // Reading answers the pings; a peer that reads stays for as long as it likes.
    let mut pings = 0;
    while pings < 5 {
        match tokio::time::timeout(PATIENCE, client.socket.next()).await.unwrap() {
            Some(Ok(Message::Ping(payload))) => {
                assert_eq!(payload.len(), 4);
                pings += 1;
            }
            other => panic!("expected a ping, got {other:?}"),
        }
    }
    // Not reading, it is as good as gone: the connection is half open for all that the door knows.
    server.until("the session ends", |stats| stats.sessions == 0).await;
    assert_eq!(server.door.stats().silent, 1);
    let mut last = None;
    while let Some(Ok(message)) = client.socket.next().await {
        last = Some(message);
    }
    let Some(Message::Close(Some(frame))) = last else { panic!("no close frame: {last:?}") };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1011, "keepalive ping timeout"));
}

#[tokio::test]
async fn a_peer_that_never_answers_a_close_frame_is_cut() {
    let server = Server::start(Config::default());
    let mut client = server.client().await;
    client.send("nonsense").await;
    // The client's library answers a close frame when it reads it; so it does not read.
    server.until("the session ends", |stats| stats.sessions == 0).await;
    assert_eq!(server.door.stats().cut, 1);
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answers_is_closed_and_not_remembered_without_end() {
    let server = Server::start(Config { queue_bytes: 20_000, ..Config::default() });
    let mut client = server.client().await;
    let request = json!({"request": {"method": "ping", "call_id": "x".repeat(2000)}}).to_string();
    for _ in 0..20_000 {
        if futures_util::SinkExt::send(&mut client.socket, Message::text(request.clone())).await.is_err() {
            break;
        }
    }
    server.until("the session ends", |stats| stats.sessions == 0).await;
    until("its queue is gone", || server.hub.stats().queue_bytes == 0).await;
}

/// The subscriber is the hub's own and takes nothing until it is told to.
#[tokio::test]
async fn a_publisher_that_is_held_back_is_heard_meanwhile_and_never_taken_for_dead() {
    let config = Config {
        ping_interval: Duration::from_millis(100),
        ping_timeout: Duration::from_millis(200),
        ..Config::default()
    };
    let hub = HubSettings { worker_inbox_bytes: 1000, ..HubSettings::default() };
    let server = Server::start_on(hub, config, Limits::default(), None);
    let test = async {
        let blocking = SessionSettings {
            overflow: Overflow::Block,
            longest_block: PATIENCE,
            queue_bytes: 100,
            ..SessionSettings::default()
        };
        let (session, mut outgoing) = server.hub.worker().open(blocking);
        session.subscribe(Filter::exact("t")).unwrap();
        let mut publisher = server.client().await;
        while server.hub.is_ready() {
            server.hub.publish(Draft::bytes("t", vec![b'x'; 500])).unwrap();
        }
        // Held back, as yet without a request: pings are answered.
        publisher.send_raw(Message::Ping(Bytes::from_static(b"there?"))).await;
        let pong = Message::Pong(Bytes::from_static(b"there?"));
        assert_eq!(publisher.next().await, Some(pong.clone()));
        publisher.request("publish", json!({"topics": ["t"], "data": 1, "sync": false})).await;
        publisher.send_raw(Message::Ping(Bytes::from_static(b"there?"))).await;
        // By now the publisher has been silent, for all that the door has read of it, longer than this one will be.
        let silent = server.client().await;
        server.until("the silent one is gone", |stats| stats.sessions == 1).await;
        assert_eq!(server.door.stats().silent, 1, "the publisher is not");
        let taking = tokio::task::spawn_local(async move { while outgoing.next().await.is_some() {} });
        assert_eq!(publisher.receive().await["response"]["result"], true);
        assert_eq!(publisher.next().await, Some(pong));
        publisher.nothing_came().await;
        taking.abort();
        drop((session, silent));
    };
    tokio::task::LocalSet::new().run_until(test).await;
}
