//! What can go wrong with an outbox on disk.

use std::io;
use std::path::{Path, PathBuf};

/// Why an outbox could not be opened. The text is for people and names the path.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutboxError {
    /// Another process has it, or another connector of this one.
    #[error(
        "the outbox `{}` is in use by another process or connector: give each a folder of its own in `outbox.path`",
        .0.display()
    )]
    InUse(PathBuf),
    /// A file is there that this version did not write.
    #[error("`{}` is no outbox of this version: move it away, or set another `outbox.path`", .0.display())]
    Foreign(PathBuf),
    /// The operating system refused.
    #[error("the outbox `{}` cannot be used: {source}; see `outbox.path`", path.display())]
    Io {
        /// What was opened, read or written.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl OutboxError {
    /// For `map_err`.
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Io { path: path.to_owned(), source }
    }
}
