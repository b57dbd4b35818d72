//! How times and topics are said.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cli::console::visible;

/// Seconds since the epoch, now.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// How long ago a time is, in seconds since the epoch. The clock that wrote it may be ahead.
pub(super) fn ago(at: u64) -> String {
    format!("{} ago", since_then(at))
}

/// How much time has passed since then.
pub(super) fn since_then(at: u64) -> String {
    let secs = now().saturating_sub(at);
    match secs {
        0..60 => format!("{secs} s"),
        60..3_600 => format!("{} min", secs / 60),
        3_600..172_800 => format!("{} h", secs / 3_600),
        _ => format!("{} days", secs / 86_400),
    }
}

/// `90`, `90s`, `15min` or `15m`, `2h`, `3d`.
pub(super) fn read_span(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err("expected a time such as 90s, 15min, 2h or 3d".to_owned()),
    };
    let secs = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    secs.map(Duration::from_secs).ok_or_else(|| "expected a time such as 90s, 15min, 2h or 3d".to_owned())
}

/// A topic for people.
pub(super) fn topic(topic: &[u8]) -> String {
    visible(&String::from_utf8_lossy(topic)).into_owned()
}

/// A topic for programs: as text, or, where it is none, in base64.
pub(super) fn topic_json(topic: &[u8]) -> Value {
    std::str::from_utf8(topic).map_or_else(|_| json!({ "base64": STANDARD.encode(topic) }), Value::from)
}

/// `1 subscription`, `2 subscriptions`
pub(super) fn number(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_with_their_units() {
        for (text, secs) in [("90", 90), ("90s", 90), ("15min", 900), ("15m", 900), ("2h", 7_200), ("3d", 259_200)] {
            assert_eq!(read_span(text), Ok(Duration::from_secs(secs)), "{text}");
        }
        for text in ["", "h", "1w", "-1s", "1.5h", "99999999999999999999s", "99999999999999999d"] {
            assert!(read_span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn topics_that_are_no_text_are_base64_for_programs() {
        assert_eq!(topic_json("ä".as_bytes()), json!("ä"));
        assert_eq!(topic_json(&[255]), json!({ "base64": "/w==" }));
        assert_eq!(topic(b"a\x1b[2J"), "a\\u001b[2J");
    }
}
