//! Bytes as text.

/// In lower-case hex.
pub(in crate::store) fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            text.extend(DIGITS.get(usize::from(half)));
        }
    }
    text
}

/// From hex; `None` if it is none.
pub(in crate::store) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_hex() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert!(hex(&bytes).starts_with("000102") && hex(&bytes).ends_with("fdfeff"));
        assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        for text in ["0", "0g", "é0", "+1"] {
            assert_eq!(unhex(text), None);
        }
    }
}
