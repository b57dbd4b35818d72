//! Secrets, and the keys that are derived from them.

use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use smallvec::SmallVec;
use zeroize::Zeroizing;

/// Sixteen random bytes, drawn when a sender starts.
pub(super) type Sender = [u8; 16];

/// The primitives of this format.
pub(in crate::envelope) type Cipher = Aes256Gcm;
pub(in crate::envelope) type Mac = Hmac<Sha256>;
pub(in crate::envelope) type Kdf = Hkdf<Sha256>;

const LABEL: &[u8] = b"eventhive/1";

/// A secret with its id.
pub(super) struct Secret {
    pub(super) id: [u8; 8],
    /// The id as it stands in envelopes.
    pub(super) id_text: String,
    material: Zeroizing<String>,
}

impl Secret {
    pub(super) fn new(text: &Zeroizing<String>) -> Self {
        let id = *expand::<8>(&Kdf::new(None, text.as_bytes()), b"key id");
        Self { id, id_text: crate::envelope::hex(&id), material: text.clone() }
    }
}

/// What one sender seals with under one secret. All of it is zeroed when it is dropped.
pub(super) struct Keys {
    pub(super) cipher: Cipher,
    mac: Mac,
}

impl Keys {
    pub(super) fn derive(secret: &Secret, sender: &Sender) -> Self {
        let hkdf = Kdf::new(Some(sender), secret.material.as_bytes());
        let encryption = expand::<32>(&hkdf, b"encryption");
        let signature = expand::<32>(&hkdf, b"signature");
        // A MAC takes a key of any length: there is no error, and an empty key would merely never verify.
        let mac = Mac::new_from_slice(&signature[..]).unwrap_or_else(|_| Mac::new(&Default::default()));
        Self { cipher: Cipher::new((&*encryption).into()), mac }
    }

    /// The MAC over an envelope, ready to be finished or verified.
    pub(super) fn mac(&self, header: &[u8], ciphertext: &[u8]) -> Mac {
        let mut mac = self.mac.clone();
        mac.update(header);
        mac.update(ciphertext);
        mac
    }
}

fn expand<const N: usize>(hkdf: &Kdf, purpose: &[u8]) -> Zeroizing<[u8; N]> {
    let mut out = Zeroizing::new([0; N]);
    // Fails only for more than 8,160 bytes.
    let _ = hkdf.expand_multi_info(&[LABEL, b" ", purpose], &mut out[..]);
    out
}

/// What is authenticated of an envelope beside its ciphertext.
#[derive(Clone, Copy)]
pub(super) struct Header<'a> {
    pub(super) secret: &'a Secret,
    pub(super) sender: &'a Sender,
    pub(super) counter: u64,
    pub(super) time: u64,
    pub(super) topic: &'a str,
}

impl Header<'_> {
    pub(super) fn nonce(&self) -> Nonce<aes_gcm::aead::consts::U12> {
        let mut bytes = [0; 12];
        bytes[4..].copy_from_slice(&self.counter.to_be_bytes());
        bytes.into()
    }

    /// The bytes, on the stack for topics of usual length.
    pub(super) fn bytes(&self) -> SmallVec<[u8; 192]> {
        let length = u32::try_from(self.topic.len()).unwrap_or(u32::MAX);
        let mut fixed = [0; FIXED];
        let mut rest = &mut fixed[..];
        for part in [
            LABEL,
            &self.secret.id,
            self.sender,
            &self.counter.to_be_bytes(),
            &self.time.to_be_bytes(),
            &length.to_be_bytes(),
        ] {
            let (place, after) = rest.split_at_mut(part.len());
            place.copy_from_slice(part);
            rest = after;
        }
        let mut bytes = SmallVec::with_capacity(FIXED + self.topic.len());
        bytes.extend_from_slice(&fixed);
        bytes.extend_from_slice(self.topic.as_bytes());
        bytes
    }
}

/// The header without the topic.
const FIXED: usize = LABEL.len() + 8 + 16 + 8 + 8 + 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_holds_a_key_zeroes_it() {
        fn zeroes<T: zeroize::ZeroizeOnDrop>() {}
        zeroes::<Cipher>();
        // What a MAC and HKDF are made of, which have no such mark of their own.
        zeroes::<sha2::digest::block_api::CtOutWrapper<sha2::block_api::Sha256VarCore, sha2::digest::consts::U32>>();
        zeroes::<Zeroizing<String>>();
        zeroes::<Zeroizing<[u8; 32]>>();
    }
}
