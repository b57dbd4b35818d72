//! The link that a hive holds.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eventhive_transport::{
    Capabilities, Delivery, Filter, Key, Link, LinkError, LinkState, Order, Problem, Receipt, Refused, RefusedReason,
    Settings, Sink, Subscription, Topic, Transport,
};
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::settings::{KEYS, LinkSettings};
use super::tap::Tap;
use super::wishes::wish;
use crate::Webhook;
use crate::message::Message;
use crate::subscriber::{Condition, NotTaken, Status, Subscriber, SubscriberError, Upgrade};

/// The largest payload of a link with default settings, in bytes.
const DEFAULT_MESSAGE: usize = 16 << 20;

/// The longest topic that the wire has room for.
const MAX_TOPIC: usize = 65_535;

impl Transport for Webhook {
    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["lonely", "lonelyps"]
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn check(&self, settings: &Settings) -> Vec<Problem> {
        LinkSettings::from_settings(settings).err().unwrap_or_default()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new()
            .with_patterns(true)
            .with_everything(true)
            .with_order(Order::PerPublisher)
            .with_binary(true)
            .with_max_payload(Some(DEFAULT_MESSAGE))
            .with_hears_itself(true)
            .with_delivery_count(true)
            .with_broker(true)
    }

    fn capabilities_with(&self, settings: &Settings) -> Capabilities {
        let usual = self.capabilities();
        match LinkSettings::from_settings(settings) {
            // Over HTTP a broadcaster delivers whether the link can reach it or not.
            Ok(made) => usual.with_resumes(made.upgrade != Upgrade::Websocket).with_max_payload(Some(made.max_message)),
            Err(_) => usual,
        }
    }

    fn connect(&self, settings: &Settings) -> Result<Arc<dyn Link>, Vec<Problem>> {
        let made = LinkSettings::from_settings(settings)?;
        let link = WebhookLink::start(made).map_err(|error| vec![settings.problem_here(error.to_string())])?;
        Ok(Arc::new(link))
    }
}

/// A link to broadcasters of lonely pub/sub, or to doors of ours.
///
/// Dropping it is closing it without waiting. All methods may be called from any thread.
pub struct WebhookLink {
    subscriber: Subscriber,
    state: Arc<watch::Sender<LinkState>>,
    max_message: usize,
    close_timeout: Duration,
    follower: AbortHandle,
    runtime: tokio::runtime::Handle,
}

impl WebhookLink {
    /// Starts connecting in the background. Has to be called inside a tokio runtime, which the link's tasks run in.
    ///
    /// # Errors
    /// The listener for what broadcasters deliver cannot be started.
    pub fn start(settings: LinkSettings) -> Result<Self, crate::subscriber::BuildError> {
        let LinkSettings { builder, max_message, close_timeout, shown, .. } = settings;
        let subscriber = builder.build()?;
        let state = Arc::new(watch::Sender::new(LinkState::Connecting));
        let follower = tokio::spawn(follow(subscriber.condition(), Arc::clone(&state), shown)).abort_handle();
        let runtime = tokio::runtime::Handle::current();
        Ok(Self { subscriber, state, max_message, close_timeout, follower, runtime })
    }

    /// The endpoints for broadcasters, if events come over HTTP, to mount in an application of one's own.
    #[must_use]
    pub fn receiver(&self) -> Option<crate::subscriber::Receiver> {
        self.subscriber.receiver()
    }

    fn fitting(&self, topic: &Topic, payload: &[u8]) -> Result<(), RefusedReason> {
        if topic.as_bytes().len() > MAX_TOPIC {
            return Err(RefusedReason::Unrepresentable("the topic is longer than 65,535 bytes".to_owned()));
        }
        if payload.len() > self.max_message {
            return Err(RefusedReason::TooLarge { size: payload.len(), largest: self.max_message });
        }
        Ok(())
    }

    fn try_publish(&self, topic: &Topic, payload: &Bytes) -> Result<Receipt, RefusedReason> {
        self.fitting(topic, payload)?;
        // The gate may open a moment before everybody knows, and close a moment before; the link's word is the one told.
        if matches!(*self.state.borrow(), LinkState::Down { .. } | LinkState::Connecting) {
            return Err(RefusedReason::Down);
        }
        let outbox = self.subscriber.outbox().ok_or(RefusedReason::Closed)?;
        outbox.admits(payload.len()).map_err(refused)?;
        let (settle, receipt) = Receipt::pending();
        let told = Box::new(|what: Result<u64, SubscriberError>| {
            // Nobody may be waiting for it.
            _ = settle.send(what.map(Delivery::Counted).map_err(link_error));
        });
        outbox.push(Message::new(topic.as_bytes(), payload.clone()), told).map_err(refused)?;
        Ok(receipt)
    }
}

const fn refused(why: NotTaken) -> RefusedReason {
    match why {
        NotTaken::Down => RefusedReason::Down,
        NotTaken::Full => RefusedReason::Full,
        NotTaken::Closed => RefusedReason::Closed,
    }
}

fn link_error(error: SubscriberError) -> LinkError {
    match error {
        SubscriberError::Refused(reason) => LinkError::Rejected(reason),
        SubscriberError::Closed => LinkError::Closed,
        SubscriberError::Wire(_) | SubscriberError::Glob(_) => LinkError::Unsupported(error.to_string()),
        SubscriberError::Ambiguous(_)
        | SubscriberError::Exhausted(_)
        | SubscriberError::Source(_)
        | SubscriberError::Random(_) => LinkError::Unconfirmed,
    }
}

impl Link for WebhookLink {
    fn publish(&self, topic: Topic, payload: Bytes) -> Result<Receipt, Refused> {
        self.try_publish(&topic, &payload).map_err(|reason| Refused { topic, payload, reason })
    }

    fn check(&self, topic: &Topic, payload: &[u8]) -> Result<(), RefusedReason> {
        self.fitting(topic, payload)
    }

    fn subscribe(&self, filter: Filter, sink: Arc<dyn Sink>) -> BoxFuture<'_, Result<Subscription, LinkError>> {
        Box::pin(async move {
            let wishes = [wish(&filter)?].into();
            let tap = Arc::new(Tap::new(filter, sink));
            let membership = self.subscriber.join(wishes, tap.clone()).await.map_err(link_error)?;
            let _runtime = self.runtime.enter();
            Ok(Subscription::new(move || {
                tap.shut();
                drop(membership);
                Box::pin(std::future::ready(()))
            }))
        })
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let closing = self.subscriber.outbox().is_some_and(|outbox| outbox.is_shut());
            if let Some(outbox) = self.subscriber.outbox().filter(|_| !closing) {
                outbox.shut();
                let flushed = async {
                    // What nobody can be given any more is not waited for.
                    while !outbox.is_empty() && self.state.borrow().is_up() {
                        tokio::time::sleep(FLUSHING).await;
                    }
                };
                _ = timeout(self.close_timeout, flushed).await;
                self.subscriber.close().await;
                self.follower.abort();
                self.state.send_replace(LinkState::Closed);
            }
            // An error would mean that the link is gone, and so is everything.
            let _ = self.state.subscribe().wait_for(|state| *state == LinkState::Closed).await;
        })
    }
}

/// How often a link that closes looks whether everything is sent.
const FLUSHING: Duration = Duration::from_millis(5);

impl Drop for WebhookLink {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

/// Tells the link's state as its subscriber's changes.
async fn follow(mut condition: watch::Receiver<Condition>, state: Arc<watch::Sender<LinkState>>, shown: String) {
    loop {
        let now = match condition.borrow_and_update().status.clone() {
            Status::Connecting => LinkState::Connecting,
            Status::Lost(reason) => LinkState::Down { reason, gave_up: false },
            Status::Ok => LinkState::Up,
            Status::Abandoned => LinkState::Closed,
        };
        state.send_if_modified(|known| {
            let news = *known != now && *known != LinkState::Closed;
            if news {
                log(&now, &shown);
                *known = now;
            }
            news
        });
        if condition.changed().await.is_err() {
            return;
        }
    }
}

fn log(state: &LinkState, broadcasters: &str) {
    match state {
        LinkState::Connecting => tracing::debug!(broadcasters, "connecting"),
        LinkState::Up => tracing::info!(broadcasters, "the link is up"),
        LinkState::Down { reason, .. } => tracing::warn!(broadcasters, %reason, "the link is down"),
        LinkState::Closed => tracing::debug!(broadcasters, "the link is closed"),
    }
}

impl std::fmt::Debug for WebhookLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookLink").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}
