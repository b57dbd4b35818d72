//! A message that comes in parts: the parts in order, none left out, and the whole with the length and the hash that
//! the first one says.
//!
//! A [`Stream`] is one direction of a connection. It keeps what the first part says and hashes what comes; where the
//! bytes go is the caller's matter. After an error it is of no more use: the connection is to be closed.

use super::message::{Compression, Part, Place};
use crate::wire::auth::Claim;
use crate::wire::digest::{Hash, Hasher};
use crate::wire::error::WireError;
use crate::wire::identifier::Identifier;

/// The message that is on its way, if one is.
#[derive(Default)]
pub struct Stream {
    open: Option<(Arriving, Hasher)>,
}

/// A message of which the first part has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arriving {
    /// What its acknowledgements repeat.
    pub identifier: Identifier,
    /// What it is published under.
    pub topic: Vec<u8>,
    /// Of the first part; the authorization of each S2B part covers it.
    pub tracing: Vec<u8>,
    /// How it is compressed, if it is.
    pub compression: Option<Compression>,
    /// How many bytes are sent in all.
    pub length: u64,
    /// SHA-512 of the bytes that are sent.
    pub sha512: Hash,
    /// The number of the newest part.
    pub part_id: u64,
}

/// Why a part cannot follow those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// A message begins while another is on its way.
    #[error("a message begins before the one before it is complete, after part {0} of it")]
    Interleaved(u64),
    /// A part that is not the first comes, and no message is on its way.
    #[error("part {0} of a message that has not begun")]
    NotBegun(u64),
    /// The part is of another message.
    #[error("part {0} is of a message with another identifier")]
    OtherMessage(u64),
    /// A part is missing, or came twice.
    #[error("part {expected} expected, {found} came")]
    OutOfOrder {
        /// The number that was to come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// A message is compressed, and has no byte.
    #[error("a compressed message cannot be empty")]
    CompressedEmpty,
    /// Length or hash are not what the first part says.
    #[error(transparent)]
    Message(#[from] WireError),
}

impl Stream {
    /// With no message on its way.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The message that is on its way. While there is one, no other may begin.
    #[must_use]
    pub fn arriving(&self) -> Option<&Arriving> {
        self.open.as_ref().map(|(arriving, _)| arriving)
    }

    /// Takes the next part. Its payload is hashed and not kept. Gives the message when it is complete and has the right
    /// hash; until then each part is acknowledged by its number.
    ///
    /// # Errors
    /// The part cannot follow those before it, or the message has not the length or the hash that it was to have.
    pub fn push(&mut self, part: &Part<'_>) -> Result<Option<Arriving>, StreamError> {
        let (mut arriving, mut hasher) = match part.place {
            Place::First(_) => self.begin(part)?,
            Place::Next(_) => self.go_on(part)?,
        };
        arriving.part_id = part.id();
        hasher.push(part.payload)?;
        if hasher.left() > 0 {
            self.open = Some((arriving, hasher));
            return Ok(None);
        }
        hasher.verify(&arriving.sha512)?;
        Ok(Some(arriving))
    }

    fn begin(&self, part: &Part<'_>) -> Result<(Arriving, Hasher), StreamError> {
        if let Some(open) = self.arriving() {
            return Err(StreamError::Interleaved(open.part_id));
        }
        let Place::First(message) = part.place else { return Err(StreamError::NotBegun(part.id())) };
        if message.compression.is_some() && message.length == 0 {
            return Err(StreamError::CompressedEmpty);
        }
        let arriving = Arriving {
            identifier: Identifier::new(part.identifier)?,
            topic: message.topic.to_vec(),
            tracing: part.proof.tracing.to_vec(),
            compression: message.compression,
            length: message.length,
            sha512: *message.sha512,
            part_id: 0,
        };
        Ok((arriving, Hasher::new(message.length)))
    }

    fn go_on(&mut self, part: &Part<'_>) -> Result<(Arriving, Hasher), StreamError> {
        let found = part.id();
        let (arriving, hasher) = self.open.take().ok_or(StreamError::NotBegun(found))?;
        if arriving.identifier.as_bytes() != part.identifier {
            return Err(StreamError::OtherMessage(found));
        }
        let expected = arriving.part_id.saturating_add(1);
        if found != expected {
            return Err(StreamError::OutOfOrder { expected, found });
        }
        Ok((arriving, hasher))
    }
}

impl Arriving {
    /// What the authorization of every S2B part vouches for, with the tracing of the first.
    #[must_use]
    pub fn notify_claim(&self) -> Claim<'_> {
        Claim::Notify { topic: &self.topic, identifier: self.identifier.as_bytes(), sha512: &self.sha512 }
    }

    /// What the authorization of every B2S part vouches for, each with a tracing of its own, and a broadcaster of ours
    /// with the counter url of the first.
    #[must_use]
    pub fn receive_claim<'a>(&'a self, url: &'a str) -> Claim<'a> {
        let Self { topic, sha512, .. } = self;
        Claim::Receive { url, topic, identifier: self.identifier.as_bytes(), sha512 }
    }
}
