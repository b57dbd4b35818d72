//! Exchanges that were recorded with Python's broadcaster, over a real socket: the same requests get the same answers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhive_webhook::broadcaster::{Clock, Rotation, Schemes};
use eventhive_webhook::wire::Interest;
use eventhive_webhook::wire::auth::{Claim, HmacKey, Scheme};
use eventhive_webhook::wire::bodies::{Head as _, NotifyHead};
use eventhive_webhook::wire::responses::Response;
use eventhive_webhook::wire::tracing::Traces;
use serde_json::Value;

use crate::harness::{Heard, Making, Served, exchange, post};

const NOW: Duration = Duration::from_millis(1_700_000_000_750);

/// The time of the recording, and the nonce that stands in the recorded answer.
#[derive(Default)]
struct Recorded {
    nonce: Mutex<String>,
}

impl Clock for Recorded {
    fn now(&self) -> Duration {
        NOW
    }

    fn nonce(&self) -> Result<Box<str>, getrandom::Error> {
        Ok(self.nonce.lock().unwrap().as_str().into())
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    let digits = text(value);
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn nonce_in(answer: &[u8]) -> Option<String> {
    let authorization = std::str::from_utf8(answer.get(4..)?.get(..40)?).ok()?;
    authorization.split(':').nth(1).map(str::to_owned)
}

#[actix_web::test]
async fn what_python_recorded_is_answered_byte_for_byte() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/lonely.json")).unwrap();
    let key = |name: &str| {
        let text = text(&vectors["secrets"][name]["as_in_secrets_file"]);
        Scheme::Hmac(HmacKey::from_text(text).unwrap())
    };
    let clock = Arc::new(Recorded::default());
    let schemes = Schemes {
        to_broadcaster: Rotation::new([key("to_broadcaster")]),
        to_subscriber: Rotation::new([key("to_subscriber")]),
    };
    let served = Making { schemes, clock: clock.clone(), advertised: true, ..Making::default() }.serve();
    served.broadcaster.ready().await;

    let (heard, mut joined, mut compared) = (Arc::new(Heard::default()), None, 0);
    for exchanged in vectors["stateless_exchanges"]["exchanges"].as_array().unwrap() {
        let (request, name) = (&exchanged["request"], text(&exchanged["name"]));
        let Some(target) = text(&request["url"]).strip_prefix("http://127.0.0.1:3003") else { continue };
        if name.contains("one websocket subscribed") {
            let peer = served.broadcaster.join(heard.clone());
            assert!(peer.subscribe(Interest::Exact(b"foo/bar")).await.unwrap());
            joined = Some(peer);
        }
        let expected = hex(&exchanged["response"]["body_hex"]);
        *clock.nonce.lock().unwrap() = nonce_in(&expected).unwrap_or_default();
        let headers: Vec<(&str, &str)> = request["headers"]
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| *name != "Content-Length")
            .map(|(name, value)| (name.as_str(), text(value)))
            .collect();
        let body = hex(&request["body_hex"]);
        let answered = exchange(served.address, &post(target, &headers, &body)).await;
        assert_eq!(u64::from(answered.status), exchanged["response"]["status"].as_u64().unwrap(), "{name}");
        for (header, value) in exchanged["response"]["headers"].as_object().unwrap() {
            if !(target == "/v1/notify" && header == "content-length") {
                assert!(answered.head.contains(&format!("{header}: {}\r\n", text(value))), "{name}: {}", answered.head);
            }
        }
        match target {
            "/v1/notify" => the_notify_is_answered_alike(&key("to_subscriber"), &body, &answered.body, &expected),
            _ => assert_eq!(answered.body, expected, "{name}"),
        }
        compared += 1;
    }
    assert_eq!(compared, 21);
    the_messages_have_arrived(&served, &heard);
    drop(joined);
}

/// All but the tracing, which tells of other things at other times.
fn the_notify_is_answered_alike(scheme: &Scheme, request: &[u8], answered: &[u8], expected: &[u8]) {
    let read = |body| match Response::read(body).unwrap() {
        Response::Notify { proof, count, identifier } => (proof, count, identifier),
        other => panic!("{other:?}"),
    };
    let ((proof, count, identifier), (_, expected_count, expected_identifier)) = (read(answered), read(expected));
    assert_eq!((count, identifier), (expected_count, expected_identifier));
    assert!(Traces::read(proof.tracing).unwrap().iter().next().is_some());
    let (head, _) = NotifyHead::read(request).unwrap();
    let claim: Claim<'_> = head.answer_claim(count);
    assert!(scheme.verify(proof.authorization, &claim, proof.tracing, NOW).is_ok());
}

fn the_messages_have_arrived(served: &Served, heard: &Heard) {
    let calls = served.called.calls.lock().unwrap();
    let expected = [(&b"foo/bar"[..], &b"Hello, world!"[..]), (b"baz/1", b"")];
    assert_eq!(calls.len(), expected.len());
    for ((url, topic, body), expected) in calls.iter().zip(expected) {
        assert_eq!(url, "http://127.0.0.1:3002/v1/receive");
        assert_eq!((&topic[..], &body[..]), expected);
    }
    assert_eq!(*heard.messages.lock().unwrap(), [(b"foo/bar".to_vec(), b"Hello, world!".to_vec())]);
    assert_eq!(*heard.missed.lock().unwrap(), [b"foo/bar".to_vec()]);
}
