//! Envelopes, as a connector uses them.

use std::time::Duration;

use bytes::Bytes;
use eventhive::Metadata;
use eventhive::envelope::{Cipher, Envelope, ReplayWindow};
use zeroize::Zeroizing;

use super::{TOPIC, message};
use crate::report::Contestant;

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Plain,
    Default,
    Python,
}

fn envelope(kind: Kind) -> Envelope {
    let plain = Envelope::plain("__eventhive__", false);
    let cipher = match kind {
        Kind::Plain => return plain,
        Kind::Default => Cipher::Aes256Gcm,
        Kind::Python => Cipher::Eventhive05,
    };
    let window = ReplayWindow { time: Duration::from_secs(300), messages: 65_536 };
    plain.sealed(cipher, &[Zeroizing::new("9f".repeat(32))], window).unwrap()
}

fn metadata() -> Metadata {
    Metadata { id: String::new(), time: 0.0, version: String::new(), event: TOPIC.to_owned(), exchange: None }
}

pub(crate) struct Seal {
    envelope: Envelope,
    message: Bytes,
    metadata: Metadata,
}

impl Seal {
    pub(crate) fn start(size: usize, kind: Kind) -> Self {
        Self { envelope: envelope(kind), message: message(size).into(), metadata: metadata() }
    }
}

impl Contestant for Seal {
    fn handle(&mut self, events: u64) {
        for _ in 0..events {
            let sealed = self.envelope.seal(TOPIC, &self.message, &self.metadata).unwrap();
            assert!(sealed.len() > self.message.len());
        }
    }
}

pub(crate) struct Open {
    sender: Envelope,
    receiver: Envelope,
    message: Bytes,
    sealed: Vec<Bytes>,
}

impl Open {
    pub(crate) fn start(size: usize, kind: Kind) -> Self {
        Self { sender: envelope(kind), receiver: envelope(kind), message: message(size).into(), sealed: Vec::new() }
    }
}

impl Contestant for Open {
    fn prepare(&mut self, events: u64) {
        let fresh = |_| Bytes::copy_from_slice(&self.sender.seal(TOPIC, &self.message, &metadata()).unwrap());
        self.sealed = (0..events).map(fresh).collect();
    }

    fn handle(&mut self, _: u64) {
        for sealed in &self.sealed {
            let opened = self.receiver.open(TOPIC, sealed).unwrap();
            assert!(opened.payload.len() >= self.message.len() - 8);
        }
    }
}
