//! Where bytes go that may be many: memory, and from some length on a temporary file without a name.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use crate::message::{Body, SpooledFile};

/// Takes bytes and gives a [`Body`]. Memory is used as bytes come, and never more than the limit. Writing may block on the
/// disk once that is passed.
#[derive(Debug)]
pub(crate) struct Spool {
    limit: usize,
    /// Where files are; `None` is the system's folder for them.
    folder: Option<PathBuf>,
    memory: Vec<u8>,
    file: Option<(File, u64)>,
}

impl Spool {
    /// With nothing in it; more than `limit` bytes go to a file.
    #[must_use]
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, folder: None, memory: Vec::new(), file: None }
    }

    /// The same, with files in this folder.
    #[must_use]
    pub(crate) fn in_folder(limit: usize, folder: PathBuf) -> Self {
        Self { folder: Some(folder), ..Self::new(limit) }
    }

    /// Whether writing as many bytes is writing to the disk.
    #[must_use]
    pub(crate) fn would_block(&self, bytes: usize) -> bool {
        self.file.is_some() || self.memory.len().saturating_add(bytes) > self.limit
    }

    /// What came.
    ///
    /// # Errors
    /// The disk fails.
    pub(crate) fn finish(self) -> io::Result<Body> {
        let Some((mut file, length)) = self.file else { return Ok(Body::Memory(self.memory.into())) };
        file.flush()?;
        Ok(Body::File(Arc::new(SpooledFile::new(file, length))))
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.would_block(bytes.len()) && self.file.is_none() {
            let mut file = self.folder.as_ref().map_or_else(tempfile::tempfile, tempfile::tempfile_in)?;
            file.write_all(&self.memory)?;
            self.file = Some((file, self.memory.len() as u64));
            self.memory = Vec::new();
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
}
