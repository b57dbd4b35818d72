//! The lists of `/v1/set_subscriptions`, read one entry after the other, so that neither list need be in memory.
//!
//! [`Lists`] keeps where it is in the lists; the caller keeps the bytes. It hands in what has arrived and not been
//! used, takes an entry, drops as many bytes as the entry had, and comes back. [`Lists::next`] does that for a body
//! that is whole.

use crate::wire::error::WireError;
use crate::wire::read::Reader;
use crate::wire::{Interest, InterestKind};

/// One subscription in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What is wanted.
    pub interest: Interest<'a>,
    /// Where to tell that messages may have been missed.
    pub recovery: Option<&'a str>,
}

/// What [`Lists::step`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListsStep<'a> {
    /// The next entry.
    Entry(Entry<'a>),
    /// The bytes end inside an entry or a number. An entry has at most 131,074.
    More {
        /// How many bytes, counted from the first that is not used, are needed to read on.
        needed: usize,
        /// What is wrong with the body if it has ended here.
        missing: WireError,
    },
    /// Both lists have ended.
    Done,
}

/// Where a reader is in the lists.
#[derive(Debug, Clone)]
pub struct Lists {
    kind: InterestKind,
    /// Entries that are still to come in this list; `None` before the number was read.
    left: Option<u32>,
    /// Bytes before those of the next step, for errors.
    before: usize,
}

impl Lists {
    /// At the beginning. `before` is the number of bytes in the body before the lists; errors count from there.
    #[must_use]
    pub fn new(before: usize) -> Self {
        Self { kind: InterestKind::Exact, left: None, before }
    }

    /// Reads the next entry from `bytes`, which follow those that were used before. Returns it with the number of bytes
    /// that are used now; those must not be handed in again, also with [`ListsStep::More`].
    ///
    /// # Errors
    /// `glob` or `recovery` is not UTF-8.
    pub fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<(ListsStep<'a>, usize), WireError> {
        let mut reader = Reader::new(bytes);
        let mut used = 0;
        let step = loop {
            match self.read(&mut reader) {
                Ok(step) => {
                    used = reader.at();
                    if let Some(step) = step {
                        break step;
                    }
                }
                Err(error) => {
                    let missing = WireError { at: error.at + self.before, ..error };
                    let needed = error.needed().ok_or(missing)? - used;
                    break ListsStep::More { needed, missing };
                }
            }
        };
        self.before += used;
        Ok((step, used))
    }

    /// Reads the next entry of lists that are in memory as a whole, and takes it from `bytes`; `None` at the end of
    /// both.
    ///
    /// # Errors
    /// The lists are cut short, or `glob` or `recovery` is not UTF-8.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<Entry<'a>>, WireError> {
        let all = *bytes;
        let (step, used) = self.step(all)?;
        *bytes = all.get(used..).unwrap_or_default();
        match step {
            ListsStep::Entry(entry) => Ok(Some(entry)),
            ListsStep::Done => Ok(None),
            ListsStep::More { missing, .. } => Err(missing),
        }
    }

    /// One field further; the number of entries of a list is a field that gives no step.
    fn read<'a>(&mut self, reader: &mut Reader<'a>) -> Result<Option<ListsStep<'a>>, WireError> {
        match (self.left, self.kind) {
            (None, InterestKind::Exact) => self.left = Some(reader.u32("topics")?),
            (None, InterestKind::Glob) => self.left = Some(reader.u32("globs")?),
            (Some(0), InterestKind::Exact) => (self.kind, self.left) = (InterestKind::Glob, None),
            (Some(0), InterestKind::Glob) => return Ok(Some(ListsStep::Done)),
            (Some(left), kind) => {
                let interest = Interest::read(kind, reader)?;
                let recovery = reader.optional_text("recovery")?;
                self.left = Some(left - 1);
                return Ok(Some(ListsStep::Entry(Entry { interest, recovery })));
            }
        }
        Ok(None)
    }
}
