//! The link that a hive holds.

use std::sync::Arc;

use bytes::Bytes;
use eventhive_transport::{
    Capabilities, Filter, Key, Link, LinkError, LinkState, Order, Problem, Receipt, Refused, RefusedReason, Settings,
    Sink, Subscription, Topic, Transport,
};
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::caller::NotPublished;
use super::queue::NotTaken;
use super::registry::Added;
use super::settings::{FRAME_OVERHEAD, KEYS, LinkSettings};
use super::supervise::{Shared, supervise};
use super::wish::Wish;
use crate::WebSocket;
use crate::wire::ALL_TOPICS;

/// The largest message of a link with default settings, in bytes.
const DEFAULT_MESSAGE: usize = 1 << 20;

impl Transport for WebSocket {
    fn kind(&self) -> &'static str {
        "websocket"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["fastapi"]
    }

    fn keys(&self) -> &'static [Key] {
        KEYS
    }

    fn check(&self, settings: &Settings) -> Vec<Problem> {
        LinkSettings::from_settings(settings).err().unwrap_or_default()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            // On doors of ours.
            patterns: true,
            everything: true,
            order: Order::PerPublisher,
            replay: false,
            binary: true,
            max_payload: Some(DEFAULT_MESSAGE - FRAME_OVERHEAD),
            hears_itself: true,
            native_reply: false,
            // By doors of ours.
            delivery_count: true,
            broker: true,
        }
    }

    fn capabilities_with(&self, settings: &Settings) -> Capabilities {
        let max_payload = LinkSettings::from_settings(settings).ok().map(|settings| settings.max_payload());
        Capabilities { max_payload: max_payload.or(self.capabilities().max_payload), ..self.capabilities() }
    }

    fn connect(&self, settings: &Settings) -> Result<Arc<dyn Link>, Vec<Problem>> {
        Ok(Arc::new(WebSocketLink::start(LinkSettings::from_settings(settings)?)))
    }
}

/// A link to a server of fastapi_websocket_pubsub, or to a door of ours.
///
/// Dropping it is closing it without waiting. All methods may be called from any thread.
pub struct WebSocketLink(Arc<Shared>);

impl WebSocketLink {
    /// Starts connecting in the background. Has to be called inside a tokio runtime, which the link's task runs in.
    #[must_use]
    pub fn start(settings: LinkSettings) -> Self {
        let shared = Arc::new(Shared::new(settings));
        tokio::spawn(supervise(Arc::clone(&shared)));
        Self(shared)
    }

    /// The topic's name, if a message of this topic and payload can go.
    fn fitting<'a>(&self, topic: &'a Topic, payload: &[u8]) -> Result<&'a str, RefusedReason> {
        let settings = &self.0.settings;
        let Some(name) = topic.as_str() else {
            return Err(unrepresentable("a topic of this wire is text: this one is not UTF-8"));
        };
        if name == ALL_TOPICS {
            return Err(unrepresentable("this topic stands for all topics and cannot be published to"));
        }
        if payload.len() > settings.max_payload() {
            return Err(RefusedReason::TooLarge { size: payload.len(), largest: settings.max_payload() });
        }
        Ok(name)
    }

    fn refused(&self, reason: NotPublished) -> RefusedReason {
        match reason {
            NotPublished::NotTaken(NotTaken::Down) => RefusedReason::Down,
            NotPublished::NotTaken(NotTaken::Full) => RefusedReason::Full,
            NotPublished::NotTaken(NotTaken::Closed) => RefusedReason::Closed,
            // Of the message, escapes and all.
            NotPublished::TooLarge(size) => RefusedReason::TooLarge { size, largest: self.0.settings.max_message },
        }
    }

    fn try_publish(&self, topic: &Topic, payload: &Bytes) -> Result<Receipt, RefusedReason> {
        let name = self.fitting(topic, payload)?;
        let (sender, receipt) = Receipt::pending();
        let queued = self.0.caller.publish(name, payload, self.0.settings.max_message, sender);
        queued.map(|()| receipt).map_err(|reason| self.refused(reason))
    }
}

impl Link for WebSocketLink {
    fn publish(&self, topic: Topic, payload: Bytes) -> Result<Receipt, Refused> {
        self.try_publish(&topic, &payload).map_err(|reason| Refused { topic, payload, reason })
    }

    fn check(&self, topic: &Topic, payload: &[u8]) -> Result<(), RefusedReason> {
        let name = self.fitting(topic, payload)?;
        self.0.caller.check(name, payload, self.0.settings.max_message).map_err(|reason| self.refused(reason))
    }

    fn subscribe(&self, filter: Filter, sink: Arc<dyn Sink>) -> BoxFuture<'_, Result<Subscription, LinkError>> {
        Box::pin(async move {
            let wish = Wish::try_from(filter)?;
            let Added { id, stands } = self.0.registry.add(&wish, sink, &self.0.caller)?;
            // Taken out again if the caller stops waiting.
            let mut wanted = Wanted { shared: Some(Arc::clone(&self.0)), wish, id };
            stands.await.unwrap_or(Err(LinkError::Closed))?;
            let (shared, wish) = (wanted.shared.take(), wanted.wish.clone());
            Ok(Subscription::new(move || Box::pin(async move { unsubscribe(shared, wish, id).await })))
        })
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        self.0.state()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if self.0.shut() {
                // An error would mean that the task is gone without a word, and so is the connection.
                let _ = self.0.state().wait_for(|state| *state == LinkState::Closed).await;
            }
        })
    }
}

impl Drop for WebSocketLink {
    fn drop(&mut self) {
        self.0.shut();
    }
}

impl std::fmt::Debug for WebSocketLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebSocketLink")
            .field("settings", &self.0.settings)
            .field("state", &*self.0.state().borrow())
            .finish()
    }
}

/// A subscriber that is not yet a [`Subscription`].
struct Wanted {
    shared: Option<Arc<Shared>>,
    wish: Wish,
    id: u64,
}

impl Drop for Wanted {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            drop(shared.registry.remove(&self.wish, self.id, &shared.caller));
        }
    }
}

async fn unsubscribe(shared: Option<Arc<Shared>>, wish: Wish, id: u64) {
    let noted = shared.and_then(|shared| shared.registry.remove(&wish, id, &shared.caller));
    if let Some(noted) = noted {
        // The end is told by the sender's going.
        let _ = noted.await;
    }
}

fn unrepresentable(text: &str) -> RefusedReason {
    RefusedReason::Unrepresentable(text.to_owned())
}
