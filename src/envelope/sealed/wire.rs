//! The envelope as text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::keys::{Header, Secret, Sender};
use super::{NAME, OpenError};
use crate::envelope::text;

/// An envelope that was read. Its texts are still text: the ciphertext is decoded once, where it is decrypted.
#[derive(Debug, PartialEq, serde::Deserialize)]
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

const KEY: &str = "{\"cipher\": \"aes-256-gcm\", \"key\": \"";
const SENDER: &str = "\", \"sender\": \"";
const COUNTER: &str = "\", \"counter\": ";
const TIME: &str = ", \"time\": ";
const CIPHERTEXT: &str = ", \"ciphertext\": \"";
const SIGNATURE: &str = "\", \"signature\": \"";
const END: &str = "\"}";

impl<'a> Wire<'a> {
    /// Each member must be there once, in any order, and no other.
    pub(super) fn read(envelope: &'a [u8]) -> Result<Self, OpenError> {
        if let Some(wire) = Self::as_written(envelope) {
            return Ok(wire);
        }
        let wire: Self = serde_json::from_slice(envelope).map_err(|_| OpenError::NotSealed)?;
        if wire.cipher == NAME { Ok(wire) } else { Err(OpenError::NotSealed) }
    }

    /// Reads an envelope that is laid out as [`Writer`] does it, without looking at each letter. What stands in a field that
    /// is no base64 is found when that is decoded.
    fn as_written(envelope: &'a [u8]) -> Option<Self> {
        let rest = envelope.strip_prefix(KEY.as_bytes())?;
        let (key, rest) = rest.split_at_checked(16)?;
        let (sender, rest) = rest.strip_prefix(SENDER.as_bytes())?.split_at_checked(24)?;
        let (counter, rest) = text::number(rest.strip_prefix(COUNTER.as_bytes())?)?;
        let (time, rest) = text::number(rest.strip_prefix(TIME.as_bytes())?)?;
        let rest = rest.strip_prefix(CIPHERTEXT.as_bytes())?.strip_suffix(END.as_bytes())?;
        let (rest, signature) = rest.split_at_checked(rest.len().checked_sub(44)?)?;
        let ciphertext = rest.strip_suffix(SIGNATURE.as_bytes())?;
        let text = |bytes| std::str::from_utf8(bytes).ok();
        Some(Self {
            cipher: NAME,
            key: text(key)?,
            sender: text(sender)?,
            counter,
            time,
            ciphertext: text(ciphertext)?,
            signature: text(signature)?,
        })
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

/// Writes the envelopes of one sender. What they all begin with is made once.
pub(super) struct Writer(String);

impl Writer {
    pub(super) fn new(secret: &Secret, sender: &Sender) -> Self {
        Self([KEY, &secret.id_text, SENDER, &STANDARD.encode(sender), COUNTER].concat())
    }

    /// The text, in one allocation of just its length.
    pub(super) fn write(&self, header: &Header<'_>, ciphertext: &[u8], signature: &[u8]) -> Vec<u8> {
        let names = self.0.len() + TIME.len() + CIPHERTEXT.len() + SIGNATURE.len() + END.len();
        let numbers = text::digits(header.counter) + text::digits(header.time);
        let encoded = text::encoded(ciphertext) + text::encoded(signature);
        let mut out = Vec::with_capacity(names + numbers + encoded);
        out.extend_from_slice(self.0.as_bytes());
        text::push_number(&mut out, header.counter);
        out.extend_from_slice(TIME.as_bytes());
        text::push_number(&mut out, header.time);
        out.extend_from_slice(CIPHERTEXT.as_bytes());
        text::push_base64(&mut out, ciphertext);
        out.extend_from_slice(SIGNATURE.as_bytes());
        text::push_base64(&mut out, signature);
        out.extend_from_slice(END.as_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_read_at_a_glance_is_what_a_json_reader_reads(
            counter in any::<u64>(), time in any::<u64>(), size in 0_usize..100, cut in 0_usize..400, put in "[\"\\\\ ,0a\u{e9}]{0,2}",
        ) {
            let secret = Secret::new(&zeroize::Zeroizing::new("s".to_owned()));
            let sender = [7; 16];
            let header = Header { secret: &secret, sender: &sender, counter, time, topic: "a" };
            let mut text = Writer::new(&secret, &sender).write(&header, &vec![9; size], &[8; 32]);
            prop_assert_eq!(text.len(), text.capacity());
            let read = Wire::as_written(&text).unwrap();
            prop_assert_eq!(&read, &serde_json::from_slice::<Wire<'_>>(&text).unwrap());
            // Whatever is put in somewhere: if both can read it, they read the same.
            let at = cut.min(text.len());
            text.splice(at..at, put.bytes());
            if let (Some(one), Ok(other)) = (Wire::as_written(&text), serde_json::from_slice::<Wire<'_>>(&text)) {
                prop_assert_eq!(one, other);
            }
        }
    }
}
