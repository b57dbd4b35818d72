//! What someone on the wire can try, one test for each row of the table in ARCHITECTURE.md, section "Sealed networks".
//!
//! Each test runs with both ciphers where the row has both. Time is given, never waited for.

mod altered;
mod forged;
mod replayed;
mod table;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Cipher, Envelope, OpenError, ReplayWindow};
use crate::event::Metadata;

const BOTH: [Cipher; 2] = [Cipher::Aes256Gcm, Cipher::Eventhive05];
const TOPIC: &str = "net/w/act";
const PAYLOAD: &str = r#"{"a": 1, "text": "é"}"#;
/// Milliseconds since the epoch at which everything happens, and how far from it a message may be.
const NOW: u64 = 1_000_000_000;
const WINDOW: u64 = 60_000;
const REMEMBERED: usize = 64;

fn at(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

fn hive_with(cipher: Cipher, secrets: &[&str], add_metadata: bool) -> Envelope {
    let secrets: Vec<_> = secrets.iter().map(|text| Zeroizing::new((*text).to_owned())).collect();
    let window = ReplayWindow { time: Duration::from_millis(WINDOW), messages: REMEMBERED };
    Envelope::plain("__eventhive__", add_metadata).sealed(cipher, &secrets, window).unwrap()
}

fn hive(cipher: Cipher, secrets: &[&str]) -> Envelope {
    hive_with(cipher, secrets, true)
}

fn seal_on(envelope: &Envelope, topic: &str, millis: u64) -> Bytes {
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let time = millis as f64 / 1000.0;
    let id = Uuid::new_v4().to_string();
    let metadata = Metadata { id, time, version: "1".to_owned(), event: topic.to_owned(), exchange: None };
    envelope.seal_at(topic, &Bytes::from_static(PAYLOAD.as_bytes()), &metadata, at(millis)).unwrap()
}

fn seal(envelope: &Envelope) -> Bytes {
    seal_on(envelope, TOPIC, NOW)
}

fn open(receiver: &Envelope, wire: &[u8]) -> Result<Value, OpenError> {
    open_on(receiver, TOPIC, wire, NOW)
}

/// What a hook would be given.
fn open_on(receiver: &Envelope, topic: &str, wire: &[u8], millis: u64) -> Result<Value, OpenError> {
    let opened = receiver.open_at(topic, &Bytes::copy_from_slice(wire), at(millis))?;
    Ok(serde_json::from_slice(&opened.payload).unwrap())
}

fn payload() -> Value {
    serde_json::from_str(PAYLOAD).unwrap()
}

/// Asserts that the message is refused for the reason that `matches` wants.
#[track_caller]
fn refused(cipher: Cipher, outcome: Result<Value, OpenError>, matches: fn(&OpenError) -> bool) {
    match outcome {
        Err(error) if matches(&error) => {}
        other => panic!("{cipher:?}: {other:?}"),
    }
}

fn fields(wire: &[u8]) -> serde_json::Map<String, Value> {
    serde_json::from_slice(wire).unwrap()
}

fn text(fields: &serde_json::Map<String, Value>) -> Vec<u8> {
    serde_json::to_vec(fields).unwrap()
}

fn unbase64(text: &Value) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text.as_str().unwrap()).unwrap()
}

fn base64(bytes: &[u8]) -> Value {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes).into()
}

/// What stands in an envelope of `eventhive-0.5`; or, the other way round, its ciphertext.
fn through_python_cipher(secret: &str, iv: &[u8], mut bytes: Vec<u8>) -> Vec<u8> {
    use aes::cipher::{KeyIvInit as _, StreamCipher as _};
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(secret);
    ctr::Ctr128BE::<aes::Aes128>::new_from_slices(&digest[..16], iv).unwrap().apply_keystream(&mut bytes);
    bytes
}

fn python_plaintext(secret: &str, wire: &[u8]) -> Vec<u8> {
    let fields = fields(wire);
    through_python_cipher(secret, &unbase64(&fields["iv"]), unbase64(&fields["ciphertext"]))
}
