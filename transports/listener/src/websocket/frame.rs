//! Frames of a server: RFC 6455, section 5.2, unmasked, without extensions.

use bytes::Bytes;

/// The header of a frame that is a whole binary message of `length` bytes, and those bytes of it that count.
#[must_use]
pub fn binary_header(length: u64) -> ([u8; 10], usize) {
    const FINAL_BINARY: u8 = 0x82;
    let mut header = [0; 10];
    let [first, second, rest @ ..] = &mut header;
    *first = FINAL_BINARY;
    if length > 0xFFFF {
        *second = 127;
        *rest = length.to_be_bytes();
        return (header, 10);
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most 0xFFFF")]
    let [high, low] = (length as u16).to_be_bytes();
    if length > 125 {
        *second = 126;
        [rest[0], rest[1]] = [high, low];
        return (header, 4);
    }
    *second = low;
    (header, 2)
}

/// What kind of control frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// The end, with code and reason.
    Close = 0x88,
    /// Are you there?
    Ping = 0x89,
    /// I am.
    Pong = 0x8A,
}

/// The most bytes that a control frame carries.
const MAX_CONTROL: usize = 125;

/// A control frame. A payload that is too long is cut.
#[must_use]
pub fn control(kind: Control, payload: &[u8]) -> Bytes {
    let payload = payload.get(..MAX_CONTROL).unwrap_or(payload);
    #[expect(clippy::cast_possible_truncation, reason = "at most 125")]
    let header = [kind as u8, payload.len() as u8];
    Bytes::from([&header, payload].concat())
}

/// A close frame. The reason is cut, between characters, at the 123 bytes that fit.
#[must_use]
pub fn close(code: u16, reason: &str) -> Bytes {
    let reason = &reason[..reason.floor_char_boundary(MAX_CONTROL - 2)];
    control(Control::Close, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_of_a_message_has_its_length_in_as_few_bytes_as_there_can_be() {
        let header = |length| {
            let (bytes, used) = binary_header(length);
            bytes[..used].to_vec()
        };
        assert_eq!(header(0), [0x82, 0]);
        assert_eq!(header(125), [0x82, 125]);
        assert_eq!(header(126), [0x82, 126, 0, 126]);
        assert_eq!(header(0xFFFF), [0x82, 126, 0xFF, 0xFF]);
        assert_eq!(header(0x1_0000), [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
