//! JSON as Python writes it: `json.dumps(value, indent=0, sort_keys=True, separators=(',', ':'))`.
//!
//! This is what eventhive 0.5.0 signs and encrypts, so every byte counts: keys sorted by code point, pure ASCII, floats as
//! Python's `repr`, integers exact. Numbers are taken from their text; nothing passes through a lossy type.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::text::plain_run;
use super::walk::Walk;

/// A JSON value that keeps what the canonical text needs. It borrows from the text that it was read from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json<'a> {
    /// `null`, `true`, `false`, and numbers in their canonical text.
    Atom(Cow<'a, str>),
    Text(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Members<'a>),
}

/// The members of an object, sorted by code point (the order of UTF-8 bytes). Of repeated keys the last stands, as in
/// Python.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Json<'a> {
    /// Reads JSON text. Lone surrogates, `NaN` and nesting beyond 128 are errors.
    pub(super) fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        // First by the book, then for what is in it.
        serde_json::from_str::<serde::de::IgnoredAny>(text)?;
        Walk::new(text).json()
    }

    pub(super) fn number(text: &'a str) -> Self {
        Self::Atom(number(text))
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
            Self::Object(members) => {
                members.write(out, None);
            }
        }
    }

    pub(crate) fn to_text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }
}

impl<'a> Members<'a> {
    pub(crate) fn new(mut members: Vec<(Cow<'a, str>, Json<'a>)>) -> Self {
        // Stable, so that the last of a key stays the last.
        members.sort_by(|one, other| one.0.cmp(&other.0));
        members.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
        Self(members)
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<Json<'a>> {
        let index = self.0.binary_search_by(|member| (*member.0).cmp(key)).ok()?;
        Some(self.0.remove(index).1)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Json<'a>> {
        let index = self.0.binary_search_by(|member| (*member.0).cmp(key)).ok()?;
        self.0.get_mut(index).map(|member| &mut member.1)
    }

    /// Appends the canonical text, and says where in `out` a member of the key `place` would stand that is not there.
    pub(super) fn write(&self, out: &mut String, place: Option<&str>) -> Option<usize> {
        let mut open = "{\n";
        let mut found = None;
        for (key, value) in &self.0 {
            out.push_str(open);
            if found.is_none() && place.is_some_and(|place| place < &**key) {
                found = Some(out.len());
            }
            write_text(out, key);
            out.push(':');
            value.write(out);
            open = ",\n";
        }
        out.push_str(if self.0.is_empty() { "{}" } else { "\n}" });
        found
    }
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    loop {
        let (run, after) = rest.split_at(plain_run(rest.as_bytes()));
        out.push_str(run);
        let mut chars = after.chars();
        let Some(odd) = chars.next() else { break };
        write_escaped(out, odd);
        rest = chars.as_str();
    }
    out.push('"');
}

fn write_escaped(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        other => {
            for unit in other.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
}

/// A number's canonical text. It is a float if its text has a point or an exponent, else an integer of any size.
pub(super) fn number(text: &str) -> Cow<'_, str> {
    if !text.contains(['.', 'e', 'E']) {
        return if text == "-0" { "0".into() } else { text.into() };
    }
    text.parse().map_or(text.into(), |value| float(value).into())
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
