//! What `eventhive-0.5` is made of.

use std::hint::black_box;

use aes::Aes128;
use aes::cipher::{KeyIvInit, StreamCipher};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::message;
use crate::report::Contestant;

/// What the signature adds to the encrypted text.
const SIGNATURE: usize = 55;

struct Keyed(Hmac<Sha1>);

impl Keyed {
    fn new() -> Self {
        Self(KeyInit::new_from_slice(&[2; 16]).unwrap())
    }

    fn mac(&self, message: &[u8]) -> Hmac<Sha1> {
        let mut mac = self.0.clone();
        mac.update(message);
        mac
    }

    fn apply(iv: [u8; 16], buffer: &mut [u8]) {
        ctr::Ctr128BE::<Aes128>::new(&[1; 16].into(), &iv.into()).apply_keystream(buffer);
    }
}

pub(crate) struct Seal {
    keyed: Keyed,
    message: Vec<u8>,
    buffer: Vec<u8>,
    text: bool,
}

impl Seal {
    pub(crate) fn start(size: usize, text: bool) -> Self {
        Self { keyed: Keyed::new(), message: message(size), buffer: vec![b' '; size + SIGNATURE], text }
    }
}

impl Contestant for Seal {
    fn handle(&mut self, events: u64) {
        for _ in 0..events {
            let mut iv = [7; 16];
            if self.text {
                getrandom::fill(&mut iv).unwrap();
            }
            self.buffer[..self.message.len()].copy_from_slice(&self.message);
            let signature = self.keyed.mac(&self.message).finalize().into_bytes();
            Keyed::apply(iv, &mut self.buffer);
            if self.text {
                let mut text = vec![0; self.buffer.len().div_ceil(3) * 4 + 24];
                let written = STANDARD.encode_slice(&self.buffer, &mut text).unwrap();
                STANDARD.encode_slice(iv, &mut text[written..]).unwrap();
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
    sealed: Vec<Vec<u8>>,
    text: bool,
}

impl Open {
    pub(crate) fn start(size: usize, text: bool) -> Self {
        let (message, buffer) = (message(size), vec![b' '; size + SIGNATURE]);
        Self { keyed: Keyed::new(), message, buffer, sealed: Vec::new(), text }
    }
}

const IV: [u8; 16] = [7; 16];

impl Contestant for Open {
    fn prepare(&mut self, events: u64) {
        self.buffer[..self.message.len()].copy_from_slice(&self.message);
        Keyed::apply(IV, &mut self.buffer);
        let one = if self.text { STANDARD.encode(&self.buffer).into_bytes() } else { self.buffer.clone() };
        self.sealed = vec![one; usize::try_from(events).unwrap()];
    }

    fn handle(&mut self, _: u64) {
        let size = self.message.len();
        let signature = self.keyed.mac(&self.message).finalize().into_bytes();
        for sealed in &self.sealed {
            if self.text {
                let mut buffer = STANDARD.decode(sealed).unwrap();
                Keyed::apply(IV, &mut buffer);
                self.keyed.mac(&buffer[..size]).verify_slice(&signature).unwrap();
                black_box(buffer);
            } else {
                self.buffer.copy_from_slice(sealed);
                Keyed::apply(IV, &mut self.buffer);
                self.keyed.mac(&self.buffer[..size]).verify_slice(&signature).unwrap();
                black_box(&self.buffer);
            }
        }
    }
}
