//! All subscriptions of a URL at once: S2B, `/v1/check_subscriptions` and `/v1/set_subscriptions`.

use crate::wire::Interest;
use crate::wire::auth::Claim;
use crate::wire::bodies::head::Head;
use crate::wire::bodies::lists::Entry;
use crate::wire::error::{Problem, WireError};
use crate::wire::etag::Etag;
use crate::wire::read::Reader;
use crate::wire::write::whole;

/// Asks for the etag of all subscriptions of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckSubscriptions<'a> {
    /// Opaque; part of what is signed.
    pub tracing: &'a [u8],
    /// Whose subscriptions.
    pub url: &'a str,
}

impl<'a> CheckSubscriptions<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// It is too short, or `url` is not UTF-8.
    pub fn read(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        Ok(Self { tracing: reader.l16("tracing")?, url: reader.text("url")? })
    }

    /// Appends the body.
    ///
    /// # Errors
    /// A field is longer than 65,535 bytes. Nothing is appended then.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        whole(out, |out| {
            out.l16("tracing", self.tracing)?;
            out.l16("url", self.url.as_bytes())
        })
    }

    /// What the request's authorization vouches for. The answer's vouches for
    /// [`Claim::CheckSubscriptionsResponse`] with the etag in it.
    #[must_use]
    pub fn claim(&self) -> Claim<'a> {
        Claim::CheckSubscriptions { url: self.url }
    }
}

/// Replaces all subscriptions of a URL: what stands before the lists. [`Lists`](super::Lists) reads those.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetHead<'a> {
    /// Opaque; part of what is signed.
    pub tracing: &'a [u8],
    /// Whose subscriptions.
    pub url: &'a str,
    /// What the etag of the lists must be. It is all of them that is signed.
    pub etag: Etag,
}

impl SetHead<'_> {
    /// Appends the head.
    ///
    /// # Errors
    /// A field is longer than 65,535 bytes. Nothing is appended then.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        whole(out, |out| {
            out.l16("tracing", self.tracing)?;
            out.l16("url", self.url.as_bytes())?;
            self.etag.write(out);
            Ok(())
        })
    }

    /// What the request's authorization vouches for.
    #[must_use]
    pub fn claim(&self) -> Claim<'_> {
        Claim::SetSubscriptions { url: self.url, etag: &self.etag }
    }

    /// What the authorization of the answer vouches for.
    #[must_use]
    pub fn answer_claim(&self) -> Claim<'_> {
        Claim::SetSubscriptionsResponse { etag: &self.etag }
    }
}

impl Head for SetHead<'_> {
    type Of<'a> = SetHead<'a>;

    const MAX_BYTES: usize = 2 + 65_535 + 2 + 65_535 + 1 + 64;

    fn read(bytes: &[u8]) -> Result<(SetHead<'_>, usize), WireError> {
        let mut reader = Reader::new(bytes);
        let head =
            SetHead { tracing: reader.l16("tracing")?, url: reader.text("url")?, etag: Etag::read(&mut reader)? };
        Ok((head, reader.at()))
    }
}

/// Appends the lists that follow a [`SetHead`]: `exact`, then `globs`, each sorted bytewise and without repetitions, as
/// the [`EtagBuilder`](crate::wire::etag::EtagBuilder) takes them.
///
/// # Errors
/// A field is longer than 65,535 bytes, or an entry is in the list of the other kind. Nothing is appended then.
pub fn write_lists(exact: &[Entry<'_>], globs: &[Entry<'_>], out: &mut Vec<u8>) -> Result<(), WireError> {
    let is_glob = |entry: &Entry<'_>| matches!(entry.interest, Interest::Glob(_));
    whole(out, |out| {
        for (field, list, of_globs) in [("topics", exact, false), ("globs", globs, true)] {
            if list.iter().any(|entry| is_glob(entry) != of_globs) {
                return Err(WireError::new(field, 0, Problem::Differs("a list of one kind")));
            }
            out.number(field, list.len() as u64, 4)?;
            for Entry { interest, recovery } in list {
                out.l16(interest.kind().field(), interest.as_bytes())?;
                out.text("recovery", *recovery)?;
            }
        }
        Ok(())
    })
}
