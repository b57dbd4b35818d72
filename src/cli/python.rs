//! Texts as Python prints them, for output that scripts of the original compare.

use std::fmt::Write as _;

use serde_json::Value;

/// `repr` of a text: in single quotes unless only single quotes are in it.
pub(crate) fn repr_text(text: &str) -> String {
    quoted(text, is_printable)
}

/// `ascii` of a text.
pub(crate) fn ascii_text(text: &str) -> String {
    quoted(text, |c| c.is_ascii() && is_printable(c))
}

fn quoted(text: &str, plain: impl Fn(char) -> bool) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if plain(c) => out.push(c),
            c => {
                let code = u32::from(c);
                // Writing to a String cannot fail.
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push(quote);
    out
}

/// Near to `str.isprintable`: no control, format or private character, no space but U+0020.
fn is_printable(c: char) -> bool {
    let hidden = matches!(u32::from(c),
        0xad | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xe000..=0xf8ff | 0xfff0..=0xfffb | 0xe0000..);
    c == ' ' || !(c.is_control() || c.is_whitespace() || hidden)
}

/// `repr` of what `json.loads` makes of this value.
pub(crate) fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => self::number(number),
        Value::String(text) => repr_text(text),
        Value::Array(items) => format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entry = |(key, value): (&String, &Value)| format!("{}: {}", repr_text(key), repr(value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}

/// `json.dumps`: `, ` and `: `, ASCII only.
pub(crate) fn dumps(value: &Value) -> String {
    match value {
        Value::Number(number) => self::number(number),
        Value::String(text) => dumps_text(text),
        Value::Array(items) => format!("[{}]", items.iter().map(dumps).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entry = |(key, value): (&String, &Value)| format!("{}: {}", dumps_text(key), dumps(value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn dumps_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
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
            ' '..='\u{7e}' => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
    out
}

/// A number as Python's `repr`: `1e+16`, `1e-05`, `1.0`.
fn number(number: &serde_json::Number) -> String {
    let text = number.to_string();
    if number.is_f64() { python_float(&text) } else { text }
}

/// Lays the digits of `serde_json` out by Python's rule: positional between 1e-4 and 1e16.
///
/// Only the digits are taken over: of two shortest ones `serde_json` chooses as Python does, the standard library not.
fn python_float(text: &str) -> String {
    let (sign, text) = text.strip_prefix('-').map_or(("", text), |text| ("-", text));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let leading = all.len() - all.trim_start_matches('0').len();
    let digits = all.trim_matches('0');
    if digits.is_empty() {
        return format!("{sign}0.0");
    }
    // The value is 0.digits * 10^point.
    let point = i32::try_from(whole.len()).unwrap_or(0) - i32::try_from(leading).unwrap_or(0) + exponent;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let length = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    if point > 16 || point <= -4 {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        let power = point - 1;
        let power_sign = if power < 0 { '-' } else { '+' };
        return format!("{sign}{first}{dot}{rest}e{power_sign}{:02}", power.abs());
    }
    if point <= 0 {
        return format!("{sign}0.{}{digits}", zeros(-point));
    }
    if point >= length {
        return format!("{sign}{digits}{}.0", zeros(point - length));
    }
    let (before, after) = digits.split_at(usize::try_from(point).unwrap_or(0));
    format!("{sign}{before}.{after}")
}

/// Whether Python takes a value for false.
pub(crate) fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_look_as_python_prints_them() {
        let value = json!({"a": [1, 1.0, -0.0, 1e16, 1e-5, 0.0001, 123456789.25], "b": null, "c": true, "d": "it's \u{e9}\u{1f41d}\n\u{7f}"});
        assert_eq!(
            repr(&value),
            r#"{'a': [1, 1.0, -0.0, 1e+16, 1e-05, 0.0001, 123456789.25], 'b': None, 'c': True, 'd': "it's é🐝\n\x7f"}"#
        );
        assert_eq!(
            dumps(&value),
            r#"{"a": [1, 1.0, -0.0, 1e+16, 1e-05, 0.0001, 123456789.25], "b": null, "c": true, "d": "it's \u00e9\ud83d\udc1d\n\u007f"}"#
        );
        assert_eq!(repr_text("'\""), r#"'\'"'"#);
        assert_eq!(ascii_text("é🐝"), r"'\xe9\U0001f41d'");
    }

    #[test]
    fn floats_look_as_python_prints_them() {
        let all: Value = serde_json::from_str(include_str!("../../tests/vectors/config.json")).unwrap();
        let cases = all["float_repr"].as_array().unwrap();
        assert!(cases.len() > 250);
        for case in cases {
            let float = f64::from_bits(u64::from_str_radix(case["bits_hex"].as_str().unwrap(), 16).unwrap());
            let Some(number) = serde_json::Number::from_f64(float) else { continue };
            assert_eq!(self::number(&number), case["python"].as_str().unwrap());
        }
    }

    #[test]
    fn falsy_is_what_python_says() {
        for value in [json!(null), json!(false), json!(0), json!(0.0), json!(""), json!([]), json!({})] {
            assert!(is_falsy(&value), "{value}");
        }
        for value in [json!(true), json!(1), json!("0"), json!([0]), json!({"a": null})] {
            assert!(!is_falsy(&value), "{value}");
        }
    }
}
