//! A message as it arrives: hashed, and kept in memory or, if it is large, in a file.
//!
//! Files are written on threads that may block, a quarter of a MiB at a time; meanwhile nothing more is read, so that a message
//! of any size takes the memory of what goes to no file.

use std::io::{self, Write as _};

use bytes::Bytes;

use super::answer::Refusal;
use super::body::Incoming;
use crate::budget::Charge;
use crate::message::Body;
use crate::spool::Spool;
use crate::wire::WireError;
use crate::wire::digest::{Hash, Hasher};

/// What is written to a file at once. Larger pieces were not quicker.
const PIECE: usize = 256 * 1024;

/// The same, while memory is short.
const SHORT_PIECE: usize = 16 * 1024;

/// What came of a message so far.
pub(super) struct Receiving {
    /// Not there while a thread writes.
    parts: Option<Parts>,
    /// What is yet to be written to the file.
    waiting: Vec<u8>,
}

struct Parts {
    hasher: Hasher,
    spool: Spool,
}

enum Failed {
    Wire(WireError),
    Disk(io::Error),
}

impl From<Failed> for Refusal {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Wire(error) => error.into(),
            Failed::Disk(error) => {
                tracing::error!(%error, "no room for a message in the folder of temporary files: make some, or set `spool_path`");
                Self::UNAVAILABLE
            }
        }
    }
}

impl Parts {
    fn push(&mut self, piece: &[u8]) -> Result<(), Failed> {
        self.hasher.push(piece).map_err(Failed::Wire)?;
        self.spool.write_all(piece).map_err(Failed::Disk)
    }
}

impl Receiving {
    pub(super) fn new(length: u64, spool: Spool) -> Self {
        Self { parts: Some(Parts { hasher: Hasher::new(length), spool }), waiting: Vec::new() }
    }

    /// Takes all of the body, and gives the message if it is of its length and hash, and what it has of the door's memory.
    pub(super) async fn all(
        mut self,
        first: Bytes,
        body: &mut Incoming,
        sha512: &Hash,
    ) -> Result<(Body, Charge), Refusal> {
        self.push(first).await?;
        while let Some(bytes) = body.next().await? {
            self.push(bytes).await?;
        }
        self.finish(sha512).await
    }

    async fn push(&mut self, bytes: Bytes) -> Result<(), Refusal> {
        let Some(parts) = &mut self.parts else { return Err(Refusal::FAILED) };
        if self.waiting.is_empty() && !parts.spool.would_block(bytes.len()) {
            return Ok(parts.push(&bytes)?);
        }
        let announced = parts.hasher.left();
        if (self.waiting.len() + bytes.len()) as u64 > announced {
            // Before it is written.
            return Err(Refusal::MALFORMED);
        }
        let piece = if parts.spool.is_short() { SHORT_PIECE } else { PIECE };
        self.waiting.extend_from_slice(&bytes);
        if self.waiting.len() >= piece { self.write().await } else { Ok(()) }
    }

    async fn write(&mut self) -> Result<(), Refusal> {
        let Some(mut parts) = self.parts.take() else { return Err(Refusal::FAILED) };
        let mut waiting = std::mem::take(&mut self.waiting);
        let writing = tokio::task::spawn_blocking(move || {
            let written = parts.push(&waiting);
            waiting.clear();
            (parts, waiting, written)
        });
        let (parts, waiting, written) = writing.await.map_err(|_| Refusal::FAILED)?;
        (self.parts, self.waiting) = (Some(parts), waiting);
        Ok(written?)
    }

    async fn finish(mut self, sha512: &Hash) -> Result<(Body, Charge), Refusal> {
        if !self.waiting.is_empty() {
            self.write().await?;
        }
        let Some(parts) = self.parts.take() else { return Err(Refusal::FAILED) };
        parts.hasher.verify(sha512)?;
        Ok(parts.spool.finish_charged().map_err(Failed::Disk)?)
    }
}
