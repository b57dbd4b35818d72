//! JSON as Python writes it: `json.dumps(value, indent=0, sort_keys=True, separators=(',', ':'))`.
//!
//! This is what eventhive 0.5.0 signs and encrypts, so every byte counts: keys sorted by code point, pure ASCII, floats as
//! Python's `repr`, integers exact. Numbers are taken from their text; nothing passes through a lossy type.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::value::RawValue;

/// A JSON value that keeps what the canonical text needs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    /// `null`, `true`, `false`, and numbers in their canonical text.
    Atom(String),
    Text(String),
    Array(Vec<Json>),
    /// Sorted by code point: the order of UTF-8 bytes. Of repeated keys the last stands, as in Python.
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// Reads JSON text. Lone surrogates, `NaN` and nesting over serde_json's limit are errors.
    pub(super) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        Self::read(serde_json::from_str::<&RawValue>(text)?, 0)
    }

    fn read(raw: &RawValue, depth: usize) -> Result<Self, serde_json::Error> {
        // serde_json bounds the depth of what it builds, but not of what it skips.
        if depth > 127 {
            return Err(serde::de::Error::custom("nested more than 128 deep"));
        }
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let members: BTreeMap<String, &RawValue> = serde_json::from_str(text)?;
                let read = |(key, raw)| Ok((key, Self::read(raw, depth + 1)?));
                Self::Object(members.into_iter().map(read).collect::<Result<_, serde_json::Error>>()?)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text)?;
                Self::Array(items.into_iter().map(|raw| Self::read(raw, depth + 1)).collect::<Result<_, _>>()?)
            }
            Some(b'"') => Self::Text(serde_json::from_str(text)?),
            Some(b'n' | b't' | b'f') => Self::Atom(text.to_owned()),
            _ => Self::Atom(number(text)),
        })
    }

    /// Appends the canonical text.
    pub(super) fn write(&self, out: &mut String) {
        match self {
            Self::Atom(text) => out.push_str(text),
            Self::Text(text) => write_text(out, text),
            Self::Array(items) if items.is_empty() => out.push_str("[]"),
            Self::Array(items) => {
                let mut open = "[\n";
                for item in items {
                    out.push_str(open);
                    item.write(out);
                    open = ",\n";
                }
                out.push_str("\n]");
            }
            Self::Object(members) => write_object(out, members.iter()),
        }
    }

    pub(crate) fn to_text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }
}

fn write_object<'a>(out: &mut String, members: impl Iterator<Item = (&'a String, &'a Json)>) {
    let mut open = "{\n";
    for (key, value) in members {
        out.push_str(open);
        write_text(out, key);
        out.push(':');
        value.write(out);
        open = ",\n";
    }
    out.push_str(if open == "{\n" { "{}" } else { "\n}" });
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

/// A number's canonical text. It is a float if its text has a point or an exponent, else an integer of any size.
fn number(text: &str) -> String {
    if !text.contains(['.', 'e', 'E']) {
        return if text == "-0" { "0".to_owned() } else { text.to_owned() };
    }
    match text.parse::<f64>() {
        Ok(value) => float(value),
        Err(_) => text.to_owned(),
    }
}

/// Python's `repr` of a float: the shortest digits that read back the same, ties to the even digit (as `ryu` finds them
/// and the standard library does not), positional while the point stands at -3 to 16.
pub(crate) fn float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    if value == 0.0 {
        return format!("{sign}0.0");
    }
    let (digits, point) = shortest_digits(value.abs());
    let count = digits.len();
    match usize::try_from(point) {
        Ok(whole @ 1..=16) if whole >= count => format!("{sign}{digits}{}.0", "0".repeat(whole - count)),
        Ok(whole @ 1..=16) => format!("{sign}{}.{}", &digits[..whole], &digits[whole..]),
        _ if (-3..=0).contains(&point) => format!("{sign}0.{}{digits}", "0".repeat(point.unsigned_abs() as usize)),
        _ => {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            let exponent = point - 1;
            format!("{sign}{first}{dot}{rest}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
        }
    }
}

/// Digits d and point p so that value = 0.d x 10^p, without leading or trailing zeros.
fn shortest_digits(value: f64) -> (String, i32) {
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(value);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let leading = all.bytes().take_while(|digit| *digit == b'0').count();
    let digits = all[leading..].trim_end_matches('0').to_owned();
    let shift = i32::try_from(whole.len()).unwrap_or(0) - i32::try_from(leading).unwrap_or(0);
    (digits, shift + exponent.parse::<i32>().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors() -> serde_json::Value {
        serde_json::from_str(include_str!("../../tests/vectors/eventhive.json")).unwrap()
    }

    fn rows(section: &str) -> Vec<serde_json::Value> {
        vectors()[section].as_array().unwrap().clone()
    }

    #[test]
    fn canonical_text_is_pythons_byte_for_byte() {
        for row in rows("canonical_json") {
            let (Some(input), Some(expected)) = (row["input_json"].as_str(), row["canonical"].as_str()) else {
                continue;
            };
            match Json::parse(input) {
                Ok(json) => assert_eq!(json.to_text(), expected, "{}", row["name"]),
                Err(error) => assert!(is_beyond_json(input), "{}: {error}", row["name"]),
            }
        }
    }

    /// What Python reads and JSON has not: such messages are dropped.
    fn is_beyond_json(input: &str) -> bool {
        ["NaN", "Infinity", "\\ud8", "\\udc", "\\uD8", "\\uDC"].iter().any(|word| input.contains(word))
    }

    #[test]
    fn floats_are_written_as_pythons_repr() {
        let rows: Vec<_> = rows("float_repr")
            .into_iter()
            .chain(vectors()["float_repr_ties"]["rows"].as_array().unwrap().clone())
            .collect();
        assert!(rows.len() > 300);
        for row in rows {
            let bits = u64::from_str_radix(row["bits_hex"].as_str().unwrap(), 16).unwrap();
            let expected = row["python"].as_str().unwrap();
            let expected = match expected {
                "nan" => "NaN",
                "inf" => "Infinity",
                "-inf" => "-Infinity",
                other => other,
            };
            assert_eq!(float(f64::from_bits(bits)), expected, "{bits:x}");
        }
    }

    #[test]
    fn integers_keep_every_digit() {
        for row in rows("int_text") {
            assert_eq!(number(row["json"].as_str().unwrap()), row["canonical"].as_str().unwrap());
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_overflow() {
        assert!(Json::parse(&"[".repeat(100_000)).is_err());
        assert!(Json::parse(&format!("{}{}", "[".repeat(5000), "]".repeat(5000))).is_err());
    }
}
