//! The subscriber's side, as a library: publish to broadcasters, and receive what they deliver.
//!
//! There is one interface over two wires. Over HTTP a broadcaster delivers by requests to a url of ours, for which a
//! listener is started, or the [`Receiver`]'s scope mounted in the user's own application; over a websocket everything
//! goes through one connection that we open. [`Upgrade`] chooses, and [`Upgrade::Auto`] changes between them.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use eventhive_webhook::subscriber::{Broadcaster, Subscriber, Upgrade};
//! use futures_util::StreamExt as _;
//!
//! let subscriber = Subscriber::builder()
//!     .broadcaster(Broadcaster::new("http://127.0.0.1:3003")?)
//!     .upgrade(Upgrade::Websocket)
//!     .build()?;
//! let mut messages = subscriber.subscribe_glob("orders/*").await?;
//! subscriber.notify("orders/17", "paid").await?;
//! while let Some(message) = messages.next().await {
//!     println!("{} bytes", message.body.len());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//! Best effort, as the protocol has it: a message may be lost while a subscriber is away, may come twice after a retry or
//! a reconnect, and may come in another order where several broadcasters are asked. Where something may be missing, a
//! subscription [with gaps](Subscription::with_gaps) says so, and [`Condition::gaps`] counts it. Subscriptions that a
//! broadcaster has lost are found by comparing etags, and made again.
//!
//! A message that is published and not confirmed is [ambiguous](SubscriberError::Ambiguous).
//!
//! # Layout
//! - `builder`: how it behaves. `subscription`, `buffer`: what its user holds.
//! - `table`: who wants what. `wish`: what can be wanted. `payload`: what can be published.
//! - `http`, `websocket`: the two clients.
//! - `asker`, `exchange`, `dial`, `broadcasters`: whom to ask, how often, over which connection.
//! - `outbox`: what is to be published, and has not been confirmed.
//! - `credentials`: what is signed and verified. `condition`, `missed`: what is told of losses. `filling`: spools.

mod asker;
mod broadcasters;
mod buffer;
mod builder;
mod condition;
mod credentials;
mod dial;
mod error;
mod exchange;
mod filling;
mod http;
mod missed;
mod outbox;
mod payload;
mod subscription;
mod table;
mod websocket;
mod wish;

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eventhive_listener::Listeners;
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use broadcasters::Broadcaster;
pub use buffer::{Event, WhenFull};
pub(crate) use builder::LinkMode;
pub use builder::{Builder, Upgrade};
pub use condition::{Condition, Status};
pub use error::{BuildError, SubscriberError};
pub use http::Receiver;
pub use payload::Payload;
pub use subscription::{Subscription, WithGaps, WithTimeout};
pub use wish::Wish;

pub(crate) use outbox::NotTaken;
pub(crate) use subscription::Membership;
pub(crate) use table::Consumer;

use crate::message::Message;
use buffer::Buffer;
use condition::Teller;
use http::Http;
use outbox::Outbox;
use table::Table;

/// A subscriber, and a notifier. Clones are the same one; it ends with the last of them, and of its subscriptions each by
/// itself. All methods may be called from any task of the runtime in which it was built.
#[derive(Clone)]
pub struct Subscriber(Arc<Inner>);

struct Inner {
    table: Arc<Table>,
    teller: Arc<Teller>,
    http: Option<Arc<Http>>,
    /// What is published one message after the other: over a websocket, or by a link.
    outbox: Option<Arc<Outbox>>,
    buffer_bytes: u64,
    when_full: WhenFull,
    spool_bytes: usize,
    close_timeout: Duration,
    running: Mutex<Running>,
    stop: watch::Sender<bool>,
}

#[derive(Default)]
struct Running {
    tasks: Vec<JoinHandle<()>>,
    listeners: Option<Listeners>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notified {
    /// How many subscribers confirmed it, as broadcasters count them.
    pub count: u64,
}

impl Subscriber {
    /// How a subscriber is made.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Subscribes a topic.
    ///
    /// # Errors
    /// As [`subscribe_multi`](Self::subscribe_multi).
    pub async fn subscribe_exact(&self, topic: impl AsRef<[u8]>) -> Result<Subscription, SubscriberError> {
        self.subscribe_multi([Wish::exact(topic)]).await
    }

    /// Subscribes all topics that match a pattern.
    ///
    /// # Errors
    /// As [`subscribe_multi`](Self::subscribe_multi), and a pattern that is too long.
    pub async fn subscribe_glob(&self, pattern: &str) -> Result<Subscription, SubscriberError> {
        self.subscribe_multi([Wish::glob(pattern)?]).await
    }

    /// Subscribes topics and patterns as one. A message that several of them match comes once from a broadcaster of ours;
    /// from Python's over a websocket it may come several times.
    ///
    /// Over HTTP it waits until a broadcaster has confirmed all; over a websocket also until there is a connection.
    ///
    /// # Errors
    /// What the broadcasters said, or that none could be asked; then none of it is subscribed.
    pub async fn subscribe_multi(
        &self,
        wishes: impl IntoIterator<Item = Wish>,
    ) -> Result<Subscription, SubscriberError> {
        let buffer = Arc::new(Buffer::new(self.0.buffer_bytes, self.0.when_full));
        let membership = self.join(wishes.into_iter().collect(), buffer.clone()).await?;
        Ok(Subscription { buffer, membership })
    }

    /// Adds a consumer, and waits until all that it wishes stands.
    pub(crate) async fn join(
        &self,
        wishes: Arc<[Wish]>,
        consumer: Arc<dyn Consumer>,
    ) -> Result<Membership, SubscriberError> {
        wishes.iter().try_for_each(Wish::check)?;
        let (id, stands) = self.0.table.add(wishes, consumer)?;
        // Taken out again if the caller stops waiting, or it fails.
        let membership = Membership { table: Arc::clone(&self.0.table), id };
        for one in stands {
            one.await.unwrap_or(Err(SubscriberError::Closed))?;
        }
        Ok(membership)
    }

    /// Publishes a message, and waits until a broadcaster has delivered it to all whom it could reach.
    ///
    /// # Errors
    /// It was not published, or perhaps was: [`SubscriberError::Ambiguous`].
    pub async fn notify(
        &self,
        topic: impl AsRef<[u8]>,
        payload: impl Into<Payload>,
    ) -> Result<Notified, SubscriberError> {
        let topic = topic.as_ref();
        Wish::exact(topic).check()?;
        let message = payload.into().into_message(topic, self.0.spool_bytes).await?;
        let count = self.publish(&message).await?;
        Ok(Notified { count })
    }

    pub(crate) async fn publish(&self, message: &Message) -> Result<u64, SubscriberError> {
        if *self.0.stop.borrow() {
            return Err(SubscriberError::Closed);
        }
        match (&self.0.outbox, &self.0.http) {
            (Some(outbox), _) => outbox.publish(message).await,
            (None, Some(http)) => http.notify(message).await,
            (None, None) => Err(SubscriberError::Closed),
        }
    }

    /// What messages are published from, if one goes after the other.
    pub(crate) fn outbox(&self) -> Option<&Arc<Outbox>> {
        self.0.outbox.as_ref()
    }

    /// Where it stands, and every change of it.
    #[must_use]
    pub fn condition(&self) -> watch::Receiver<Condition> {
        self.0.teller.watch()
    }

    /// The endpoints for broadcasters, to mount in an application of one's own; `None` over a websocket alone, or without
    /// a url.
    #[must_use]
    pub fn receiver(&self) -> Option<Receiver> {
        self.0.http.as_ref().filter(|http| http.urls.get().is_some()).map(|http| Receiver(Arc::clone(http)))
    }

    /// Where broadcasters deliver to, if they do.
    #[must_use]
    pub fn receive_url(&self) -> Option<String> {
        self.0.http.as_ref()?.urls.get().map(|urls| urls.receive(table::Arrival::Exact))
    }

    /// Ends all subscriptions, sends what waits, and ends. Calls after the first return at once.
    pub async fn close(&self) {
        self.0.table.close();
        if let Some(http) = &self.0.http {
            http.closing.store(true, Ordering::Relaxed);
        }
        self.0.stop.send_replace(true);
        let Running { tasks, listeners } =
            std::mem::take(&mut *self.0.running.lock().unwrap_or_else(PoisonError::into_inner));
        let stops: Vec<_> = tasks.iter().map(JoinHandle::abort_handle).collect();
        // One that panicked has ended too.
        let mut ended = join_all(tasks);
        if tokio::time::timeout(self.0.close_timeout, &mut ended).await.is_err() {
            stops.iter().for_each(tokio::task::AbortHandle::abort);
            drop(ended.await);
        }
        // Who published what was not sent in time waits for no more.
        if let Some(outbox) = &self.0.outbox {
            outbox.abandon();
        }
        self.0.teller.set(Status::Abandoned);
        if let Some(listeners) = listeners {
            listeners.stop(LISTENERS).await;
        }
    }
}

/// Whether broadcasters could be given this url.
pub(crate) fn check_receive_url(url: &str) -> Result<(), BuildError> {
    http::Urls::new(url).map(drop)
}

/// How long requests of broadcasters that are on their way may take when it closes.
const LISTENERS: Duration = Duration::from_millis(500);

impl Drop for Inner {
    fn drop(&mut self) {
        self.table.close();
        self.stop.send_replace(true);
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").field("condition", &*self.0.teller.watch().borrow()).finish_non_exhaustive()
    }
}
