//! Whom a message goes to, and what became of it there.

use std::sync::Arc;

use crate::store::{Outcome, Row, RowId};

/// A subscription, as delivering needs it. Clones share its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its number in the store.
    pub id: RowId,
    /// Who is called.
    pub url: Arc<str>,
    /// Who is told that a message was missed.
    pub recovery: Option<Arc<str>>,
}

impl From<Row> for Target {
    fn from(row: Row) -> Self {
        Self { id: row.id, url: row.url.into(), recovery: row.recovery.map(Into::into) }
    }
}

/// What became of a message at one subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// How many subscribers took it. What a notifier is told is the sum of these.
    pub count: u32,
    /// Whether the other end asked for the subscription to be removed. Whoever called removes it.
    pub gone: bool,
    /// What became of it, in a word.
    pub outcome: Outcome,
    /// Status of the answer, if there was one.
    pub status: Option<u16>,
}

impl Delivered {
    /// A delivery that was not tried.
    pub(super) const fn not_tried(outcome: Outcome) -> Self {
        Self { count: 0, gone: false, outcome, status: None }
    }
}
