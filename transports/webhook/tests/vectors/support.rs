//! Reading values of the vectors.

use std::time::Duration;

use eventhive_webhook::wire::auth::{Direction, HmacKey, Scheme};
use serde_json::Value;

pub(crate) fn vectors() -> Value {
    serde_json::from_str(include_str!("lonely.json")).unwrap()
}

pub(crate) fn hex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The bytes of a value that is hex, or `{"hex": ..}`.
pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    hex(text(value.get("hex").unwrap_or(value)))
}

pub(crate) fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

pub(crate) fn seconds(value: &Value) -> Duration {
    Duration::from_secs_f64(value.as_f64().unwrap())
}

/// The clock of all signatures in exchanges and transcripts.
pub(crate) const NOW: Duration = Duration::from_millis(1_700_000_000_750);

/// The scheme with which the vectors are signed in one direction.
pub(crate) fn scheme(direction: Direction) -> Scheme {
    let name = match direction {
        Direction::ToBroadcaster => "to_broadcaster",
        Direction::ToSubscriber => "to_subscriber",
    };
    Scheme::Hmac(HmacKey::from_text(text(&vectors()["secrets"][name]["as_in_secrets_file"])).unwrap())
}
