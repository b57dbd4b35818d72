//! The websocket frame of a server around a text: RFC 6455, section 5.2, final, unmasked, no extension.
//!
//! A server's frames are not masked, so one encoded frame serves every session that an event goes to.

use bytes::Bytes;

/// The longest header of an unmasked frame.
const HEADER: usize = 10;
const FINAL_TEXT: u8 = 0x81;

/// The complete text frame around what `write` appends. The text is written once and not moved again.
#[must_use]
pub fn text_frame(capacity: usize, write: impl FnOnce(&mut String)) -> Bytes {
    let mut text = String::with_capacity(HEADER + capacity);
    // Room for the header, which is written when the length is known.
    text.push_str("0123456789");
    write(&mut text);
    let length = text.len() - HEADER;
    let mut bytes = text.into_bytes();
    let start = match length {
        0..=125 => {
            bytes[8] = FINAL_TEXT;
            #[expect(clippy::cast_possible_truncation, reason = "at most 125")]
            let short = length as u8;
            bytes[9] = short;
            8
        }
        126..=0xFFFF => {
            bytes[6] = FINAL_TEXT;
            bytes[7] = 126;
            #[expect(clippy::cast_possible_truncation, reason = "at most 0xFFFF")]
            let two = (length as u16).to_be_bytes();
            bytes[8..10].copy_from_slice(&two);
            6
        }
        _ => {
            bytes[0] = FINAL_TEXT;
            bytes[1] = 127;
            bytes[2..10].copy_from_slice(&(length as u64).to_be_bytes());
            0
        }
    };
    Bytes::from(bytes).slice(start..)
}

/// How many bytes the header takes of a frame that [`text_frame`] made.
#[must_use]
pub fn header_len(frame: &[u8]) -> usize {
    match frame.get(1) {
        Some(127) => 10,
        Some(126) => 4,
        _ => 2,
    }
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
