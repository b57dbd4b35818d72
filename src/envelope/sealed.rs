//! The default envelope, `aes-256-gcm`.
//!
//! A JSON object, so that every wire can carry it:
//!
//! ```json
//! {"cipher": "aes-256-gcm", "key": "9f86d081884c7d65", "sender": "<16 bytes>", "counter": 7, "time": 1795217286547,
//!  "ciphertext": "<bytes>", "signature": "<32 bytes>"}
//! ```
//!
//! Bytes are base64 with the standard alphabet and padding; `time` is in milliseconds since the epoch.
//!
//! | what | how |
//! |---|---|
//! | key id | first 8 bytes of HKDF-SHA256(secret, no salt, info `eventhive/1 key id`), hex; tells which secret, and nothing else |
//! | sender | 16 random bytes, drawn when the sender starts |
//! | keys | HKDF-SHA256(secret, salt = sender, info `eventhive/1 encryption` and `eventhive/1 signature`), 32 bytes each |
//! | nonce | `counter` as 12 bytes, big-endian; the counter starts at 0 with each sender and never repeats |
//! | header | `eventhive/1`, key id, sender, counter (8 bytes), time (8 bytes), length of the topic (4 bytes), topic |
//! | ciphertext | AES-256-GCM of the message with the header as associated data; the tag stands at the end |
//! | signature | HMAC-SHA256 of header and ciphertext |
//!
//! Fresh keys for each sender keep the counter a safe nonce for 2^64 messages. A message is bound to its topic, because
//! the topic is part of the header. A replayed one is known by sender and counter, and by its time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::OpenError;

/// The word in `cipher`.
pub(super) const NAME: &str = "aes-256-gcm";
const LABEL: &[u8] = b"eventhive/1";
/// Senders whose keys are kept. Each is a hive that was started; about 1 KB with its cipher's round keys.
const MOST_SENDERS: usize = 1024;

type Sender = [u8; 16];

/// Seals with the first secret, opens with all. Shared by a connector's two directions.
pub(super) struct Sealer {
    secrets: Vec<Secret>,
    sender: Sender,
    keys: Keys,
    counter: AtomicU64,
    guard: Mutex<Guard>,
    window: Duration,
}

/// How far a message's time may be from now, and how many messages are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayWindow {
    /// The furthest that a message's time may be from now, either way.
    pub time: Duration,
    /// Messages remembered, about 60 bytes each.
    pub messages: usize,
}

impl Default for ReplayWindow {
    /// Five minutes, as clocks of machines without time service drift; 65,536 messages, about 4 MB.
    fn default() -> Self {
        Self { time: Duration::from_secs(300), messages: 65_536 }
    }
}

struct Secret {
    id: [u8; 8],
    material: Zeroizing<String>,
}

#[derive(Clone)]
struct Keys {
    cipher: Aes256Gcm,
    mac: Hmac<Sha256>,
}

/// What is remembered of others: their keys, and which of their messages came.
struct Guard {
    senders: HashMap<([u8; 8], Sender), Keys>,
    order: VecDeque<(Sender, u64)>,
    seen: HashSet<(Sender, u64)>,
    most: usize,
}

#[derive(serde::Deserialize)]
struct Wire<'a> {
    cipher: &'a str,
    key: &'a str,
    sender: &'a str,
    counter: u64,
    time: u64,
    ciphertext: &'a str,
    signature: &'a str,
}

impl Sealer {
    /// `None` if there is no secret.
    pub(super) fn new(secrets: &[Zeroizing<String>], sender: Sender, window: ReplayWindow) -> Option<Self> {
        let secrets: Vec<Secret> =
            secrets.iter().map(|text| Secret { id: key_id(text), material: text.clone() }).collect();
        let keys = Keys::derive(&secrets.first()?.material, sender);
        let guard =
            Guard { senders: HashMap::new(), order: VecDeque::new(), seen: HashSet::new(), most: window.messages };
        Some(Self { secrets, sender, keys, counter: AtomicU64::new(0), guard: Mutex::new(guard), window: window.time })
    }

    /// Seals `message` for `topic`.
    pub(super) fn seal(&self, topic: &str, message: &[u8], now: SystemTime) -> Result<Bytes, OpenError> {
        let Some(secret) = self.secrets.first() else { return Err(OpenError::NotSealed) };
        let counter = self.counter.fetch_add(1, Ordering::Relaxed);
        let time = millis(now);
        let header = header(&secret.id, &self.sender, counter, time, topic);
        let payload = Payload { msg: message, aad: &header };
        let ciphertext = self
            .keys
            .cipher
            .encrypt(&nonce(counter), payload)
            .map_err(|_| OpenError::Malformed("too large to seal"))?;
        let signature = self.keys.signature(&header, &ciphertext).finalize().into_bytes();
        Ok(format!(
            "{{\"cipher\": \"{NAME}\", \"key\": \"{}\", \"sender\": \"{}\", \"counter\": {counter}, \"time\": {time}, \"ciphertext\": \"{}\", \"signature\": \"{}\"}}",
            super::hex(&secret.id),
            STANDARD.encode(self.sender),
            STANDARD.encode(ciphertext),
            STANDARD.encode(signature),
        )
        .into())
    }

    /// Opens an envelope that came on `topic`.
    pub(super) fn open(&self, topic: &str, envelope: &[u8], now: SystemTime) -> Result<Bytes, OpenError> {
        let wire: Wire<'_> = serde_json::from_slice(envelope).map_err(|_| OpenError::NotSealed)?;
        if wire.cipher != NAME {
            return Err(OpenError::NotSealed);
        }
        let secret =
            self.secrets.iter().find(|secret| super::hex(&secret.id) == wire.key).ok_or(OpenError::WrongKey)?;
        let sender: Sender =
            decode(wire.sender)?.try_into().map_err(|_| OpenError::Malformed("the sender has not 16 bytes"))?;
        let (ciphertext, signature) = (decode(wire.ciphertext)?, decode(wire.signature)?);
        let header = header(&secret.id, &sender, wire.counter, wire.time, topic);
        let known = self.known_keys(secret.id, sender);
        let keys = known.clone().unwrap_or_else(|| Keys::derive(&secret.material, sender));
        keys.signature(&header, &ciphertext).verify_slice(&signature).map_err(|_| OpenError::BadSignature)?;
        let payload = Payload { msg: &ciphertext, aad: &header };
        let message = keys.cipher.decrypt(&nonce(wire.counter), payload).map_err(|_| OpenError::BadSignature)?;
        if wire.time.abs_diff(millis(now)) > u64::try_from(self.window.as_millis()).unwrap_or(u64::MAX) {
            return Err(OpenError::OutsideWindow);
        }
        self.note(known.is_none().then_some((secret.id, keys)), sender, wire.counter)?;
        Ok(message.into())
    }

    fn known_keys(&self, secret: [u8; 8], sender: Sender) -> Option<Keys> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner).senders.get(&(secret, sender)).cloned()
    }

    /// Only what was verified is remembered: a forger cannot push anything out.
    fn note(&self, fresh: Option<([u8; 8], Keys)>, sender: Sender, counter: u64) -> Result<(), OpenError> {
        let mut guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        if !guard.seen.insert((sender, counter)) {
            return Err(OpenError::Replayed);
        }
        guard.order.push_back((sender, counter));
        if guard.order.len() > guard.most
            && let Some(oldest) = guard.order.pop_front()
        {
            guard.seen.remove(&oldest);
        }
        if let Some((secret, keys)) = fresh {
            if guard.senders.len() >= MOST_SENDERS {
                guard.senders.clear();
            }
            guard.senders.insert((secret, sender), keys);
        }
        Ok(())
    }
}

impl Keys {
    fn derive(secret: &str, sender: Sender) -> Self {
        let hkdf = Hkdf::<Sha256>::new(Some(&sender), secret.as_bytes());
        let encryption = expand::<32>(&hkdf, b"encryption");
        let signature = expand::<32>(&hkdf, b"signature");
        Self {
            cipher: Aes256Gcm::new((&*encryption).into()),
            mac: KeyInit::new_from_slice(&signature[..]).unwrap_or_else(|_| KeyInit::new(&Default::default())),
        }
    }

    fn signature(&self, header: &[u8], ciphertext: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(header);
        mac.update(ciphertext);
        mac
    }
}

fn expand<const N: usize>(hkdf: &Hkdf<Sha256>, purpose: &[u8]) -> Zeroizing<[u8; N]> {
    let mut out = Zeroizing::new([0; N]);
    // Fails only for more than 8,160 bytes.
    let _ = hkdf.expand_multi_info(&[LABEL, b" ", purpose], &mut out[..]);
    out
}

fn key_id(secret: &str) -> [u8; 8] {
    *expand::<8>(&Hkdf::new(None, secret.as_bytes()), b"key id")
}

fn nonce(counter: u64) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&counter.to_be_bytes());
    bytes.into()
}

fn header(secret: &[u8; 8], sender: &Sender, counter: u64, time: u64, topic: &str) -> Vec<u8> {
    let length = u32::try_from(topic.len()).unwrap_or(u32::MAX);
    let mut header = Vec::with_capacity(LABEL.len() + 44 + topic.len());
    header.extend_from_slice(LABEL);
    header.extend_from_slice(secret);
    header.extend_from_slice(sender);
    header.extend_from_slice(&counter.to_be_bytes());
    header.extend_from_slice(&time.to_be_bytes());
    header.extend_from_slice(&length.to_be_bytes());
    header.extend_from_slice(topic.as_bytes());
    header
}

fn decode(text: &str) -> Result<Vec<u8>, OpenError> {
    STANDARD.decode(text).map_err(|_| OpenError::Malformed("the base64 cannot be read"))
}

fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = br#"{"a": 1}"#;

    fn sealer(secrets: &[&str], sender: u8) -> Sealer {
        let secrets: Vec<_> = secrets.iter().map(|text| Zeroizing::new((*text).to_owned())).collect();
        Sealer::new(&secrets, [sender; 16], ReplayWindow { time: Duration::from_secs(60), messages: 4 }).unwrap()
    }

    fn at(secs: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(secs)
    }

    fn seal(sealer: &Sealer) -> Bytes {
        sealer.seal("net/a/b", MESSAGE, at(1000)).unwrap()
    }

    fn refused(receiver: &Sealer, topic: &str, envelope: &[u8], secs: u64) -> String {
        receiver.open(topic, envelope, at(secs)).unwrap_err().to_string()
    }

    #[test]
    fn the_format_is_the_one_written_down() {
        let envelope: serde_json::Value = serde_json::from_slice(&seal(&sealer(&["s3cret"], 7))).unwrap();
        let expected: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/vectors/aes-256-gcm.json")).unwrap();
        assert_eq!(envelope, expected["envelope"]);
    }

    #[test]
    fn what_one_hive_seals_another_opens_also_while_secrets_rotate() {
        let (old, rotating, new) = (sealer(&["old"], 1), sealer(&["new", "old"], 2), sealer(&["new"], 3));
        assert_eq!(rotating.open("net/a/b", &seal(&old), at(1000)).unwrap(), MESSAGE);
        assert_eq!(new.open("net/a/b", &seal(&rotating), at(1000)).unwrap(), MESSAGE);
        assert!(matches!(old.open("net/a/b", &seal(&new), at(1000)), Err(OpenError::WrongKey)));
    }

    #[test]
    fn a_flipped_bit_in_any_field_is_refused() {
        let (sender, receiver) = (sealer(&["s"], 1), sealer(&["s"], 2));
        let envelope: serde_json::Value = serde_json::from_slice(&seal(&sender)).unwrap();
        for field in ["key", "sender", "counter", "time", "ciphertext", "signature"] {
            let mut altered = envelope.clone();
            altered[field] = match &envelope[field] {
                serde_json::Value::Number(number) => (number.as_u64().unwrap() ^ 1).into(),
                text => {
                    let text = text.as_str().unwrap();
                    let other = if text.starts_with('0') { "1" } else { "0" };
                    format!("{other}{}", &text[1..]).into()
                }
            };
            assert!(receiver.open("net/a/b", altered.to_string().as_bytes(), at(1000)).is_err(), "{field}");
        }
        assert!(
            receiver.open("net/a/b", envelope.to_string().as_bytes(), at(1000)).is_ok(),
            "and nothing of that was remembered"
        );
    }

    #[test]
    fn a_swapped_topic_a_replay_and_an_old_or_future_message_are_refused() {
        let (sender, receiver) = (sealer(&["s"], 1), sealer(&["s"], 2));
        let envelope = seal(&sender);
        assert!(refused(&receiver, "net/a/c", &envelope, 1000).contains("signature"));
        assert!(refused(&receiver, "net/a/b", &envelope, 1061).contains("window"));
        assert!(refused(&receiver, "net/a/b", &envelope, 939).contains("window"));
        assert!(receiver.open("net/a/b", &envelope, at(1060)).is_ok());
        assert!(refused(&receiver, "net/a/b", &envelope, 1000).contains("replay"));
    }

    #[test]
    fn nothing_unsealed_and_nothing_of_another_cipher_is_accepted() {
        let receiver = sealer(&["s"], 2);
        for text in [&br#"{"a":1}"#[..], b"[]", b"", br#"{"iv": "AAAA", "ciphertext": "AAAA"}"#] {
            assert!(matches!(receiver.open("net/a/b", text, at(1000)), Err(OpenError::NotSealed)));
        }
    }
}
