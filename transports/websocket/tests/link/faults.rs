//! Servers that do not do what they should.

use std::time::{Duration, Instant};

use bytes::Bytes;
use eventhive_transport::settings::Value;
use eventhive_transport::{Filter, Incoming, Link, LinkError, LinkState};
use eventhive_websocket::WebSocketLink;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::scripted::{PATIENCE, Script, is_down, settings, until};

fn quick(key: &'static str) -> (&'static str, Value) {
    (key, Value::Float(0.1))
}

fn reason(state: &LinkState) -> &str {
    match state {
        LinkState::Down { reason, .. } => reason,
        other => panic!("not down: {other}"),
    }
}

#[tokio::test]
async fn a_server_that_goes_deaf_with_its_socket_open_is_noticed() {
    let script = Script::new().await;
    let (link, mut peer) = script.up(&[quick("ping_interval_secs"), quick("ping_timeout_secs")]).await;
    // Reads, and answers websocket pings, but no call: what the Python server of 0.3.1 does after an error.
    let deaf = tokio::spawn(async move { while peer.next().await.is_some() {} });
    let state = until(&link, is_down).await;
    assert!(reason(&state).contains("ping"), "{state}");
    // It hangs up, and tries anew.
    deaf.await.unwrap();
    let mut peer = script.accept().await;
    peer.greet().await;
    until(&link, LinkState::is_up).await;
}

#[tokio::test]
async fn an_unanswered_ping_costs_nothing_while_other_calls_are_answered() {
    let patience = Duration::from_millis(500);
    let ping_timeout = ("ping_timeout_secs", Value::Float(patience.as_secs_f64()));
    let script = Script::new().await;
    // The ping's deadline as a call passes meanwhile too.
    let more = [quick("ping_interval_secs"), ping_timeout, quick("call_timeout_secs")];
    let (link, mut peer) = script.up(&more).await;
    let ping = peer.receive().await;
    assert_eq!(ping["request"]["method"], "_ping_");
    let began = Instant::now();
    while began.elapsed() < 2 * patience {
        let receipt = link.publish("a".into(), Bytes::new()).unwrap();
        let publish = peer.receive().await;
        assert_eq!(publish["request"]["method"], "publish");
        peer.answer(publish["request"]["call_id"].as_str().unwrap(), true).await;
        drop(receipt.await);
    }
    peer.answer(ping["request"]["call_id"].as_str().unwrap(), "pong").await;
    // It pings again only when it has taken the answer.
    peer.greet().await;
    assert!(link.state().borrow().is_up());
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_given_the_connect_timeout() {
    let script = Script::new().await;
    let link = WebSocketLink::start(settings(script.address, &[quick("connect_timeout_secs")]));
    // First no upgrade, then no answer to the first ping.
    let silent = script.tcp().await;
    let state = until(&link, is_down).await;
    assert!(reason(&state).contains("did not answer"), "{state}");
    drop(silent);
    let _silent = script.accept().await;
    until(&link, |state| is_down(state) && reason(state).contains("ping and subscribe")).await;
}

#[tokio::test]
async fn a_subscribe_that_is_never_answered_costs_the_connection() {
    let script = Script::new().await;
    let (link, mut peer) = script.up(&[quick("call_timeout_secs")]).await;
    let server = async {
        peer.call("subscribe").await;
        peer.until_gone().await;
        let mut next = script.accept().await;
        let call = next.call("subscribe").await;
        next.answer(&call.id, true).await;
        next
    };
    let sink = std::sync::Arc::new(|_: Incoming| {});
    let (subscription, _peer) = tokio::join!(link.subscribe(Filter::exact("a"), sink), server);
    drop(subscription.unwrap());
}

#[tokio::test]
async fn receipts_of_a_lost_connection_are_unconfirmed() {
    let script = Script::new().await;
    let (link, mut peer) = script.up(&[]).await;
    let receipt = link.publish("a".into(), Bytes::new()).unwrap();
    peer.call("publish").await;
    drop(peer);
    assert_eq!(receipt.await, Err(LinkError::Unconfirmed));
}

#[tokio::test]
async fn what_is_no_websocket_server_is_said_to_be_none() {
    let script = Script::new().await;
    let link = WebSocketLink::start(settings(script.address, &[]));
    for (answer, said) in [
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "endpoint"),
        ("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", "503"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "200"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "websocket"),
    ] {
        answer_with(&script, answer).await;
        let state = until(&link, |state| is_down(state) && reason(state).contains(said)).await;
        assert!(matches!(state, LinkState::Down { gave_up: false, .. }), "{state}");
    }
    // None of it was final.
    let mut peer = script.accept().await;
    peer.greet().await;
    until(&link, LinkState::is_up).await;
}

pub(crate) async fn answer_with(script: &Script, answer: &str) -> String {
    let mut stream = script.tcp().await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(answer.as_bytes()).await.unwrap();
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn a_server_that_sends_notifications_and_reads_no_answers_is_not_read_from_for_ever() {
    let script = Script::new().await;
    let (link, mut peer) = script.up(&[quick("ping_interval_secs"), quick("ping_timeout_secs")]).await;
    // Never reads. Ends when the link has had enough and hangs up, long before this is through.
    let call = r#"{"request":{"method":"_get_channel_id_","arguments":{},"call_id":"0123456789abcdef"}}"#;
    let flood = async {
        for sent in 0..20_000_000_u64 {
            let message = tokio_tungstenite::tungstenite::Message::text(call);
            if futures_util::SinkExt::feed(&mut peer.socket, message).await.is_err() {
                return sent;
            }
        }
        panic!("the link took it all");
    };
    let (_sent, state) = tokio::join!(flood, until(&link, is_down));
    assert!(reason(&state).contains("ping"), "{state}");
}

#[tokio::test]
async fn a_sink_that_panics_ends_the_link_and_everyone_is_told() {
    let script = Script::new().await;
    let (link, mut peer) = script.up(&[]).await;
    let sink = std::sync::Arc::new(|_: Incoming| panic!("a subscriber's mistake"));
    let server = async {
        let call = peer.call("subscribe").await;
        peer.answer(&call.id, true).await;
    };
    let (subscription, ()) = tokio::join!(link.subscribe(Filter::exact("a"), sink), server);
    let _subscription = subscription.unwrap();
    let receipt = link.publish("b".into(), Bytes::new()).unwrap();
    peer.call("publish").await;
    peer.notify("a", 1).await;
    let state = until(&link, is_down).await;
    assert!(matches!(state, LinkState::Down { gave_up: true, .. }), "{state}");
    assert_eq!(receipt.await, Err(LinkError::Unconfirmed));
    assert!(link.publish("b".into(), Bytes::new()).is_err());
    let late = link.subscribe(Filter::exact("c"), std::sync::Arc::new(|_: Incoming| {})).await;
    assert!(matches!(late, Err(LinkError::Rejected(_))), "{late:?}");
    tokio::time::timeout(PATIENCE, link.close()).await.unwrap();
    assert_eq!(*link.state().borrow(), LinkState::Closed);
}
