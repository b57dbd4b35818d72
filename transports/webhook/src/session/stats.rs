//! The numbers of a broadcaster's websockets.

use eventhive_listener::{Count, Population};

/// The numbers of a broadcaster's websockets. Counts go from its start on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SessionStats {
    /// Sessions now.
    pub sessions: usize,
    /// Sessions that there have been, those of now included.
    pub accepted: u64,
    /// Upgrades put off because there were too many sessions, or the end was near.
    pub put_off: u64,
    /// Sessions closed because of something the subscriber sent.
    pub faulty: u64,
    /// Sessions closed because nothing came from the subscriber in time.
    pub silent: u64,
    /// Sessions closed because messages were not acknowledged in time.
    pub slow: u64,
    /// Sessions closed because something failed here.
    pub failed: u64,
    /// Connections cut because the subscriber did not answer a close frame in time.
    pub cut: u64,
    /// Messages that came.
    pub notified: u64,
    /// Messages that were sent, each once for each websocket.
    pub delivered: u64,
    /// Of these, how many compressed.
    pub compressed: u64,
    /// Messages left out because a queue was full.
    pub dropped: u64,
    /// Messages left out because they would have had more parts than can be acknowledged.
    pub too_large: u64,
    /// MISSED that were sent.
    pub missed: u64,
    /// Dictionaries that were trained.
    pub trained: u64,
}

/// A request that is being handled.
pub(super) struct Handling<'c>(&'c Population);

impl Drop for Handling<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    sessions: Population,
    /// Requests that are being handled, also of sessions that are gone.
    handling: Population,
    pub(super) accepted: Count,
    pub(super) put_off: Count,
    pub(super) faulty: Count,
    pub(super) silent: Count,
    pub(super) slow: Count,
    pub(super) failed: Count,
    pub(super) cut: Count,
    pub(super) notified: Count,
    pub(super) delivered: Count,
    pub(super) compressed: Count,
    pub(super) dropped: Count,
    pub(super) too_large: Count,
    pub(super) missed: Count,
    pub(super) trained: Count,
}

impl Counters {
    /// One more session, unless there are `most` already.
    pub(super) fn enter(&self, most: usize) -> bool {
        let entered = self.sessions.enter(most);
        if entered {
            self.accepted.add_one();
        }
        entered
    }

    pub(super) fn leave(&self) {
        self.sessions.leave();
    }

    pub(super) fn sessions(&self) -> usize {
        self.sessions.count()
    }

    /// A request is being handled, until this is dropped.
    pub(super) fn handle(&self) -> Handling<'_> {
        // There is no bound but that of the sessions.
        _ = self.handling.enter(usize::MAX);
        Handling(&self.handling)
    }

    /// Resolves when there is no session, and nothing that one has asked for is being handled.
    pub(super) async fn none(&self) {
        self.sessions.none().await;
        self.handling.none().await;
    }

    pub(super) fn read(&self) -> SessionStats {
        SessionStats {
            sessions: self.sessions(),
            accepted: self.accepted.get(),
            put_off: self.put_off.get(),
            faulty: self.faulty.get(),
            silent: self.silent.get(),
            slow: self.slow.get(),
            failed: self.failed.get(),
            cut: self.cut.get(),
            notified: self.notified.get(),
            delivered: self.delivered.get(),
            compressed: self.compressed.get(),
            dropped: self.dropped.get(),
            too_large: self.too_large.get(),
            missed: self.missed.get(),
            trained: self.trained.get(),
        }
    }
}
