//! What a broadcaster does with one subscription and one message.
//!
//! # How to read it
//! - [`Delivery`]: what a broadcaster holds; [`Delivered`]: what became of a message; [`DeliverySettings`]: how it is done.
//!   `shared`: one message, from the question whether its url may be called to what is written down of it.
//! - `urls`, `vitals`: what is known of each url. `breaker`, `bucket`: whether it is called. `keeper`: the part of it that
//!   the store remembers, and all broadcasters share.
//! - `misses`, `backoff`, `sweep`: telling subscribers that they missed something. `origins`: hosts that do not answer that. `journal`: what is written down.
//!   `replay`: dead letters, once more. `forbidden`: telling of urls that may not be called.
//!
//! A url that is well costs a delivery one look into a table without locks. Nothing that a delivery does waits for the
//! store, except for the first message to a url with `verify`.

mod backoff;
mod breaker;
mod bucket;
mod clock;
mod counts;
mod delivered;
mod forbidden;
mod journal;
mod keeper;
mod misses;
mod origins;
mod replay;
mod retry;
mod settings;
mod shared;
mod sweep;
mod urls;
mod vitals;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;

pub use backoff::BackOff;
pub use breaker::BreakerSettings;
pub use bucket::Rate;
pub use clock::{Clock, Now};
pub use counts::Counts;
pub use delivered::{Delivered, GivenUp};
pub use keeper::{Disabled, enable};
pub use replay::{Replay, ReplayError, replay};
pub use settings::{DeliverySettings, JournalSettings, Log};

use self::shared::Shared;
use crate::index::Target;
use crate::message::Message;
use crate::outgoing::{Load, Outgoing};
use crate::store::Store;

/// Delivers messages to urls. Clones are the same; all of it may be called from any thread.
#[derive(Clone)]
pub struct Delivery {
    shared: Arc<Shared>,
    tasks: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Delivery {
    /// Nothing runs before [`begin`](Self::begin).
    #[must_use]
    pub fn new(store: Arc<dyn Store>, outgoing: Outgoing, settings: DeliverySettings) -> Self {
        Self::with_clock(store, outgoing, settings, Clock::system())
    }

    /// With a time of one's own.
    #[must_use]
    pub fn with_clock(store: Arc<dyn Store>, outgoing: Outgoing, settings: DeliverySettings, clock: Clock) -> Self {
        Self { shared: Arc::new(Shared::new(store, outgoing, settings, clock)), tasks: Arc::default() }
    }

    /// Calls this for each url that this broadcaster disables. It must not block. Only the first call counts.
    pub fn on_disabled(&self, tell: impl Fn(&Disabled) + Send + Sync + 'static) {
        self.shared.on_disabled(Box::new(tell));
    }

    /// Reads what the store remembers of urls, and begins what runs beside deliveries: the sweep for MISSED messages, and
    /// what writes to the store. A store that is away is tried again later. Needs a tokio runtime. Do it once.
    pub async fn begin(&self) {
        let started = self.shared.begin().await;
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).extend(started);
    }

    /// Ends that: takes no more MISSED, waits for those that are under way, and writes what is to be written. What a store
    /// that is away does not take then is lost, and counted. Deliveries go on, but nothing is written down of them.
    pub async fn drain(&self) {
        self.shared.stop();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "webhooks: a task of the delivery failed");
            }
        }
    }

    /// Brings a message to one subscription, or finds that it cannot be done; then a MISSED is due, if there is a recovery
    /// url. Waits as long as the settings of [`Outgoing`] allow, and never for longer. Dropped before it is done, the message
    /// may have arrived, and counts neither way.
    pub async fn deliver(&self, target: &Target, message: &Message) -> Delivered {
        self.shared.deliver(target, message).await
    }

    /// Counts a message as one that did not arrive, without trying; then a MISSED is due, if there is a recovery url. Waits for
    /// nothing.
    pub fn give_up(&self, target: &Target, message: &Message, why: GivenUp) {
        self.shared.give_up(target, message, why);
    }

    /// Forgets that a url has failed, and enables it: somebody there has just subscribed, or looked after it. Waits for nothing; the store, and
    /// with it other broadcasters, hear of it a little later. Does nothing if it is well.
    pub fn enable(&self, url: &str) {
        self.shared.enable(url);
    }

    /// What was counted until now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.counts()
    }

    /// How many requests are under way now, and to how many hosts and addresses.
    #[must_use]
    pub fn load(&self) -> Load {
        self.shared.outgoing.load()
    }
}

impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery").field("counts", &self.counts()).finish_non_exhaustive()
    }
}
