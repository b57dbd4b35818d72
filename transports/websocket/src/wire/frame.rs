//! The websocket frame of a server around a text: RFC 6455, section 5.2, final, unmasked, no extension.
//!
//! A server's frames are not masked, so one encoded frame serves every session that an event goes to.

use bytes::Bytes;
pub use eventhive_listener::websocket::{Control, close, control};

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
