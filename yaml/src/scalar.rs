//! Plain scalars as YAML 1.1 reads them, by the rules of PyYAML's `SafeLoader`.
//!
//! The forms are those of the resolvers in PyYAML 6.0 (`resolver.py`), the values those of its `SafeConstructor`. Two
//! deliberate differences: a timestamp stays text, and a number that Python could hold and 64 bits cannot is an error.

use eventhive_transport::settings::Value;

/// Reads an unquoted scalar. `Err` has what is wrong and the fix.
pub(super) fn plain(text: &str) -> Result<Value, String> {
    if is_null(text) {
        return Ok(Value::Null);
    }
    if let Some(truth) = boolean(text) {
        return Ok(Value::Bool(truth));
    }
    if let Some(number) = integer(text) {
        return number.map(Value::Integer);
    }
    Ok(float(text).map_or_else(|| Value::Text(text.to_owned()), Value::Float))
}

pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// `None` if the text has not the form of a whole number.
pub(super) fn integer(text: &str) -> Option<Result<i64, String>> {
    let (negative, body) = sign(text);
    if let Some(digits) = body.strip_prefix("0b") {
        return some(digits, |c| matches!(c, '0' | '1' | '_')).map(|()| radix(negative, digits, 2));
    }
    if let Some(digits) = body.strip_prefix("0x") {
        return some(digits, |c| c.is_ascii_hexdigit() || c == '_').map(|()| radix(negative, digits, 16));
    }
    if body == "0" {
        return Some(Ok(0));
    }
    if let Some(digits) = body.strip_prefix('0') {
        return some(digits, |c| matches!(c, '0'..='7' | '_')).map(|()| radix(negative, body, 8));
    }
    let (first, sixties) = body.split_once(':').map_or((body, None), |(first, rest)| (first, Some(rest)));
    if !decimal(first) {
        return None;
    }
    match sixties {
        None => Some(radix(negative, first, 10)),
        Some(rest) if rest.split(':').all(sixtieth) => Some(sexagesimal(negative, body)),
        Some(_) => None,
    }
}

/// `None` if the text has not the form of a floating-point number.
pub(super) fn float(text: &str) -> Option<f64> {
    let (negative, body) = sign(text);
    let signed = |number: f64| if negative { -number } else { number };
    match body {
        ".inf" | ".Inf" | ".INF" => return Some(signed(f64::INFINITY)),
        ".nan" | ".NaN" | ".NAN" if body.len() == text.len() => return Some(f64::NAN),
        _ => {}
    }
    let (whole, fraction) = body.split_once('.')?;
    if whole.is_empty() {
        let unsigned = body.len() == text.len();
        let fits = unsigned && fraction.starts_with(|c: char| c.is_ascii_digit()) && fractional(fraction);
        return fits.then(|| parse(body)).flatten();
    }
    let (first, sixties) = whole.split_once(':').map_or((whole, None), |(first, rest)| (first, Some(rest)));
    if !first.starts_with(|c: char| c.is_ascii_digit()) || !digits(first) {
        return None;
    }
    match sixties {
        None => fractional(fraction).then(|| parse(body)).flatten().map(signed),
        Some(rest) if rest.split(':').all(sixtieth) && digits(fraction) => {
            body.split(':').try_fold(0.0, |sum, part| Some(sum * 60.0 + parse(part)?)).map(signed)
        }
        Some(_) => None,
    }
}

/// Like Python's `int(text, 10)`, for the tag `!!int` on a quoted scalar too.
fn radix(negative: bool, digits: &str, radix: u32) -> Result<i64, String> {
    let mut number: String = digits.chars().filter(|c| *c != '_').collect();
    if number.is_empty() {
        return Err("a number without digits: put it in quotes if it is text".to_owned());
    }
    if negative {
        number.insert(0, '-');
    }
    i64::from_str_radix(&number, radix).map_err(|_| too_large())
}

fn sexagesimal(negative: bool, body: &str) -> Result<i64, String> {
    let sum = body.split(':').try_fold(0_i64, |sum, part| {
        let number = radix(false, part, 10).ok()?;
        sum.checked_mul(60)?.checked_add(number)
    });
    sum.map(|sum| if negative { -sum } else { sum }).ok_or_else(too_large)
}

fn too_large() -> String {
    "a whole number that does not fit 64 bits: put it in quotes if it is text".to_owned()
}

fn sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

fn some(text: &str, allowed: impl Fn(char) -> bool) -> Option<()> {
    (!text.is_empty() && text.chars().all(allowed)).then_some(())
}

/// `[1-9][0-9_]*`
fn decimal(text: &str) -> bool {
    text.starts_with(|c: char| matches!(c, '1'..='9')) && digits(text)
}

/// `[0-9_]*`
fn digits(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit() || c == '_')
}

/// `[0-5]?[0-9]`
fn sixtieth(text: &str) -> bool {
    match text.as_bytes() {
        [unit] => unit.is_ascii_digit(),
        [ten, unit] => matches!(ten, b'0'..=b'5') && unit.is_ascii_digit(),
        _ => false,
    }
}

/// What may follow the point: `[0-9_]*(?:[eE][-+][0-9]+)?`. The exponent must have a sign.
fn fractional(text: &str) -> bool {
    let Some((fraction, exponent)) = text.split_once(['e', 'E']) else { return digits(text) };
    let power = exponent.strip_prefix(['-', '+']);
    digits(fraction) && power.is_some_and(|power| some(power, |c| c.is_ascii_digit()).is_some())
}

fn parse(text: &str) -> Option<f64> {
    text.chars().filter(|c| *c != '_').collect::<String>().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_forms_of_yaml_1_1() {
        for (text, number) in [
            ("8085", 8085),
            ("010", 8),
            ("1_000", 1000),
            ("0x1F", 31),
            ("-0b11", -3),
            ("1:30", 90),
            ("-190:20:30", -685_230),
            ("0", 0),
            ("+12", 12),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(plain(text), Ok(Value::Integer(number)), "{text}");
        }
        for (text, number) in [
            ("1.5", 1.5),
            (".5", 0.5),
            ("1_0.2_5", 10.25),
            ("1.e+3", 1000.0),
            ("1:30.5", 90.5),
            ("-.INF", -f64::INFINITY),
        ] {
            assert_eq!(plain(text), Ok(Value::Float(number)), "{text}");
        }
        assert!(matches!(plain(".nan"), Ok(Value::Float(number)) if number.is_nan()));
    }

    #[test]
    fn what_only_looks_like_a_number_is_text() {
        for text in [
            "08",
            "1e3",
            "1.5e3",
            "-.5",
            "1:60",
            "0o17",
            "2001-01-01",
            "1.2.3",
            "yEs",
            "y",
            "nULL",
            "+.nan",
            "-",
            "0:30",
        ] {
            assert_eq!(plain(text), Ok(Value::Text(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn numbers_beyond_64_bits_and_without_digits_are_errors() {
        for text in ["9223372036854775808", "0x_", "0b_", "9999999999999999999:00"] {
            assert!(plain(text).is_err(), "{text}");
        }
    }
}
