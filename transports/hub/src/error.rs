//! What can go wrong, each with the fix.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use eventhive_transport::Topic;

use crate::{Cursor, Draft, Ended};

/// A draft that the hub did not take, with the draft.
#[derive(Debug, thiserror::Error)]
#[error("not published to `{}`: {reason}", excerpt(draft.topic()))]
pub struct PublishError {
    /// The draft, as given.
    pub draft: Box<Draft>,
    /// Why.
    pub reason: PublishRefused,
}

/// What of a topic goes into a message: a topic too long to be taken must not fill the log.
fn excerpt(topic: &Topic) -> String {
    const LONGEST: usize = 200;
    let text = topic.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

impl PublishError {
    pub(crate) fn new(draft: Draft, reason: PublishRefused) -> Self {
        Self { draft: Box::new(draft), reason }
    }
}

/// Why a draft was not taken.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PublishRefused {
    /// The hub is closing or closed.
    #[error("the hub is closed")]
    Closed,
    /// A worker or the backlog is too far behind. Await [`Hub::ready`](crate::Hub::ready), then try again.
    #[error("a worker's inbox or the backlog's is full; await `ready()` before each publish")]
    Busy,
    /// The topic is longer than the hub takes.
    #[error("the topic has {size} bytes, the hub takes {largest} (`max_topic_bytes`)")]
    TopicTooLong {
        /// Bytes of the topic.
        size: usize,
        /// The most that fit.
        largest: usize,
    },
    /// The backlog could not store it; nobody has seen it.
    #[error(transparent)]
    Backlog(BacklogError),
}

impl From<BacklogError> for PublishRefused {
    fn from(error: BacklogError) -> Self {
        match error {
            BacklogError::Busy => Self::Busy,
            other => Self::Backlog(other),
        }
    }
}

/// Why a subscription was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The session has all the subscriptions it may have.
    #[error("the session has {limit} subscriptions, which is its limit (`max_subscriptions`)")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The session has all the patterns it may have: subscriptions to anything but one topic.
    #[error("the session has {limit} patterns, which is its limit (`max_patterns`)")]
    TooManyPatterns {
        /// The limit.
        limit: usize,
    },
    /// No topic can match: what it would have to hold is longer than the hub takes topics.
    #[error("the subscription asks for a topic of at least {size} bytes, the hub takes {largest} (`max_topic_bytes`)")]
    TopicTooLong {
        /// Bytes of the shortest topic that would match.
        size: usize,
        /// The most that a topic may have.
        largest: usize,
    },
    /// The hub has all the subscriptions it can number.
    #[error("the hub has as many subscriptions as it can number")]
    HubFull,
    /// The session has ended.
    #[error("the session has ended: {0}")]
    Ended(Ended),
}

/// A frame of the door's own that was not queued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The peer does not read its answers; the frame comes back. The door should end the session, or read no further
    /// requests from it.
    #[error("the session's queue has no room for the frame: the peer does not read its answers")]
    Full(Bytes),
    /// The session has ended.
    #[error("the session has ended: {0}")]
    Ended(Ended),
}

/// Why a cursor leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CursorError {
    /// The text is no cursor of any hub.
    #[error("the text is no cursor")]
    Malformed,
    /// The backlog does not reach back to it, or it is of another log: messages may have been missed.
    #[error("the cursor is unknown: it is of another log, or the backlog does not reach back to it")]
    Unknown {
        /// The oldest message that can be had; `None` if the backlog is empty.
        oldest: Option<Cursor>,
    },
}

/// Why a backlog did not do its work.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BacklogError {
    /// The place is not in it.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// Its storage failed; [`io::Error::kind`] tells how, such as `StorageFull`.
    #[error("the backlog's storage failed: {0}")]
    Storage(Arc<io::Error>),
    /// It is too far behind. Await [`Hub::ready`](crate::Hub::ready), then try again.
    #[error("the backlog is too far behind; await `ready()` before each publish")]
    Busy,
}

/// Why a replay did not come to its live part.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The backlog could not be read from there. When it happens in the middle, the session was too slow: what it was
    /// about to read has gone from the backlog.
    #[error(transparent)]
    Backlog(#[from] BacklogError),
    /// The subscription was refused.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
}

impl From<CursorError> for ReplayError {
    fn from(error: CursorError) -> Self {
        Self::Backlog(error.into())
    }
}
