//! Values of headers.

use crate::wire::error::{Problem, WireError};
use crate::wire::identifier::MAX_STATEFUL;
use crate::wire::{Interest, InterestKind, Proof, read};

/// A header that was read.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) name: &'static str,
    /// Where the value begins.
    pub(super) at: usize,
    pub(super) value: &'a [u8],
}

impl<'a> Field<'a> {
    pub(super) fn missing(name: &'static str) -> Self {
        Self { name, at: 0, value: &[] }
    }

    pub(super) fn text(&self) -> Result<&'a str, WireError> {
        read::text(self.name, self.at, self.value)
    }

    /// Exactly `N` bytes.
    pub(super) fn array<const N: usize>(&self) -> Result<&'a [u8; N], WireError> {
        let (expected, found) = (N as u64, self.value.len() as u64);
        self.value.try_into().map_err(|_| self.wrong(Problem::Length { expected, found }))
    }

    pub(super) fn at_most(&self, most: usize) -> Result<&'a [u8], WireError> {
        let found = self.value.len();
        if found > most { Err(self.wrong(Problem::TooLong { most, found })) } else { Ok(self.value) }
    }

    pub(super) fn identifier(&self) -> Result<&'a [u8], WireError> {
        self.at_most(MAX_STATEFUL)
    }

    /// A number in at most `bytes` bytes, of at most 8; none are 0.
    pub(super) fn number(&self, bytes: usize) -> Result<u64, WireError> {
        Ok(self.at_most(bytes)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A number in at most two bytes that may be negative.
    pub(super) fn signed(&self) -> Result<i16, WireError> {
        Ok(match *self.at_most(2)? {
            [high, low] => i16::from_be_bytes([high, low]),
            [byte] => i8::from_be_bytes([byte]).into(),
            _ => 0,
        })
    }

    /// On if it is the byte 1, and nothing else.
    pub(super) fn switch(&self) -> bool {
        self.value == [1]
    }

    pub(super) fn interest(&self, kind: InterestKind) -> Result<Interest<'a>, WireError> {
        Ok(match kind {
            InterestKind::Exact => Interest::Exact(self.value),
            InterestKind::Glob => Interest::Glob(self.text()?),
        })
    }

    pub(super) fn wrong(&self, problem: Problem) -> WireError {
        WireError::new(self.name, self.at, problem)
    }
}

/// The authorization, which is absent when it is empty, and the tracing.
pub(super) fn proof<'a>(authorization: &Field<'a>, tracing: &Field<'a>) -> Result<Proof<'a>, WireError> {
    let authorization = Some(authorization.text()?).filter(|text| !text.is_empty());
    Ok(Proof { authorization, tracing: tracing.value })
}

/// The name of the header with a topic, or with a pattern.
pub(super) fn interest_name(kind: InterestKind) -> &'static str {
    match kind {
        InterestKind::Exact => TOPIC,
        InterestKind::Glob => GLOB,
    }
}

/// The value of an authorization's header.
pub(super) fn authorization<'a>(proof: &Proof<'a>) -> &'a [u8] {
    proof.authorization.unwrap_or_default().as_bytes()
}

/// Refuses an identifier that is too long for a websocket.
pub(super) fn checked_identifier(bytes: &[u8]) -> Result<&[u8], WireError> {
    Field { name: IDENTIFIER, at: 0, value: bytes }.identifier()
}

/// A number without leading zeros, so that 0 has no byte at all.
pub(super) struct Min {
    bytes: [u8; 8],
}

impl Min {
    pub(super) fn of(number: u64) -> Self {
        Self { bytes: number.to_be_bytes() }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        let zeros = self.bytes.iter().take_while(|byte| **byte == 0).count();
        self.bytes.get(zeros..).unwrap_or_default()
    }
}

pub(super) const AUTHORIZATION: &str = "authorization";
pub(super) const BROADCASTER_NONCE: &str = "x-broadcaster-nonce";
pub(super) const COMPRESSED_LENGTH: &str = "x-compressed-length";
pub(super) const COMPRESSED_SHA512: &str = "x-compressed-sha512";
pub(super) const COMPRESSOR: &str = "x-compressor";
pub(super) const DECOMPRESSED_LENGTH: &str = "x-decompressed-length";
pub(super) const ENABLE_TRAINING: &str = "x-enable-training";
pub(super) const ENABLE_ZSTD: &str = "x-enable-zstd";
pub(super) const GLOB: &str = "x-glob";
pub(super) const IDENTIFIER: &str = "x-identifier";
pub(super) const INITIAL_DICT: &str = "x-initial-dict";
pub(super) const LEVEL: &str = "x-compression-level";
pub(super) const MAX_SIZE: &str = "x-max-size";
pub(super) const MIN_SIZE: &str = "x-min-size";
pub(super) const NUM_SUBSCRIBERS: &str = "x-num-subscribers";
pub(super) const PART_ID: &str = "x-part-id";
pub(super) const SHA512: &str = "x-sha512";
pub(super) const SUBSCRIBERS: &str = "x-subscribers";
pub(super) const SUBSCRIBER_NONCE: &str = "x-subscriber-nonce";
pub(super) const TOPIC: &str = "x-topic";
pub(super) const TRACING: &str = "x-tracing";

const NAMES: [&str; 21] = [
    AUTHORIZATION,
    BROADCASTER_NONCE,
    COMPRESSED_LENGTH,
    COMPRESSED_SHA512,
    COMPRESSOR,
    DECOMPRESSED_LENGTH,
    ENABLE_TRAINING,
    ENABLE_ZSTD,
    GLOB,
    IDENTIFIER,
    INITIAL_DICT,
    LEVEL,
    MAX_SIZE,
    MIN_SIZE,
    NUM_SUBSCRIBERS,
    PART_ID,
    SHA512,
    SUBSCRIBERS,
    SUBSCRIBER_NONCE,
    TOPIC,
    TRACING,
];

/// The name of a header, for errors.
pub(super) fn known_name(name: &[u8]) -> &'static str {
    let known = NAMES.into_iter().find(|known| known.as_bytes().eq_ignore_ascii_case(name));
    known.unwrap_or("unknown header")
}
