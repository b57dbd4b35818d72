//! Filling a spool from a task that must not wait for the disk.

use std::io::{self, Write as _};

use bytes::Bytes;
use tokio::task::spawn_blocking;

use crate::spool::Spool;

/// Puts a piece into the spool, on a thread that may block if it goes to the disk.
pub(crate) async fn push(mut spool: Spool, piece: Bytes) -> io::Result<Spool> {
    if !spool.would_block(piece.len()) {
        spool.write_all(&piece)?;
        return Ok(spool);
    }
    let write = move || spool.write_all(&piece).map(|()| spool);
    spawn_blocking(write).await.map_err(io::Error::other)?
}
