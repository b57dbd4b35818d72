//! What a broadcaster cannot do.

use crate::index::IndexError;
use crate::store::StoreError;
use crate::wire::WireError;
use crate::wire::glob::GlobError;

/// Why a message was not delivered, or not to all.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// The subscriptions have not been read from the store yet: 503. Nobody was tried.
    #[error("the subscriptions have not been read from the store yet: try again")]
    NotReady,
    /// The broadcaster is going down: 503. Nobody was tried.
    #[error("the broadcaster is going down: try again, at another one")]
    Closed,
    /// The hub, which is durable, could not store it: 503. Subscribers may have it all the same.
    #[error("the hub could not store the message: {0}")]
    NotStored(String),
}

/// Why subscriptions are not what they were to be.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// A pattern cannot be one: 400.
    #[error(transparent)]
    Glob(#[from] GlobError),
    /// A list is not sorted, or has something twice: 400.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The store did not do it, or it is not known whether it did: 503.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The websocket has left, or there are too many.
    #[error(transparent)]
    Index(IndexError),
}

impl From<IndexError> for SubscribeError {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::Glob(error) => Self::Glob(error),
            other => Self::Index(other),
        }
    }
}
