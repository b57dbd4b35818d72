//! Targets of requests and the paths they stand for.
//!
//! A target is decoded once, before anything is split: `%2F` separates topics as `/` does, and `%252F` is the text `%2F`.
//! What cannot be decoded to UTF-8 stays as it is written, each byte for itself, as in the original. `+` is a plus.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The decoded path of a target: without query and fragment, without scheme and host.
#[must_use]
pub fn path_of(target: &str) -> Cow<'_, str> {
    let target = target.split(['?', '#']).next().unwrap_or_default();
    let path = match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').map_or("/", |at| rest.get(at..).unwrap_or("/")),
        _ => target,
    };
    decode(path)
}

/// Decodes what is percent-encoded UTF-8.
#[must_use]
pub fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        rest = decode_run(from, &mut out);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Decodes the encoded bytes at the start of `text`, which has at least a `%` there; gives what follows them.
fn decode_run<'a>(text: &'a str, out: &mut String) -> &'a str {
    let bytes: Vec<u8> = text.as_bytes().chunks_exact(3).map_while(byte).collect();
    let (run, rest) = text.split_at(bytes.len() * 3);
    if run.is_empty() {
        out.push('%');
        return rest.strip_prefix('%').unwrap_or(rest);
    }
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        at += chunk.valid().len();
        let invalid = chunk.invalid().len();
        out.push_str(run.get(at * 3..(at + invalid) * 3).unwrap_or_default());
        at += invalid;
    }
    rest
}

fn byte(triple: &[u8]) -> Option<u8> {
    let [b'%', high, low] = triple else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

/// The target that decodes to `path`: everything encoded that is not a letter, a digit, `-._~` or `/`.
#[must_use]
pub fn encode(path: &str) -> String {
    let mut target = String::with_capacity(path.len() + path.len() / 4);
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => target.push(char::from(byte)),
            _ => _ = write!(target, "%{byte:02X}"),
        }
    }
    target
}
