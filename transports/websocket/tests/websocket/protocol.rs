//! The rules of the protocol beyond what the captured cases show.

use std::time::Duration;

use bytes::Bytes;
use eventhive_hub::Draft;
use eventhive_websocket::Config;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::support::{PATIENCE, Server, until};

#[tokio::test]
async fn data_reaches_subscribers_exactly_as_it_was_published() {
    let server = Server::start(Config::default());
    let (mut subscriber, mut publisher) = (server.client().await, server.client().await);
    subscriber.subscribe(&["t"]).await;
    for data in [
        r#"{ "b" : 1.50, "a":1e16, "n":123456789012345678901234567890 }"#,
        r#"{"z":{"eventhive_base64":"no"},"eventhive_base64":1}"#,
        "[1,  2]",
        "null",
        "-0.0",
    ] {
        let frame = format!(
            r#"{{"request":{{"method":"publish","arguments":{{"topics":["t"],"data":{data},"sync":false}},"call_id":"p"}}}}"#
        );
        publisher.send(frame).await;
        assert_eq!(publisher.receive().await["response"]["result"], true);
        let Some(Message::Text(text)) = subscriber.next().await else { panic!("no event") };
        assert!(text.contains(&format!("\"data\":{data}}},\"call_id\"")), "{text}");
    }
}

#[tokio::test]
async fn texts_keep_every_character_and_bytes_that_are_no_text_travel_as_base64() {
    let server = Server::start(Config::default());
    let mut subscriber = server.client().await;
    subscriber.subscribe(&["t"]).await;
    let text = "quote \" backslash \\ nul \u{0} snowman ☃ emoji 😀 \u{2028}";
    server.hub.publish(Draft::bytes("t", text)).unwrap();
    assert_eq!(subscriber.notified().await.1, text);
    server.hub.publish(Draft::bytes("t", Bytes::from_static(b"\xff\x00"))).unwrap();
    assert_eq!(subscriber.notified().await.1, json!({"eventhive_base64": "/wA="}));
}

#[tokio::test]
async fn what_a_client_publishes_is_the_same_payload_to_every_other_door() {
    let server = Server::start(Config::default());
    let mut publisher = server.client().await;
    let local = tokio::task::LocalSet::new();
    let hub = server.hub.clone();
    local
        .run_until(async move {
            let (session, mut outgoing) = hub.worker().open(eventhive_hub::SessionSettings::default());
            session.subscribe(eventhive_transport::Filter::All).unwrap();
            for (data, payload) in [
                (json!("{\"a\": 1}"), &b"{\"a\": 1}"[..]),
                (json!({"eventhive_base64": "/wA="}), &b"\xff\x00"[..]),
                (json!([1]), &b"[1]"[..]),
            ] {
                publisher.request("publish", json!({"topics": ["t"], "data": data, "sync": false})).await;
                publisher.receive().await;
                let Some(eventhive_hub::Outbound::Event { message, .. }) =
                    futures_util::StreamExt::next(&mut outgoing).await
                else {
                    panic!("no event")
                };
                assert_eq!(message.payload(), payload);
            }
        })
        .await;
}

#[tokio::test]
async fn a_publish_that_nobody_answers_holds_nothing_up() {
    let server = Server::start(Config { publish_timeout: PATIENCE * 10, ..Config::default() });
    let (mut silent, mut publisher) = (server.client().await, server.client().await);
    silent.subscribe(&["t"]).await;
    publisher.request("publish", json!({"topics": ["t"], "data": 1})).await;
    publisher.nothing_came().await;
    publisher.subscribe(&["other"]).await;
}

#[tokio::test]
async fn a_publish_that_nobody_answers_is_answered_after_its_time() {
    let server = Server::start(Config { publish_timeout: Duration::from_millis(50), ..Config::default() });
    let (mut silent, mut publisher) = (server.client().await, server.client().await);
    silent.subscribe(&["t"]).await;
    assert_eq!(publisher.call("publish", json!({"topics": ["t"], "data": 1})).await, true);
    assert_eq!(server.door.stats().unanswered, 1);
    // A late answer is of no consequence.
    let (_, _, call) = silent.notified().await;
    silent.answer(&call).await;
    silent.nothing_came().await;
}

/// More than one connection may have waiting: it is read no further for a while, and then goes on.
#[tokio::test]
async fn publishes_beyond_those_that_may_wait_are_held_back_and_answered_in_their_turn() {
    let config = Config { publish_timeout: Duration::from_millis(50), queue_bytes: 16 << 20, ..Config::default() };
    let server = Server::start(config);
    let (mut silent, mut publisher) = (server.client().await, server.client().await);
    silent.subscribe(&["t"]).await;
    for _ in 0..2500 {
        publisher.request("publish", json!({"topics": ["t"]})).await;
    }
    for _ in 0..2500 {
        assert_eq!(publisher.receive().await["response"]["result"], true);
    }
}

#[tokio::test]
async fn a_synchronous_publish_waits_for_each_subscriber_and_for_each_of_its_topics() {
    let server = Server::start(Config::default());
    let (mut one, mut two, mut publisher) = (server.client().await, server.client().await, server.client().await);
    one.subscribe(&["a", "b"]).await;
    two.subscribe(&["b"]).await;
    let id = publisher.request("publish", json!({"topics": ["a", "b"], "data": 1})).await;
    let (first, second, third) = (one.notified().await, one.notified().await, two.notified().await);
    assert_eq!([&first.0, &second.0, &third.0], ["a", "b", "b"]);
    one.answer(&first.2).await;
    two.answer(&third.2).await;
    publisher.nothing_came().await;
    one.answer(&second.2).await;
    assert_eq!(publisher.receive().await["response"]["call_id"], id);
}

#[tokio::test]
async fn a_subscriber_that_leaves_counts_as_having_answered() {
    let server = Server::start(Config::default());
    let (mut subscriber, mut publisher) = (server.client().await, server.client().await);
    subscriber.subscribe(&["t"]).await;
    publisher.request("publish", json!({"topics": ["t"]})).await;
    subscriber.notified().await;
    drop(subscriber);
    assert_eq!(publisher.receive().await["response"]["result"], true);
}

#[tokio::test]
async fn answers_without_the_usual_form_are_answers_too() {
    let server = Server::start(Config::default());
    let (mut subscriber, mut publisher) = (server.client().await, server.client().await);
    subscriber.subscribe(&["t"]).await;
    publisher.request("publish", json!({"topics": ["t"]})).await;
    let (_, _, call) = subscriber.notified().await;
    subscriber.send(format!(r#"{{"response":{{"call_id":"{call}"}},"request":{{"method":"ping"}}}}"#)).await;
    assert_eq!(subscriber.receive().await["response"]["result"], "pong");
    assert_eq!(publisher.receive().await["response"]["result"], true);
}

#[tokio::test]
async fn unsubscribing_ends_all_subscriptions_to_the_topic_and_no_other() {
    let server = Server::start(Config::default());
    let mut client = server.client().await;
    client.subscribe(&["t", "t", "u", "__EventNotifier_ALL_TOPICS__"]).await;
    assert_eq!(server.hub.stats().subscriptions, 4);
    assert_eq!(client.call("unsubscribe", json!({"topics": ["t", "never"]})).await, true);
    assert_eq!(server.hub.stats().subscriptions, 2);
    assert_eq!(client.call("unsubscribe", json!({"topics": "__EventNotifier_ALL_TOPICS__"})).await, true);
    server.hub.publish(Draft::json("t", "1")).unwrap();
    server.hub.publish(Draft::json("u", "2")).unwrap();
    assert_eq!(client.notified().await.0, "u");
}

#[tokio::test]
async fn a_message_may_come_in_pieces_with_control_frames_between() {
    let server = Server::start(Config::default());
    let mut client = server.client().await;
    let text = json!({"request": {"method": "ping", "call_id": "ä"}}).to_string();
    let cut = text.find('ä').unwrap() + 1;
    let part = |bytes: &str, code, last| {
        Message::Frame(Frame::message(Bytes::copy_from_slice(bytes.as_bytes()), OpCode::Data(code), last))
    };
    // The cut goes through a character: only the whole is a text.
    let (head, tail) = text.as_bytes().split_at(cut);
    client
        .send_raw(Message::Frame(Frame::message(Bytes::copy_from_slice(head), OpCode::Data(Data::Text), false)))
        .await;
    client.send_raw(part("", Data::Continue, false)).await;
    client.send_raw(Message::Ping(Bytes::from_static(b"abcd"))).await;
    client
        .send_raw(Message::Frame(Frame::message(Bytes::copy_from_slice(tail), OpCode::Data(Data::Continue), true)))
        .await;
    assert_eq!(client.next().await, Some(Message::Pong(Bytes::from_static(b"abcd"))));
    assert_eq!(client.receive().await["response"]["call_id"], "ä");
}

#[tokio::test]
async fn faults_end_the_session_with_a_code_and_a_reason() {
    let server = Server::start(Config::default());
    let bytes = |bytes: &'static [u8], code| {
        Message::Frame(Frame::message(Bytes::from_static(bytes), OpCode::Data(code), true))
    };
    let reserved = {
        let mut frame = Frame::message(Bytes::from_static(b"{}"), OpCode::Data(Data::Text), true);
        frame.header_mut().rsv1 = true;
        Message::Frame(frame)
    };
    let faults = [
        (bytes(b"{\"a\xff\":1}", Data::Text), 1007, "UTF-8"),
        (bytes(b"{}", Data::Continue), 1002, ""),
        (reserved, 1002, "reserved"),
        (bytes(b"{}", Data::Binary), 1003, "text frames"),
        (Message::text("nonsense"), 1008, "not JSON"),
        (Message::text(r#"{"request":{"method":"nosuch"}}"#), 1008, "unknown method nosuch"),
        (Message::text(r#"{"request":{"method":"notify","arguments":{"data":1}}}"#), 1008, "notify"),
        (Message::text(r#"{"request":{"method":"ping","arguments":{"data":null}}}"#), 1008, "no argument data"),
    ];
    for (at, (fault, code, reason)) in faults.into_iter().enumerate() {
        let mut client = server.client().await;
        // What was asked before is answered first.
        client.request("ping", json!({})).await;
        client.send_raw(fault).await;
        assert_eq!(client.receive().await["response"]["result"], "pong");
        let given = client.closed(code).await;
        assert!(given.contains(reason), "{given}");
        assert_eq!(server.door.stats().faulty, at as u64 + 1);
    }
    server.until_empty().await;
    assert_eq!(server.door.stats().cut, 0);
}

#[tokio::test]
async fn a_client_that_closes_is_closed_with_the_same_code_after_what_it_is_owed() {
    let server = Server::start(Config::default());
    let mut client = server.client().await;
    client.subscribe(&["t"]).await;
    server.hub.publish(Draft::json("t", "1")).unwrap();
    until("the event waits or is sent", || server.hub.stats().delivered == 1).await;
    client.socket.close(None).await.unwrap();
    assert_eq!(client.notified().await.1, 1);
    assert!(matches!(client.next().await, Some(Message::Close(_))));
    assert!(client.next().await.is_none());
    server.until_empty().await;
}

#[tokio::test]
async fn every_session_has_an_id_of_its_own_that_excludes_it() {
    let server = Server::start(Config::default());
    let (mut one, mut two) = (server.client().await, server.client().await);
    let id = one.call("_get_channel_id_", json!({})).await;
    assert_eq!(one.call("_get_channel_id_", json!({})).await, id);
    assert_ne!(two.call("_get_channel_id_", json!({})).await, id);
    one.subscribe(&["t"]).await;
    two.subscribe(&["t"]).await;
    let arguments = json!({"topics": ["t"], "data": 1, "notifier_id": id, "sync": false});
    assert_eq!(two.call("publish", arguments).await, true);
    assert_eq!(two.notified().await.1, 1);
    one.nothing_came().await;
}
