//! The envelope as text.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::keys::{Header, Sender};
use super::{NAME, OpenError};

/// An envelope that was read. Its texts are still text: the ciphertext is decoded once, where it is decrypted.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wire<'a> {
    cipher: &'a str,
    pub(super) key: &'a str,
    sender: &'a str,
    pub(super) counter: u64,
    pub(super) time: u64,
    ciphertext: &'a str,
    signature: &'a str,
}

impl<'a> Wire<'a> {
    /// Each member must be there once, in any order, and no other.
    pub(super) fn read(envelope: &'a [u8]) -> Result<Self, OpenError> {
        let wire: Self = serde_json::from_slice(envelope).map_err(|_| OpenError::NotSealed)?;
        if wire.cipher == NAME { Ok(wire) } else { Err(OpenError::NotSealed) }
    }

    pub(super) fn sender(&self) -> Result<Sender, OpenError> {
        exactly::<16>(self.sender)
    }

    pub(super) fn signature(&self) -> Result<[u8; 32], OpenError> {
        exactly::<32>(self.signature)
    }

    pub(super) fn ciphertext(&self) -> Result<Vec<u8>, OpenError> {
        STANDARD.decode(self.ciphertext).map_err(|_| UNREADABLE)
    }
}

const UNREADABLE: OpenError = OpenError::Malformed("the base64 cannot be read");

fn exactly<const N: usize>(text: &str) -> Result<[u8; N], OpenError> {
    // Room for what the decoder reckons with, which is up to two bytes more.
    let mut bytes = [0; 36];
    let length = STANDARD.decode_slice(text, &mut bytes).map_err(|_| UNREADABLE)?;
    let (taken, _) = bytes.split_at_checked(length).ok_or(UNREADABLE)?;
    taken.try_into().map_err(|_| OpenError::Malformed("a field has not the length it must have"))
}

/// Writes an envelope, in one allocation.
pub(super) fn write(header: &Header<'_>, ciphertext: &[u8], signature: &[u8]) -> Vec<u8> {
    let (key, sender) = (&header.secret.id_text, header.sender);
    let encoded = ciphertext.len().div_ceil(3) * 4;
    // All else is at most: names and punctuation 120, key 16, sender 24, two numbers of 20, signature 44.
    let mut text = Vec::with_capacity(encoded + 256);
    text.extend_from_slice(b"{\"cipher\": \"aes-256-gcm\", \"key\": \"");
    text.extend_from_slice(key.as_bytes());
    text.extend_from_slice(b"\", \"sender\": \"");
    append(&mut text, sender);
    // Writing to memory cannot fail.
    let _ = write!(text, "\", \"counter\": {}, \"time\": {}, \"ciphertext\": \"", header.counter, header.time);
    append(&mut text, ciphertext);
    text.extend_from_slice(b"\", \"signature\": \"");
    append(&mut text, signature);
    text.extend_from_slice(b"\"}");
    text
}

fn append(text: &mut Vec<u8>, bytes: &[u8]) {
    let start = text.len();
    text.resize(start + bytes.len().div_ceil(3) * 4, b'=');
    if let Some(room) = text.get_mut(start..) {
        // The room is exactly what the encoding takes.
        let _ = STANDARD.encode_slice(bytes, room);
    }
}
