//! What stands in the `data` of an event for a payload, and the way back.
//!
//! | payload | `data` |
//! |---|---|
//! | JSON text | that text, spliced in |
//! | other bytes that are UTF-8 | a JSON string of that text; this is how eventhive sends its envelopes |
//! | bytes that are not | the object `{"eventhive_base64": "<standard base64 with padding>"}` |

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::parse::plain;

/// The only key of the object that stands for bytes that are no text.
pub const BASE64_KEY: &str = "eventhive_base64";

/// A payload, about to become `data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data<'a> {
    /// JSON text, spliced in as it is. It must be one complete value.
    Json(&'a str),
    /// A text that becomes a JSON string.
    Text(&'a str),
    /// Bytes that are no text.
    Bytes(&'a [u8]),
}

impl<'a> Data<'a> {
    /// For a payload that is JSON text by its sender's word. What is not even UTF-8 travels as bytes.
    #[must_use]
    pub fn json(payload: &'a [u8]) -> Self {
        std::str::from_utf8(payload).map_or(Self::Bytes(payload), Self::Json)
    }

    /// For a payload of any bytes.
    #[must_use]
    pub fn opaque(payload: &'a [u8]) -> Self {
        std::str::from_utf8(payload).map_or(Self::Bytes(payload), Self::Text)
    }

    /// About how many bytes it takes, for the first allocation.
    pub(super) const fn size_hint(&self) -> usize {
        match self {
            Self::Json(text) => text.len(),
            // A text of JSON has a quote to escape every ten bytes or so.
            Self::Text(text) => text.len() + text.len() / 8 + 2,
            Self::Bytes(bytes) => bytes.len() / 3 * 4 + BASE64_KEY.len() + 12,
        }
    }

    /// Exactly how many bytes it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Json(text) => text.len(),
            Self::Text(text) => super::encode::string_size(text),
            Self::Bytes(bytes) => bytes.len().div_ceil(3) * 4 + BASE64_KEY.len() + r#"{"":""}"#.len(),
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Json(text) => out.push_str(text),
            Self::Text(text) => super::encode::string(out, text),
            Self::Bytes(bytes) => {
                out.push_str("{\"");
                out.push_str(BASE64_KEY);
                out.push_str("\":\"");
                STANDARD.encode_string(bytes, out);
                out.push_str("\"}");
            }
        }
    }
}

/// The payload that `data` stands for: a string's text, the bytes of the base64 object, `{}` for `null`, and the JSON
/// text of anything else.
///
/// `raw` is one valid JSON value. The result shares `whole`, the message that `raw` was parsed from, where it can.
#[must_use]
pub fn payload_of(raw: &str, whole: Option<&Bytes>) -> Bytes {
    if raw == "null" {
        return Bytes::from_static(b"{}");
    }
    if raw.starts_with('"') {
        return match plain(raw) {
            Some(text) => share(text, whole),
            // A string that cannot be unescaped has half a surrogate pair; it was mended when the message was read.
            None => serde_json::from_str::<String>(raw).map_or_else(|_| share(raw, whole), Bytes::from),
        };
    }
    bytes_of(raw).unwrap_or_else(|| share(raw, whole))
}

fn share(text: &str, whole: Option<&Bytes>) -> Bytes {
    match whole {
        // A slice keeps the whole message alive; for a small part of a large one a copy is cheaper to keep.
        Some(whole) if whole.as_ptr_range().contains(&text.as_ptr()) && text.len() >= whole.len() / 4 => {
            whole.slice_ref(text.as_bytes())
        }
        _ => Bytes::copy_from_slice(text.as_bytes()),
    }
}

/// The bytes of the base64 object, if `raw` is one.
fn bytes_of(raw: &str) -> Option<Bytes> {
    let inside = raw.strip_prefix('{')?.trim_start().strip_prefix('"')?.strip_prefix(BASE64_KEY)?;
    let value = inside.strip_prefix('"')?.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let (digits, rest) = value.split_once('"')?;
    if rest.trim_start() != "}" {
        return None;
    }
    STANDARD.decode(digits).ok().map(Bytes::from)
}

/// What the `data` of a publish is to the hub, so that all its doors and links see the same payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// JSON text that is not a string.
    Json(Bytes),
    /// The text of a JSON string, which is how links send any text, or the bytes of the base64 object.
    Opaque(Bytes),
}

impl Payload {
    /// `raw` is one valid JSON value.
    #[must_use]
    pub fn of(raw: &str) -> Self {
        if raw.starts_with('"') {
            return Self::Opaque(payload_of(raw, None));
        }
        bytes_of(raw).map_or_else(|| Self::Json(Bytes::copy_from_slice(raw.as_bytes())), Self::Opaque)
    }
}

/// Whether arrays and objects in `raw`, which is valid JSON, are nested deeper than `levels`.
#[must_use]
pub fn is_deeper_than(raw: &str, levels: usize) -> bool {
    let opened = memchr::memchr2_iter(b'[', b'{', raw.as_bytes()).take(levels + 1).count();
    opened > levels && depth(raw) > levels
}

fn depth(raw: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = raw.bytes();
    let mut in_string = false;
    while let Some(byte) = bytes.next() {
        match (in_string, byte) {
            (_, b'"') => in_string = !in_string,
            (true, b'\\') => _ = bytes.next(),
            (false, b'[' | b'{') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
