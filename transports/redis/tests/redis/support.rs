//! Links and sinks for tests.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eventhive_redis::Redis;
use eventhive_transport::settings::{Entry, Value};
use eventhive_transport::{
    Capabilities, Delivery, Filter, Gap, Incoming, Link, LinkError, LinkState, Node, Position, Problem, Settings, Sink,
    Subscription, Topic, Transport,
};
use tokio::sync::mpsc;

use crate::server::Server;

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Values of `init`.
pub(crate) type Given = Vec<(&'static str, Value)>;

pub(crate) fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

pub(crate) fn texts(items: impl IntoIterator<Item = String>) -> Value {
    Value::List(items.into_iter().map(|item| node(text(item))).collect())
}

pub(crate) fn number(number: impl Into<i64>) -> Value {
    Value::Integer(number.into())
}

fn node(value: Value) -> Node {
    Node { value, at: Position::default() }
}

/// The defaults but for times, which are short: a loss is to be noticed within a test.
pub(crate) fn settings(given: &Given) -> Result<Settings, Vec<Problem>> {
    let quick = [
        ("health_check_interval", 0.3),
        ("socket_timeout", 4.0),
        ("socket_connect_timeout", 2.0),
        ("backoff_min_secs", 0.02),
        ("backoff_max_secs", 0.2),
        ("close_timeout_secs", 1.0),
    ];
    let quick = quick.into_iter().map(|(key, seconds)| (key, Value::Float(seconds)));
    let quick = quick.filter(|(key, _)| given.iter().all(|(other, _)| other != key));
    let entry =
        |(key, value): (&str, Value)| Entry { key: key.to_owned(), key_at: Position::default(), node: node(value) };
    let entries = given.iter().cloned().chain(quick).map(entry).collect();
    Settings::check("init", &node(Value::Map(entries)), Redis.keys())
}

pub(crate) fn connect(given: &Given) -> Arc<dyn Link> {
    settings(given).and_then(|settings| Redis.connect(&settings)).unwrap_or_else(|problems| panic!("{problems:?}"))
}

pub(crate) fn capabilities(given: &Given) -> Capabilities {
    Redis.capabilities_with(&settings(given).unwrap())
}

/// Host and port of a server.
pub(crate) fn at(server: &Server) -> Given {
    vec![("host", text("127.0.0.1")), ("port", number(server.port()))]
}

pub(crate) fn with(mut given: Given, more: impl IntoIterator<Item = (&'static str, Value)>) -> Given {
    given.extend(more);
    given
}

/// A link that is up.
pub(crate) async fn link(given: &Given) -> Arc<dyn Link> {
    let link = connect(given);
    until(&*link, LinkState::is_up).await;
    link
}

pub(crate) async fn until(link: &dyn Link, wanted: impl Fn(&LinkState) -> bool) -> LinkState {
    let mut state = link.state();
    let arrived = tokio::time::timeout(PATIENCE, state.wait_for(|state| wanted(state))).await;
    arrived.unwrap_or_else(|_| panic!("the link is {}", *link.state().borrow())).unwrap().clone()
}

pub(crate) async fn until_down(link: &dyn Link) -> LinkState {
    until(link, |state| matches!(state, LinkState::Down { .. })).await
}

pub(crate) async fn publish(link: &dyn Link, topic: &str, payload: &str) -> Result<Delivery, LinkError> {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    let receipt = link.publish(topic.into(), payload).unwrap_or_else(|refused| panic!("{refused}"));
    tokio::time::timeout(PATIENCE, receipt).await.expect("a receipt settles")
}

/// What a sink saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Message(String, String),
    Gap(Option<u64>),
}

pub(crate) fn message(topic: &str, payload: &str) -> Seen {
    Seen::Message(topic.into(), payload.into())
}

struct Tap(mpsc::UnboundedSender<Seen>);

impl Sink for Tap {
    fn deliver(&self, Incoming { topic, payload }: Incoming) {
        let _ = self.0.send(Seen::Message(topic.to_string(), String::from_utf8_lossy(&payload).into_owned()));
    }

    fn gap(&self, gap: Gap) {
        let _ = self.0.send(Seen::Gap(gap.lost));
    }
}

/// A subscription and what it received.
pub(crate) struct Collector {
    seen: mpsc::UnboundedReceiver<Seen>,
    pub(crate) subscription: Subscription,
}

impl Collector {
    pub(crate) async fn next(&mut self) -> Seen {
        let next = tokio::time::timeout(PATIENCE, self.seen.recv()).await;
        next.expect("something arrives").expect("the subscription stands")
    }

    /// The payload of the next message.
    pub(crate) async fn payload(&mut self) -> String {
        match self.next().await {
            Seen::Message(_, payload) => payload,
            other => panic!("expected a message, got {other:?}"),
        }
    }

    /// What is here now.
    pub(crate) fn here(&mut self) -> Vec<Seen> {
        std::iter::from_fn(|| self.seen.try_recv().ok()).collect()
    }
}

pub(crate) async fn try_collect(link: &dyn Link, filter: Filter) -> Result<Collector, LinkError> {
    let (tap, seen) = mpsc::unbounded_channel();
    let made = tokio::time::timeout(PATIENCE, link.subscribe(filter, Arc::new(Tap(tap)))).await;
    Ok(Collector { seen, subscription: made.expect("a subscription is made or refused")? })
}

pub(crate) async fn collect(link: &dyn Link, glob: &str) -> Collector {
    try_collect(link, Filter::Glob(glob.parse().unwrap())).await.unwrap()
}

pub(crate) async fn listen(link: &dyn Link, topic: &str) -> Collector {
    try_collect(link, Filter::Exact(Topic::from(topic))).await.unwrap()
}
