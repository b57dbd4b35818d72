//! Begin and end one subscription: S2B, `/v1/subscribe/..` and `/v1/unsubscribe/..`.

use crate::wire::auth::Claim;
use crate::wire::error::WireError;
use crate::wire::read::Reader;
use crate::wire::write::whole;
use crate::wire::{Interest, InterestKind};

/// Begins a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// Where messages go. The URL with its fragment is the subscriber's identity.
    pub url: &'a str,
    /// What it wants.
    pub interest: Interest<'a>,
    /// Where to tell that messages may have been missed.
    pub recovery: Option<&'a str>,
    /// Opaque; part of what is signed.
    pub tracing: &'a [u8],
}

impl<'a> Subscribe<'a> {
    /// Reads a body; the request's path says the kind.
    ///
    /// # Errors
    /// It is too short, or `url`, `glob` or `recovery` is not UTF-8.
    pub fn read(kind: InterestKind, body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        Ok(Self {
            url: reader.text("url")?,
            interest: Interest::read(kind, &mut reader)?,
            recovery: reader.optional_text("recovery")?,
            tracing: reader.l16("tracing")?,
        })
    }

    /// Appends the body.
    ///
    /// # Errors
    /// A field is longer than 65,535 bytes. Nothing is appended then.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        whole(out, |out| {
            out.l16("url", self.url.as_bytes())?;
            out.l16(self.interest.kind().field(), self.interest.as_bytes())?;
            out.text("recovery", self.recovery)?;
            out.l16("tracing", self.tracing)
        })
    }

    /// What the request's authorization vouches for.
    #[must_use]
    pub fn claim(&self) -> Claim<'a> {
        Claim::Subscribe { url: self.url, interest: self.interest, recovery: self.recovery }
    }

    /// What the authorization of the answer vouches for.
    #[must_use]
    pub fn answer_claim(&self) -> Claim<'a> {
        Claim::ConfirmSubscribe { url: self.url, interest: self.interest, recovery: self.recovery }
    }
}

/// Ends a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// Where messages went.
    pub url: &'a str,
    /// What it wanted.
    pub interest: Interest<'a>,
    /// Opaque; part of what is signed.
    pub tracing: &'a [u8],
}

impl<'a> Unsubscribe<'a> {
    /// Reads a body; the request's path says the kind.
    ///
    /// # Errors
    /// It is too short, or `url` or `glob` is not UTF-8.
    pub fn read(kind: InterestKind, body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        Ok(Self {
            url: reader.text("url")?,
            interest: Interest::read(kind, &mut reader)?,
            tracing: reader.l16("tracing")?,
        })
    }

    /// Appends the body.
    ///
    /// # Errors
    /// A field is longer than 65,535 bytes. Nothing is appended then.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        whole(out, |out| {
            out.l16("url", self.url.as_bytes())?;
            out.l16(self.interest.kind().field(), self.interest.as_bytes())?;
            out.l16("tracing", self.tracing)
        })
    }

    /// What the request's authorization vouches for: ending has no kind of its own.
    #[must_use]
    pub fn claim(&self) -> Claim<'a> {
        Claim::Subscribe { url: self.url, interest: self.interest, recovery: None }
    }

    /// What the authorization of the answer vouches for.
    #[must_use]
    pub fn answer_claim(&self) -> Claim<'a> {
        Claim::ConfirmSubscribe { url: self.url, interest: self.interest, recovery: None }
    }
}
