//! Conversations of Python's broadcaster with signatures both ways: ours says the same, byte for byte, but for the counter
//! of messages with several parts, and what is signed after.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhive_webhook::broadcaster::{Clock, Rotation, Schemes};
use eventhive_webhook::session::{Compression, Random, Settings};
use eventhive_webhook::wire::Proof;
use eventhive_webhook::wire::auth::{Claim, Direction, HmacHeader, HmacKey, Scheme};
use eventhive_webhook::wire::stateful::counter::ConnectionNonce;
use eventhive_webhook::wire::stateful::{B2s, Mode, Part, Place};
use serde_json::Value;

use crate::harness::{Client, Served, received, serve_with};

/// The clock of the recording.
const NOW: Duration = Duration::from_millis(1_700_000_000_750);

/// The clock, and the nonces in the order in which they were used.
struct Recorded(Mutex<VecDeque<String>>);

impl Clock for Recorded {
    fn now(&self) -> Duration {
        NOW
    }

    fn nonce(&self) -> Result<Box<str>, getrandom::Error> {
        // There are as many as Python made signatures.
        Ok(self.0.lock().unwrap().pop_front().unwrap().into())
    }
}

/// The random bytes of the recording: `a1a1..` for the nonce, then `a2a2..`, `a3a3..`.
#[derive(Debug)]
struct RecordedRandom(Mutex<u8>);

impl Random for RecordedRandom {
    fn nonce(&self) -> Result<[u8; 32], getrandom::Error> {
        Ok([0xA1; 32])
    }

    fn identifier(&self) -> [u8; 4] {
        let mut last = self.0.lock().unwrap();
        *last += 1;
        [*last; 4]
    }
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors/lonely.json")).unwrap()
}

fn bytes(message: &Value) -> Vec<u8> {
    let hex = message["hex"].as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn scheme(vectors: &Value, name: &str) -> Scheme {
    Scheme::Hmac(HmacKey::from_text(vectors["secrets"][name]["as_in_secrets_file"].as_str().unwrap()).unwrap())
}

fn nonce_of(frame: &[u8]) -> String {
    let authorization = B2s::read(frame).unwrap().proof().authorization;
    HmacHeader::read(authorization, NOW).unwrap().stamp.nonce.to_owned()
}

async fn replay(number: usize, settings: Settings) -> Served {
    let vectors = vectors();
    let messages = vectors["websocket_transcripts"][number]["messages"].as_array().unwrap();
    let said: Vec<_> = messages.iter().filter(|message| message["from"] == "broadcaster").map(bytes).collect();
    let mut nonces: Vec<_> = said.iter().map(|frame| nonce_of(frame)).collect();
    nonces.sort();
    let schemes = Schemes {
        to_broadcaster: Rotation::new([scheme(&vectors, "to_broadcaster")]),
        to_subscriber: Rotation::new([scheme(&vectors, "to_subscriber")]),
    };
    let random = Arc::new(RecordedRandom(Mutex::new(0xA1)));
    let clock = Arc::new(Recorded(Mutex::new(nonces.into())));
    let served = serve_with(Settings { random, ..settings }, schemes, clock).await;
    let mut client = served.connect().await;
    let mut expected = Expected::new(scheme(&vectors, "to_subscriber"));
    for (at, message) in messages.iter().enumerate() {
        let frame = bytes(message);
        if message["from"] == "subscriber" {
            client.bytes(&frame).await;
        } else {
            cause(&served, &messages[at..], &frame).await;
            is_as_recorded(&mut client, &mut expected, &frame).await;
        }
    }
    served
}

/// Does what made the broadcaster say this.
async fn cause(served: &Served, rest: &[Value], frame: &[u8]) {
    match B2s::read(frame).unwrap() {
        B2s::ReceiveStream(Part { place: Place::First(head), identifier, .. }) => {
            let parts = rest.iter().filter(|message| message["type"] == "RECEIVE_STREAM").map(bytes);
            let parts = parts.take_while(|frame| received(frame).identifier == identifier);
            let sent: Vec<u8> = parts.flat_map(|frame| received(&frame).payload.to_vec()).collect();
            let body = match head.compression {
                None => sent,
                Some(compression) => zstd::bulk::decompress(&sent, compression.decompressed_length as usize).unwrap(),
            };
            assert_eq!(served.publish(head.topic, body).await, 1);
        }
        B2s::Missed { topic, .. } => served.broadcaster.missed(&topic.into()),
        _ => {}
    }
}

/// What Python said, with the counter as it should be: a message takes one value, whatever the number of its parts.
struct Expected {
    scheme: Scheme,
    nonce: ConnectionNonce,
    counter: i64,
    /// The first part of the message that is being received.
    first: Vec<u8>,
}

impl Expected {
    fn new(scheme: Scheme) -> Self {
        let half: [u8; 32] = std::array::from_fn(|at| at as u8);
        Self { scheme, nonce: ConnectionNonce::new(&half, &[0xA1; 32]), counter: 0, first: Vec::new() }
    }

    fn frame(&mut self, frame: &[u8]) -> Vec<u8> {
        let message = B2s::read(frame).unwrap();
        let is_next = matches!(message, B2s::ReceiveStream(Part { place: Place::Next(_), .. }));
        if !message.is_counted() && !is_next {
            return frame.to_vec();
        }
        self.counter += i64::from(message.is_counted());
        let url = self.nonce.url(self.counter);
        if let B2s::ReceiveStream(Part { place: Place::First(_), .. }) = message {
            self.first = frame.to_vec();
        }
        let claim = match message {
            B2s::ReceiveStream(part) => {
                let Place::First(head) = received(&self.first).place else { panic!("no first part") };
                Claim::Receive { url: &url, topic: head.topic, identifier: part.identifier, sha512: head.sha512 }
            }
            other => other.claim(&url).unwrap(),
        };
        assert_eq!(claim.direction(), Direction::ToSubscriber);
        let stamp = HmacHeader::read(message.proof().authorization, NOW).unwrap().stamp;
        let authorization = self.scheme.sign(&claim, b"", stamp).unwrap();
        let proof = Proof { authorization: authorization.as_deref(), tracing: b"" };
        let again = match message {
            B2s::ReceiveStream(part) => B2s::ReceiveStream(Part { proof, ..part }),
            B2s::Missed { topic, .. } => B2s::Missed { topic, proof },
            B2s::EnableZstdPreset { compressor, .. } => B2s::EnableZstdPreset { compressor, proof },
            other => panic!("{other:?}"),
        };
        let mut bytes = Vec::new();
        again.write(Mode::Minimal, &mut bytes).unwrap();
        bytes
    }
}

async fn is_as_recorded(client: &mut Client, expected: &mut Expected, recorded: &[u8]) {
    let said = client.hear().await.unwrap();
    let corrected = expected.frame(recorded);
    // Only those are not as Python says them.
    let is_changed = corrected != recorded;
    let message = B2s::read(recorded).unwrap();
    let may_change = matches!(message, B2s::ReceiveStream(Part { place: Place::Next(_), .. }) | B2s::Missed { .. });
    assert!(!is_changed || may_change, "{message:?}");
    assert_eq!(said, corrected, "\n{:?}\n{message:?}", B2s::read(&said));
}

#[actix_web::test]
async fn a_conversation_without_compression_is_as_recorded() {
    let settings = Settings { max_outgoing_bytes: 900, ..Settings::default() };
    let served = replay(0, settings).await;
    let stats = served.sessions.stats();
    assert_eq!((stats.notified, stats.delivered, stats.missed, stats.faulty), (2, 2, 1, 0));
}

#[actix_web::test]
async fn a_conversation_with_compression_is_as_recorded() {
    let settings = Settings { compression: Some(Compression::default()), ..Settings::default() };
    let served = replay(1, settings).await;
    let stats = served.sessions.stats();
    assert_eq!((stats.notified, stats.delivered, stats.compressed, stats.faulty), (2, 1, 1, 0));
}
