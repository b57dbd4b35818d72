//! Messages on their way: whole from a subscriber, or in parts in both directions.

use std::num::NonZeroU64;

use super::header::{self, Headers, Mode};
use super::value::{
    AUTHORIZATION, COMPRESSED_LENGTH, COMPRESSED_SHA512, COMPRESSOR, DECOMPRESSED_LENGTH, Field, IDENTIFIER, Min,
    PART_ID, TOPIC, TRACING, authorization, checked_identifier, proof,
};
use crate::wire::Proof;
use crate::wire::digest::{self, Hash};
use crate::wire::error::{Problem, WireError};

/// What there is to know of a message before its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageHead<'a> {
    /// What it is published under.
    pub topic: &'a [u8],
    /// How it is compressed, if it is.
    pub compression: Option<Compression>,
    /// How many bytes are sent: of the compressed message, if it is compressed.
    pub length: u64,
    /// SHA-512 of the bytes that are sent.
    pub sha512: &'a Hash,
}

/// How a message is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compression {
    /// With which compressor, by the number under which it was announced.
    pub compressor_id: NonZeroU64,
    /// How many bytes the message has when it is decompressed. What gives more or fewer is to be refused.
    pub decompressed_length: u64,
}

const NAMES: [&str; 5] = [TOPIC, COMPRESSOR, COMPRESSED_LENGTH, DECOMPRESSED_LENGTH, COMPRESSED_SHA512];

impl<'a> MessageHead<'a> {
    fn read(fields: &[Field<'a>; 5]) -> Result<Self, WireError> {
        let [topic, compressor, length, decompressed, sha512] = fields;
        let decompressed_length = decompressed.number(8)?;
        let head = Self {
            topic: topic.value,
            compression: NonZeroU64::new(compressor.number(8)?)
                .map(|compressor_id| Compression { compressor_id, decompressed_length }),
            length: length.number(8)?,
            sha512: sha512.array()?,
        };
        if head.compression.is_none() && head.length != decompressed_length {
            return Err(decompressed.wrong(Problem::Differs("the other length, although nothing is compressed")));
        }
        Ok(head)
    }

    fn numbers(&self) -> [Min; 3] {
        let compressor_id = self.compression.map_or(0, |compression| compression.compressor_id.get());
        let decompressed = self.compression.map_or(self.length, |compression| compression.decompressed_length);
        [Min::of(compressor_id), Min::of(self.length), Min::of(decompressed)]
    }

    fn headers<'h>(&'h self, [compressor, length, decompressed]: &'h [Min; 3]) -> [(&'static str, &'h [u8]); 5] {
        let compressor = if self.compression.is_none() { ZERO } else { compressor.as_bytes() };
        [
            (TOPIC, self.topic),
            (COMPRESSOR, compressor),
            (COMPRESSED_LENGTH, length.as_bytes()),
            (DECOMPRESSED_LENGTH, decompressed.as_bytes()),
            (COMPRESSED_SHA512, self.sha512),
        ]
    }
}

/// How "no compressor" and the number of the first part are written, unlike every other 0.
const ZERO: &[u8] = &[0];

/// S2B: a message, whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notify<'a> {
    /// Authorization and tracing.
    pub proof: Proof<'a>,
    /// What the answer repeats; at most 64 bytes.
    pub identifier: &'a [u8],
    /// What it is.
    pub message: MessageHead<'a>,
    /// Its bytes, compressed if it is compressed.
    pub payload: &'a [u8],
}

impl<'a> Notify<'a> {
    /// Length and hash of the payload are checked here, before any authorization.
    pub(super) fn read(headers: Headers<'a>) -> Result<Self, WireError> {
        let (notify, sha512) = Self::parse(headers)?;
        if digest::hash(notify.payload) != *notify.message.sha512 {
            return Err(sha512.wrong(Problem::Differs("the hash of the message")));
        }
        Ok(notify)
    }

    /// The same without looking at the hash, which takes long for a long message.
    pub(super) fn read_unhashed(headers: Headers<'a>) -> Result<Self, WireError> {
        Self::parse(headers).map(|(notify, _)| notify)
    }

    fn parse(mut headers: Headers<'a>) -> Result<(Self, Field<'a>), WireError> {
        let [authorization, tracing, identifier] = headers.take([AUTHORIZATION, TRACING, IDENTIFIER])?;
        let message_fields = headers.take(NAMES)?;
        let notify = Self {
            proof: proof(&authorization, &tracing)?,
            identifier: identifier.identifier()?,
            message: MessageHead::read(&message_fields)?,
            payload: headers.body(),
        };
        let found = notify.payload.len() as u64;
        if notify.message.length != found {
            let problem = Problem::Length { expected: notify.message.length, found };
            return Err(WireError::new("message", headers.body_at(), problem));
        }
        let [.., sha512] = message_fields;
        Ok((notify, sha512))
    }

    pub(super) fn write(&self, mode: Mode, kind: u16, out: &mut Vec<u8>) -> Result<(), WireError> {
        let numbers = self.message.numbers();
        let [topic, compressor, length, decompressed, sha512] = self.message.headers(&numbers);
        let headers = [
            (AUTHORIZATION, authorization(&self.proof)),
            (TRACING, self.proof.tracing),
            (IDENTIFIER, checked_identifier(self.identifier)?),
            topic,
            compressor,
            length,
            decompressed,
            sha512,
        ];
        header::write(out, mode, kind, &headers, self.payload)
    }
}

/// A part of a message: S2B NOTIFY_STREAM, B2S RECEIVE_STREAM. All parts of one message come before the next message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// Authorization and tracing.
    pub proof: Proof<'a>,
    /// The same in all parts, and in their acknowledgements; at most 64 bytes.
    pub identifier: &'a [u8],
    /// Which part it is.
    pub place: Place<'a>,
    /// The next bytes of the message. They are the end of a part, so that one can be written without them, and they
    /// behind it; see [`split`](super::split).
    pub payload: &'a [u8],
}

/// Which part of a message a [`Part`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// The first, with the number 0. It says what the message is.
    First(MessageHead<'a>),
    /// One with this number, which is one more than that of the part before.
    Next(NonZeroU64),
}

impl<'a> Part<'a> {
    /// Its number, from 0 on.
    #[must_use]
    pub fn id(&self) -> u64 {
        match self.place {
            Place::First(_) => 0,
            Place::Next(id) => id.get(),
        }
    }

    pub(super) fn read(mut headers: Headers<'a>) -> Result<Self, WireError> {
        let [authorization, tracing, identifier, id] = headers.take([AUTHORIZATION, TRACING, IDENTIFIER, PART_ID])?;
        Ok(Self {
            proof: proof(&authorization, &tracing)?,
            identifier: identifier.identifier()?,
            place: match NonZeroU64::new(id.number(8)?) {
                None => Place::First(MessageHead::read(&headers.take(NAMES)?)?),
                Some(id) => Place::Next(id),
            },
            payload: headers.body(),
        })
    }

    pub(super) fn write(&self, mode: Mode, kind: u16, out: &mut Vec<u8>) -> Result<(), WireError> {
        let authorization = (AUTHORIZATION, authorization(&self.proof));
        let tracing = (TRACING, self.proof.tracing);
        let identifier = (IDENTIFIER, checked_identifier(self.identifier)?);
        match &self.place {
            Place::First(message) => {
                let numbers = message.numbers();
                let [topic, compressor, length, decompressed, sha512] = message.headers(&numbers);
                let id = (PART_ID, ZERO);
                let headers = [authorization, tracing, identifier, id, topic, compressor, length, decompressed, sha512];
                header::write(out, mode, kind, &headers, self.payload)
            }
            Place::Next(id) => {
                let id = Min::of(id.get());
                let headers = [authorization, tracing, identifier, (PART_ID, id.as_bytes())];
                header::write(out, mode, kind, &headers, self.payload)
            }
        }
    }
}
