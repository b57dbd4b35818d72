use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eventhive_webhook::compression::{Bounds, Codec, Dictionary, FIRST_TRAINED, Training};
use eventhive_webhook::message::Body;
use eventhive_webhook::session::{Compression, Settings};
use eventhive_webhook::wire::stateful::{self, B2s, Compressor, MessageHead, Notify, Place, S2b};
use eventhive_webhook::wire::{Interest, Proof, digest};

use crate::harness::{Client, received, serve, until};

fn codec(id: u64, dictionary: Option<Arc<Dictionary>>) -> Codec {
    Codec::new(NonZeroU64::new(id).unwrap(), 3, dictionary)
}

/// A NOTIFY of bytes that are said to be compressed.
async fn notify(client: &mut Client, compressor_id: u64, decompressed_length: u64, payload: &[u8]) {
    let sha512 = digest::hash(payload);
    let compressor_id = NonZeroU64::new(compressor_id).unwrap();
    let compression = Some(stateful::Compression { compressor_id, decompressed_length });
    let message = MessageHead { topic: b"a", compression, length: payload.len() as u64, sha512: &sha512 };
    client.say(S2b::Notify(Notify { proof: Proof::default(), identifier: b"id", message, payload })).await;
}

async fn notify_compressed(client: &mut Client, codec: &Codec, message: &[u8]) {
    let body = Body::Memory(Bytes::copy_from_slice(message));
    let frame = codec.compress_now(&body, &Bounds::default()).unwrap().unwrap().body;
    notify(client, codec.id().get(), message.len() as u64, frame.as_bytes().unwrap()).await;
}

async fn is_preset(client: &mut Client) -> Compressor {
    let frame = client.hear().await.unwrap();
    let message = B2s::read(&frame).unwrap();
    let B2s::EnableZstdPreset { compressor, .. } = message else { panic!("{message:?}") };
    compressor
}

/// Takes a message, and decompresses it with one of these.
async fn receive(client: &mut Client, codecs: &HashMap<u64, Codec>) -> (Option<u64>, Vec<u8>) {
    let frame = client.hear().await.unwrap();
    let part = received(&frame);
    client.acknowledge(part.identifier, 0, true).await;
    let Place::First(head) = part.place else { panic!("{part:?}") };
    let Some(compression) = head.compression else { return (None, part.payload.to_vec()) };
    let (id, length) = (compression.compressor_id.get(), compression.decompressed_length);
    let sent = Body::Memory(Bytes::copy_from_slice(part.payload));
    let message = codecs[&id].decompress_now(&sent, length, &Bounds::default()).unwrap();
    (Some(id), message.body.as_bytes().unwrap().to_vec())
}

fn plain() -> HashMap<u64, Codec> {
    HashMap::from([(1, codec(1, None))])
}

#[actix_web::test]
async fn who_asks_for_it_gets_long_messages_compressed_and_nobody_else() {
    let served = serve(Settings::default()).await;
    let mut asks = served.connect().await;
    asks.configure(true, false, 0).await;
    assert_eq!(is_preset(&mut asks).await, Compressor { id: 1, level: 3, min_size: 16_384, max_size: u64::MAX });
    asks.subscribe(Interest::Exact(b"a")).await;
    let mut does_not = served.subscriber(&["a"]).await;
    let random: Vec<u8> = (0..20_000).map(|_| fastrand::u8(..)).collect();
    for (message, id) in [(vec![7; 16_383], None), (vec![7; 200_000], Some(1)), (random, None)] {
        assert_eq!(served.publish(b"a", message.clone()).await, 2);
        assert_eq!(receive(&mut asks, &plain()).await, (id, message.clone()));
        assert_eq!(receive(&mut does_not, &plain()).await, (None, message));
    }
    let served = serve(Settings { compression: None, ..Settings::default() }).await;
    let mut asks = served.connect().await;
    asks.configure(true, true, 0).await;
    asks.hears_nothing().await;
}

#[actix_web::test]
async fn a_compressed_message_is_delivered_as_it_was_before() {
    let served = serve(Settings::default()).await;
    let mut receiver = served.subscriber(&["a"]).await;
    let mut sender = served.connect().await;
    sender.configure(true, false, 0).await;
    is_preset(&mut sender).await;
    notify_compressed(&mut sender, &codec(1, None), &[7; 5000]).await;
    assert_eq!(receiver.receive().await.1, [7; 5000]);
    let frame = sender.hear().await.unwrap();
    assert!(matches!(B2s::read(&frame).unwrap(), B2s::ConfirmNotify { subscribers: 1, .. }));
}

#[actix_web::test]
async fn compressed_messages_that_are_not_what_they_say_close() {
    let bounds = Bounds { max_message_bytes: 1 << 20, ..Bounds::default() };
    let served = serve(Settings { bounds, ..Settings::default() }).await;
    let body = Body::Memory(vec![0; 10_000_000].into());
    let bomb = codec(1, None).compress_now(&body, &Bounds::default()).unwrap().unwrap().body;
    let bomb = bomb.as_bytes().unwrap();
    for (id, length, payload, code, why) in [
        (1, 10_000_000, &bomb[..], 1009, "at most 1048576"),
        (1, 1000, bomb, 1000, "exactly 1000 bytes"),
        (1, 1_000_000, b"no frame", 1000, "not a zstd frame"),
        (2, 1000, bomb, 1000, "compressor 2 is not in use"),
        (FIRST_TRAINED, 1000, bomb, 1000, "compressor 65536 is not in use"),
    ] {
        let mut client = served.connect().await;
        client.configure(true, true, 0).await;
        is_preset(&mut client).await;
        notify(&mut client, id, length, payload).await;
        let (closed, reason) = client.closed().await;
        assert!(closed == code && reason.contains(why), "{closed} {reason}");
    }
    let mut client = served.client().await;
    notify(&mut client, 1, 10, bomb).await;
    assert_eq!(client.closed().await.0, 1000);
}

fn event(at: usize) -> Vec<u8> {
    let colour = ["red", "green", "blue"][at % 3];
    format!("{{\"user\": \"u{}\", \"colour\": \"{colour}\", \"n\": {}}}", at * 7919 % 10_007, at % 1000).into()
}

fn dictionary(bytes: &[u8]) -> Arc<Dictionary> {
    Arc::new(Dictionary::new(Bytes::copy_from_slice(bytes), 3).unwrap())
}

#[actix_web::test]
async fn a_dictionary_that_both_ends_have_is_used_by_who_names_it() {
    let shared = dictionary(&event(1));
    let compression = Compression { presets: HashMap::from([(7, shared.clone())]), ..Compression::default() };
    let served = serve(Settings { compression: Some(compression), ..Settings::default() }).await;
    let mut client = served.connect().await;
    client.configure(true, false, 7).await;
    assert_eq!(is_preset(&mut client).await.id, 1);
    assert_eq!(is_preset(&mut client).await, Compressor { id: 7, level: 3, min_size: 32, max_size: u64::MAX });
    client.subscribe(Interest::Exact(b"a")).await;
    let codecs = HashMap::from([(7, codec(7, Some(shared)))]);
    notify_compressed(&mut client, &codecs[&7], &event(2)).await;
    let frame = client.hear().await.unwrap();
    assert!(matches!(B2s::read(&frame).unwrap(), B2s::ConfirmNotify { .. }));
    assert_eq!(receive(&mut client, &codecs).await, (Some(7), event(2)));

    let mut client = served.connect().await;
    client.configure(true, false, 8).await;
    let (code, reason) = client.closed().await;
    assert!(code == 1000 && reason.contains("not known here"), "{code} {reason}");
}

#[actix_web::test]
async fn dictionaries_are_trained_announced_used_and_at_most_two_at_a_time() {
    let training = Training {
        low_watermark: 20_000,
        high_watermark: 30_000,
        retrain_interval: Duration::ZERO,
        ..Training::default()
    };
    let compression = Compression { training: Some(training), ..Compression::default() };
    let served = serve(Settings { compression: Some(compression), ..Settings::default() }).await;
    let mut client = served.connect().await;
    client.configure(true, true, 0).await;
    is_preset(&mut client).await;
    client.subscribe(Interest::Exact(b"a")).await;
    let mut codecs = plain();
    let (mut live, mut used, mut ended) = (Vec::new(), Vec::new(), Vec::new());
    for at in 0.. {
        assert_eq!(served.publish(b"a", event(at)).await, 1);
        // Announcements come between messages.
        let frame = loop {
            let frame = client.hear().await.unwrap();
            match B2s::read(&frame).unwrap() {
                B2s::EnableZstdCustom { compressor, dictionary: bytes, .. } => {
                    live.push(compressor.id);
                    codecs.insert(compressor.id, codec(compressor.id, Some(dictionary(bytes))));
                }
                B2s::DisableZstdCustom { compressor_id, .. } => {
                    assert_eq!(live.remove(0), compressor_id);
                    ended.push(compressor_id);
                }
                _ => break frame,
            }
            assert!(live.len() <= 2);
        };
        let part = received(&frame);
        client.acknowledge(part.identifier, 0, true).await;
        let Place::First(head) = part.place else { panic!("{part:?}") };
        if let Some(compression) = head.compression {
            let id = compression.compressor_id.get();
            assert_eq!(live.last(), Some(&id), "the newest");
            let sent = Body::Memory(Bytes::copy_from_slice(part.payload));
            let length = compression.decompressed_length;
            let message = codecs[&id].decompress_now(&sent, length, &Bounds::default()).unwrap();
            assert_eq!(message.sha512, digest::hash(&event(at)));
            if used.last() != Some(&id) {
                used.push(id);
            }
        }
        if used.len() == 3 {
            break;
        }
        assert!(at < 100_000, "{used:?}");
    }
    assert_eq!((used, ended), (vec![65_536, 65_537, 65_538], vec![65_536]));
    // What was sent before the end of a compressor was heard of is still read.
    notify_compressed(&mut client, &codecs[&65_536], &event(5)).await;
    until("the message", || served.sessions.stats().notified == 1).await;
    assert_eq!(served.sessions.stats().faulty, 0);
}
