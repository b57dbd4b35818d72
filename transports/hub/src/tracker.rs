//! How a publisher waits until every receiver's door is done with an event.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

/// Travels with each delivery of one event, and tells when the last of them is done.
///
/// A door that is done with a delivery drops its clone: when the peer has confirmed, when the frame is on the socket,
/// when it gives up. Deliveries that the hub drops count as done.
#[derive(Clone)]
pub struct Tracker(Arc<Open>);

struct Open {
    confirmed: Arc<AtomicU64>,
    /// Never sent: dropping it is the signal.
    _done: oneshot::Sender<()>,
}

impl Tracker {
    /// A tracker, and the future that resolves when its last clone is gone.
    #[must_use]
    pub fn new() -> (Self, Tracked) {
        let (sender, done) = oneshot::channel();
        let confirmed = Arc::new(AtomicU64::new(0));
        (Self(Arc::new(Open { confirmed: Arc::clone(&confirmed), _done: sender })), Tracked { done, confirmed })
    }

    /// Counts receivers that confirmed, for publishers whose protocol tells them how many did.
    pub fn confirm(&self, receivers: u64) {
        self.0.confirmed.fetch_add(receivers, Ordering::Relaxed);
    }
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker").field("confirmed", &self.0.confirmed).finish()
    }
}

/// Resolves to the number of confirmed receivers when every clone of the [`Tracker`] is gone. Has no deadline of its own.
#[derive(Debug)]
pub struct Tracked {
    done: oneshot::Receiver<()>,
    confirmed: Arc<AtomicU64>,
}

impl Tracked {
    /// Receivers that have confirmed so far.
    #[must_use]
    pub fn confirmed(&self) -> u64 {
        self.confirmed.load(Ordering::Relaxed)
    }
}

impl Future for Tracked {
    type Output = u64;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<u64> {
        Pin::new(&mut self.done).poll(context).map(|_| self.confirmed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn it_resolves_when_the_last_clone_is_gone_and_counts_confirmations() {
        let (tracker, mut tracked) = Tracker::new();
        let clone = tracker.clone();
        tracker.confirm(2);
        drop(tracker);
        assert_eq!((&mut tracked).now_or_never(), None);
        clone.confirm(1);
        drop(clone);
        assert_eq!(tracked.now_or_never(), Some(3));
    }
}
