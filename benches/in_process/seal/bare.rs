//! What `aes-256-gcm` is made of.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::hint::black_box;

use super::{TOPIC, message};
use crate::report::Contestant;

/// Keys, and a header as long as that of an envelope.
struct Keyed {
    cipher: Aes256Gcm,
    mac: Hmac<Sha256>,
    header: Vec<u8>,
}

impl Keyed {
    fn new() -> Self {
        Self {
            cipher: Aes256Gcm::new_from_slice(&[1; 32]).unwrap(),
            mac: KeyInit::new_from_slice(&[2; 32]).unwrap(),
            header: vec![3; 55 + TOPIC.len()],
        }
    }

    /// Encrypts in place, the tag at the end, and gives the signature.
    fn seal(&self, counter: u64, buffer: &mut [u8]) -> [u8; 32] {
        let (text, place) = buffer.split_at_mut(buffer.len() - 16);
        let tag = self.cipher.encrypt_inout_detached(&nonce(counter), &self.header, text.into()).unwrap();
        place.copy_from_slice(&tag);
        self.mac(buffer).finalize().into_bytes().into()
    }

    fn open(&self, counter: u64, buffer: &mut [u8], signature: &[u8]) {
        self.mac(buffer).verify_slice(signature).unwrap();
        let (text, tag) = buffer.split_at_mut(buffer.len() - 16);
        let tag = Tag::try_from(&*tag).unwrap();
        self.cipher.decrypt_inout_detached(&nonce(counter), &self.header, text.into(), &tag).unwrap();
    }

    fn mac(&self, ciphertext: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(&self.header);
        mac.update(ciphertext);
        mac
    }
}

fn nonce(counter: u64) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&counter.to_be_bytes());
    bytes.into()
}

pub(crate) struct Seal {
    keyed: Keyed,
    message: Vec<u8>,
    buffer: Vec<u8>,
    counter: u64,
    base64: bool,
}

impl Seal {
    pub(crate) fn start(size: usize, base64: bool) -> Self {
        Self { keyed: Keyed::new(), message: message(size), buffer: vec![0; size + 16], counter: 0, base64 }
    }
}

impl Contestant for Seal {
    fn handle(&mut self, events: u64) {
        for _ in 0..events {
            self.counter += 1;
            self.buffer[..self.message.len()].copy_from_slice(&self.message);
            let signature = self.keyed.seal(self.counter, &mut self.buffer);
            if self.base64 {
                let mut text = vec![0; self.buffer.len().div_ceil(3) * 4 + 44];
                let written = STANDARD.encode_slice(&self.buffer, &mut text).unwrap();
                STANDARD.encode_slice(signature, &mut text[written..]).unwrap();
                black_box(text);
            }
            black_box((&self.buffer, signature));
        }
    }
}

pub(crate) struct Open {
    keyed: Keyed,
    message: Vec<u8>,
    buffer: Vec<u8>,
    sealed: Vec<(u64, Vec<u8>, Vec<u8>)>,
    counter: u64,
    base64: bool,
}

impl Open {
    pub(crate) fn start(size: usize, base64: bool) -> Self {
        let (message, buffer) = (message(size), vec![0; size + 16]);
        Self { keyed: Keyed::new(), message, buffer, sealed: Vec::new(), counter: 0, base64 }
    }
}

impl Contestant for Open {
    fn prepare(&mut self, events: u64) {
        self.sealed.clear();
        for _ in 0..events {
            self.counter += 1;
            self.buffer[..self.message.len()].copy_from_slice(&self.message);
            let signature = self.keyed.seal(self.counter, &mut self.buffer);
            let text = |bytes: &[u8]| STANDARD.encode(bytes).into_bytes();
            let (one, other) = match self.base64 {
                true => (text(&self.buffer), text(&signature)),
                false => (self.buffer.clone(), signature.to_vec()),
            };
            self.sealed.push((self.counter, one, other));
        }
    }

    fn handle(&mut self, _: u64) {
        for (counter, ciphertext, signature) in &self.sealed {
            if self.base64 {
                let mut buffer = STANDARD.decode(ciphertext).unwrap();
                let mut decoded = [0; 33];
                STANDARD.decode_slice(signature, &mut decoded).unwrap();
                self.keyed.open(*counter, &mut buffer, &decoded[..32]);
                black_box(buffer);
            } else {
                self.buffer.copy_from_slice(ciphertext);
                self.keyed.open(*counter, &mut self.buffer, signature);
                black_box(&self.buffer);
            }
        }
    }
}
