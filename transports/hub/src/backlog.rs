//! The log of past messages, as the hub sees it.

use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;

use crate::{BacklogError, Cursor, CursorError, CursorKey, Message};

/// Messages that a replay reads at a time.
pub(crate) const PAGE_MESSAGES: usize = 256;

/// Bytes that a replay reads at a time from a disk, about.
pub(crate) const PAGE_BYTES: usize = 1 << 20;

/// The most messages that a replay may have left to send when it goes live. They are taken under the hub's lock, so it
/// is a few microseconds' worth.
pub(crate) const RECENT_MESSAGES: usize = 64;

/// How far the newest message's time may be ahead of the clock, because that was set back, before the time of messages goes
/// back as well. What is further ahead was stamped by a clock that was wrong.
pub(crate) const AHEAD: Duration = Duration::from_secs(60);

/// Where a replay starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// With the next message: no history.
    Now,
    /// After this message. Unknown if the backlog cannot tell what followed it.
    After(Cursor),
    /// With the first message at or after this time, as far back as the backlog goes.
    Since(SystemTime),
    /// With the oldest message kept.
    Oldest,
}

/// What a backlog holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The oldest message kept; `None` if there is none.
    pub oldest: Option<Cursor>,
    /// The newest message ever appended, whether it is still kept or not; at first the log's [origin](Cursor::origin).
    pub newest: Cursor,
}

impl Extent {
    /// Whether everything after `place` is kept, so that a reader can go on from there without a gap.
    ///
    /// # Errors
    /// [`CursorError::Unknown`] if not.
    pub fn check(&self, place: Cursor) -> Result<(), CursorError> {
        let first = self.oldest.map_or(self.newest.sequence(), |oldest| oldest.sequence().saturating_sub(1));
        let known =
            place.epoch() == self.newest.epoch() && (first..=self.newest.sequence()).contains(&place.sequence());
        if known { Ok(()) } else { Err(CursorError::Unknown { oldest: self.oldest }) }
    }
}

/// An append-only log with cursors. The hub has one; sessions that come back read from it.
///
/// All methods may be called from any thread. [`append`](Self::append), [`extent`](Self::extent) and
/// [`recent`](Self::recent) are called under the hub's lock: they must be quick and must not call the hub. A log on a
/// disk appends to a buffer and writes behind it, and keeps its newest messages in memory. Sequences may have gaps. Times go
/// up with the sequences, but where the clock was set back by more than a minute: neither what is looked for by time nor
/// what is dropped by age may rely on it.
///
/// The methods with a body are for logs that are slower than memory.
pub trait Backlog: Send + Sync {
    /// What it holds. A log that was opened again says where it ended: the hub goes on from there.
    fn extent(&self) -> Extent;

    /// Adds a message, whose cursor follows the newest.
    ///
    /// # Errors
    /// [`BacklogError::Storage`] if it cannot be kept, [`BacklogError::Busy`] if it cannot be kept just now; the message is
    /// then not published.
    fn append(&self, message: &Arc<Message>) -> Result<(), BacklogError>;

    /// The place to read after, for a start.
    ///
    /// # Errors
    /// [`CursorError::Unknown`] for a cursor that the log cannot go on from; [`BacklogError::Storage`].
    fn locate(&self, start: Start) -> BoxFuture<'_, Result<Cursor, BacklogError>>;

    /// The messages after `place`, oldest first, at most `most` and fewer where that is handier; none only if none follows.
    ///
    /// # Errors
    /// [`CursorError::Unknown`] if the message after `place` is no longer kept; [`BacklogError::Storage`].
    fn read(&self, place: Cursor, most: usize) -> BoxFuture<'_, Result<Vec<Arc<Message>>, BacklogError>>;

    /// All messages after `place` if they are at most `most` and in memory, else `None`. At least the newest 64 of those
    /// kept must be in memory; after the newest there are none, which is in memory.
    fn recent(&self, place: Cursor, most: usize) -> Option<Vec<Arc<Message>>>;

    /// The newest message's time, whether it is still kept or not: the hub's time goes on from there.
    fn newest_time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    /// The key under which cursors leave the process. The hub asks once. A log that outlives its process must give the same
    /// each time, or no client finds its place again.
    fn cursor_key(&self) -> CursorKey {
        CursorKey::random()
    }

    /// Whether publishers need not wait for [`ready`](Self::ready). Asked for each publish: it must cost nothing.
    fn is_ready(&self) -> bool {
        true
    }

    /// Resolves when it has caught up with what was appended.
    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }

    /// Whether a publisher is to be answered only when its message is [`stored`](Self::stored).
    fn is_durable(&self) -> bool {
        false
    }

    /// Resolves when the message of this cursor is where the log keeps it, or with the reason why it is lost to the log. Ask
    /// at once after the publish: a log need not remember for long what it has lost.
    ///
    /// # Errors
    /// [`BacklogError::Storage`].
    fn stored(&self, cursor: Cursor) -> BoxFuture<'_, Result<(), BacklogError>> {
        let _ = cursor;
        Box::pin(ready(Ok(())))
    }

    /// Takes nothing more, and resolves when all that was appended is where the log keeps it.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }
}
