//! The link that a hive holds.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use eventhive_transport::{
    Capabilities, Filter, Key, Link, LinkError, LinkState, Order, Problem, Receipt, Refused, RefusedReason, Settings,
    Sink, Subscription, Topic, Transport,
};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{oneshot, watch};

use super::filters;
use super::keeper::keep;
use super::publisher::Publisher;
use super::queue::{Item, NotTaken};
use super::settings::{KEYS, LinkSettings};
use super::shared::Shared;
use super::standing::PartId;
use super::subscriber::Subscriber;
use crate::Http;
use crate::wire::answers::MAX_TARGET;
use crate::wire::{event, target};

/// The largest body of a link with default settings, in bytes.
const DEFAULT_MESSAGE: usize = 102_400;

/// The publisher's number among the parts.
const PUBLISHER: PartId = 0;

impl Transport for Http {
    fn kind(&self) -> &'static str {
        "http"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["pypubsub"]
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
            .with_segments(true)
            .with_order(Order::Total)
            // By the server's backlog, as far as that reaches.
            .with_resumes(true)
            .with_binary(true)
            .with_max_payload(Some(DEFAULT_MESSAGE - 64))
            .with_hears_itself(true)
            .with_broker(true)
    }

    fn capabilities_with(&self, settings: &Settings) -> Capabilities {
        let max_payload = LinkSettings::from_settings(settings).ok().map(|settings| settings.max_payload());
        let usual = self.capabilities();
        usual.with_max_payload(max_payload.or(usual.max_payload))
    }

    fn connect(&self, settings: &Settings) -> Result<Arc<dyn Link>, Vec<Problem>> {
        Ok(Arc::new(HttpLink::start(LinkSettings::from_settings(settings)?)))
    }
}

/// A link to a server of PyPubSub, or to a door of ours.
///
/// Dropping it is closing it without waiting. All methods may be called from any thread.
pub struct HttpLink(Arc<Shared>);

impl HttpLink {
    /// Starts connecting in the background. Has to be called inside a tokio runtime, which the link's tasks run in.
    #[must_use]
    pub fn start(settings: LinkSettings) -> Self {
        let shared = Arc::new(Shared::new(settings));
        let its = Arc::clone(&shared);
        tokio::spawn(async move {
            keep(&its, PUBLISHER, Publisher).await;
            its.end_all().await;
            its.standing.close();
        });
        Self(shared)
    }

    fn try_publish(&self, topic: &Topic, payload: &Bytes) -> Result<Receipt, RefusedReason> {
        let (shared, settings) = (&self.0, &self.0.settings);
        let Some(name) = topic.as_str() else {
            return Err(unrepresentable("a topic of this wire is text: this one is not UTF-8"));
        };
        let target = target::encode(&format!("/{name}"));
        if settings.endpoint.len() + target.len() > MAX_TARGET {
            return Err(unrepresentable("the topic is too long for the target of a request"));
        }
        let largest = settings.max_payload();
        if payload.len() > largest {
            return Err(RefusedReason::TooLarge { size: payload.len(), largest });
        }
        shared.queue.admits(payload.len()).map_err(refused)?;
        if !shared.standing.is_up() {
            return Err(RefusedReason::Down);
        }
        let body = event::body(payload);
        if body.len() > settings.max_message {
            return Err(RefusedReason::TooLarge { size: body.len(), largest: settings.max_message });
        }
        let (settle, receipt) = Receipt::pending();
        shared.queue.push(Item { target, body: body.into_owned(), settle }).map_err(refused)?;
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

fn unrepresentable(text: &str) -> RefusedReason {
    RefusedReason::Unrepresentable(text.to_owned())
}

impl Link for HttpLink {
    fn publish(&self, topic: Topic, payload: Bytes) -> Result<Receipt, Refused> {
        self.try_publish(&topic, &payload).map_err(|reason| Refused { topic, payload, reason })
    }

    fn subscribe(&self, filter: Filter, sink: Arc<dyn Sink>) -> BoxFuture<'_, Result<Subscription, LinkError>> {
        Box::pin(async move {
            let target = filters::target(&filter)?;
            let (waiting, stands) = oneshot::channel();
            let part = Subscriber::new(filter, target, sink, waiting);
            let shared = Arc::clone(&self.0);
            let start = |id| self.0.runtime.spawn(async move { receive(&shared, id, part).await });
            let id = self.0.start(start).ok_or(LinkError::Closed)?;
            // Ended again if the caller stops waiting.
            let mut wanted = Wanted { shared: Some(Arc::clone(&self.0)), id };
            stands.await.unwrap_or(Err(LinkError::Closed))?;
            let shared = wanted.shared.take();
            let _runtime = self.0.runtime.enter();
            Ok(Subscription::new(move || Box::pin(async move { end(shared, id).await })))
        })
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        self.0.standing.watch()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.0.shut();
            // An error would mean that the task is gone without a word, and so are its connections.
            let _ = self.0.standing.watch().wait_for(|state| *state == LinkState::Closed).await;
        })
    }
}

/// The task of a subscription. A sink is other people's code and runs in here.
async fn receive(shared: &Shared, id: PartId, part: Subscriber) {
    if AssertUnwindSafe(keep(shared, id, part)).catch_unwind().await.is_err() {
        let reason = "a stream's task panicked, most likely in a subscriber".into();
        shared.standing.set(id, LinkState::Down { reason, gave_up: true });
    }
}

async fn end(shared: Option<Arc<Shared>>, id: PartId) {
    if let Some(shared) = shared {
        shared.end(id).await;
    }
}

impl Drop for HttpLink {
    fn drop(&mut self) {
        self.0.shut();
    }
}

impl std::fmt::Debug for HttpLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpLink")
            .field("settings", &self.0.settings)
            .field("state", &*self.0.standing.watch().borrow())
            .finish()
    }
}

/// A stream that is not yet a [`Subscription`].
struct Wanted {
    shared: Option<Arc<Shared>>,
    id: PartId,
}

impl Drop for Wanted {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            let (runtime, id) = (shared.runtime.clone(), self.id);
            runtime.spawn(async move { shared.end(id).await });
        }
    }
}
