//! The client side of a transport, as a connector sees it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::{oneshot, watch};

use crate::{Filter, Topic};

/// A link to a broker or to peers. It does input and output only: names, envelopes, outbox and replies are the
/// connector's.
///
/// A link reconnects by itself, with a [`Backoff`](crate::Backoff), and repeats its subscriptions; it tells by
/// [`state`](Self::state). All methods may be called from any thread.
pub trait Link: Send + Sync {
    /// Hands one message to the wire. Never waits: the order of calls is the order on the wire.
    ///
    /// The receipt resolves when the wire knows of the delivery, or with an error when it can no longer be known
    /// (the connection was lost before the broker answered: the message may or may not have arrived). Dropping the
    /// receipt is fine.
    ///
    /// # Errors
    /// [`Refused`] gives the message back: the link is down, its send queue is full, the payload is too large or of a
    /// kind that the wire cannot carry, or the link is closed.
    fn publish(&self, topic: Topic, payload: Bytes) -> Result<Receipt, Refused>;

    /// Whether the wire could carry this message at all, whatever the link's state: what [`publish`](Self::publish) would
    /// refuse as too large or unrepresentable, known before the message waits for the link. For wires whose limit is not
    /// one of payload bytes alone, because they escape them.
    ///
    /// # Errors
    /// [`RefusedReason::TooLarge`] or [`RefusedReason::Unrepresentable`].
    fn check(&self, topic: &Topic, payload: &[u8]) -> Result<(), RefusedReason> {
        let _ = (topic, payload);
        Ok(())
    }

    /// Subscribes `filter` and hands what arrives to `sink`, from one task, in the order of the wire.
    ///
    /// While the link is down the subscription is remembered, and made when it is up again; the future resolves then.
    ///
    /// # Errors
    /// [`LinkError::Unsupported`] for a filter beyond the wire's capabilities, [`LinkError::Rejected`] when the broker
    /// says no, [`LinkError::Closed`] after [`close`](Self::close).
    fn subscribe(&self, filter: Filter, sink: Arc<dyn Sink>) -> BoxFuture<'_, Result<Subscription, LinkError>>;

    /// The state now, and every change of it.
    fn state(&self) -> watch::Receiver<LinkState>;

    /// Flushes what was accepted by [`publish`](Self::publish), as far as the peer takes it before the transport's
    /// close deadline, then closes. Calls after the first return at once. Later publishes are refused.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// What a link hands messages to.
///
/// `deliver` runs on the link's reading task and must not block; what cannot be taken is the sink's to drop and count.
pub trait Sink: Send + Sync {
    /// Takes one message.
    fn deliver(&self, incoming: Incoming);

    /// Told when the link finds that messages of the subscription may not have reached it, or did not: between what was
    /// delivered before this call and what is delivered after it. Like `deliver`, it must not block.
    ///
    /// A wire that keeps nothing while a link is down tells it each time the link is up again.
    fn gap(&self, gap: Gap) {
        let _ = gap;
    }
}

/// A hole in what a subscription received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// How many messages were lost, where the wire can tell. They need not all have passed the subscription's filter.
    pub lost: Option<u64>,
}

impl<F: Fn(Incoming) + Send + Sync> Sink for F {
    fn deliver(&self, incoming: Incoming) {
        self(incoming);
    }
}

/// A message that arrived. Both parts share the frame they came in where the wire allows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The topic it was published under.
    pub topic: Topic,
    /// What was published.
    pub payload: Bytes,
}

/// Where a link stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// The first attempt, or one more after a loss, is under way.
    Connecting,
    /// Connected, and every subscription made so far stands at the broker.
    Up,
    /// Not connected; the text says why, and what the link does about it.
    Down {
        /// For people: the cause.
        reason: Arc<str>,
        /// Whether the link has given up, because no further attempt can succeed (a refused login, an unknown path).
        gave_up: bool,
    },
    /// Closed by its owner.
    Closed,
}

impl LinkState {
    /// Whether the link is up.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self, Self::Up)
    }
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Up => f.write_str("up"),
            Self::Down { reason, .. } => write!(f, "down: {reason}"),
            Self::Closed => f.write_str("closed"),
        }
    }
}

/// What a wire knows of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// Handed to the operating system; this wire knows no more.
    Sent,
    /// The broker has it.
    Accepted,
    /// The broker has it and counted this many receivers.
    Counted(u64),
}

/// Resolves when the wire knows of the delivery. See [`Link::publish`].
#[derive(Debug)]
pub struct Receipt(Inner);

#[derive(Debug)]
enum Inner {
    Known(Option<Result<Delivery, LinkError>>),
    Waiting(oneshot::Receiver<Result<Delivery, LinkError>>),
}

impl Receipt {
    /// A receipt that is known already.
    #[must_use]
    pub const fn known(delivery: Delivery) -> Self {
        Self(Inner::Known(Some(Ok(delivery))))
    }

    /// A receipt to be settled later. Dropping the sender settles it as [`LinkError::Unconfirmed`].
    #[must_use]
    pub fn pending() -> (oneshot::Sender<Result<Delivery, LinkError>>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(Inner::Waiting(receiver)))
    }
}

impl Future for Receipt {
    type Output = Result<Delivery, LinkError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Inner::Known(result) => Poll::Ready(result.take().unwrap_or(Err(LinkError::Unconfirmed))),
            Inner::Waiting(receiver) => {
                Pin::new(receiver).poll(context).map(|settled| settled.unwrap_or(Err(LinkError::Unconfirmed)))
            }
        }
    }
}

/// A message that a link did not take, with the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not published to `{topic}`: {reason}")]
pub struct Refused {
    /// The topic, as given.
    pub topic: Topic,
    /// The payload, as given.
    pub payload: Bytes,
    /// Why.
    pub reason: RefusedReason,
}

/// Why a link did not take a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedReason {
    /// The link is not up. Try again when it is.
    #[error("the link is down")]
    Down,
    /// The send queue is full. Try again when receipts have come in.
    #[error("the link's send queue is full")]
    Full,
    /// The payload is larger than the wire or its peer takes.
    #[error("the payload has {size} bytes, the wire takes {largest}")]
    TooLarge {
        /// Bytes of the payload.
        size: usize,
        /// The most bytes that fit.
        largest: usize,
    },
    /// The wire cannot carry this payload or topic; the text says why.
    #[error("{0}")]
    Unrepresentable(String),
    /// The link was closed.
    #[error("the link is closed")]
    Closed,
}

/// Why something on a link failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The connection was lost before the broker answered: it may or may not have happened.
    #[error("the connection was lost before the broker answered")]
    Unconfirmed,
    /// The broker did not answer in time: it may or may not have happened.
    #[error("the broker did not answer in time")]
    TimedOut,
    /// The broker said no; the text is its reason where it gives one.
    #[error("the broker refused: {0}")]
    Rejected(String),
    /// The wire cannot do this; the text says what, and what to use instead.
    #[error("{0}")]
    Unsupported(String),
    /// The link was closed.
    #[error("the link is closed")]
    Closed,
}

/// A subscription that stands. Dropping it unsubscribes; [`cancel`](Self::cancel) also waits for the broker.
#[must_use = "dropping a subscription ends it"]
pub struct Subscription {
    cancel: Option<Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send + Sync>>,
    runtime: Option<tokio::runtime::Handle>,
}

impl Subscription {
    /// A subscription that ends by running the future of `cancel`. Made inside a tokio runtime, the future runs there
    /// when the subscription is dropped.
    pub fn new(cancel: impl FnOnce() -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Self {
        Self { cancel: Some(Box::new(cancel)), runtime: tokio::runtime::Handle::try_current().ok() }
    }

    /// Unsubscribes and waits until the broker has taken note; nothing is delivered to the sink after that.
    pub async fn cancel(mut self) {
        if let Some(cancel) = self.cancel.take() {
            cancel().await;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let (Some(cancel), Some(runtime)) = (self.cancel.take(), self.runtime.take()) {
            runtime.spawn(cancel());
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("live", &self.cancel.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_receipt_whose_sender_is_gone_is_unconfirmed() {
        let (sender, receipt) = Receipt::pending();
        drop(sender);
        assert_eq!(receipt.await, Err(LinkError::Unconfirmed));
        assert_eq!(Receipt::known(Delivery::Counted(3)).await, Ok(Delivery::Counted(3)));
    }
}
