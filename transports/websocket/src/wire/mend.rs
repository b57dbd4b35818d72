//! What Python's `json` writes and JSON forbids, made harmless.
//!
//! Clients with pydantic 1 send `NaN`, `Infinity` and `-Infinity` as bare words, and escapes of half a surrogate pair.
//! Passed on, the first breaks every subscriber with a strict reader and the second breaks those with pydantic 2. They
//! become `null`, as in pydantic 2, and U+FFFD.

use memchr::memmem;

/// Keeps a mended text alive for what borrows from it.
#[derive(Debug, Default)]
pub struct Mended(String);

impl Mended {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self(String::new())
    }

    pub(super) fn mend(&mut self, text: &str) -> &str {
        self.0 = mend(text);
        &self.0
    }
}

/// Whether one of the words is anywhere in the text; it may be inside a string.
pub(super) fn has_literals(text: &str) -> bool {
    memmem::find(text.as_bytes(), b"NaN").is_some() || memmem::find(text.as_bytes(), b"Infinity").is_some()
}

/// Whether a string in the text has half a surrogate pair as escape. Quick when there is no `\u`.
#[must_use]
pub fn has_lone_surrogate(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &bytes[at..]) {
        let start = at + found;
        at = match surrogate(bytes, start) {
            Some(Surrogate::Pair) => start + 12,
            Some(Surrogate::Lone) => return true,
            // An escape is two bytes, so that the second backslash of `\\` begins none.
            None => start + 2,
        };
        if at >= bytes.len() {
            return false;
        }
    }
    false
}

enum Surrogate {
    Pair,
    Lone,
}

/// What stands at the backslash at `at`, if it is the escape of a surrogate.
fn surrogate(bytes: &[u8], at: usize) -> Option<Surrogate> {
    let first = escaped_unit(bytes, at)?;
    match first {
        0xD800..=0xDBFF => match escaped_unit(bytes, at + 6) {
            Some(0xDC00..=0xDFFF) => Some(Surrogate::Pair),
            _ => Some(Surrogate::Lone),
        },
        0xDC00..=0xDFFF => Some(Surrogate::Lone),
        _ => None,
    }
}

/// The number in `\uXXXX` at `at`.
fn escaped_unit(bytes: &[u8], at: usize) -> Option<u32> {
    let escape = bytes.get(at..at.checked_add(6)?)?;
    let digits = escape.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |number, digit| Some(number * 16 + char::from(*digit).to_digit(16)?))
}

/// The text with the words and half pairs replaced. Whatever else is wrong with it stays.
#[must_use]
pub fn mend(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut kept = 0;
    let mut at = 0;
    let mut in_string = false;
    while at < bytes.len() {
        let (width, instead) = match (in_string, bytes[at]) {
            (_, b'"') => {
                in_string = !in_string;
                (1, None)
            }
            (true, b'\\') => match surrogate(bytes, at) {
                Some(Surrogate::Pair) => (12, None),
                Some(Surrogate::Lone) => (6, Some("\\ufffd")),
                None => (2, None),
            },
            (false, b'N' | b'I' | b'-') => word(&bytes[at..]),
            _ => (1, None),
        };
        if let Some(instead) = instead {
            out.push_str(&text[kept..at]);
            out.push_str(instead);
            kept = at + width;
        }
        at += width;
    }
    out.push_str(&text[kept..]);
    out
}

fn word(rest: &[u8]) -> (usize, Option<&'static str>) {
    let words: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
    match words.iter().find(|word| rest.starts_with(word)) {
        Some(word) => (word.len(), Some("null")),
        None => (1, None),
    }
}
