//! The compressors of one connection.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::sync::Arc;

use super::FIRST_TRAINED;
use super::codec::Codec;
use super::dictionary::Dictionary;
use crate::wire::stateful::Compressor;

/// How many compressors of those that are used no more can still be read with. The other end may have sent a message
/// before it knew; each takes up to some hundred KiB.
const KEPT: usize = 2;

/// The compressors of one connection, at either end. They are few: one without a dictionary, perhaps one with a dictionary
/// that was known before, and at most two that were trained.
#[derive(Debug, Default)]
pub struct Compressors {
    /// The newest is last.
    live: Vec<(Compressor, Arc<Codec>)>,
    ended: VecDeque<Arc<Codec>>,
}

/// An announcement that cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompressorsError {
    /// 0 means that there is none.
    #[error("a compressor with the number 0")]
    Zero,
    /// There is one of this number.
    #[error("compressor {0} is in use already")]
    Known(u64),
    /// There is none of this number.
    #[error("compressor {0} is not in use")]
    Unknown(u64),
    /// The number is of a kind of compressor that this is not: 1 has no dictionary, all others have one.
    #[error("compressor {0} goes with a dictionary, and 1 without one")]
    Dictionary(u64),
}

impl Compressors {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// A compressor may be used from now on. What is compressed with a dictionary has the dictionary's level.
    ///
    /// # Errors
    /// The number is 0 or in use, or is not one for a compressor with, or without, a dictionary.
    pub fn enable(
        &mut self,
        announced: Compressor,
        dictionary: Option<Arc<Dictionary>>,
    ) -> Result<(), CompressorsError> {
        let id = NonZeroU64::new(announced.id).ok_or(CompressorsError::Zero)?;
        if (announced.id == super::PLAIN) != dictionary.is_none() {
            return Err(CompressorsError::Dictionary(announced.id));
        }
        if self.live.iter().any(|(known, _)| known.id == announced.id) {
            return Err(CompressorsError::Known(announced.id));
        }
        self.ended.retain(|ended| ended.id() != id);
        self.live.push((announced, Arc::new(Codec::new(id, announced.level, dictionary))));
        Ok(())
    }

    /// A compressor is used no more. Messages that were on their way can still be read for a while: until two more have
    /// gone this way.
    ///
    /// # Errors
    /// There is none of this number.
    pub fn disable(&mut self, id: u64) -> Result<(), CompressorsError> {
        let at = self.live.iter().position(|(known, _)| known.id == id).ok_or(CompressorsError::Unknown(id))?;
        let (_, codec) = self.live.remove(at);
        self.ended.push_back(codec);
        if self.ended.len() > KEPT {
            self.ended.pop_front();
        }
        Ok(())
    }

    /// The one for messages of this length: the newest that is meant for them.
    #[must_use]
    pub fn for_length(&self, length: u64) -> Option<&Arc<Codec>> {
        let is_meant = |announced: &Compressor| (u64::from(announced.min_size)..announced.max_size).contains(&length);
        self.live.iter().rev().find(|(announced, _)| is_meant(announced)).map(|(_, codec)| codec)
    }

    /// The one to read a message with.
    ///
    /// # Errors
    /// There is none of this number, and has been none of late.
    pub fn with_id(&self, id: NonZeroU64) -> Result<&Arc<Codec>, CompressorsError> {
        let live = self.live.iter().map(|(_, codec)| codec);
        live.chain(&self.ended).find(|codec| codec.id() == id).ok_or(CompressorsError::Unknown(id.get()))
    }

    /// The trained ones in use, the oldest first.
    pub fn trained(&self) -> impl Iterator<Item = u64> + '_ {
        self.live.iter().map(|(announced, _)| announced.id).filter(|id| *id >= FIRST_TRAINED)
    }
}
