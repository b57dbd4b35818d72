//! The plain message: the caller's object with the metadata object under one more key.
//!
//! Source: eventhive 0.5.0. The text is spliced, not re-serialised: numbers and key order of the payload arrive as they
//! were sent.

use std::fmt;

use bytes::Bytes;
use memchr::memmem::Finder;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::OpenError;

/// A received message, taken apart.
#[derive(Debug)]
pub(super) struct Parts {
    /// The caller's object, without metadata.
    pub(super) payload: Bytes,
    /// The metadata object's text, if the sender added one.
    pub(super) metadata: Option<Box<RawValue>>,
}

/// The key of the metadata object, and what finds it quickly.
pub(super) struct MetadataKey {
    finder: Finder<'static>,
    text: String,
}

impl MetadataKey {
    pub(super) fn new(text: String) -> Self {
        Self { finder: Finder::new(&text).into_owned(), text }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// Puts `metadata` (an object's text) under `key` into `payload` (an object's text). A key of that name is replaced in
/// place.
#[must_use]
pub(super) fn join(payload: &str, key: &str, metadata: &str) -> Bytes {
    let quoted = quote(key);
    let trimmed = payload.trim_end();
    let open = trimmed.strip_suffix('}').unwrap_or(trimmed).trim_end();
    if !payload.contains(&quoted) {
        let mut text = String::with_capacity(open.len() + quoted.len() + metadata.len() + 8);
        text.push_str(open);
        if !open.ends_with('{') {
            text.push_str(", ");
        }
        text.extend([quoted.as_str(), ": ", metadata, "}"]);
        return text.into();
    }
    rebuild(payload, key, Some(metadata))
}

/// Takes a received text apart.
///
/// # Errors
/// [`OpenError`]; the text is dropped by the caller with a log line that has it.
pub(super) fn split(text: &Bytes, key: &MetadataKey) -> Result<Parts, OpenError> {
    // Most of those who send no metadata have nothing that even looks like its key.
    if key.finder.find(text).is_none() && memchr::memchr(b'\\', text).is_none() {
        check(text)?;
        return Ok(Parts { payload: text.clone(), metadata: None });
    }
    let key = key.text();
    let entries = entries(text)?;
    let Some(position) = entries.iter().rposition(|entry| entry.0 == key) else {
        return Ok(Parts { payload: text.clone(), metadata: None });
    };
    let raw = entries[position].1;
    let mut payload = String::with_capacity(text.len());
    write_object(
        &mut payload,
        entries.iter().filter(|entry| entry.0 != key).map(|(key, raw)| (key.as_str(), raw.get())),
    );
    Ok(Parts { payload: payload.into(), metadata: Some(raw.to_owned()) })
}

fn rebuild(payload: &str, key: &str, metadata: Option<&str>) -> Bytes {
    let mut text = String::with_capacity(payload.len() + metadata.map_or(0, str::len) + 32);
    let entries = entries(payload.as_bytes()).unwrap_or_default();
    let known = entries.iter().any(|entry| entry.0 == key);
    let replaced = entries.iter().map(|(name, raw)| match metadata {
        Some(metadata) if name == key => (name.as_str(), metadata),
        _ => (name.as_str(), raw.get()),
    });
    write_object(&mut text, replaced.chain(metadata.filter(|_| !known).map(|metadata| (key, metadata))));
    text.into()
}

fn write_object<'a>(text: &mut String, entries: impl Iterator<Item = (&'a str, &'a str)>) {
    text.push('{');
    for (number, (name, raw)) in entries.enumerate() {
        if number > 0 {
            text.push_str(", ");
        }
        text.extend([quote(name).as_str(), ": ", raw]);
    }
    text.push('}');
}

fn quote(name: &str) -> String {
    serde_json::Value::String(name.to_owned()).to_string()
}

/// Whether a text is a JSON object.
fn check(text: &[u8]) -> Result<(), OpenError> {
    // The JSON reader skips over what it is told to ignore without looking at its encoding.
    let known = std::str::from_utf8(text).map_err(|error| OpenError::Syntax(serde::de::Error::custom(error)))?;
    serde_json::from_str::<serde::de::IgnoredAny>(known).map_err(OpenError::Syntax)?;
    if is_object(text) { Ok(()) } else { Err(OpenError::NotAnObject) }
}

fn is_object(text: &[u8]) -> bool {
    text.trim_ascii_start().first() == Some(&b'{')
}

fn entries(text: &[u8]) -> Result<Vec<(String, &RawValue)>, OpenError> {
    if !is_object(text) {
        check(text)?;
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let entries = reader.deserialize_map(EntriesVisitor).map_err(OpenError::Syntax)?;
    reader.end().map_err(OpenError::Syntax)?;
    Ok(entries)
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::with_capacity(8);
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "__eventhive__";

    fn split(text: &Bytes, key: &str) -> Result<Parts, OpenError> {
        super::split(text, &MetadataKey::new(key.to_owned()))
    }

    fn text(bytes: &Bytes) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn metadata_comes_last_and_the_payload_text_stays_as_it_was() {
        assert_eq!(text(&join(r#"{"a": 1.50, "b":"é"} "#, KEY, "{}")), r#"{"a": 1.50, "b":"é", "__eventhive__": {}}"#);
        assert_eq!(text(&join("{ }", KEY, "{}")), r#"{"__eventhive__": {}}"#);
    }

    #[test]
    fn metadata_replaces_a_key_of_its_name_in_place() {
        let joined = join(r#"{"a":1,"__eventhive__":7,"b":2}"#, KEY, r#"{"id":"x"}"#);
        assert_eq!(text(&joined), r#"{"a": 1, "__eventhive__": {"id":"x"}, "b": 2}"#);
    }

    #[test]
    fn metadata_is_taken_out_wherever_it_stands() {
        let wire = Bytes::from_static(br#"{"__eventhive__": {"id": "x"}, "big": 123456789012345678901234567890}"#);
        let parts = split(&wire, KEY).unwrap();
        assert_eq!(text(&parts.payload), r#"{"big": 123456789012345678901234567890}"#);
        assert_eq!(parts.metadata.unwrap().get(), r#"{"id": "x"}"#);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let refused = |text: &'static str| split(&Bytes::from_static(text.as_bytes()), KEY).unwrap_err();
        assert!(matches!(refused("[1]"), OpenError::NotAnObject));
        assert!(matches!(refused("{\"a\":1} x"), OpenError::Syntax(_)));
        assert!(matches!(refused(""), OpenError::Syntax(_)));
        assert!(matches!(refused("{\"a\":NaN}"), OpenError::Syntax(_)));
        let not_utf8 = Bytes::from_static(b"{\"a\": \"\xff\"}");
        assert!(matches!(split(&not_utf8, KEY).unwrap_err(), OpenError::Syntax(_)));
    }

    proptest! {
        #[test]
        fn a_joined_message_splits_into_what_it_was(keys in proptest::collection::vec("[a-z_é\"\\\\]{0,6}", 0..6), number in any::<i64>()) {
            let object: serde_json::Map<String, serde_json::Value> = keys.into_iter().map(|key| (key, number.into())).collect();
            let payload = serde_json::Value::Object(object.clone()).to_string();
            let parts = split(&join(&payload, KEY, r#"{"id":"x"}"#), KEY).unwrap();
            let back: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&parts.payload).unwrap();
            prop_assert_eq!(back, object);
            let metadata = parts.metadata.unwrap();
            prop_assert_eq!(metadata.get(), r#"{"id":"x"}"#);
        }

        #[test]
        fn metadata_is_found_however_its_key_is_written(escaped in 0_usize..13, spaces in " {0,2}") {
            let letter = KEY.as_bytes()[escaped];
            let key = format!("{}\\u{letter:04x}{}", &KEY[..escaped], &KEY[escaped + 1..]);
            let parts = split(&format!("{{\"a\":1,{spaces}\"{key}\": {{}}}}").into(), KEY).unwrap();
            prop_assert!(parts.metadata.is_some() && !text(&parts.payload).contains("ev"));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = split(&Bytes::from(text), KEY);
        }
    }
}
