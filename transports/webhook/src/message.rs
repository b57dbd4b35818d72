//! A message on its way through a broadcaster: what it is about, and its bytes.
//!
//! Bytes are in memory, or, when there are many, in a temporary file that has no name and goes with its last user. Copies
//! share them.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream;

use crate::wire::digest::{Hash, hash};

/// How much of a file is in memory at a time, for each reader. Larger reads were not quicker.
const PIECE: usize = 128 * 1024;

/// A message. Clones share its bytes.
#[derive(Debug, Clone)]
pub struct Message {
    /// What it was published under.
    pub topic: Arc<[u8]>,
    /// Its bytes.
    pub body: Body,
    /// SHA-512 of its bytes.
    pub sha512: Hash,
}

impl Message {
    /// A message whose bytes are in memory.
    #[must_use]
    pub fn new(topic: &[u8], body: Bytes) -> Self {
        let sha512 = hash(&body);
        Self { topic: topic.into(), body: Body::Memory(body), sha512 }
    }
}

/// The bytes of a message.
#[derive(Clone)]
pub enum Body {
    /// In memory.
    Memory(Bytes),
    /// In a file.
    File(Arc<SpooledFile>),
}

/// A file that has the bytes of a message.
#[derive(Debug)]
pub struct SpooledFile {
    file: File,
    length: u64,
}

impl SpooledFile {
    /// The first `length` bytes of this file. It must be open for reading, and nobody may change it any more.
    #[must_use]
    pub fn new(file: File, length: u64) -> Self {
        Self { file, length }
    }

    /// Fills `piece` from a place in the file on. Blocks.
    ///
    /// # Errors
    /// The disk fails, or the file has become shorter.
    pub fn read_at(&self, at: u64, piece: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(piece, at)
    }
}

impl Body {
    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(file) => file.length,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, if they are in memory.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Memory(bytes) => Some(bytes),
            Self::File(_) => None,
        }
    }

    /// The bytes in pieces. Those of a file are read, on threads that may block, as they are asked for. Needs a tokio
    /// runtime.
    ///
    /// # Errors
    /// A piece is an error when the disk fails; it is the last then.
    pub fn pieces(&self) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin + use<> {
        Box::pin(stream::unfold((self.clone(), 0), |(body, at)| async move {
            let rest = body.len().checked_sub(at).filter(|rest| *rest > 0)?;
            let length = usize::try_from(rest).map_or(PIECE, |rest| rest.min(PIECE));
            let piece = body.piece(at, length).await;
            let next = if piece.is_ok() { at + length as u64 } else { u64::MAX };
            Some((piece, (body, next)))
        }))
    }

    /// `length` bytes from a place on. Those of a file are read on a thread that may block. Needs a tokio runtime.
    ///
    /// # Errors
    /// The disk fails, or there are not as many.
    pub async fn piece(&self, at: u64, length: usize) -> io::Result<Bytes> {
        match self {
            Self::Memory(bytes) => slice(bytes, at, length).ok_or_else(|| io::ErrorKind::UnexpectedEof.into()),
            Self::File(file) => {
                let file = Arc::clone(file);
                let read = move || {
                    let mut piece = vec![0; length];
                    file.read_at(at, &mut piece).map(|()| Bytes::from(piece))
                };
                tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
            }
        }
    }
}

fn slice(bytes: &Bytes, at: u64, length: usize) -> Option<Bytes> {
    let start = usize::try_from(at).ok()?;
    let end = start.checked_add(length).filter(|end| *end <= bytes.len())?;
    Some(bytes.slice(start..end))
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Memory(bytes)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(bytes) => write!(f, "{} bytes in memory", bytes.len()),
            Self::File(file) => write!(f, "{} bytes in a file", file.length),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use futures_util::TryStreamExt as _;

    use super::*;

    fn spooled(bytes: &[u8]) -> Body {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Body::File(Arc::new(SpooledFile::new(file, bytes.len() as u64)))
    }

    #[tokio::test]
    async fn the_pieces_of_a_body_are_its_bytes_wherever_they_are() {
        let bytes: Vec<u8> = (0..PIECE * 2 + 17).map(|at| at as u8).collect();
        for body in [spooled(&bytes), Body::Memory(bytes.clone().into())] {
            let pieces: Vec<Bytes> = body.pieces().try_collect().await.unwrap();
            assert_eq!(pieces.concat(), bytes);
            assert_eq!(pieces.len(), 3);
            assert_eq!(body.piece(5, 10).await.unwrap(), bytes[5..15]);
            assert!(body.piece(5, bytes.len()).await.is_err());
        }
        let none: Vec<Bytes> = spooled(b"").pieces().try_collect().await.unwrap();
        assert!(none.is_empty());
    }

    #[tokio::test]
    async fn a_file_that_became_shorter_ends_its_pieces_with_an_error() {
        let file = tempfile::tempfile().unwrap();
        let body = Body::File(Arc::new(SpooledFile::new(file, 10)));
        let mut pieces = body.pieces();
        assert!(pieces.try_next().await.is_err());
        assert!(pieces.try_next().await.unwrap().is_none());
    }
}
