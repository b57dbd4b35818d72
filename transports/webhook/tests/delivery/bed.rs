//! A broadcaster's delivery with a store, a time of its own, and subscriptions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use eventhive_listener::Networks;
use eventhive_webhook::delivery::{Clock, Delivered, Delivery, DeliverySettings, Now};
use eventhive_webhook::index::{Target, Urls};
use eventhive_webhook::message::Message;
use eventhive_webhook::outgoing::{Outgoing, OutgoingSettings, Unvouched, Vouch};
use eventhive_webhook::store::{self, Attempt, AttemptFilter, DeadLetter, Endpoint, Options, Store};
use eventhive_webhook::wire::Interest;

/// The clock's first second.
pub(crate) const BEGIN: u64 = 1_700_000_000;

/// A time that a test moves.
#[derive(Clone, Default)]
pub(crate) struct Hand(Arc<AtomicU64>);

impl Hand {
    pub(crate) fn forward(&self, secs: u64) {
        self.0.fetch_add(secs, Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let Self(secs) = self.clone();
        Clock::new(move || {
            let secs = secs.load(Ordering::SeqCst);
            Now { elapsed: Duration::from_secs(secs), epoch_ms: (BEGIN + secs) * 1000 }
        })
    }
}

pub(crate) struct Bed {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) delivery: Delivery,
    pub(crate) time: Hand,
}

/// Sweeps and reads quickly; its own clock says when what is due.
pub(crate) fn quick() -> DeliverySettings {
    DeliverySettings { sweep_interval: Duration::from_millis(10), ..DeliverySettings::default() }
}

pub(crate) async fn store() -> Arc<dyn Store> {
    store::open("sqlite::memory:", &Options::default()).await.unwrap()
}

pub(crate) fn outgoing() -> Outgoing {
    outgoing_by(Arc::new(Unvouched))
}

pub(crate) fn outgoing_by(vouch: Arc<dyn Vouch>) -> Outgoing {
    let mut settings = OutgoingSettings::new(vouch);
    settings.allow = Networks::loopback();
    settings.origin = Some("events.example.org".into());
    Outgoing::new(settings).unwrap()
}

impl Bed {
    pub(crate) async fn new(settings: DeliverySettings) -> Self {
        Self::on(store().await, settings, Hand::default()).await
    }

    pub(crate) async fn on(store: Arc<dyn Store>, settings: DeliverySettings, time: Hand) -> Self {
        Self::through(outgoing(), store, settings, time).await
    }

    pub(crate) async fn through(
        outgoing: Outgoing,
        store: Arc<dyn Store>,
        settings: DeliverySettings,
        time: Hand,
    ) -> Self {
        let delivery = Delivery::with_clock(Arc::clone(&store), outgoing, settings, time.clock());
        delivery.begin().await;
        Self { store, delivery, time }
    }

    /// A subscription of `topic`.
    pub(crate) async fn subscribe(&self, url: &str, recovery: Option<&str>, topic: &str) -> Target {
        let id = self.store.insert(url, Interest::Exact(topic.as_bytes()), recovery).await.unwrap().unwrap();
        Target { id, urls: Arc::new(Urls { receive: url.into(), recovery: recovery.map(Into::into) }) }
    }

    pub(crate) async fn deliver(&self, target: &Target, topic: &str) -> Delivered {
        self.delivery.deliver(target, &message(topic)).await
    }

    pub(crate) async fn attempts(&self) -> Vec<Attempt> {
        self.store.attempts(&AttemptFilter { limit: 1000, ..AttemptFilter::default() }).await.unwrap()
    }

    pub(crate) async fn letters(&self) -> Vec<DeadLetter> {
        self.store.dead_letters(None, None, 1000).await.unwrap()
    }

    pub(crate) async fn endpoint(&self, url: &str) -> Option<Endpoint> {
        self.store.endpoint(url).await.unwrap()
    }

    /// Whether the subscription is there.
    pub(crate) async fn is_subscribed(&self, target: &Target) -> bool {
        !self.store.rows(&[target.id]).await.unwrap().is_empty()
    }
}

pub(crate) fn message(topic: &str) -> Message {
    Message::new(topic.as_bytes(), Bytes::from(format!("of {topic}")))
}
