//! The announcement of a compressor: B2S ENABLE_ZSTD_PRESET and ENABLE_ZSTD_CUSTOM.

use super::header::{self, Headers, Mode};
use super::value::{AUTHORIZATION, IDENTIFIER, LEVEL, MAX_SIZE, MIN_SIZE, Min, SHA512, TRACING, authorization, proof};
use crate::wire::Proof;
use crate::wire::digest::{self, Hash};
use crate::wire::error::{Problem, WireError};

/// A compressor that both sides may use. The level and the sizes are advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compressor {
    /// Its number: 1 has no dictionary, 2 to 65,535 have one that both sides knew before, and the others one that was
    /// trained on the connection. At most 2^32 - 1 can be signed.
    pub id: u64,
    /// The level of compression. Negative ones cannot be signed.
    pub level: i16,
    /// The least length of messages that it is meant for, in bytes.
    pub min_size: u32,
    /// The length from which on it is not meant for messages, in bytes.
    pub max_size: u64,
}

impl Compressor {
    pub(super) fn read<'a>(headers: &mut Headers<'a>) -> Result<(Self, Proof<'a>), WireError> {
        let [id, level, min_size, max_size, authorization, tracing] =
            headers.take([IDENTIFIER, LEVEL, MIN_SIZE, MAX_SIZE, AUTHORIZATION, TRACING])?;
        let compressor = Self {
            id: id.number(8)?,
            level: level.signed()?,
            // At most four bytes.
            min_size: min_size.number(4)? as u32,
            max_size: max_size.number(8)?,
        };
        Ok((compressor, proof(&authorization, &tracing)?))
    }

    /// The hash and the dictionary, which must agree, although Python's client does not look.
    pub(super) fn read_dictionary<'a>(headers: &mut Headers<'a>) -> Result<(&'a Hash, &'a [u8]), WireError> {
        let [field] = headers.take([SHA512])?;
        let sha512 = field.array()?;
        if digest::hash(headers.body()) != *sha512 {
            return Err(field.wrong(Problem::Differs("the hash of the dictionary")));
        }
        Ok((sha512, headers.body()))
    }

    pub(super) fn write(
        &self,
        (mode, kind): (Mode, u16),
        proof: &Proof<'_>,
        dictionary: Option<(&Hash, &[u8])>,
        out: &mut Vec<u8>,
    ) -> Result<(), WireError> {
        let [id, min_size, max_size] = [self.id, self.min_size.into(), self.max_size].map(Min::of);
        let (sha512, body): (&[u8], _) = dictionary.map_or((b"", b"".as_slice()), |(sha512, body)| (sha512, body));
        let headers: [(_, &[u8]); 7] = [
            (IDENTIFIER, id.as_bytes()),
            (LEVEL, &self.level.to_be_bytes()),
            (MIN_SIZE, min_size.as_bytes()),
            (MAX_SIZE, max_size.as_bytes()),
            (AUTHORIZATION, authorization(proof)),
            (TRACING, proof.tracing),
            (SHA512, sha512),
        ];
        let count = if dictionary.is_some() { 7 } else { 6 };
        header::write(out, mode, kind, headers.get(..count).unwrap_or_default(), body)
    }
}
