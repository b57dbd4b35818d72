//! The local bus against the suite that defines a working transport: a link publishes by emitting an event and
//! subscribes by hooking one.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use eventhive::{Event, EventName, Hive, HookHandle, IntoPatterns, Pattern, Payload};
use eventhive_conformance::Fixture;
use eventhive_transport::{
    Capabilities, Delivery, Filter, Glob, Incoming, Link, LinkError, LinkState, Order, Receipt, Refused, RefusedReason,
    Sink, Subscription, Topic,
};
use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::watch;

use crate::support::bare;

struct LocalBus(Hive);

impl LocalBus {
    async fn start() -> Self {
        Self(bare())
    }
}

impl Fixture for LocalBus {
    fn capabilities(&self) -> Capabilities {
        // A payload is JSON, here a text: it is not binary.
        Capabilities::new()
            .with_patterns(true)
            .with_everything(true)
            .with_order(Order::PerPublisher)
            .with_hears_itself(true)
            .with_delivery_count(true)
    }

    fn wire(&self) -> Option<&'static str> {
        Some("local bus")
    }

    fn link(&self) -> BoxFuture<'_, Arc<dyn Link>> {
        let link = BusLink { hive: self.0.clone(), open: Mutex::default(), state: watch::Sender::new(LinkState::Up) };
        async { Arc::new(link) as Arc<dyn Link> }.boxed()
    }
}

struct BusLink {
    hive: Hive,
    open: Mutex<Vec<Arc<Listener>>>,
    state: watch::Sender<LinkState>,
}

/// A hook that hands events to a sink, until it is told to end.
struct Listener {
    /// Locked while the sink takes an event, so that ending waits for that.
    sink: Arc<Mutex<Option<Arc<dyn Sink>>>>,
    hook: HookHandle,
}

impl Listener {
    fn end(&self) {
        self.hook.unhook();
        self.sink.lock().unwrap().take();
    }
}

impl BusLink {
    fn is_closed(&self) -> bool {
        *self.state.borrow() == LinkState::Closed
    }

    fn emit(&self, topic: &Topic, payload: &Bytes) -> Result<usize, RefusedReason> {
        if self.is_closed() {
            return Err(RefusedReason::Closed);
        }
        let unrepresentable = |error: &dyn std::fmt::Display| RefusedReason::Unrepresentable(error.to_string());
        let text = std::str::from_utf8(payload).map_err(|error| unrepresentable(&error))?;
        let name = topic.as_str().ok_or_else(|| unrepresentable(&"an event's name is text"))?;
        match self.hive.emit(&to_name(name), Payload::from(text)) {
            // Hooks that refuse it are on their way out: the mailboxes hold all that the suite publishes.
            Ok(emitted) => Ok(emitted.taken),
            Err(eventhive::CallError::Unknown { .. }) => Ok(0),
            Err(error) => Err(unrepresentable(&error)),
        }
    }
}

/// Where control characters go, which no event's name may have: to characters that nobody uses.
const STAND_INS: u32 = 0xF_4200;

fn to_name(topic: &str) -> String {
    let stand_in = |c: char| if c.is_control() { char::from_u32(STAND_INS + c as u32).unwrap() } else { c };
    topic.chars().map(stand_in).collect()
}

fn to_topic(name: &str) -> String {
    let original = |c: char| (c as u32).checked_sub(STAND_INS).and_then(char::from_u32).filter(|c| c.is_control());
    name.chars().map(|c| original(c).unwrap_or(c)).collect()
}

fn pattern(filter: &Filter) -> Result<Pattern, LinkError> {
    let unsupported = |error: &dyn std::fmt::Display| LinkError::Unsupported(error.to_string());
    match filter {
        Filter::All => Ok(Pattern::Glob(Glob::new("*").unwrap())),
        Filter::Glob(glob) => Ok(Pattern::Glob(Glob::new(&to_name(glob.as_str())).unwrap())),
        Filter::Exact(topic) => {
            let name = topic.as_str().ok_or_else(|| unsupported(&"an event's name is text"))?;
            EventName::new(to_name(name)).map(Pattern::Name).map_err(|error| unsupported(&error))
        }
        _ => Err(unsupported(&"subscribe names or globs")),
    }
}

fn listen(hive: &Hive, pattern: impl IntoPatterns, sink: Arc<dyn Sink>) -> Listener {
    let sink = Arc::new(Mutex::new(Some(sink)));
    let taker = sink.clone();
    let handler = async move |event: Event| {
        if let Some(sink) = &*taker.lock().unwrap() {
            let text = event.payload().to::<String>().unwrap();
            sink.deliver(Incoming { topic: to_topic(event.name().as_str()).into(), payload: text.into() });
        }
    };
    let hook = hive.on(pattern).mailbox(1 << 20).mailbox_bytes(1 << 30).hook(handler).unwrap();
    Listener { sink, hook }
}

impl Link for BusLink {
    fn publish(&self, topic: Topic, payload: Bytes) -> Result<Receipt, Refused> {
        match self.emit(&topic, &payload) {
            Ok(receivers) => Ok(Receipt::known(Delivery::Counted(receivers as u64))),
            Err(reason) => Err(Refused { topic, payload, reason }),
        }
    }

    fn subscribe(&self, filter: Filter, sink: Arc<dyn Sink>) -> BoxFuture<'_, Result<Subscription, LinkError>> {
        let subscribed = if self.is_closed() { Err(LinkError::Closed) } else { pattern(&filter) };
        let subscribed = subscribed.map(|pattern| {
            let listener = Arc::new(listen(&self.hive, pattern, sink));
            self.open.lock().unwrap().push(listener.clone());
            Subscription::new(move || async move { listener.end() }.boxed())
        });
        async { subscribed }.boxed()
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.state.send_replace(LinkState::Closed);
        for listener in self.open.lock().unwrap().drain(..) {
            listener.end();
        }
        async {}.boxed()
    }
}

eventhive_conformance::conformance!(LocalBus::start);
