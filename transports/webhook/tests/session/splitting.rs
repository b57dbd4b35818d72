//! Messages in parts, at any limit, both ways.

use std::io::Write as _;
use std::sync::Arc;

use actix_web::rt;
use eventhive_webhook::broadcaster::{Rotation, Schemes, SystemClock};
use eventhive_webhook::message::{Body, Message, SpooledFile};
use eventhive_webhook::session::Settings;
use eventhive_webhook::wire::auth::{HmacKey, Scheme};
use eventhive_webhook::wire::stateful::{B2s, MessageHead, PartReceipt};
use eventhive_webhook::wire::{Interest, digest};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::harness::{Client, first_part, next_part, serve, serve_with};

fn in_file(topic: &[u8], bytes: &[u8]) -> Message {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let body = Body::File(Arc::new(SpooledFile::new(file, bytes.len() as u64)));
    Message { topic: topic.into(), body, sha512: digest::hash(bytes) }
}

fn body(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 7 + at) as u8).collect()
}

/// Sends a message in parts of these lengths, one after the other until it is whole.
async fn send_in_parts(client: &mut Client, topic: &[u8], body: &[u8], lengths: &[usize]) {
    let sha512 = digest::hash(body);
    let head = MessageHead { topic, compression: None, length: body.len() as u64, sha512: &sha512 };
    let mut rest = body;
    for (at, length) in lengths.iter().cycle().enumerate() {
        let (payload, left) = rest.split_at(rest.len().min(*length));
        rest = left;
        client.say(if at == 0 { first_part(b"x", head, payload) } else { next_part(b"x", at as u64, payload) }).await;
        let frame = client.hear().await.unwrap();
        match B2s::read(&frame).unwrap() {
            B2s::ContinueNotify(PartReceipt { part_id, .. }) => assert_eq!(part_id, at as u64),
            B2s::ConfirmNotify { subscribers, .. } => return assert!(rest.is_empty() && subscribers == 1),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn any_message_split_at_any_limit_arrives_whole() {
    rt::System::new().block_on(async {
        let strategy = (
            0_usize..20_000,
            0_usize..5_000,
            prop::collection::vec(1_usize..4_000, 1..5),
            prop::sample::select(vec![10_usize, 5_000, 1 << 20]),
        );
        let mut runner = TestRunner::deterministic();
        for _ in 0..24 {
            let (length, limit, lengths, spool_bytes) = strategy.new_tree(&mut runner).unwrap().current();
            let bounds = eventhive_webhook::compression::Bounds { spool_bytes, ..Default::default() };
            let served = serve(Settings { max_outgoing_bytes: limit, bounds, ..Settings::default() }).await;
            let (mut sender, mut receiver) = (served.client().await, served.subscriber(&["a"]).await);
            let body = body(length);
            send_in_parts(&mut sender, b"a", &body, &lengths).await;
            let (topic, arrived, parts) = receiver.receive().await;
            assert!(topic == b"a" && arrived == body, "{length} bytes, at {limit}");
            assert!(parts <= length as u64 / 512 + 1 && (limit < length || parts <= 2), "{length} at {limit}: {parts}");
        }
    });
}

#[actix_web::test]
async fn a_message_in_a_file_goes_as_it_is_in_messages_of_at_most_the_limit() {
    let served = serve(Settings { max_outgoing_bytes: 1 << 20, ..Settings::default() }).await;
    let mut clients = [served.subscriber(&["a"]).await, served.subscriber(&["a"]).await];
    let body = body(5_000_000);
    assert_eq!(served.publish_message(in_file(b"a", &body)).await, 2);
    for client in &mut clients {
        let (_, arrived, parts) = client.receive().await;
        assert!(arrived == body);
        assert_eq!(parts, 5);
    }
}

#[actix_web::test]
async fn a_file_that_became_shorter_ends_the_connection_and_nothing_else() {
    let served = serve(Settings::default()).await;
    let mut client = served.subscriber(&["a"]).await;
    let file = tempfile::tempfile().unwrap();
    let body = Body::File(Arc::new(SpooledFile::new(file, 500_000)));
    served.publish_message(Message { topic: b"a"[..].into(), body, sha512: [0; 64] }).await;
    assert_eq!(client.closed().await.0, 1006);
    let mut client = served.subscriber(&["a"]).await;
    served.publish(b"a", "x").await;
    assert_eq!(client.receive().await.1, b"x");
}

#[actix_web::test]
async fn with_signatures_a_message_has_at_most_257_parts_which_are_larger_then() {
    let key = Scheme::Hmac(HmacKey::new(&[7; 64]));
    let schemes = Schemes { to_broadcaster: Rotation::new([key.clone()]), to_subscriber: Rotation::default() };
    let settings = || Settings { max_outgoing_bytes: 1000, ..Settings::default() };
    let signed = serve_with(settings(), schemes, Arc::new(SystemClock)).await;
    let mut client = signed.connect().await;
    client.key = Some(key);
    client.configure(false, false, 0).await;
    client.subscribe(Interest::Exact(b"a")).await;
    let body = body(1_000_000);
    assert_eq!(signed.publish_message(in_file(b"a", &body)).await, 1);
    let (_, arrived, parts) = client.receive().await;
    assert!(arrived == body);
    assert!((250..=257).contains(&parts), "{parts}");
    // One that cannot be sent is told as missed, and what follows is counted on.
    let hollow = Body::File(Arc::new(SpooledFile::new(tempfile::tempfile().unwrap(), 1_100_000_000)));
    signed.publish_message(Message { topic: b"a"[..].into(), body: hollow, sha512: [0; 64] }).await;
    let frame = client.hear().await.unwrap();
    assert!(matches!(B2s::read(&frame).unwrap(), B2s::Missed { topic: b"a", .. }));
    signed.publish(b"a", "x").await;
    assert_eq!(client.receive().await.1, b"x");
    let stats = signed.sessions.stats();
    assert_eq!((stats.too_large, stats.missed, stats.delivered), (1, 1, 2));

    // Nothing of that without signatures.
    let served = serve(settings()).await;
    let mut client = served.subscriber(&["a"]).await;
    served.publish_message(in_file(b"a", &body)).await;
    assert!(client.receive().await.2 > 1000);
}
