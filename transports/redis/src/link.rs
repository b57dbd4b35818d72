//! The link, as its owner sees it: a queue, a table, a state, and a task behind them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use eventhive_transport::{Filter, Link, LinkError, LinkState, Receipt, Refused, Sink, Subscription, Topic};
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::Config;
use crate::queue::SendQueue;
use crate::supervisor::Supervisor;
use crate::table::{Entry, Table};

/// What the link and its task share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) queue: SendQueue,
    pub(crate) table: Table,
    pub(crate) state: watch::Sender<LinkState>,
    /// Whether the link is to be closed.
    pub(crate) closing: watch::Sender<bool>,
}

/// What the link asks of its task. In a channel, so that the order of asking is the order on the wire.
pub(crate) enum Control {
    Add { entry: Arc<Entry>, made: Made },
    Remove { id: u64, gone: oneshot::Sender<()> },
}

/// Where the outcome of a subscription is told.
pub(crate) type Made = oneshot::Sender<Result<(), LinkError>>;

/// Requests that may wait for the task; it takes them as fast as they come.
const CONTROLS: usize = 64;

/// A link to Redis.
pub(crate) struct RedisLink {
    shared: Arc<Shared>,
    control: mpsc::Sender<Control>,
    next_id: AtomicU64,
}

impl RedisLink {
    /// Starts the link's task. Inside a tokio runtime.
    pub(crate) fn start(config: Config) -> Self {
        let (control, controls) = mpsc::channel(CONTROLS);
        let shared = Arc::new(Shared {
            queue: SendQueue::new(config.send_queue, config.max_payload),
            table: Table::default(),
            state: watch::Sender::new(LinkState::Connecting),
            closing: watch::Sender::new(false),
            config,
        });
        tokio::spawn(Supervisor::new(Arc::clone(&shared), controls).run());
        Self { shared, control, next_id: AtomicU64::new(0) }
    }

    async fn add(&self, filter: Filter, sink: Arc<dyn Sink>) -> Result<Subscription, LinkError> {
        let (key, filter) = self.shared.config.mode.plan(filter)?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (made, outcome) = oneshot::channel();
        let entry = Arc::new(Entry::new(id, key, filter, sink));
        // Made first, so that it ends what was begun if this future is dropped before the subscription stands.
        let subscription = self.subscription(Arc::clone(&entry));
        self.control.send(Control::Add { entry, made }).await.map_err(|_| LinkError::Closed)?;
        outcome.await.unwrap_or(Err(LinkError::Closed))?;
        Ok(subscription)
    }

    fn subscription(&self, entry: Arc<Entry>) -> Subscription {
        let control = self.control.clone();
        Subscription::new(move || {
            Box::pin(async move {
                entry.silence();
                let (gone, done) = oneshot::channel();
                if control.send(Control::Remove { id: entry.id, gone }).await.is_ok() {
                    // An error means that the link was closed meanwhile: the subscription is gone with it.
                    let _ = done.await;
                }
            })
        })
    }
}

impl Link for RedisLink {
    fn publish(&self, topic: Topic, payload: Bytes) -> Result<Receipt, Refused> {
        self.shared.queue.push(topic, payload)
    }

    fn subscribe(&self, filter: Filter, sink: Arc<dyn Sink>) -> BoxFuture<'_, Result<Subscription, LinkError>> {
        Box::pin(self.add(filter, sink))
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        self.shared.state.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.shared.queue.close();
        self.shared.closing.send_replace(true);
        Box::pin(async {
            // The sender is alive as long as this is.
            let _ = self.shared.state.subscribe().wait_for(|state| *state == LinkState::Closed).await;
        })
    }
}

impl Drop for RedisLink {
    fn drop(&mut self) {
        self.shared.queue.close();
        self.shared.closing.send_replace(true);
    }
}
