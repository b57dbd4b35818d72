//! From a message of the hub to the line of a stream, and back.
//!
//! A line is the payload object with four keys that the server writes, whatever the publisher put under them. A payload
//! that is no object, from a door where that is allowed, is wrapped in one:
//!
//! | payload | line |
//! |---|---|
//! | an object, or the text of one, which is how hives send | that object |
//! | any other JSON value | `{"payload": <value>, "pubsub_wrapped": "json", ..}` |
//! | other text | `{"payload": "<text>", "pubsub_wrapped": "text", ..}` |
//! | bytes that are no text | `{"payload": "<base64>", "pubsub_wrapped": "base64", ..}` |
//!
//! The text of an object that has keys of the server's own at its top is wrapped as text: they would be overwritten.
//! `payload` is the key whose value asfpy's `Listener` hands to its caller.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use eventhive_hub::{Draft, Format, Message, PublicCursor};
use eventhive_transport::Topic;

use super::answers::{REPLAYING, STILLALIVE};
use super::json::{self, JsonError, Object};
use super::topics::{self, EventPath};

/// Epoch seconds at arrival.
pub const TIMESTAMP: &str = "pubsub_timestamp";
/// The list of topics, without the marker of private events.
pub const TOPICS: &str = "pubsub_topics";
/// The decoded path.
pub const PATH: &str = "pubsub_path";
/// The place in the hub's order.
pub const CURSOR: &str = "pubsub_cursor";
/// Says that `payload` is the payload, and of what kind. Not in the original.
pub const WRAPPED: &str = "pubsub_wrapped";
const PAYLOAD: &str = "payload";

/// The attribute with the text of an object that has half surrogate pairs: the payload of the hub is mended.
const ORIGINAL: &str = "pubsub_text";

/// A draft of what a publisher put to a decoded path.
///
/// `exact` is for links of ours: the topic keeps doubled slashes, and the payload is what hives send, unwrapped.
///
/// # Errors
/// The body is no JSON, or no object.
pub fn draft(path: &str, body: &str, exact: bool) -> Result<Draft, JsonError> {
    draft_of(path, body, &Object::read(body)?, exact)
}

/// Why a payload that should say its own path gives no draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is no payload.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// What stands in the place of the path is none.
    #[error("its `{PATH}` is no text")]
    NoText,
}

/// A draft of a payload that says itself, under [`PATH`], by which decoded path it comes; by `/` if it does not.
///
/// # Errors
/// The body is no JSON, or no object, or its path is no text.
pub fn addressed(body: &str) -> Result<Draft, AddressError> {
    let object = Object::read(body)?;
    let path: Cow<'_, str> = match object.member(PATH) {
        Some(value) => serde_json::from_str::<String>(value).map_err(|_| AddressError::NoText)?.into(),
        None => "/".into(),
    };
    Ok(draft_of(&path, body, &object, false)?)
}

fn draft_of(path: &str, body: &str, object: &Object, exact: bool) -> Result<Draft, JsonError> {
    let event = EventPath::new(path);
    let topic = if exact { event.exact_topic() } else { event.topic() };
    let regular = topics::path_of(&String::from_utf8_lossy(topic.as_bytes()), event.private) == path;
    let draft = match (exact, object.has_lone_surrogate) {
        (true, _) => Draft::bytes(topic, unwrapped(object).unwrap_or_else(|| Bytes::copy_from_slice(body.as_bytes()))),
        (false, false) => Draft::json(topic, Bytes::copy_from_slice(body.as_bytes())),
        (false, true) => {
            Draft::json(topic, Object::mended(body)?.text().to_owned()).attribute(ORIGINAL, body.to_owned())
        }
    };
    let draft = draft.private(event.private);
    Ok(if regular { draft } else { draft.attribute(PATH, path.to_owned()) })
}

/// The line of a message, whose cursor is said by this, with its line feed. One chunk of a stream.
#[must_use]
pub fn line(message: &Message, cursor: PublicCursor) -> String {
    let topic = String::from_utf8_lossy(message.topic().as_bytes());
    let mut line = decorated(message, &topic, cursor);
    line.push('\n');
    line
}

fn decorated(message: &Message, topic: &str, cursor: PublicCursor) -> String {
    let timestamp = float(seconds(message.time()));
    let topics = list(topics::topics_of(topic));
    let path = string(&match message.attribute(PATH) {
        Some(path) => String::from_utf8_lossy(path),
        None => Cow::Owned(topics::path_of(topic, message.is_private())),
    });
    let cursor = format!("\"{cursor}\"");
    let added = [(TIMESTAMP, &*timestamp), (TOPICS, &topics), (PATH, &path), (CURSOR, &cursor)];
    match content(message) {
        Ok(object) => object.with(&added),
        Err(Wrapped { value, kind }) => {
            let [timestamp, topics, path, cursor] = added;
            Object::default().with(&[(PAYLOAD, &value), (WRAPPED, kind), timestamp, topics, path, cursor])
        }
    }
}

/// The texts of the two members that stand for a payload that is no object.
struct Wrapped {
    value: String,
    kind: &'static str,
}

const JSON: &str = "\"json\"";
const TEXT: &str = "\"text\"";
const BASE64: &str = "\"base64\"";

fn content(message: &Message) -> Result<Object, Wrapped> {
    let payload = message.attribute(ORIGINAL).unwrap_or_else(|| message.payload());
    let Ok(text) = std::str::from_utf8(payload) else {
        return Err(Wrapped { value: format!("\"{}\"", STANDARD.encode(payload)), kind: BASE64 });
    };
    match (message.format(), Object::read(text)) {
        (Format::Json, Ok(object)) => Ok(object),
        (Format::Bytes, Ok(object)) if !object.members().any(|(key, _)| is_ours(key)) => Ok(object),
        (Format::Json, Err(_)) if let Some(value) = json::value(text) => Err(Wrapped { value, kind: JSON }),
        _ => Err(Wrapped { value: string(text), kind: TEXT }),
    }
}

fn is_ours(key: &str) -> bool {
    [TIMESTAMP, TOPICS, PATH, CURSOR, WRAPPED].contains(&key)
}

/// The body that carries a payload to a server: the object that it is, or one around it.
#[must_use]
pub fn body(payload: &[u8]) -> Cow<'_, str> {
    let wrap = |value: &str, kind| Cow::Owned(Object::default().with(&[(PAYLOAD, value), (WRAPPED, kind)]));
    let Ok(text) = std::str::from_utf8(payload) else {
        return wrap(&format!("\"{}\"", STANDARD.encode(payload)), BASE64);
    };
    match Object::read(text) {
        Ok(object) if !object.members().any(|(key, _)| is_ours(key)) => Cow::Borrowed(text),
        _ => wrap(&string(text), TEXT),
    }
}

/// The payload inside a wrap; `None` if the object is none.
fn unwrapped(object: &Object) -> Option<Bytes> {
    let value = object.member(PAYLOAD)?;
    match object.member(WRAPPED)? {
        JSON => Some(value.to_owned().into()),
        TEXT => serde_json::from_str::<String>(value).ok().map(Bytes::from),
        BASE64 => STANDARD.decode(value.trim_matches('"')).ok().map(Bytes::from),
        _ => None,
    }
}

/// What a line of a stream is.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// The server is there; its clock says this.
    Ping(f64),
    /// The server is there, and looks for what lies in the past: more may come from before its clock.
    Replaying,
    /// An event.
    Event {
        /// The decoded path without its first slash.
        topic: Topic,
        /// What was published.
        payload: Bytes,
        /// The event's place, in whatever form the server has them. Servers before 0.7.3 have none.
        cursor: Option<String>,
        /// The server's clock when it arrived there.
        time: f64,
    },
}

impl Line {
    /// Reads a line; `None` if it is neither.
    #[must_use]
    pub fn read(line: &str) -> Option<Self> {
        let object = Object::read(line).ok()?;
        let text = |name| object.member(name).and_then(|value| serde_json::from_str::<String>(value).ok());
        let Some(path) = text(PATH) else {
            let time = object.member(STILLALIVE)?.parse().ok()?;
            return Some(if object.member(REPLAYING).is_some() { Self::Replaying } else { Self::Ping(time) });
        };
        let payload = unwrapped(&object).unwrap_or_else(|| object.without(is_ours).into());
        Some(Self::Event {
            // After a restart the original gives paths without their first slash.
            topic: Topic::from(path.strip_prefix('/').unwrap_or(&path)),
            payload,
            cursor: text(CURSOR),
            time: object.member(TIMESTAMP)?.parse().ok()?,
        })
    }
}

/// The ping of now, with its line feed.
#[must_use]
pub fn ping() -> String {
    format!("{{\"{STILLALIVE}\": {}}}\n", float(seconds(SystemTime::now())))
}

/// The ping of now of a stream that still looks for what lies in the past, with its line feed. It has a member more, so
/// that nobody takes its time for a place to go on from.
#[must_use]
pub fn replaying() -> String {
    format!("{{\"{STILLALIVE}\": {}, \"{REPLAYING}\": true}}\n", float(seconds(SystemTime::now())))
}

/// Epoch seconds.
fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}

fn float(number: f64) -> String {
    let mut text = String::new();
    json::write_float(&mut text, number);
    text
}

fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    json::write_string(&mut out, text);
    out
}

fn list<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::from("[");
    for (number, text) in texts.enumerate() {
        out.push_str(if number > 0 { ", " } else { "" });
        json::write_string(&mut out, text);
    }
    out.push(']');
    out
}
