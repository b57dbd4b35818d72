//! Events as they travel: the plain message, and the envelopes that seal it.
//!
//! [`Envelope`] is what a connector has: it seals what goes out and opens what comes in, for one secret and one cipher.
//! With a secret nothing unsealed is ever accepted, and nothing of another cipher.

#[cfg(test)]
mod attacks;
pub(crate) mod canonical;
mod eventhive_0_5;
mod exchange;
mod message;
mod replay;
mod sealed;
mod text;
mod walk;
#[cfg(test)]
mod wycheproof;

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use bytes::Bytes;
use eventhive_transport::Topic;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use message::MetadataKey;
pub use replay::ReplayWindow;

use crate::event::Metadata;

/// How a connector with a secret seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cipher {
    /// `aes-256-gcm`: the default; between hives of this library.
    #[default]
    Aes256Gcm,
    /// `eventhive-0.5`: the format of Python eventhive, weaker, for talking with such hives.
    Eventhive05,
}

impl Cipher {
    /// Every cipher's word, as in a configuration.
    pub const WORDS: &'static [&'static str] = &[sealed::NAME, eventhive_0_5::NAME];
}

impl Cipher {
    /// The cipher's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Aes256Gcm => sealed::NAME,
            Self::Eventhive05 => eventhive_0_5::NAME,
        }
    }
}

impl FromStr for Cipher {
    type Err = UnknownCipher;
    fn from_str(word: &str) -> Result<Self, UnknownCipher> {
        match word {
            sealed::NAME => Ok(Self::Aes256Gcm),
            eventhive_0_5::NAME => Ok(Self::Eventhive05),
            other => Err(UnknownCipher(other.to_owned())),
        }
    }
}

/// The text is no cipher's word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no cipher: use aes-256-gcm, or eventhive-0.5 with Python hives")]
pub struct UnknownCipher(String);

/// The most that sealing, and putting the text into another JSON text, can make of one byte: Base64 makes 4 of 3, Python's
/// JSON, which is sealed by `eventhive-0.5`, writes a short float such as `1e15,` with 19 characters, and an escaped
/// character has two.
const MOST_GROWTH: usize = 16;

/// More than the constant parts of any envelope and of any wire's frame.
const LONGEST_HEAD: usize = 4096;

/// Seals what goes out and opens what comes in.
pub struct Envelope {
    metadata_key: MetadataKey,
    add_metadata: bool,
    seal: Seal,
}

enum Seal {
    Plain,
    Eventhive05(eventhive_0_5::Sealer),
    Aes256Gcm(Box<sealed::Sealer>),
}

// Neither secrets nor what is derived from them are shown.
impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cipher = match &self.seal {
            Seal::Plain => None,
            Seal::Eventhive05(_) => Some(Cipher::Eventhive05),
            Seal::Aes256Gcm(_) => Some(Cipher::Aes256Gcm),
        };
        f.debug_struct("Envelope").field("cipher", &cipher).finish_non_exhaustive()
    }
}

/// An opened message.
#[derive(Debug)]
pub struct Opened {
    /// The caller's object as JSON text, without metadata.
    pub payload: Bytes,
    /// What the sender told of the event, if it did.
    pub metadata: Option<Metadata>,
}

impl Envelope {
    /// Messages that travel as they are. `metadata_key` is where the metadata stands; `add_metadata` is whether it is
    /// sent.
    #[must_use]
    pub fn plain(metadata_key: impl Into<String>, add_metadata: bool) -> Self {
        Self { metadata_key: MetadataKey::new(metadata_key.into()), add_metadata, seal: Seal::Plain }
    }

    /// The same, sealed: the first secret seals, all of them open. Without a secret the envelope stays plain.
    ///
    /// # Errors
    /// [`SealError::Random`] if the machine has no randomness to give.
    pub fn sealed(
        mut self,
        cipher: Cipher,
        secrets: &[Zeroizing<String>],
        window: ReplayWindow,
    ) -> Result<Self, SealError> {
        self.seal = match cipher {
            _ if secrets.is_empty() => Seal::Plain,
            Cipher::Eventhive05 => Seal::Eventhive05(eventhive_0_5::Sealer::new(secrets, window)),
            Cipher::Aes256Gcm => match sealed::Sealer::new(secrets, random()?, window) {
                Some(sealer) => Seal::Aes256Gcm(Box::new(sealer)),
                None => Seal::Plain,
            },
        };
        Ok(self)
    }

    /// Whether messages are sealed.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        !matches!(self.seal, Seal::Plain)
    }

    /// The text to publish on `topic` for an event's payload (a JSON object's text) and metadata. A request and an answer
    /// always have their metadata, for without it they are none.
    ///
    /// # Errors
    /// [`SealError`]; a plain envelope has none.
    pub fn seal(&self, topic: &str, payload: &Bytes, metadata: &Metadata) -> Result<Bytes, SealError> {
        self.seal_at(topic, payload, metadata, SystemTime::now())
    }

    fn seal_at(&self, topic: &str, payload: &Bytes, metadata: &Metadata, now: SystemTime) -> Result<Bytes, SealError> {
        self.seal_message_at(&Topic::from(topic), &self.message(payload, metadata)?, now)
    }

    /// The first half of [`seal`](Self::seal): the plain message. It can be kept for any time, and sealed again.
    ///
    /// # Errors
    /// [`SealError::NotText`].
    pub fn message(&self, payload: &Bytes, metadata: &Metadata) -> Result<Bytes, SealError> {
        if !self.add_metadata && metadata.exchange.is_none() {
            return Ok(payload.clone());
        }
        let text = std::str::from_utf8(payload).map_err(|_| SealError::NotText)?;
        Ok(message::join(text, self.metadata_key.text(), &metadata_text(metadata)))
    }

    /// The second half: what is published on `topic`. To be published soon, because a seal has a time.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    pub fn seal_message(&self, topic: &Topic, message: &Bytes) -> Result<Bytes, SealError> {
        self.seal_message_at(topic, message, SystemTime::now())
    }

    fn seal_message_at(&self, topic: &Topic, message: &Bytes, now: SystemTime) -> Result<Bytes, SealError> {
        match &self.seal {
            Seal::Plain => Ok(message.clone()),
            Seal::Eventhive05(sealer) => {
                let text = std::str::from_utf8(message).map_err(|_| SealError::NotText)?;
                sealer.seal(text, random()?, self.metadata_key.text(), now).map_err(SealError::Message)
            }
            Seal::Aes256Gcm(sealer) => {
                let topic = topic.as_str().ok_or(SealError::NotText)?;
                sealer.seal(topic, message, now).map_err(SealError::Message)
            }
        }
    }

    /// What a wire may be asked before the message is sealed: whether it could carry it. The message sealed, where that
    /// could be too large for a wire that takes `largest` bytes, else the plain one, which is text as well.
    ///
    /// # Errors
    /// As [`seal`](Self::seal), where it is sealed.
    pub fn sample(&self, topic: &Topic, message: &Bytes, largest: Option<usize>) -> Result<Bytes, SealError> {
        let most = message.len().saturating_mul(MOST_GROWTH).saturating_add(LONGEST_HEAD);
        if largest.is_some_and(|largest| most > largest) {
            self.seal_message(topic, message)
        } else {
            Ok(message.clone())
        }
    }

    /// Opens what came on `topic`.
    ///
    /// # Errors
    /// [`OpenError`] says why the message must be dropped.
    pub fn open(&self, topic: &str, wire: &Bytes) -> Result<Opened, OpenError> {
        self.open_at(topic, wire, SystemTime::now())
    }

    fn open_at(&self, topic: &str, wire: &Bytes, now: SystemTime) -> Result<Opened, OpenError> {
        let (message, unadmitted) = match &self.seal {
            Seal::Plain => (wire.clone(), None),
            Seal::Eventhive05(sealer) => {
                let (message, iv) = sealer.open(wire)?;
                (message, Some((sealer, iv)))
            }
            Seal::Aes256Gcm(sealer) => (sealer.open(topic, wire, now)?, None),
        };
        let parts = message::split(&message, &self.metadata_key)?;
        let metadata = parts.metadata.map(|raw| self.read_metadata(&raw, topic)).transpose()?;
        if let Some((sealer, iv)) = unadmitted {
            sealer.admit(topic, iv, metadata.as_ref(), now)?;
        }
        Ok(Opened { payload: parts.payload, metadata })
    }

    /// Only `id` must be there, of any kind; peers may leave out or add what they like. Where `event` is all that ties the
    /// message to its topic, it must be there too.
    fn read_metadata(&self, raw: &RawValue, topic: &str) -> Result<Metadata, OpenError> {
        let unreadable = || OpenError::Metadata { key: self.metadata_key.text().to_owned() };
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(raw.get()).map_err(|_| unreadable())?;
        let text = |key: &str| object.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
        let id = match object.get("id").ok_or_else(unreadable)? {
            serde_json::Value::String(id) => id.clone(),
            other => other.to_string(),
        };
        let event = match (text("event"), &self.seal) {
            (Some(event), _) => event,
            (None, Seal::Eventhive05(_)) => return Err(OpenError::NoTopic),
            (None, Seal::Plain | Seal::Aes256Gcm(_)) => topic.to_owned(),
        };
        Ok(Metadata {
            id,
            time: object.get("time").and_then(serde_json::Value::as_f64).unwrap_or_default(),
            version: text("version").unwrap_or_default(),
            event,
            exchange: exchange::read(&object).map(Box::new),
        })
    }
}

/// The metadata object in the order of the original: time, version, event, id; then what a request or an answer has.
fn metadata_text(metadata: &Metadata) -> String {
    let mut text = format!(
        r#"{{"time": {:?}, "version": {}, "event": {}, "id": {}"#,
        metadata.time,
        quoted(&metadata.version),
        quoted(&metadata.event),
        quoted(&metadata.id)
    );
    if let Some(exchange) = &metadata.exchange {
        exchange::write(&mut text, exchange);
    }
    text.push('}');
    text
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn random<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(SealError::Random)?;
    Ok(bytes)
}

/// Why an event could not be made ready for the wire.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The payload is not UTF-8.
    #[error("the payload is not UTF-8 text")]
    NotText,
    /// The payload cannot be put into an envelope.
    #[error("the payload cannot be sealed: {0}")]
    Message(#[source] OpenError),
    /// The operating system gave no random bytes.
    #[error("no random bytes: {0}")]
    Random(getrandom::Error),
}

/// Why a received text could not be opened. The text is dropped with a log line that has this.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The message is not JSON.
    #[error("not JSON: {0}")]
    Syntax(#[source] serde_json::Error),
    /// The message is not a JSON object.
    #[error("the message is not a JSON object")]
    NotAnObject,
    /// The metadata cannot be read, or has no `id`.
    #[error("the metadata under `{key}` is not an object with an `id`")]
    Metadata {
        /// The metadata key of this hive.
        key: String,
    },
    /// This connector has a secret, and the message is not sealed.
    #[error("not sealed: the sender has no secret, or another cipher")]
    NotSealed,
    /// The envelope is damaged; the text says how.
    #[error("a malformed envelope: {0}")]
    Malformed(&'static str),
    /// The message was sealed with another secret.
    #[error("sealed with another secret, or damaged")]
    WrongKey,
    /// The envelope has no signature inside.
    #[error("the sealed message is not signed")]
    Unsigned,
    /// The signature is wrong.
    #[error("the signature is wrong: sealed with another secret, or altered")]
    BadSignature,
    /// The message came before.
    #[error("a replayed message")]
    Replayed,
    /// The message is older than what is remembered, so that nothing tells whether it came before.
    #[error("too old to tell whether it is replayed: if such messages are expected, raise `replay_messages`")]
    Forgotten,
    /// The metadata names no event, and nothing else tells for which topic the message was made.
    #[error("the metadata has no `event`: nothing tells for which topic the message was made")]
    NoTopic,
    /// The event named inside is not the one whose topic it came on.
    #[error("made for another event than that of its topic")]
    OtherTopic,
    /// The message's time is too far from now.
    #[error("outside the time window: an old message replayed, or the clocks of the two machines differ")]
    OutsideWindow,
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble });
    let mut text = String::with_capacity(bytes.len() * 2);
    text.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
    text
}
