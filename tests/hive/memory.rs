//! A network inside the process: a hub, and a transport of our own that links to it. It is also the proof that a third
//! party's transport plugs in.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhive::config::Sources;
use eventhive::{EventStream, Hive};
use eventhive_hub::{Draft, Format, Hub, HubSettings, LocalLink};
use eventhive_transport::{
    Capabilities, Delivery, Filter, Incoming, Key, Link, LinkError, LinkState, Problem, Receipt, Refused,
    RefusedReason, Settings, Sink, Subscription, Topic, Transport,
};
use futures_util::future::BoxFuture;
use tokio::sync::watch;

/// A broker that hives reach in memory, and whose links can be held down.
#[derive(Clone)]
pub(crate) struct Memory {
    pub(crate) hub: Hub,
    up: Arc<watch::Sender<bool>>,
    /// Subscriptions that the broker still refuses.
    refuses: Arc<AtomicUsize>,
    patterns: bool,
    hears_itself: bool,
}

/// What is not up tells it like this.
const AWAY: &str = "the broker is away";

impl Memory {
    pub(crate) fn new() -> Self {
        Self {
            hub: Hub::new(HubSettings::default()),
            up: Arc::new(watch::Sender::new(true)),
            refuses: Arc::default(),
            patterns: true,
            hears_itself: true,
        }
    }

    /// The same, with links that know exact topics only.
    pub(crate) fn exact_only() -> Self {
        Self { patterns: false, ..Self::new() }
    }

    /// The same, with links that are not given what they publish themselves.
    pub(crate) fn deaf_to_itself() -> Self {
        Self { hears_itself: false, ..Self::new() }
    }

    /// Takes every link down, or lets it up again.
    pub(crate) fn set_up(&self, up: bool) {
        self.up.send_replace(up);
    }

    pub(crate) fn is_exact(&self) -> bool {
        !self.patterns
    }

    /// Refuses the next subscriptions.
    pub(crate) fn refuse(&self, subscriptions: usize) {
        self.refuses.store(subscriptions, Ordering::SeqCst);
    }

    /// Publishes as a foreign peer would.
    pub(crate) fn publish(&self, topic: &str, text: impl Into<bytes::Bytes>) {
        self.hub.publish(Draft::new(Topic::from(topic), text.into(), Format::Bytes)).unwrap();
    }

    /// A hive with this configuration on this network.
    pub(crate) fn hive(&self, yaml: &str) -> Hive {
        let builder = Hive::builder().declared_hooks(false).transport(self.clone());
        let mut sources = Sources::with_variables(|_| None);
        sources.read_string(yaml);
        let config = sources.resolve(&builder.kinds()).unwrap_or_else(|error| panic!("{error}"));
        builder.config(config).build().unwrap()
    }
}

impl Transport for Memory {
    fn kind(&self) -> &'static str {
        "memory"
    }

    fn keys(&self) -> &'static [Key] {
        &[]
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { patterns: self.patterns, hears_itself: self.hears_itself, ..LocalLink::CAPABILITIES }
    }

    fn connect(&self, settings: &Settings) -> Result<Arc<dyn Link>, Vec<Problem>> {
        let inner =
            LocalLink::new(self.hub.clone()).map_err(|error| vec![settings.problem("init", error.to_string())])?;
        let (state, _) = watch::channel(LinkState::Connecting);
        let own = (!self.hears_itself).then(Arc::default);
        let link = Arc::new(Gated { inner, state, refuses: Arc::clone(&self.refuses), patterns: self.patterns, own });
        tokio::spawn(follow(Arc::clone(&link), self.up.subscribe()));
        Ok(link)
    }
}

/// A link that is up only while the broker is said to be.
struct Gated {
    inner: LocalLink,
    state: watch::Sender<LinkState>,
    refuses: Arc<AtomicUsize>,
    patterns: bool,
    /// What it published, where it does not hear itself.
    own: Option<Own>,
}

type Own = Arc<Mutex<Vec<bytes::Bytes>>>;

/// A sink that is not given what its own link published. In memory a message keeps its place.
fn without_own(sink: Arc<dyn Sink>, own: Own) -> Arc<dyn Sink> {
    Arc::new(move |incoming: Incoming| {
        if !own.lock().unwrap().iter().any(|payload| payload.as_ptr() == incoming.payload.as_ptr()) {
            sink.deliver(incoming);
        }
    })
}

async fn follow(link: Arc<Gated>, mut up: watch::Receiver<bool>) {
    loop {
        let state = if *up.borrow_and_update() {
            LinkState::Up
        } else {
            LinkState::Down { reason: AWAY.into(), gave_up: false }
        };
        link.state.send_if_modified(|now| {
            let changed = *now != LinkState::Closed && *now != state;
            if changed {
                *now = state;
            }
            changed
        });
        if up.changed().await.is_err() {
            return;
        }
    }
}

impl Link for Gated {
    fn publish(&self, topic: Topic, payload: bytes::Bytes) -> Result<Receipt, Refused> {
        if !self.state.borrow().is_up() {
            return Err(Refused { topic, payload, reason: RefusedReason::Down });
        }
        let Some(own) = &self.own else { return self.inner.publish(topic, payload) };
        own.lock().unwrap().push(payload.clone());
        self.inner.publish(topic, payload)?;
        Ok(Receipt::known(Delivery::Sent))
    }

    fn subscribe(&self, filter: Filter, sink: Arc<dyn Sink>) -> BoxFuture<'_, Result<Subscription, LinkError>> {
        let refused = self.refuses.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if refused {
            return Box::pin(async { Err(LinkError::Rejected("not today".to_owned())) });
        }
        if !self.patterns && !matches!(filter, Filter::Exact(_)) {
            return Box::pin(async { Err(LinkError::Unsupported("exact topics only".to_owned())) });
        }
        let sink = self.own.clone().map_or_else(|| Arc::clone(&sink), |own| without_own(sink.clone(), own));
        self.inner.subscribe(filter, sink)
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.state.send_replace(LinkState::Closed);
        self.inner.close()
    }
}

/// The next event of a stream, or a failed test.
pub(crate) async fn next(stream: &mut EventStream) -> eventhive::Event {
    tokio::time::timeout(Duration::from_secs(10), stream.next())
        .await
        .expect("an event within 10 s")
        .expect("a live stream")
}

/// Waits until `probe` holds.
pub(crate) async fn until(what: &str, mut probe: impl FnMut() -> bool) {
    let waiting = async {
        while !probe() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap_or_else(|_| panic!("not within 10 s: {what}"));
}
