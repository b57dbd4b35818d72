//! A message could not be delivered: B2S, to recovery urls.

use crate::wire::auth::Claim;
use crate::wire::error::WireError;
use crate::wire::read::Reader;
use crate::wire::write::whole;

/// Tells a subscriber that it may have missed messages of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed<'a> {
    /// Opaque; part of what is signed.
    pub tracing: &'a [u8],
    /// The topic.
    pub topic: &'a [u8],
}

impl<'a> Missed<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// It is too short.
    pub fn read(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        Ok(Self { tracing: reader.l16("tracing")?, topic: reader.l16("topic")? })
    }

    /// Appends the body.
    ///
    /// # Errors
    /// A field is longer than 65,535 bytes. Nothing is appended then.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        whole(out, |out| {
            out.l16("tracing", self.tracing)?;
            out.l16("topic", self.topic)
        })
    }

    /// What the request's authorization vouches for, when it goes to this recovery url.
    #[must_use]
    pub fn claim(&self, recovery: &'a str) -> Claim<'a> {
        Claim::Missed { recovery, topic: self.topic }
    }

    /// What the authorization of the answer vouches for.
    #[must_use]
    pub fn answer_claim(&self, recovery: &'a str) -> Claim<'a> {
        Claim::ConfirmMissed { topic: self.topic, url: recovery }
    }
}
