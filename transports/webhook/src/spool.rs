//! Where bytes go that may be many: memory, and from some length on a temporary file without a name.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use crate::budget::{Budget, Charge};
use crate::message::{Body, SpooledFile};

/// A message of up to so many bytes is not charged: a connection has as much for what it reads, anyway.
const FREE: usize = 16 * 1024;

/// Takes bytes and gives a [`Body`]. Memory is used as bytes come, and never more than the limit, nor than the budget grants.
/// Writing may block on the disk once that is passed.
#[derive(Debug)]
pub(crate) struct Spool {
    limit: usize,
    /// Where files are; `None` is the system's folder for them.
    folder: Option<PathBuf>,
    charge: Charge,
    /// The budget has not granted more.
    is_short: bool,
    memory: Vec<u8>,
    file: Option<(File, u64)>,
}

impl Spool {
    /// With nothing in it; more than `limit` bytes go to a file.
    #[must_use]
    pub(crate) fn new(limit: usize) -> Self {
        let (memory, charge) = (Vec::new(), Charge::default());
        Self { limit, folder: None, charge, is_short: false, memory, file: None }
    }

    /// The same, with files in this folder, and memory of this budget.
    #[must_use]
    pub(crate) fn within(limit: usize, folder: Option<PathBuf>, budget: Option<Budget>) -> Self {
        Self { folder, charge: Charge::of(budget), ..Self::new(limit) }
    }

    /// Whether writing as many bytes is writing to the disk. If not, there is memory for them now.
    #[must_use]
    pub(crate) fn would_block(&mut self, bytes: usize) -> bool {
        if self.file.is_some() || self.is_short {
            return true;
        }
        let length = self.memory.len().saturating_add(bytes);
        if length > self.limit {
            return true;
        }
        if length > self.memory.capacity() {
            // As a vector grows, but no further than the limit, so that what it has is what it is charged.
            let capacity = self.memory.capacity().saturating_mul(2).clamp(length, self.limit);
            if capacity > FREE && !self.charge.grow(capacity) {
                self.is_short = true;
                return true;
            }
            self.memory.reserve_exact(capacity - self.memory.len());
        }
        false
    }

    /// Whether memory is short, so that little should wait to be written, too.
    pub(crate) const fn is_short(&self) -> bool {
        self.is_short
    }

    /// What came. Its memory is no longer charged.
    ///
    /// # Errors
    /// The disk fails.
    pub(crate) fn finish(self) -> io::Result<Body> {
        self.finish_charged().map(|(body, _)| body)
    }

    /// What came, and what it has of the budget, which is to be kept for as long as the message is worked on.
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub(crate) fn finish_charged(self) -> io::Result<(Body, Charge)> {
        let Some((mut file, length)) = self.file else { return Ok((Body::Memory(self.memory.into()), self.charge)) };
        file.flush()?;
        Ok((Body::File(Arc::new(SpooledFile::new(file, length))), self.charge))
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.would_block(bytes.len()) && self.file.is_none() {
            let mut file = self.folder.as_ref().map_or_else(tempfile::tempfile, tempfile::tempfile_in)?;
            file.write_all(&self.memory)?;
            self.file = Some((file, self.memory.len() as u64));
            self.memory = Vec::new();
            self.charge.clear();
        }
        let Some((file, length)) = &mut self.file else {
            self.memory.extend_from_slice(bytes);
            return Ok(bytes.len());
        };
        let written = file.write(bytes)?;
        *length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |(file, _)| file.flush())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_are_in_memory_up_to_the_limit_and_all_in_a_file_beyond_it() {
        for (length, in_memory) in [(0, true), (10, true), (11, false), (500, false)] {
            let bytes: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let mut spool = Spool::new(10);
            bytes.chunks(4).for_each(|piece| spool.write_all(piece).unwrap());
            let body = spool.finish().unwrap();
            assert_eq!(body.as_bytes().is_some(), in_memory, "{length}");
            assert_eq!(body.len(), length);
            assert_eq!(body.piece(0, bytes.len()).await.unwrap(), bytes);
        }
    }

    fn filled(budget: &Budget, bytes: usize) -> (Body, Charge) {
        let mut spool = Spool::within(1 << 20, None, Some(budget.clone()));
        vec![7; bytes].chunks(5000).for_each(|piece| spool.write_all(piece).unwrap());
        spool.finish_charged().unwrap()
    }

    #[tokio::test]
    async fn what_a_common_budget_does_not_grant_is_in_a_file_and_is_the_same() {
        let budget = Budget::new(300_000);
        let first = filled(&budget, 150_000);
        assert!(first.0.as_bytes().is_some() && budget.used() >= 150_000, "{}", budget.used());
        let second = filled(&budget, 250_000);
        assert!(second.0.as_bytes().is_none());
        assert_eq!(second.0.piece(0, 250_000).await.unwrap(), vec![7; 250_000]);
        assert_eq!(budget.refused(), 1);
        let small = filled(&budget, FREE / 2);
        assert!(small.0.as_bytes().is_some(), "small ones cost nothing");
        drop(first);
        assert_eq!(budget.used(), 0, "what is in a file, and what is done with, has given it back");
        assert!(filled(&budget, 150_000).0.as_bytes().is_some());
        drop(Spool::within(1 << 20, None, Some(budget.clone())));
        assert_eq!(budget.used(), 0);
    }
}
