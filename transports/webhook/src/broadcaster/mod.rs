//! The middle of a broadcaster: who wants what, and how a message reaches them.
//!
//! Subscriptions of urls are in the store, which several broadcasters may share; those of websockets are here. All of them are
//! in the index, which a notify asks, and nothing else.
//!
//! | | |
//! |---|---|
//! | before the subscriptions were read for the first time | a notify is refused: nobody is told that all were reached who were not |
//! | while the store is away | notifies go on with what the index has; what would change the store is refused |
//! | a subscription was answered | the next notify finds it, at this broadcaster. Others learn of it by the store's changes |
//! | a notify | each row of a url gets a copy, each websocket one, whatever number of its subscriptions match; the hub gets it once |
//! | rows of other broadcasters' websockets | those urls, which end in `/v1/receive_for_websockets`, are called once for each message |
//!
//! # How to read it
//! - [`Broadcaster`]: what it is made of. `subscriptions`: of urls. `notify`: delivering. [`Deliver`]: calling urls.
//! - [`Authority`]: who may say it; `denials`: what the log has of who may not. [`Tracer`]: what a notifier is told.
//! - [`Peer`]: websockets. `own`: the rows by which other broadcasters reach them.
//! - `follow`: from the store's changes to the index.
//! - `bridge`: to other doors. `carry`: events of theirs; `lanes`: where they wait for whom they are for.
//! - `stats`: the numbers. `losses`: many of them in few lines of the log.

mod authority;
mod bridge;
mod carry;
mod deliver;
mod denials;
mod error;
mod follow;
mod lanes;
mod losses;
mod notify;
mod own;
mod peer;
mod stats;
mod subscriptions;
mod tracer;

use std::fmt;
use std::sync::Arc;

use tokio::sync::{RwLock, watch};

pub use authority::{Authority, Clock, Denied, Rotation, Schemes, SignError, SystemClock};
pub use bridge::BridgeSettings;
pub use deliver::Deliver;
pub use denials::Asker;
pub use error::{NotifyError, SubscribeError};
pub use own::Advertised;
pub use peer::{Joined, Peer};
pub use stats::BroadcasterStats;
pub use tracer::Tracer;

use self::bridge::Bridge;
use self::denials::Denials;
use self::follow::Follower;
use self::own::Own;
use self::stats::Counters;
use crate::index::Index;
use crate::store::Store;
use crate::wire::auth::Claim;

/// What a broadcaster is made of.
pub struct Parts {
    /// Signs and admits.
    pub authority: Arc<Authority>,
    /// Where subscriptions live.
    pub store: Arc<dyn Store>,
    /// Calls urls.
    pub deliver: Arc<dyn Deliver>,
    /// The hub that it joins, if it joins one.
    pub hub: Option<BridgeSettings>,
    /// Where other broadcasters reach its websockets, if they do.
    pub advertised: Option<Advertised>,
    /// Requests to urls that one message has under way at a time.
    pub max_deliveries: usize,
}

/// A broadcaster. It works while [`run`](Self::run) does.
pub struct Broadcaster {
    authority: Arc<Authority>,
    store: Arc<dyn Store>,
    deliver: Arc<dyn Deliver>,
    index: Arc<Index<Arc<dyn Peer>>>,
    follower: Follower,
    own: Option<Own>,
    bridge: Option<Bridge>,
    max_deliveries: usize,
    /// Whether all subscriptions have been read once.
    ready: watch::Sender<bool>,
    closing: watch::Sender<bool>,
    /// Read by those who look for websockets and give them a message; written by who waits until nobody does.
    handing: RwLock<()>,
    counters: Counters,
    denials: Denials,
}

impl Broadcaster {
    /// A broadcaster of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { authority, store, deliver, hub, advertised, max_deliveries } = parts;
        Arc::new(Self {
            authority,
            store,
            deliver,
            index: Arc::new(Index::new()),
            follower: Follower::new(),
            own: advertised.map(Own::new),
            bridge: hub.map(Bridge::new),
            max_deliveries: max_deliveries.max(1),
            ready: watch::Sender::new(false),
            closing: watch::Sender::new(false),
            handing: RwLock::new(()),
            counters: Counters::default(),
            denials: Denials::default(),
        })
    }

    /// Follows the store, keeps the rows of its own websockets, and takes events from the hub, until it is
    /// [closed](Self::close). Runs once, in a tokio [`LocalSet`](tokio::task::LocalSet), as actix has one on each thread.
    pub async fn run(self: &Arc<Self>) {
        tokio::join!(follow::follow(self), own::keep(self), carry::carry(self));
    }

    /// Takes no more events of other doors, but those that were published before, and resolves when these were delivered. All
    /// else goes on.
    pub async fn settle(&self) {
        if let Some(bridge) = &self.bridge {
            bridge.settle().await;
        }
    }

    /// Ends [`run`](Self::run). The rows of its own websockets are removed; notifies are refused from now on. Events of other
    /// doors that are under way or wait are given up, and told as missed; [`settle`](Self::settle) before leaves none. The store
    /// is left open.
    pub fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Whether `authorization` vouches for this claim. One that counts once is used up by this. That it does not is told in the
    /// log, at intervals, with who said it.
    ///
    /// # Errors
    /// It does not, or the store cannot say whether it was used before.
    pub async fn admit(
        &self,
        asker: Asker,
        authorization: Option<&str>,
        claim: &Claim<'_>,
        tracing: &[u8],
    ) -> Result<(), Denied> {
        let admitted = self.authority.admit(authorization, claim, tracing).await;
        // Of a store that is away whoever follows it tells.
        if let Err(denied @ (Denied::Unauthorized | Denied::Forbidden(_))) = &admitted {
            self.counters.denied.add(1);
            self.denials.tell(asker, denied);
        }
        admitted
    }

    /// The authorization of something that the broadcaster says.
    ///
    /// # Errors
    /// The claim cannot be signed.
    pub fn sign(&self, claim: &Claim<'_>, tracing: &[u8]) -> Result<Option<String>, SignError> {
        self.authority.sign(claim, tracing)
    }

    /// Its authority.
    #[must_use]
    pub fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// Its store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Where other broadcasters reach its websockets.
    #[must_use]
    pub fn advertised(&self) -> Option<&Advertised> {
        self.own.as_ref().map(Own::advertised)
    }

    /// Whether all subscriptions have been read once, so that it takes messages.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// The numbers now.
    #[must_use]
    pub fn stats(&self) -> BroadcasterStats {
        self.counters.read(self.index.stats())
    }

    fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Resolves when all subscriptions have been read once.
    pub async fn ready(&self) {
        // Its sender is `self`, which is there.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// Resolves when it is told to close.
    async fn closed(&self) {
        // Its sender is `self`, which is there.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }
}

impl fmt::Debug for Broadcaster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcaster").field("authority", &self.authority).field("stats", &self.stats()).finish()
    }
}
