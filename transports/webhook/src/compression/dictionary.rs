//! What a compressor starts from.

use std::fmt;
use std::io;

use bytes::Bytes;
use zstd::dict::{DecoderDictionary, EncoderDictionary};

use super::codec::level_of;
use crate::wire::digest::{Hash, hash};

/// A dictionary, prepared for both directions. It takes several times its length of memory, so share it where several
/// connections have it.
pub struct Dictionary {
    bytes: Bytes,
    sha512: Hash,
    level: i16,
    pub(super) encoder: EncoderDictionary<'static>,
    pub(super) decoder: DecoderDictionary<'static>,
}

/// Bytes that are no dictionary.
#[derive(Debug, thiserror::Error)]
#[error("the dictionary begins like one of zstd's and is none; train it again, or check the file")]
pub struct DictionaryError(#[source] io::Error);

impl Dictionary {
    /// Of these bytes: a dictionary as zstd trains it, or, if they begin otherwise, content to refer to. `level` is that of
    /// what is compressed with it.
    ///
    /// # Errors
    /// They begin like a trained dictionary, and are none.
    pub fn new(bytes: Bytes, level: i16) -> Result<Self, DictionaryError> {
        Ok(Self {
            encoder: EncoderDictionary::try_copy(&bytes, level_of(level)).map_err(DictionaryError)?,
            decoder: DecoderDictionary::try_copy(&bytes).map_err(DictionaryError)?,
            sha512: hash(&bytes),
            level,
            bytes,
        })
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// SHA-512 of its bytes.
    #[must_use]
    pub fn sha512(&self) -> &Hash {
        &self.sha512
    }

    /// The level of what is compressed with it.
    #[must_use]
    pub fn level(&self) -> i16 {
        self.level
    }
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a dictionary of {} bytes, level {}", self.bytes.len(), self.level)
    }
}
