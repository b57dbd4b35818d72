//! What can go wrong for a user of the library.

use std::io;
use std::sync::Arc;

use crate::wire::WireError;
use crate::wire::glob::GlobError;

/// Why a broadcaster did not do what it was asked to, or could not be asked.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriberError {
    /// It was asked, and nobody knows whether it did it: the connection was lost, or the answer makes no sense.
    #[error("a broadcaster may have done it, or not: {0}")]
    Ambiguous(String),
    /// Surely not done: no broadcaster could be reached, or each said that it cannot for now, in all rounds.
    #[error("no broadcaster did it, and none is left to try: {0}")]
    Exhausted(String),
    /// A broadcaster said no.
    #[error("a broadcaster refused: {0}")]
    Refused(String),
    /// The subscriber was closed, or has given up, before it was sent.
    #[error("the subscriber is closed")]
    Closed,
    /// A topic, or a url, is longer than the wire can say.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The pattern is none.
    #[error(transparent)]
    Glob(#[from] GlobError),
    /// What was to be sent cannot be read, or not be kept meanwhile.
    #[error("what is to be sent cannot be read: {0}")]
    Source(Arc<io::Error>),
    /// The operating system has no random bytes for a signature.
    #[error("nothing can be signed: the system has no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

impl From<io::Error> for SubscriberError {
    fn from(error: io::Error) -> Self {
        Self::Source(Arc::new(error))
    }
}

/// Why a subscriber cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There is nobody to talk to.
    #[error("no broadcaster was named: call `broadcaster` at least once")]
    NoBroadcaster,
    /// A url cannot be used.
    #[error("`{url}` {problem}")]
    Url {
        /// As it was given.
        url: String,
        /// What is expected.
        problem: &'static str,
    },
    /// The listener for messages cannot be started.
    #[error("cannot listen: {0}")]
    Listen(String),
    /// No certificates could be had to trust.
    #[error("{0}")]
    Tls(String),
}
