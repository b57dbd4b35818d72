//! The default envelope, `aes-256-gcm`.
//!
//! A JSON object, so that every wire can carry it:
//!
//! ```json
//! {"cipher": "aes-256-gcm", "key": "9f86d081884c7d65", "sender": "<16 bytes>", "counter": 7, "time": 1795217286547,
//!  "ciphertext": "<bytes>", "signature": "<32 bytes>"}
//! ```
//!
//! Bytes are base64 with the standard alphabet and padding, and no bits left over; `time` is in milliseconds since the
//! epoch; integers are big-endian where they become bytes. Each member is there once, in any order, and no other.
//!
//! | what | how |
//! |---|---|
//! | key id | first 8 bytes of HKDF-SHA256(secret, no salt, info `eventhive/1 key id`), hex in lower case; tells which secret, and nothing else |
//! | sender | 16 random bytes, drawn when the sender starts |
//! | keys | HKDF-SHA256(secret, salt = sender, info `eventhive/1 encryption` and `eventhive/1 signature`), 32 bytes each |
//! | nonce | `counter` as 12 bytes; the counter starts at 0 with each sender and never repeats |
//! | header | `eventhive/1`, key id, sender, counter (8 bytes), time (8 bytes), length of the topic (4 bytes), topic |
//! | ciphertext | AES-256-GCM of the message with the header as associated data; the tag stands at the end |
//! | signature | HMAC-SHA256 of header and ciphertext |
//!
//! Fresh keys for each sender keep the counter a safe nonce for 2^64 messages. (A machine that is restored from a snapshot
//! of its memory repeats them: restart its hives.) A message is bound to its topic, network included, because the topic is
//! part of the header.
//!
//! A receiver verifies the signature, decrypts, and then looks at the time and the counter: the time must be within the
//! window, the counter must not have come from this sender, and neither sender nor counter may be older than what is
//! remembered ([`super::replay`]). A receiver that was restarted remembers nothing: until the window has passed, what was
//! sent before can be sent to it once more.
//!
//! Vectors, made by another implementation (`tests/vectors/envelope.py`): `tests/vectors/aes-256-gcm.json`. A secret is used
//! as it is, without stretching: it should have 256 random bits (`hive-cli keygen`).

pub(super) mod keys;
mod senders;
mod wire;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use aes_gcm::Tag;
use aes_gcm::aead::AeadInOut as _;
use bytes::Bytes;
use hmac::Mac as _;
use smallvec::SmallVec;
use zeroize::Zeroizing;

use super::OpenError;
use super::replay::{ReplayWindow, millis};
use keys::{Header, Keys, Secret, Sender};
use senders::Senders;
use wire::{Wire, Writer};

/// The word in `cipher`.
pub(super) const NAME: &str = "aes-256-gcm";

/// What the tag of AES-GCM takes at the end of a ciphertext.
const TAG: usize = 16;

/// Seals with the first secret, opens with all. Shared by a connector's two directions.
pub(super) struct Sealer {
    secrets: Vec<Secret>,
    sender: Sender,
    keys: Keys,
    writer: Writer,
    counter: AtomicU64,
    senders: Mutex<Senders>,
    window: ReplayWindow,
}

impl Sealer {
    /// `None` if there is no secret.
    pub(super) fn new(secrets: &[Zeroizing<String>], sender: Sender, window: ReplayWindow) -> Option<Self> {
        let secrets: Vec<Secret> = secrets.iter().map(Secret::new).collect();
        let current = secrets.first()?;
        let (keys, writer) = (Keys::derive(current, &sender), Writer::new(current, &sender));
        let senders = Mutex::new(Senders::new(window.messages));
        Some(Self { secrets, sender, keys, writer, counter: AtomicU64::new(0), senders, window })
    }

    /// Seals `message` for `topic`.
    pub(super) fn seal(&self, topic: &str, message: &[u8], now: SystemTime) -> Result<Bytes, OpenError> {
        let Some(secret) = self.secrets.first() else { return Err(OpenError::NotSealed) };
        let counter = self.counter.fetch_add(1, Ordering::Relaxed);
        let header = Header { secret, sender: &self.sender, counter, time: millis(now), topic };
        let authenticated = header.bytes();
        // On the stack where that is enough.
        let mut ciphertext = SmallVec::<[u8; 512]>::with_capacity(message.len() + TAG);
        ciphertext.extend_from_slice(message);
        let tag = self
            .keys
            .cipher
            .encrypt_inout_detached(&header.nonce(), &authenticated, ciphertext.as_mut_slice().into())
            .map_err(|_| OpenError::Malformed("too large to seal"))?;
        ciphertext.extend_from_slice(&tag);
        let signature = self.keys.mac(&authenticated, &ciphertext).finalize().into_bytes();
        Ok(self.writer.write(&header, &ciphertext, &signature).into())
    }

    /// Opens an envelope that came on `topic`.
    pub(super) fn open(&self, topic: &str, envelope: &[u8], now: SystemTime) -> Result<Bytes, OpenError> {
        let wire = Wire::read(envelope)?;
        let secret = self.secrets.iter().find(|secret| secret.id_text == wire.key).ok_or(OpenError::WrongKey)?;
        let sender = wire.sender()?;
        let id = (secret.id, sender);
        let known = self.senders().keys(&id);
        let keys = known.unwrap_or_else(|| Arc::new(Keys::derive(secret, &sender)));
        let header = Header { secret, sender: &sender, counter: wire.counter, time: wire.time, topic };
        let message = verify(&keys, &header, &wire)?;
        if !self.window.admits(wire.time, millis(now)) {
            return Err(OpenError::OutsideWindow);
        }
        self.senders().note(id, &keys, wire.counter, wire.time)?;
        Ok(message.into())
    }

    fn senders(&self) -> MutexGuard<'_, Senders> {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The message in an envelope, if signature and tag are right. Both are compared in constant time.
fn verify(keys: &Keys, header: &Header<'_>, wire: &Wire<'_>) -> Result<Vec<u8>, OpenError> {
    let authenticated = header.bytes();
    let mut message = wire.ciphertext()?;
    keys.mac(&authenticated, &message).verify_slice(&wire.signature()?).map_err(|_| OpenError::BadSignature)?;
    let end = message.len().checked_sub(TAG).ok_or(OpenError::Malformed("the ciphertext has no tag"))?;
    let (ciphertext, tag) = message.split_at_mut_checked(end).ok_or(OpenError::BadSignature)?;
    let tag = Tag::try_from(&*tag).map_err(|_| OpenError::BadSignature)?;
    keys.cipher
        .decrypt_inout_detached(&header.nonce(), &authenticated, ciphertext.into(), &tag)
        .map_err(|_| OpenError::BadSignature)?;
    message.truncate(end);
    Ok(message)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn rows() -> Vec<Value> {
        let file = include_str!("../../../tests/vectors/aes-256-gcm.json");
        let vectors: Value = serde_json::from_str(file).unwrap();
        vectors["vectors"].as_array().unwrap().clone()
    }

    fn sealer(secret: &str, sender: Sender) -> Sealer {
        Sealer::new(&[Zeroizing::new(secret.to_owned())], sender, ReplayWindow::default()).unwrap()
    }

    fn unhexed(text: &str) -> Sender {
        u128::from_str_radix(text, 16).unwrap().to_be_bytes()
    }

    #[test]
    fn the_format_is_the_one_written_down_and_another_implementation_makes() {
        let rows = rows();
        assert_eq!(rows.len(), 9);
        for row in rows {
            let text = |key: &str| row[key].as_str().unwrap();
            let sender = sealer(text("secret"), unhexed(text("sender_hex")));
            sender.counter.store(row["counter"].as_u64().unwrap(), Ordering::Relaxed);
            let now = UNIX_EPOCH + Duration::from_millis(row["time"].as_u64().unwrap());
            let sealed = sender.seal(text("topic"), text("message").as_bytes(), now).unwrap();
            assert_eq!(sealed, text("text"), "{}", row["name"]);
            let receiver = sealer(text("secret"), [1; 16]);
            assert_eq!(receiver.open(text("topic"), text("text").as_bytes(), now).unwrap(), text("message"));
        }
    }

    #[test]
    fn what_is_authenticated_beside_the_message_is_what_another_implementation_makes() {
        for row in rows() {
            let text = |key: &str| row[key].as_str().unwrap();
            let secret = Secret::new(&Zeroizing::new(text("secret").to_owned()));
            let (sender, topic) = (unhexed(text("sender_hex")), text("topic"));
            let numbers = (row["counter"].as_u64().unwrap(), row["time"].as_u64().unwrap());
            let header = Header { secret: &secret, sender: &sender, counter: numbers.0, time: numbers.1, topic };
            assert_eq!(super::super::hex(&header.bytes()), row["derived"]["header_hex"].as_str().unwrap());
        }
    }

    #[test]
    fn every_message_of_a_sender_has_a_nonce_of_its_own_on_all_threads() {
        let sender = sealer("s", [1; 16]);
        let sealed = std::sync::Mutex::new(std::collections::HashSet::new());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let text = sender.seal("a", b"{}", UNIX_EPOCH).unwrap();
                        let envelope: Value = serde_json::from_slice(&text).unwrap();
                        assert!(sealed.lock().unwrap().insert(envelope["counter"].as_u64().unwrap()));
                    }
                });
            }
        });
        assert_eq!(sealed.into_inner().unwrap().len(), 200);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[\\{\\}\":,a-z0-9=]{0,60}", field in ".{0,40}", number in any::<u64>()) {
            let receiver = sealer("s", [1; 16]);
            let key = receiver.secrets[0].id_text.clone();
            let now = UNIX_EPOCH;
            let _ = receiver.open("a", text.as_bytes(), now);
            for (sender, other) in [(field.as_str(), "AAAA"), ("AAAAAAAAAAAAAAAAAAAAAA==", field.as_str())] {
                let wire = serde_json::json!({
                    "cipher": NAME, "key": key, "sender": sender, "counter": number, "time": number, "ciphertext": other,
                    "signature": other,
                });
                prop_assert!(receiver.open("a", wire.to_string().as_bytes(), now).is_err());
            }
        }
    }
}
