//! The strong etag: a hash over all subscriptions of one URL, by which both sides see whether they agree.
//!
//! The document that is hashed: `URL`, the URL, a line feed, `EXACT`, topics with their recovery urls, a line feed,
//! `GLOB`, patterns with theirs, a line feed; each text with its length in two bytes. Both lists are sorted bytewise
//! and have no repetitions.

use std::fmt;

use sha2::{Digest as _, Sha512};

use super::Interest;
use super::error::{Problem, WireError};
use super::read::Reader;
use super::write::{Output, Writer};

/// The one format of etags that there is.
const FORMAT: u8 = 0;

/// A strong etag.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Etag(pub [u8; 64]);

impl Etag {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let at = reader.at();
        let format = reader.u8("etag format")?;
        if format != FORMAT {
            let problem = Problem::Unknown { expected: "format 0", found: format.into() };
            return Err(WireError::new("etag format", at, problem));
        }
        Ok(Self(*reader.array("etag")?))
    }

    pub(crate) fn write<O: Output>(&self, out: &mut Writer<'_, O>) {
        out.u8(FORMAT);
        out.put(&self.0);
    }
}

impl fmt::Debug for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Computes an [`Etag`] from subscriptions that come one by one, so that a list need not be in memory.
pub struct EtagBuilder {
    hash: Sha512,
    /// The topic or pattern before, to see that the order ascends.
    before: Option<Vec<u8>>,
    in_globs: bool,
}

impl EtagBuilder {
    /// For the subscriptions of this URL, whose fragment counts.
    ///
    /// # Errors
    /// The URL is longer than 65,535 bytes.
    pub fn new(url: &str) -> Result<Self, WireError> {
        let mut hash = Sha512::new();
        let mut out = Writer::new(&mut hash);
        out.put(b"URL");
        out.l16("url", url.as_bytes())?;
        out.put(b"\nEXACT");
        Ok(Self { hash, before: None, in_globs: false })
    }

    /// Adds a subscription. Topics come before patterns, each sorted bytewise.
    ///
    /// # Errors
    /// It is not greater than the one before, a topic comes after a pattern, or a field is longer than 65,535 bytes.
    pub fn push(&mut self, interest: Interest<'_>, recovery: Option<&str>) -> Result<(), WireError> {
        let field = interest.kind().field();
        let is_glob = matches!(interest, Interest::Glob(_));
        if is_glob && !self.in_globs {
            self.begin_globs();
        }
        let bytes = interest.as_bytes();
        let ascends = self.before.as_deref().is_none_or(|before| before < bytes);
        if is_glob != self.in_globs || !ascends {
            return Err(WireError::new(field, 0, Problem::Unsorted));
        }
        let mut out = Writer::new(&mut self.hash);
        out.l16(field, bytes)?;
        out.text("recovery", recovery)?;
        let before = self.before.get_or_insert_default();
        before.clear();
        before.extend_from_slice(bytes);
        Ok(())
    }

    /// The etag of all that was added.
    #[must_use]
    pub fn finish(mut self) -> Etag {
        if !self.in_globs {
            self.begin_globs();
        }
        self.hash.update(b"\n");
        Etag(self.hash.finalize().into())
    }

    fn begin_globs(&mut self) {
        self.in_globs = true;
        self.before = None;
        self.hash.update(b"\nGLOB");
    }
}
