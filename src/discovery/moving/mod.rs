//! A link that moves from server to server.
//!
//! To its owner it is one link, with one state, whose subscriptions stand for good. Behind it is one link of the transport at
//! a time. On an order from its [`Helm`] the mover closes that one, opens another elsewhere, and subscribes everything
//! there before it says that it is up. What was published and not answered for comes back to the owner when the old link
//! closes, which is before the new one opens: so the order of events is kept.
//!
//! # Layout
//! - `mover`: the task that owns the link behind, and all that changes.
//! - `wants`: what is subscribed, and how it stands at the present server.

mod mover;
#[cfg(test)]
mod tests;
mod wants;

use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use eventhive_transport::{
    Filter, Link, LinkError, LinkState, Receipt, Refused, RefusedReason, Sink, Subscription, Topic,
};
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};

use mover::Mover;

/// Requests that may wait for the mover; more callers wait.
const WAITING_REQUESTS: usize = 64;

/// Opens a link to one server. The error is for people.
pub(super) type Opener = Arc<dyn Fn() -> Result<Arc<dyn Link>, String> + Send + Sync>;

/// Where a moving link is to be.
#[derive(Clone)]
enum Order {
    /// Where it is.
    Stay,
    /// There is no server; the text says so. A link that was opened before goes on trying.
    Nowhere(Arc<str>),
    /// At this server.
    Go(Opener),
}

/// Tells a moving link where to be. It outlives the link without harm.
pub(super) struct Helm {
    orders: watch::Sender<Order>,
    state: watch::Receiver<LinkState>,
}

impl Helm {
    /// Moves to the server that `opener` leads to. Later orders replace earlier ones that are not carried out yet.
    pub(super) fn go(&self, opener: Opener) {
        self.orders.send_replace(Order::Go(opener));
    }

    /// There is no server to move to.
    pub(super) fn nowhere(&self, reason: impl Into<Arc<str>>) {
        self.orders.send_replace(Order::Nowhere(reason.into()));
    }

    /// Where the link stands.
    pub(super) fn state(&self) -> watch::Receiver<LinkState> {
        self.state.clone()
    }
}

/// See the module.
pub(super) struct MovingLink {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
}

/// What the link's methods and the mover share.
struct Shared {
    state: watch::Sender<LinkState>,
    /// The link behind, to publish on.
    behind: RwLock<Option<Arc<dyn Link>>>,
}

enum Request {
    /// `kept` comes to an end without a word if the subscriber has gone before it had its subscription.
    Subscribe {
        filter: Filter,
        sink: Arc<dyn Sink>,
        answer: oneshot::Sender<Result<u64, LinkError>>,
        kept: oneshot::Receiver<()>,
    },
    Cancel {
        id: u64,
        done: oneshot::Sender<()>,
    },
    Close {
        done: oneshot::Sender<()>,
    },
}

impl MovingLink {
    /// Starts the mover, and the future of `guide` that steers it, inside a tokio runtime. Both end with the link.
    pub(super) fn start<G: Future<Output = ()> + Send + 'static>(guide: impl FnOnce(Helm) -> G) -> Self {
        let (state, states) = watch::channel(LinkState::Connecting);
        let (orders, heard) = watch::channel(Order::Stay);
        let (requests, incoming) = mpsc::channel(WAITING_REQUESTS);
        let shared = Arc::new(Shared { state, behind: RwLock::new(None) });
        let mover = Mover::new(Arc::clone(&shared), incoming, heard);
        let guiding = tokio::spawn(guide(Helm { orders, state: states }));
        tokio::spawn(async move {
            mover.run().await;
            guiding.abort();
        });
        Self { shared, requests }
    }
}

impl Shared {
    fn behind(&self) -> Option<Arc<dyn Link>> {
        self.behind.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_behind(&self, link: Option<Arc<dyn Link>>) {
        *self.behind.write().unwrap_or_else(PoisonError::into_inner) = link;
    }

    /// Enters a state unless the link is in it already, or was closed.
    fn enter(&self, state: LinkState) {
        self.state.send_if_modified(|now| {
            let changes = *now != state && *now != LinkState::Closed;
            if changes {
                *now = state;
            }
            changes
        });
    }
}

impl Link for MovingLink {
    fn publish(&self, topic: Topic, payload: Bytes) -> Result<Receipt, Refused> {
        match self.shared.behind() {
            Some(link) => link.publish(topic, payload).map_err(|refused| match refused.reason {
                // The link behind is on its way out; another will take its place.
                RefusedReason::Closed if !self.is_closed() => Refused { reason: RefusedReason::Down, ..refused },
                _ => refused,
            }),
            None if self.is_closed() => Err(Refused { topic, payload, reason: RefusedReason::Closed }),
            None => Err(Refused { topic, payload, reason: RefusedReason::Down }),
        }
    }

    fn subscribe(&self, filter: Filter, sink: Arc<dyn Sink>) -> BoxFuture<'_, Result<Subscription, LinkError>> {
        Box::pin(async move {
            let (answer, made) = oneshot::channel();
            // Dropped with this future, wherever it waits.
            let (keep, kept) = oneshot::channel();
            let request = Request::Subscribe { filter, sink, answer, kept };
            self.requests.send(request).await.map_err(|_| LinkError::Closed)?;
            let id = made.await.map_err(|_| LinkError::Closed)??;
            let _ = keep.send(());
            // Weak: a link that is dropped ends, whoever still has a subscription.
            let requests = self.requests.downgrade();
            Ok(Subscription::new(move || Box::pin(cancel(requests, id))))
        })
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        self.shared.state.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let (done, closed) = oneshot::channel();
            if self.requests.send(Request::Close { done }).await.is_ok() {
                // Either way the mover has ended.
                let _ = closed.await;
            }
        })
    }
}

impl MovingLink {
    fn is_closed(&self) -> bool {
        *self.shared.state.borrow() == LinkState::Closed
    }
}

async fn cancel(requests: mpsc::WeakSender<Request>, id: u64) {
    let Some(requests) = requests.upgrade() else { return };
    let (done, noted) = oneshot::channel();
    if requests.send(Request::Cancel { id, done }).await.is_ok() {
        let _ = noted.await;
    }
}
