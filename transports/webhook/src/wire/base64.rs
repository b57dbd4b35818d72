//! Base64 of 64 bytes, which hashes and codes are. Written strictly, read as Python reads it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How many characters 64 bytes have.
pub(crate) const CHARACTERS: usize = 88;

/// Writes with the standard alphabet and padding.
pub(crate) fn append(bytes: &[u8; 64], out: &mut String) {
    STANDARD.encode_string(bytes, out);
}

/// Reads 64 bytes as Python's `base64.b64decode` does: what is not of the alphabet is passed over, and padding that
/// stands where padding may stand is the end. Missing padding is forgiven, as with 64 bytes nothing else could have
/// been meant.
pub(crate) fn lenient(text: &[u8]) -> Option<[u8; 64]> {
    let mut out = [0; 64];
    let mut free = out.iter_mut();
    let (mut bits, mut count) = (0_u32, 0_u32);
    for character in text {
        if *character == b'=' && count % 4 >= 2 {
            break;
        }
        let Some(value) = value(*character) else { continue };
        bits = bits << 6 | u32::from(value);
        count += 1;
        // Every character but the first of four completes a byte.
        if count % 4 != 1 {
            let spare = 6 - 2 * ((count + 3) % 4);
            *free.next()? = (bits >> spare & 0xff) as u8;
        }
    }
    (free.next().is_none() && count == 86).then_some(out)
}

fn value(character: u8) -> Option<u8> {
    match character {
        b'A'..=b'Z' => Some(character - b'A'),
        b'a'..=b'z' => Some(character - b'a' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_also_with_junk_and_without_padding(
            bytes in prop::collection::vec(any::<u8>(), 64), junk in "[ :!._\u{e9}-]{0,3}", at in 0_usize..=86,
        ) {
            let bytes: [u8; 64] = bytes.try_into().unwrap();
            let mut text = String::new();
            append(&bytes, &mut text);
            prop_assert_eq!(text.len(), CHARACTERS);
            prop_assert_eq!(lenient(text.as_bytes()), Some(bytes));
            prop_assert_eq!(lenient(text.trim_end_matches('=').as_bytes()), Some(bytes));
            text.insert_str(at, &junk);
            prop_assert_eq!(lenient(text.as_bytes()), Some(bytes));
        }

        #[test]
        fn another_number_of_bytes_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..130)) {
            prop_assert_eq!(lenient(STANDARD.encode(&bytes).as_bytes()).is_some(), bytes.len() == 64);
        }
    }
}
