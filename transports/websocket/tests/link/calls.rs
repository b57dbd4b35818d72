//! What a link says, byte for byte where it matters, and how it answers.

use bytes::Bytes;
use eventhive_transport::settings::Value;
use eventhive_transport::{Delivery, Filter, Incoming, Link, LinkError, LinkState, RefusedReason, Topic};
use futures_util::SinkExt;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use crate::scripted::{Call, PATIENCE, Script, is_down, settings, until};
use eventhive_websocket::WebSocketLink;

#[tokio::test]
async fn a_link_is_up_when_ping_and_subscriptions_are_answered_and_not_before() {
    let script = Script::new().await;
    let link = eventhive_websocket::WebSocketLink::start(crate::scripted::settings(script.address, &[]));
    let subscribe = link.subscribe(Filter::exact("my-hive/worker/action"), std::sync::Arc::new(|_: Incoming| {}));
    let server = async {
        let mut peer = script.accept().await;
        let ping = peer.receive().await;
        let id = ping["request"]["call_id"].as_str().unwrap();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        let expected = json!({"request": {"method": "_ping_", "arguments": {}, "call_id": id}, "response": null});
        assert_eq!(ping, expected);
        // Asked for without waiting for the ping's answer.
        let call = peer.call("subscribe").await;
        assert_eq!(call.arguments, json!({"topics": ["my-hive/worker/action"]}));
        peer.answer(id, "pong").await;
        // The answer to a second call of the server's shows that the link has read the pong.
        peer.send(r#"{"request":{"method":"_ping_","call_id":"x"}}"#).await;
        assert_eq!(peer.receive().await["response"], json!({"result": "pong", "result_type": "str", "call_id": "x"}));
        assert_eq!(*link.state().borrow(), LinkState::Connecting);
        peer.answer(&call.id, true).await;
        until(&link, LinkState::is_up).await;
        peer
    };
    let (subscription, _peer) = tokio::join!(subscribe, server);
    drop(subscription.unwrap());
}

#[tokio::test]
async fn a_publish_is_not_synchronous_and_names_a_notifier_that_nobody_is() {
    let script = Script::new().await;
    let (link, mut peer) = script.up(&[]).await;
    let _receipt = link.publish("h/w".into(), Bytes::from_static(br#"{"a": 1.50}"#)).unwrap();
    let Call { mut arguments, .. } = peer.call("publish").await;
    let notifier = arguments["notifier_id"].take();
    assert_eq!(notifier.as_str().unwrap().len(), 32);
    // As a Python hive sends it: JSON as a string inside the JSON.
    assert_eq!(arguments, json!({"topics": ["h/w"], "data": "{\"a\": 1.50}", "sync": false, "notifier_id": null}));
    peer.send(r#"{"request":{"method":"_get_channel_id_","arguments":{},"call_id":"1"}}"#).await;
    assert_ne!(peer.receive().await["response"]["result"], notifier);
}

#[tokio::test]
async fn bytes_that_are_no_text_travel_as_base64() {
    let script = Script::new().await;
    let (link, mut peer) = script.up(&[]).await;
    let _receipt = link.publish("h/w".into(), Bytes::from_static(b"\xff\x00")).unwrap();
    assert_eq!(peer.call("publish").await.arguments["data"], json!({"eventhive_base64": "/wA="}));
}

#[tokio::test]
async fn publishes_do_not_wait_for_answers_and_receipts_find_theirs_in_any_order() {
    let script = Script::new().await;
    let (link, mut peer) = script.up(&[]).await;
    let receipts: Vec<_> = (0..50).map(|_| link.publish("h/w".into(), Bytes::new()).unwrap()).collect();
    let mut ids = Vec::new();
    for _ in &receipts {
        ids.push(peer.call("publish").await.id);
    }
    // The last first; every third is refused; one in Python's spacing.
    for (at, id) in ids.iter().enumerate().rev() {
        if at == 10 {
            let spaced = format!(
                r#"{{"request": null, "response": {{"result": true, "result_type": "bool", "call_id": "{id}"}}}}"#
            );
            peer.send(spaced).await;
        } else {
            peer.answer(id, at % 3 != 0).await;
        }
    }
    for (at, receipt) in receipts.into_iter().enumerate() {
        let told = tokio::time::timeout(PATIENCE, receipt).await.unwrap();
        if at % 3 == 0 {
            assert!(matches!(told, Err(LinkError::Rejected(_))), "{at}: {told:?}");
        } else {
            assert_eq!(told, Ok(Delivery::Accepted), "{at}");
        }
    }
}

#[tokio::test]
async fn a_door_of_ours_counts_the_receivers_and_a_number_of_any_other_server_is_no_success() {
    for ours in [true, false] {
        let script = Script::new().await;
        let link = WebSocketLink::start(settings(script.address, &[]));
        let mut peer = script.accept_as(ours).await;
        peer.greet().await;
        until(&link, LinkState::is_up).await;
        let receipt = link.publish("h/w".into(), Bytes::new()).unwrap();
        let Call { id, .. } = peer.call("publish").await;
        peer.send(format!(r#"{{"request":null,"response":{{"result":3,"result_type":"int","call_id":"{id}"}}}}"#))
            .await;
        let told = tokio::time::timeout(PATIENCE, receipt).await.unwrap();
        if ours {
            assert_eq!(told, Ok(Delivery::Counted(3)));
        } else {
            assert!(matches!(told, Err(LinkError::Rejected(_))), "{told:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_is_a_receipt_that_says_so_and_the_link_stays_up() {
    let script = Script::new().await;
    let (link, mut peer) = script.up(&[("call_timeout_secs", Value::Float(0.2))]).await;
    let receipt = link.publish("h/w".into(), Bytes::new()).unwrap();
    let Call { id, .. } = peer.call("publish").await;
    // Pings are answered meanwhile, as a server does whose subscribers are slow.
    let told = tokio::select! {
        told = receipt => told,
        () = peer.until_gone() => unreachable!(),
    };
    assert_eq!(told, Err(LinkError::TimedOut));
    // Too late, and for nobody.
    peer.answer(&id, true).await;
    let next = link.publish("h/w".into(), Bytes::new()).unwrap();
    let Call { id, .. } = peer.call("publish").await;
    peer.answer(&id, true).await;
    assert_eq!(next.await, Ok(Delivery::Accepted));
    assert!(link.state().borrow().is_up());
}

#[tokio::test]
async fn calls_of_the_server_are_answered_and_unknown_ones_are_not() {
    let script = Script::new().await;
    let (_link, mut peer) = script.up(&[]).await;
    for call in [
        r#"{"request":{"method":"_private_","arguments":{},"call_id":"no"}}"#,
        r#"{"request":{"method":"unknown","arguments":{},"call_id":"no"}}"#,
        r#"[1, 2]"#,
        r#"{"request":{"call_id":"no"}}"#,
        r#"{"request":null,"response":{"result":true,"result_type":"bool","call_id":"nobody's"}}"#,
        r#"{}"#,
        r#"{"request": {"method": "_ping_", "arguments": {}, "call_id": 7}, "response": null}"#,
    ] {
        peer.send(call).await;
    }
    assert_eq!(peer.receive().await["response"], json!({"result": "pong", "result_type": "str", "call_id": "7"}));
    let mut ids = Vec::new();
    for _ in 0..2 {
        peer.send(r#"{"request":{"method":"_get_channel_id_"}}"#).await;
        let mut answer = peer.receive().await["response"].take();
        ids.push(answer["result"].take().as_str().unwrap().to_owned());
        assert_eq!(answer, json!({"result": null, "result_type": "str", "call_id": null}));
    }
    assert!(ids[0] == ids[1] && ids[0].len() == 32, "{ids:?}");
}

#[tokio::test]
async fn websocket_pings_are_answered() {
    let script = Script::new().await;
    let (_link, mut peer) = script.up(&[]).await;
    peer.socket.send(Message::Ping(Bytes::from_static(b"1234"))).await.unwrap();
    let pong = loop {
        match futures_util::StreamExt::next(&mut peer.socket).await.unwrap().unwrap() {
            Message::Pong(payload) => break payload,
            other => assert!(other.is_text(), "{other:?}"),
        }
    };
    assert_eq!(pong, "1234");
}

#[tokio::test]
async fn every_form_of_data_becomes_a_payload_and_every_notification_is_answered() {
    let script = Script::new().await;
    let (link, mut peer) = script.up(&[]).await;
    let (sender, mut received) = mpsc::unbounded_channel();
    let sink = std::sync::Arc::new(move |incoming: Incoming| _ = sender.send(incoming));
    let asked = async {
        let Call { id, .. } = peer.call("subscribe").await;
        peer.answer(&id, true).await;
    };
    let (subscription, ()) = tokio::join!(link.subscribe(Filter::exact("h/ä"), sink), asked);
    let _subscription = subscription.unwrap();
    for (data, payload) in [
        (r#""{\"a\": 1}""#, r#"{"a": 1}"#),
        (r#""gr\u00f6\u00dfer \ud83d\udc1d""#, "größer 🐝"),
        (r#"{"b": 1.50, "a": [1e16]}"#, r#"{"b": 1.50, "a": [1e16]}"#),
        ("null", "{}"),
        ("\"\"", ""),
        ("17", "17"),
        (r#"{"eventhive_base64": "AAH/"}"#, "\0\u{1}\u{fffd}"),
    ] {
        let call = r#"{"request": {"method": "notify", "arguments": {"subscription": {"id": "1", "subscriber_id": "2", "topic": "h/\u00e4", "notifier_id": null}, "data": DATA}, "call_id": "n1"}, "response": null}"#;
        peer.send(call.replace("DATA", data)).await;
        assert_eq!(peer.receive().await["response"], json!({"result": "None", "result_type": "str", "call_id": "n1"}));
        let incoming = received.recv().await.unwrap();
        assert_eq!(incoming.topic, Topic::from("h/ä"));
        assert_eq!(String::from_utf8_lossy(&incoming.payload), payload);
    }
    // A topic that nobody here wants is answered all the same.
    peer.notify("h/other", "x").await;
    assert_eq!(peer.receive().await["response"]["call_id"], "n");
    assert!(received.try_recv().is_err());
}

#[tokio::test]
async fn what_the_wire_cannot_carry_is_refused_with_the_message() {
    let script = Script::new().await;
    let (link, _peer) = script.up(&[("max_message_bytes", Value::Integer(100_000))]).await;
    let all = Topic::from_static("__EventNotifier_ALL_TOPICS__");
    for topic in [Topic::new(&b"\xff"[..]), all] {
        let refused = link.publish(topic.clone(), Bytes::from_static(b"x")).unwrap_err();
        assert!(matches!(refused.reason, RefusedReason::Unrepresentable(_)), "{refused}");
        assert_eq!((refused.topic, refused.payload), (topic, Bytes::from_static(b"x")));
    }
    // Fits as it is, but not with its escapes: subscribers could not take it.
    let escapes = Bytes::from("\u{1}".repeat(50_000));
    let refused = link.publish("a".into(), escapes.clone()).unwrap_err();
    assert!(matches!(refused.reason, RefusedReason::TooLarge { largest: 100_000, .. }), "{}", refused.reason);
    assert_eq!(refused.payload, escapes);
    assert_eq!(link.check(&"a".into(), &escapes), Err(refused.reason));
    // What is asked before is what is said then, to the byte.
    for text in ["\u{1}", "\"\"\"", "\n\n\n", "\u{ff}\u{ff}\u{ff}"] {
        let payload = |size| Bytes::from(text.repeat(size));
        let fits = |size: &usize| link.check(&"a\"b".into(), &payload(*size)).is_ok();
        let sizes: Vec<usize> = (15_000..17_000).collect();
        let largest = sizes[sizes.partition_point(fits) - 1];
        assert!(link.publish("a\"b".into(), payload(largest)).is_ok(), "{text:?}");
        let refused = link.publish("a\"b".into(), payload(largest + 1)).unwrap_err();
        assert_eq!(link.check(&"a\"b".into(), &payload(largest + 1)), Err(refused.reason));
    }
    assert!(link.state().borrow().is_up());
}

#[tokio::test]
async fn closing_waits_for_the_answers_and_says_goodbye() {
    let script = Script::new().await;
    let (link, mut peer) = script.up(&[]).await;
    let receipt = link.publish("h/w".into(), Bytes::new()).unwrap();
    let server = async {
        let Call { id, .. } = peer.call("publish").await;
        peer.answer(&id, true).await;
        match peer.next().await {
            Some(Message::Close(Some(frame))) => u16::from(frame.code),
            other => panic!("expected the end, got {other:?}"),
        }
    };
    let (code, ()) = tokio::join!(server, link.close());
    assert_eq!(code, 1000);
    assert_eq!(receipt.await, Ok(Delivery::Accepted));
    assert_eq!(*link.state().borrow(), LinkState::Closed);
}

#[tokio::test]
async fn a_dropped_link_closes_its_connection() {
    let script = Script::new().await;
    let (link, mut peer) = script.up(&[]).await;
    drop(link);
    assert!(matches!(peer.next().await, Some(Message::Close(Some(_)))));
}

#[tokio::test]
async fn a_server_that_goes_away_is_told_apart_and_come_back_to() {
    let script = Script::new().await;
    let (link, mut peer) = script.up(&[]).await;
    peer.send(r#"{"request": {"#).await;
    let LinkState::Down { reason, gave_up: false } = until(&link, is_down).await else { panic!("it gave up") };
    assert!(reason.contains("not JSON"), "{reason}");
    let mut peer = script.accept().await;
    peer.greet().await;
    until(&link, LinkState::is_up).await;
    peer.socket.send(Message::Binary(Bytes::from_static(b"x"))).await.unwrap();
    until(&link, is_down).await;
    let mut peer = script.accept().await;
    peer.greet().await;
    until(&link, LinkState::is_up).await;
    let frame = tokio_tungstenite::tungstenite::protocol::CloseFrame { code: 1012.into(), reason: "".into() };
    peer.socket.close(Some(frame)).await.unwrap();
    let LinkState::Down { reason, .. } = until(&link, is_down).await else { panic!() };
    assert!(reason.contains("1012"), "{reason}");
}
