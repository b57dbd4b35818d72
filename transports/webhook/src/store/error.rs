//! What can go wrong in a store.

use std::sync::Arc;

/// Why a call of a store failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached, or did not answer in time. Whether it has done what was asked may not be known.
    #[error("the store `{store}` is unavailable: {source}")]
    Unavailable {
        /// The store, without its secrets.
        store: Arc<str>,
        /// Why.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// It has something that a broadcaster has not written and cannot read; the text says where, and what to do.
    #[error("the store `{store}` has something wrong: {problem}")]
    Damaged {
        /// The store, without its secrets.
        store: Arc<str>,
        /// Where, and what to do.
        problem: String,
    },
    /// It cannot keep this: a text with U+0000, which PostgreSQL has none of. Nothing else would help than another text.
    #[error("the store `{store}` cannot keep this: {problem}")]
    Unfit {
        /// The store, without its secrets.
        store: Arc<str>,
        /// What it cannot keep.
        problem: String,
    },
    /// Its address cannot be used; the text says why.
    #[error("the store `{store}` cannot be opened: {problem}")]
    Address {
        /// The address, without its secrets.
        store: Arc<str>,
        /// What is wrong, and what is right.
        problem: String,
    },
    /// It was closed.
    #[error("the store is closed")]
    Closed,
}
