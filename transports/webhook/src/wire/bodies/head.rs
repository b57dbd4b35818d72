//! Collecting what stands before a message, or before lists, while the body arrives in chunks of any size.
//!
//! Only bytes of the head are copied, and only those that have arrived: a length that a head announces costs nothing.
//! The reader starts anew with each chunk, which is cheap, as it hops from length to length.

use std::marker::PhantomData;

use crate::wire::error::WireError;

/// The first part of a body, behind which come more bytes than one wants in memory.
///
/// Implemented by [`NotifyHead`](super::NotifyHead), [`ReceiveHead`](super::ReceiveHead) and
/// [`SetHead`](super::SetHead).
pub trait Head {
    /// The head, borrowed from the bytes it was read from.
    type Of<'a>;

    /// How many bytes the greatest head has.
    const MAX_BYTES: usize;

    /// Reads a head that must be complete, and says how many bytes it has.
    ///
    /// # Errors
    /// It is cut short, or wrong.
    fn read(bytes: &[u8]) -> Result<(Self::Of<'_>, usize), WireError>;

    /// Reads as much of a head as there is.
    ///
    /// # Errors
    /// It cannot become right, whatever follows.
    fn progress(bytes: &[u8]) -> Result<Progress<Self::Of<'_>>, WireError> {
        match Self::read(bytes) {
            Ok((head, bytes)) => Ok(Progress::Done { head, bytes }),
            Err(error) => error.needed().map(|needed| Progress::More { needed }).ok_or(error),
        }
    }
}

/// How far a head has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<H> {
    /// It is not complete.
    More {
        /// How many bytes from its start are needed to read on; more may be needed after them.
        needed: usize,
    },
    /// It is complete.
    Done {
        /// The head.
        head: H,
        /// How many bytes it has.
        bytes: usize,
    },
}

/// Collects a head from the chunks of a body.
///
/// ```
/// use eventhive_webhook::wire::bodies::{Collector, NotifyHead};
///
/// let head = NotifyHead { topic: b"a/b", sha512: &[0; 64], tracing: b"", identifier: b"1", length: 5 };
/// let mut body = Vec::new();
/// head.write(&mut body)?;
/// body.extend_from_slice(b"hello");
///
/// let mut collector = Collector::<NotifyHead>::new();
/// let mut message = Vec::new();
/// for chunk in body.chunks(7) {
///     message.extend_from_slice(collector.push(chunk)?);
/// }
/// assert_eq!(collector.head()?, head);
/// assert_eq!(message, b"hello");
/// # Ok::<(), eventhive_webhook::wire::WireError>(())
/// ```
pub struct Collector<H> {
    bytes: Vec<u8>,
    complete: bool,
    of: PhantomData<fn() -> H>,
}

impl<H: Head> Collector<H> {
    /// Without a byte.
    #[must_use]
    pub fn new() -> Self {
        Self { bytes: Vec::new(), complete: false, of: PhantomData }
    }

    /// Takes the next chunk of the body, and gives back what of it comes after the head.
    ///
    /// # Errors
    /// The head cannot become right, whatever follows.
    pub fn push<'c>(&mut self, mut chunk: &'c [u8]) -> Result<&'c [u8], WireError> {
        while !self.complete {
            let needed = match H::progress(&self.bytes)? {
                Progress::Done { .. } => self.bytes.len(),
                Progress::More { needed } => needed,
            };
            let missing = needed.saturating_sub(self.bytes.len());
            self.complete = missing == 0;
            if chunk.is_empty() {
                break;
            }
            let (wanted, rest) = chunk.split_at(missing.min(chunk.len()));
            self.bytes.extend_from_slice(wanted);
            chunk = rest;
        }
        Ok(chunk)
    }

    /// Whether all of the head has arrived.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The head.
    ///
    /// # Errors
    /// It is not complete. When the body has ended, this says what is missing.
    pub fn head(&self) -> Result<H::Of<'_>, WireError> {
        H::read(&self.bytes).map(|(head, _)| head)
    }

    /// How many bytes of the head have arrived.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing has arrived.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

impl<H: Head> Default for Collector<H> {
    fn default() -> Self {
        Self::new()
    }
}
