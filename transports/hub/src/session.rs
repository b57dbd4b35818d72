//! A session: one receiver on a worker, as its door handles it.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::Bytes;
use eventhive_transport::Filter;

use crate::queue::{Ended, Queue};
use crate::worker::Local;
use crate::{Drops, ReplayError, SendError, Start, SubscribeError, SubscriptionId, replay};

/// A session's number, unique in the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub(crate) u64);

impl From<SessionId> for u64 {
    fn from(id: SessionId) -> Self {
        id.0
    }
}

/// For doors that carry the number in their protocol; a number of no session excludes nobody.
impl From<u64> for SessionId {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The handle of a session. It stays on its worker's thread. Dropping it closes the session.
pub struct Session {
    queue: Rc<Queue>,
    local: Rc<Local>,
}

impl Session {
    pub(crate) const fn new(queue: Rc<Queue>, local: Rc<Local>) -> Self {
        Self { queue, local }
    }

    /// The session's id, for [`Draft::exclude`](crate::Draft::exclude).
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.queue.id
    }

    /// Subscribes to events published from now on. Filters may repeat; each is a subscription of its own.
    ///
    /// # Errors
    /// [`SubscribeError`] at one of the session's limits, for a topic that is too long, or when it has ended.
    pub fn subscribe(&self, filter: Filter) -> Result<SubscriptionId, SubscribeError> {
        self.queue.ended().map_or(Ok(()), |why| Err(SubscribeError::Ended(why)))?;
        self.local.core.check(&filter)?;
        self.local.core.subscribe(self.queue.key, filter)
    }

    /// Ends a subscription of this session; `false` if it has none of that id. An event that is on its way to the session
    /// still comes.
    pub fn unsubscribe(&self, subscription: SubscriptionId) -> bool {
        self.queue.registered.get() && self.local.core.unsubscribe(self.queue.key, subscription)
    }

    /// Subscribes from a place in the past: queues what the backlog has from there on, as fast as the session reads, then
    /// goes live, without a gap and without a duplicate. Resolves when it is live; dropped before, nothing is subscribed.
    ///
    /// The session takes no part in the counts and trackers of events that it gets as history.
    ///
    /// # Errors
    /// [`ReplayError`]: the place is unknown (said before anything is queued), the backlog has dropped what the session
    /// was too slow to read, the backlog's storage failed, or the subscription was refused.
    pub async fn subscribe_from(&self, filter: Filter, start: Start) -> Result<SubscriptionId, ReplayError> {
        replay::replay_then_live(&self.local.core, &self.queue, filter, start).await
    }

    /// Queues a frame of the door's own, in order with the events. It is never dropped by an overflow policy.
    ///
    /// # Errors
    /// [`SendError::Full`] gives the frame back when as many answers wait as the queue is large.
    pub fn send(&self, frame: Bytes) -> Result<(), SendError> {
        self.queue.push_own(frame).map(|reader| reader.into_iter().for_each(Waker::wake))
    }

    /// Ends the subscriptions now, and the session when what waits has been read.
    pub fn close(&self) {
        self.local.finish(&self.queue, Ended::Closed);
    }

    /// Deliveries to this session that were dropped.
    #[must_use]
    pub fn drops(&self) -> Drops {
        self.queue.drops()
    }

    /// A handle for a watchdog on the same thread.
    #[must_use]
    pub fn monitor(&self) -> Monitor {
        let seen = Cell::new((0, Instant::now()));
        Monitor { queue: Rc::clone(&self.queue), local: Rc::clone(&self.local), seen }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.queue.id).field("ended", &self.queue.ended()).finish()
    }
}

/// Watches a session from outside its door's actor, which stands still when its socket does.
pub struct Monitor {
    queue: Rc<Queue>,
    local: Rc<Local>,
    /// Items taken at the last look that saw progress, and when that was.
    seen: Cell<(u64, Instant)>,
}

impl Monitor {
    /// Bytes that wait for the socket.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.queue.progress().0
    }

    /// How long nothing was taken while something waited, as far as the looks of this monitor tell: it counts from the
    /// last look that saw progress, so it is late by at most the time between two looks, and costs the socket nothing.
    pub fn stalled_for(&self) -> Duration {
        let ((waiting, taken), (seen, since)) = (self.queue.progress(), self.seen.get());
        if waiting == 0 || taken != seen {
            self.seen.set((taken, Instant::now()));
            return Duration::ZERO;
        }
        since.elapsed()
    }

    /// Deliveries to the session that were dropped.
    #[must_use]
    pub fn drops(&self) -> Drops {
        self.queue.drops()
    }

    /// Why the session ended; `None` while it is open.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        self.queue.ended()
    }

    /// Ends the session at once, for this reason; what waits is dropped and counted.
    pub fn disconnect(&self, why: Ended) {
        self.local.end(&self.queue, why);
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("session", &self.queue.id).field("queued_bytes", &self.queued_bytes()).finish()
    }
}
