//! What stands before a message: S2B when it is published, B2S when it is delivered.

use crate::wire::auth::Claim;
use crate::wire::bodies::head::Head;
use crate::wire::digest::Hash;
use crate::wire::error::WireError;
use crate::wire::read::Reader;
use crate::wire::write::whole;

/// `/v1/notify`: what stands before the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotifyHead<'a> {
    /// What the message is published under.
    pub topic: &'a [u8],
    /// SHA-512 of the message.
    pub sha512: &'a Hash,
    /// Opaque; part of what is signed.
    pub tracing: &'a [u8],
    /// What the answer repeats.
    pub identifier: &'a [u8],
    /// How many bytes the message has. The body ends behind it.
    pub length: u64,
}

impl<'a> NotifyHead<'a> {
    /// Appends the head.
    ///
    /// # Errors
    /// A field is longer than its length can say. Nothing is appended then.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        whole(out, |out| {
            out.l16("topic", self.topic)?;
            out.put(self.sha512);
            out.l16("tracing", self.tracing)?;
            out.l8("identifier", self.identifier)?;
            out.u64(self.length);
            Ok(())
        })
    }

    /// What the request's authorization vouches for.
    #[must_use]
    pub fn claim(&self) -> Claim<'a> {
        Claim::Notify { topic: self.topic, identifier: self.identifier, sha512: self.sha512 }
    }

    /// What the authorization of the answer vouches for.
    #[must_use]
    pub fn answer_claim(&self, count: u32) -> Claim<'a> {
        let (topic, sha512) = (self.topic, self.sha512);
        Claim::ConfirmNotify { identifier: self.identifier, subscribers: count.into(), topic, sha512 }
    }
}

impl Head for NotifyHead<'_> {
    type Of<'a> = NotifyHead<'a>;

    const MAX_BYTES: usize = 2 + 65_535 + 64 + 2 + 65_535 + 1 + 255 + 8;

    fn read(bytes: &[u8]) -> Result<(NotifyHead<'_>, usize), WireError> {
        let mut reader = Reader::new(bytes);
        let head = NotifyHead {
            topic: reader.l16("topic")?,
            sha512: reader.array("sha512")?,
            tracing: reader.l16("tracing")?,
            identifier: reader.l8("identifier")?,
            length: reader.u64("message length")?,
        };
        Ok((head, reader.at()))
    }
}

/// RECEIVE, the delivery of a message: what stands before the message. Its hash is in a header; see
/// [`digest`](crate::wire::digest).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiveHead<'a> {
    /// Opaque; part of what is signed.
    pub tracing: &'a [u8],
    /// What the message was published under.
    pub topic: &'a [u8],
    /// What the answer repeats.
    pub identifier: &'a [u8],
    /// How many bytes the message has. The body ends behind it.
    pub length: u64,
}

impl<'a> ReceiveHead<'a> {
    /// Appends the head.
    ///
    /// # Errors
    /// A field is longer than its length can say. Nothing is appended then.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        whole(out, |out| {
            out.l16("tracing", self.tracing)?;
            out.l16("topic", self.topic)?;
            out.l8("identifier", self.identifier)?;
            out.u64(self.length);
            Ok(())
        })
    }

    /// What the request's authorization vouches for, when it goes to this receive url with this hash in its header.
    #[must_use]
    pub fn claim(&self, url: &'a str, sha512: &'a Hash) -> Claim<'a> {
        Claim::Receive { url, topic: self.topic, identifier: self.identifier, sha512 }
    }

    /// What the authorization of the answer vouches for.
    #[must_use]
    pub fn answer_claim(&self, url: &'a str, num_subscribers: u32) -> Claim<'a> {
        Claim::ConfirmReceive { identifier: self.identifier, num_subscribers, url }
    }
}

impl Head for ReceiveHead<'_> {
    type Of<'a> = ReceiveHead<'a>;

    const MAX_BYTES: usize = 2 + 65_535 + 2 + 65_535 + 1 + 255 + 8;

    fn read(bytes: &[u8]) -> Result<(ReceiveHead<'_>, usize), WireError> {
        let mut reader = Reader::new(bytes);
        let head = ReceiveHead {
            tracing: reader.l16("tracing")?,
            topic: reader.l16("topic")?,
            identifier: reader.l8("identifier")?,
            length: reader.u64("message length")?,
        };
        Ok((head, reader.at()))
    }
}
