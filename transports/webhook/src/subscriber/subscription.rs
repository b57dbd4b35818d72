//! What a user holds of a subscription: a stream.

use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use tokio::time::{Sleep, sleep};

use super::buffer::{Buffer, Event};
use super::table::Table;
use crate::message::Message;

/// A subscription: a stream of [`Message`]s that ends when the subscriber is closed or gives up.
///
/// Dropping it ends it. Subscriptions of one [`Subscriber`](super::Subscriber) to the same topic or pattern are one at
/// the broadcasters, which hear of the first and the last alone. What comes while nobody asks waits in a buffer, bounded
/// in bytes.
#[must_use = "dropping a subscription ends it"]
pub struct Subscription {
    pub(super) buffer: Arc<Buffer>,
    pub(super) membership: Membership,
}

/// Being in the table, until it is dropped.
pub(crate) struct Membership {
    pub(crate) table: Arc<Table>,
    pub(crate) id: u64,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.table.remove(self.id);
    }
}

impl Subscription {
    /// The same stream, with `None` whenever nothing came for this long since it was asked.
    pub fn with_timeout(self, duration: Duration) -> WithTimeout {
        WithTimeout { subscription: self, duration, sleep: None }
    }

    /// The same stream, with the places where messages may be missing.
    pub fn with_gaps(self) -> WithGaps {
        WithGaps { subscription: self }
    }

    /// Messages that found no room in the buffer.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.buffer.dropped()
    }
}

impl Stream for Subscription {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        loop {
            match self.buffer.poll(context) {
                Poll::Ready(Some(Event::Gap)) => {}
                Poll::Ready(Some(Event::Message(message))) => return Poll::Ready(Some(message)),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// See [`Subscription::with_gaps`].
#[must_use = "dropping a subscription ends it"]
pub struct WithGaps {
    subscription: Subscription,
}

impl Stream for WithGaps {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.subscription.buffer.poll(context)
    }
}

/// See [`Subscription::with_timeout`].
#[must_use = "dropping a subscription ends it"]
pub struct WithTimeout {
    subscription: Subscription,
    duration: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Stream for WithTimeout {
    type Item = Option<Message>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Option<Message>>> {
        if let Poll::Ready(item) = Pin::new(&mut self.subscription).poll_next(context) {
            self.sleep = None;
            return Poll::Ready(item.map(Some));
        }
        let duration = self.duration;
        let waiting = self.sleep.get_or_insert_with(|| Box::pin(sleep(duration)));
        if waiting.as_mut().poll(context).is_ready() {
            self.sleep = None;
            return Poll::Ready(Some(None));
        }
        Poll::Pending
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("id", &self.membership.id).finish_non_exhaustive()
    }
}
