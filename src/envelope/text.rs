//! Bytes and numbers as text, straight into the text that is being written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How long the base64 of these bytes is.
pub(super) const fn encoded(bytes: &[u8]) -> usize {
    bytes.len().div_ceil(3) * 4
}

/// Appends base64 with padding.
pub(super) fn push_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + encoded(bytes), 0);
    if let Some(room) = out.get_mut(start..) {
        // The room is just what the encoding takes.
        let _ = STANDARD.encode_slice(bytes, room);
    }
}

/// How many digits a number has.
pub(super) const fn digits(number: u64) -> usize {
    match number.checked_ilog10() {
        Some(log) => log as usize + 1,
        None => 1,
    }
}

/// Appends a number in decimal.
pub(super) fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let start = out.len();
    out.resize(start + digits(number), 0);
    for place in out.iter_mut().skip(start).rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// The number that a text begins with, as JSON writes natural numbers, and the rest.
pub(super) fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(length)?;
    if digits.len() > 1 && digits.first() == Some(&b'0') {
        return None;
    }
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

/// How many bytes of a text from its beginning are printable ASCII without quotes and backslashes: what stands in JSON as it
/// is, whoever writes it.
pub(super) fn plain_run(text: &[u8]) -> usize {
    let plain = |byte: &u8| matches!(*byte, b' '..=b'~') & (*byte != b'"') & (*byte != b'\\');
    let mut run = 0;
    // By chunks, without leaving one early, so that it is done many bytes at a time.
    for chunk in text.chunks(64) {
        if !chunk.iter().fold(true, |all, byte| all & plain(byte)) {
            return run + chunk.iter().take_while(|byte| plain(byte)).count();
        }
        run += chunk.len();
    }
    run
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_written_and_read_as_json_does(value in any::<u64>(), small in 0_u64..1000) {
            for value in [value, small, u64::MAX] {
                let mut out = Vec::new();
                push_number(&mut out, value);
                prop_assert_eq!(std::str::from_utf8(&out).unwrap(), value.to_string());
                prop_assert_eq!(out.len(), digits(value));
                out.push(b',');
                prop_assert_eq!(number(&out), Some((value, &b","[..])));
            }
        }

        #[test]
        fn a_plain_run_ends_where_json_has_to_escape(text in "[ -~\u{7f}\u{e9}\n]{0,200}") {
            let odd = |c: char| !matches!(c, ' '..='~') || matches!(c, '"' | '\\');
            prop_assert_eq!(plain_run(text.as_bytes()), text.find(odd).unwrap_or(text.len()));
        }
    }

    #[test]
    fn what_is_no_natural_number_of_json_is_not_read() {
        for text in ["", "-1", "007", "18446744073709551616", "x"] {
            assert_eq!(number(text.as_bytes()), None, "{text}");
        }
    }
}
