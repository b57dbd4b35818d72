//! The envelope of eventhive 0.5.0: signed with HMAC-SHA1, then encrypted with AES-128-CTR.
//!
//! For talking with Python hives, where `cipher: eventhive-0.5` asks for it. Source: eventhive 0.5.0, byte for byte. It is
//! weak: one key for both uses, SHA-1, and the ciphertext itself is not authenticated, so that who knows a message can make
//! another envelope of it.
//!
//! What the original leaves open is closed here as far as the format lets one. The metadata is signed, and Python hives
//! put it into every message unless `remove_metadata` is set: its `event` must be the topic, its `time` within the window,
//! and its `id` new. Without metadata nothing ties a message to its topic or its time: it is known by its iv for as long as
//! the window lasts, and one line in the log says so.

mod base64;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;
use aes::Aes128Enc;
use aes::cipher::{InnerIvInit as _, KeyInit as _, StreamCipher as _, StreamCipherCoreWrapper};
use bytes::Bytes;
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use hmac::{Hmac, Mac as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::canonical::{self, Json, Members};
use super::replay::ids::Ids;
use super::replay::{ReplayWindow, millis};
use super::{OpenError, hex, text};
use crate::event::Metadata;

/// The word in `cipher`.
pub(super) const NAME: &str = "eventhive-0.5";
const SIGNATURE: &str = "__sign__";
/// The signature's member up to its 40 digits, in canonical text.
const MEMBER: &str = "\"__sign__\":\"";

/// From this age on a message has waited. Less is as good as nothing beside any window, and its own time says more.
const WAITED_SECS: f64 = 1.0;

/// The MAC of this format.
pub(super) type Mac = Hmac<Sha1>;

pub(super) type Iv = [u8; 16];

/// Seals with the first secret, opens with all. Shared by a connector's two directions.
pub(super) struct Sealer {
    keys: Vec<Key>,
    ids: Mutex<Ids>,
    /// Whether it was told that messages come without metadata.
    told: AtomicBool,
}

#[derive(serde::Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    iv: Option<Cow<'a, str>>,
    #[serde(borrow)]
    ciphertext: Option<Cow<'a, str>>,
}

impl Sealer {
    pub(super) fn new(secrets: &[Zeroizing<String>], window: ReplayWindow) -> Self {
        let keys = secrets.iter().map(|secret| Key::new(secret)).collect();
        Self { keys, ids: Mutex::new(Ids::new(window)), told: AtomicBool::new(false) }
    }

    /// Seals a message's text, which has its metadata under `metadata_key`.
    ///
    /// The time in there is when the event was called, and receivers of ours refuse an old one. The format has no other
    /// time, so a message that has waited is given that of its sealing; its id tells that it is the same.
    ///
    /// # Errors
    /// If `message` is no JSON object.
    pub(super) fn seal(&self, message: &str, iv: Iv, metadata_key: &str, now: SystemTime) -> Result<Bytes, OpenError> {
        let key = self.keys.first().ok_or(OpenError::NotSealed)?;
        key.seal(message, iv, |members| renew(members, metadata_key, now))
    }

    /// Opens an envelope and gives the message's text, without the signature, and its iv. [`admit`](Self::admit) comes
    /// next.
    pub(super) fn open(&self, envelope: &[u8]) -> Result<(Bytes, Iv), OpenError> {
        let (iv, mut bytes) = match as_written(envelope) {
            Some(read) => read,
            None => read(envelope)?,
        };
        let mut failure = OpenError::NotSealed;
        for (number, key) in self.keys.iter().enumerate() {
            let last = number + 1 == self.keys.len();
            match key.open(iv, if last { std::mem::take(&mut bytes) } else { bytes.clone() }) {
                Ok(message) => return Ok((message, iv)),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Whether an opened message may come in: what it says of itself is its topic, and it is neither old nor known.
    pub(super) fn admit(
        &self,
        topic: &str,
        iv: Iv,
        metadata: Option<&Metadata>,
        now: SystemTime,
    ) -> Result<(), OpenError> {
        let now = millis(now);
        let (id, time) = match metadata {
            Some(metadata) if metadata.event != topic => return Err(OpenError::OtherTopic),
            Some(metadata) => (number_of(&metadata.id), Some(since_epoch(metadata.time))),
            None => {
                self.tell(topic);
                (u128::from_be_bytes(iv), None)
            }
        };
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).note(id, time, now)
    }

    fn tell(&self, topic: &str) {
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                topic,
                "a sealed message without metadata: nothing tells when and for which topic it was made, so it could be \
                 replayed; set `remove_metadata: false` at its sender"
            );
        }
    }
}

/// Sets the time of a message that has waited.
fn renew(members: &mut Members<'_>, metadata_key: &str, now: SystemTime) {
    let Some(Json::Object(metadata)) = members.get_mut(metadata_key) else { return };
    let Some(Json::Atom(time)) = metadata.get_mut("time") else { return };
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    if time.parse::<f64>().is_ok_and(|time| now - time > WAITED_SECS) {
        *time = canonical::number(&format!("{now:?}")).into_owned().into();
    }
}

const START: &str = "{\"iv\": \"";
const CIPHERTEXT: &str = "\", \"ciphertext\": \"";
const END: &str = "\"}";

fn read(envelope: &[u8]) -> Result<(Iv, Vec<u8>), OpenError> {
    let wire: Wire<'_> = serde_json::from_slice(envelope).map_err(|_| OpenError::NotSealed)?;
    let (Some(iv), Some(ciphertext)) = (wire.iv, wire.ciphertext) else { return Err(OpenError::NotSealed) };
    let iv = base64::decode(&iv)?.try_into().map_err(|_| OpenError::Malformed("the iv has not 16 bytes"))?;
    Ok((iv, base64::decode(&ciphertext)?))
}

/// Reads an envelope that is laid out as Python and [`envelope`] do it, by the book, without looking for what else could be
/// there.
fn as_written(envelope: &[u8]) -> Option<(Iv, Vec<u8>)> {
    let (iv, rest) = envelope.strip_prefix(START.as_bytes())?.split_at_checked(24)?;
    let ciphertext = rest.strip_prefix(CIPHERTEXT.as_bytes())?.strip_suffix(END.as_bytes())?;
    Some((STANDARD.decode(iv).ok()?.try_into().ok()?, STANDARD.decode(ciphertext).ok()?))
}

fn envelope(iv: Iv, ciphertext: &[u8]) -> Vec<u8> {
    let names = START.len() + CIPHERTEXT.len() + END.len();
    let mut out = Vec::with_capacity(names + text::encoded(&iv) + text::encoded(ciphertext));
    out.extend_from_slice(START.as_bytes());
    text::push_base64(&mut out, &iv);
    out.extend_from_slice(CIPHERTEXT.as_bytes());
    text::push_base64(&mut out, ciphertext);
    out.extend_from_slice(END.as_bytes());
    out
}

/// An id as a number: that of its UUID, or a hash.
fn number_of(id: &str) -> u128 {
    let hashed = || {
        let [half @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = <[u8; 32]>::from(Sha256::digest(id));
        u128::from_be_bytes(half)
    };
    uuid::Uuid::parse_str(id).map_or_else(|_| hashed(), |id| id.as_u128())
}

/// Seconds as milliseconds; a time that is none is the epoch, and so outside every window.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, as it should")]
fn since_epoch(seconds: f64) -> u64 {
    (seconds * 1000.0) as u64
}

/// What is derived from one secret: the first half of its SHA-256 is the key for encryption and signature alike. All of it
/// is zeroed when it is dropped.
struct Key {
    cipher: Aes128Enc,
    mac: Mac,
}

impl Key {
    fn new(secret: &str) -> Self {
        let key = derived(secret);
        // A MAC takes a key of any length: there is no error, and an empty key would merely never verify.
        let mac = Mac::new_from_slice(&key[..]).unwrap_or_else(|_| Mac::new(&Default::default()));
        Self { cipher: Aes128Enc::new((&*key).into()), mac }
    }

    fn seal(&self, message: &str, iv: Iv, change: impl FnOnce(&mut Members<'_>)) -> Result<Bytes, OpenError> {
        let Json::Object(mut members) = Json::parse(message).map_err(OpenError::Syntax)? else {
            return Err(OpenError::NotAnObject);
        };
        members.remove(SIGNATURE);
        change(&mut members);
        let mut text = String::with_capacity(message.len() + message.len() / 4 + 128);
        let place = members.write(&mut text, Some(SIGNATURE));
        let digits = hex(&self.mac(&[text.as_bytes()]).finalize().into_bytes());
        insert(&mut text, place, &digits);
        let mut bytes = text.into_bytes();
        self.apply(iv, &mut bytes);
        Ok(envelope(iv, &bytes).into())
    }

    fn open(&self, iv: Iv, mut bytes: Vec<u8>) -> Result<Bytes, OpenError> {
        self.apply(iv, &mut bytes);
        if let Some(member) = self.signed_as_it_is(&bytes) {
            bytes.drain(member);
            return Ok(bytes.into());
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| OpenError::WrongKey)?;
        let Json::Object(mut members) = Json::parse(text).map_err(|_| OpenError::WrongKey)? else {
            return Err(OpenError::NotAnObject);
        };
        let Some(Json::Text(digits)) = members.remove(SIGNATURE) else { return Err(OpenError::Unsigned) };
        let message = Json::Object(members).to_text();
        let given = unhex(digits.as_bytes()).ok_or(OpenError::BadSignature)?;
        self.mac(&[message.as_bytes()]).verify_slice(&given).map_err(|_| OpenError::BadSignature)?;
        Ok(message.into())
    }

    /// Where the signature's member stands, if the text around it is just what was signed: that of every sender who
    /// encrypts what it has signed, as Python does. Nothing needs to be parsed to know it, since all but the member is
    /// verified, and only that is given on.
    fn signed_as_it_is(&self, text: &[u8]) -> Option<Range<usize>> {
        let start = memchr::memmem::find(text, MEMBER.as_bytes())?;
        let digits = start + MEMBER.len();
        let given = unhex(text.get(digits..digits + 40)?)?;
        let end = digits + 41;
        let member = match (text.get(..start)?, text.get(end..)?) {
            (_, [b',', b'\n', ..]) => start..end + 2,
            ([.., b',', b'\n'], _) => start - 2..end,
            ([b'{', b'\n'], b"\n}") => start - 1..end + 1,
            _ => return None,
        };
        let mac = self.mac(&[text.get(..member.start)?, text.get(member.end..)?]);
        mac.verify_slice(&given).ok().map(|()| member)
    }

    fn mac(&self, parts: &[&[u8]]) -> Mac {
        let mut mac = self.mac.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac
    }

    /// Encryption and decryption are the same; the counter is the whole block, big-endian.
    fn apply(&self, iv: Iv, bytes: &mut [u8]) {
        let core = CtrCore::<_, Ctr128BE>::inner_iv_init(self.cipher.clone(), &iv.into());
        StreamCipherCoreWrapper::from_core(core).apply_keystream(bytes);
    }
}

fn derived(secret: &str) -> Zeroizing<[u8; 16]> {
    let mut key = Zeroizing::new([0; 16]);
    let digest = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(secret.as_bytes())));
    key.copy_from_slice(&digest[..16]);
    key
}

/// Puts the signature into canonical text: in front of the member at `place`, or as the last.
fn insert(text: &mut String, place: Option<usize>, digits: &str) {
    match place {
        Some(place) => text.insert_str(place, &format!("{MEMBER}{digits}\",\n")),
        None if text == "{}" => *text = format!("{{\n{MEMBER}{digits}\"\n}}"),
        None => {
            text.truncate(text.len() - "\n}".len());
            text.extend([",\n", MEMBER, digits, "\"\n}"]);
        }
    }
}

/// 40 lower-case hex digits, as the original compares them: upper case is another signature.
fn unhex(text: &[u8]) -> Option<[u8; 20]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_chunks::<2>();
    let mut bytes = [0; 20];
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vectors() -> serde_json::Value {
        serde_json::from_str(include_str!("../../../tests/vectors/eventhive.json")).unwrap()
    }

    fn opened(secret: &str, envelope: &[u8]) -> Bytes {
        let sealer = Sealer::new(&[Zeroizing::new(secret.to_owned())], ReplayWindow::default());
        sealer.open(envelope).unwrap().0
    }

    #[test]
    fn whatever_holds_a_key_zeroes_it() {
        fn zeroes<T: zeroize::ZeroizeOnDrop>() {}
        zeroes::<Aes128Enc>();
        // What a MAC is made of, which has no such mark of its own.
        zeroes::<sha1::block_api::Sha1Core>();
        zeroes::<CtrCore<Aes128Enc, Ctr128BE>>();
    }

    #[test]
    fn keys_are_the_first_half_of_the_secrets_sha_256() {
        for row in vectors()["keys"].as_array().unwrap() {
            assert_eq!(hex(&derived(row["secret"].as_str().unwrap())[..]), row["key_hex"].as_str().unwrap());
        }
    }

    #[test]
    fn envelopes_are_pythons_byte_for_byte() {
        let mut checked = 0;
        for row in vectors()["sign_encrypt"].as_array().unwrap() {
            let text = |key: &str| row[key].as_str().unwrap();
            let iv: [u8; 16] = u128::from_str_radix(text("iv_hex"), 16).unwrap().to_be_bytes();
            let sealed = match Key::new(text("secret")).seal(text("message_json"), iv, |_| {}) {
                Ok(sealed) => sealed,
                Err(error) => panic!("{}: {error}", row["name"]),
            };
            let envelope: serde_json::Value = serde_json::from_slice(&sealed).unwrap();
            assert_eq!(envelope["ciphertext"], row["envelope"]["ciphertext"], "{}", row["name"]);
            assert_eq!(opened(text("secret"), &sealed), text("canonical"), "{}", row["name"]);
            checked += 1;
        }
        assert_eq!(checked, 30);
    }

    #[test]
    fn the_envelope_printed_in_the_originals_documentation_opens() {
        let sample = &vectors()["readme_sample"];
        let text = opened(sample["secret"].as_str().unwrap(), sample["envelope"].to_string().as_bytes());
        let message: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(message, sample["message"]);
    }

    #[test]
    fn a_message_that_has_waited_gets_the_time_of_its_sealing_and_keeps_all_else() {
        let sealer = Sealer::new(&[Zeroizing::new("s".to_owned())], ReplayWindow::default());
        let message = r#"{"time": 5, "m": {"time": 1000.5, "id": "x"}}"#;
        let sealed_at = |millis| {
            let now = UNIX_EPOCH + std::time::Duration::from_millis(millis);
            let opened = sealer.open(&sealer.seal(message, [1; 16], "m", now).unwrap()).unwrap().0;
            serde_json::from_slice::<serde_json::Value>(&opened).unwrap()
        };
        assert_eq!(sealed_at(1_001_400), serde_json::from_str::<serde_json::Value>(message).unwrap());
        assert_eq!(sealed_at(9_000_250), serde_json::json!({"time": 5, "m": {"time": 9000.25, "id": "x"}}));
    }

    proptest! {
        #[test]
        fn no_text_panics(iv in ".{0,24}", ciphertext in ".{0,40}", text in "[\\{\\}\\[\\]\":,a0-9]{0,40}") {
            let sealer = Sealer::new(&[Zeroizing::new("s".to_owned())], ReplayWindow::default());
            let _ = sealer.open(text.as_bytes());
            let wire = serde_json::json!({"iv": iv, "ciphertext": ciphertext}).to_string();
            let _ = sealer.open(wire.as_bytes());
            // What an owner of the secret could send.
            let mut bytes = text.clone().into_bytes();
            sealer.keys[0].apply([7; 16], &mut bytes);
            let _ = sealer.open(&envelope([7; 16], &bytes));
        }

        #[test]
        fn what_is_sealed_opens_to_the_same_canonical_text(key in "[A-Za-z_~\u{e9}]{0,12}", number in any::<f64>()) {
            let message = serde_json::json!({ &key: number, "b": [key], "__sign__": "old" }).to_string();
            let Json::Object(mut members) = Json::parse(&message).unwrap() else { panic!("{message}") };
            members.remove(SIGNATURE);
            let sealer = Sealer::new(&[Zeroizing::new("s".to_owned())], ReplayWindow::default());
            let opened = sealer.open(&sealer.seal(&message, [1; 16], "", UNIX_EPOCH).unwrap()).unwrap().0;
            prop_assert_eq!(opened, Json::Object(members).to_text());
        }
    }
}
