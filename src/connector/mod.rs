//! A hive's membership in one network.
//!
//! Out: [`Outlet`] is the route of the network's name: it puts an event into the [`outbox`], in memory or on disk; the
//! [`outgoing`] pump seals it, hands it to the link and keeps it until the broker has answered. In: the link delivers to the inbox;
//! [`incoming`] opens each message, checks it and gives it to the hooks. [`topics`] keeps the subscriptions. Each of the
//! three is a task that owns its state; they share queues bounded in bytes, and no lock is held while one waits.
//!
//! Requests ([`crate::request`]) go the same ways: [`asker`] sends them and hears the answers, with [`pending`] as its table;
//! [`desk`] answers those of others.

mod asker;
mod counters;
mod desk;
mod incoming;
mod outbox;
mod outgoing;
mod pending;
mod queue;
mod seen;
mod topics;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use eventhive_transport::{Capabilities, EventName, Incoming, Link, LinkState, Overflow, Sink, Topic};
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(crate) use asker::{Asker, Conversation, Heard};
pub use counters::ConnectorStats;
pub(crate) use outbox::Outbox;

use crate::envelope::{Envelope, SealError};
use crate::event::{Event, Exchange, Metadata};
use crate::registry::{Registry, Route, RouteError, Sent};
use asker::ReplyInbox;
use counters::Counters;
use desk::Desk;
use incoming::{Gate, Inbox};
use outbox::Pushed;
use outgoing::Pump;
use pending::{Fate, Pending};
use queue::ByteQueue;
use seen::Seen;
use topics::{Standing, Topics};

/// What a connector is made from.
pub(crate) struct Plan {
    /// The network's name.
    pub(crate) name: Arc<str>,
    /// Empty: publish only.
    pub(crate) input_channel: String,
    pub(crate) separator: String,
    pub(crate) envelope: Envelope,
    /// Whether sealing may refuse a message that the wire could carry: then each is sealed once when it is called, to see.
    pub(crate) picky_seal: bool,
    pub(crate) outbox: Outbox,
    pub(crate) inbox_bytes: usize,
    pub(crate) inbox_overflow: Overflow,
    /// Events remembered to know a repeated one.
    pub(crate) remembered_events: usize,
}

/// A running connector. [`close`](Self::close) it; dropping it stops its tasks at once.
pub(crate) struct Connector {
    name: Arc<str>,
    link: Arc<dyn Link>,
    outlet: Arc<Outlet>,
    asker: Arc<Asker>,
    /// Only where it listens.
    desk: Option<Arc<Desk>>,
    inbox: Arc<ByteQueue<Incoming>>,
    counters: Arc<Counters>,
    standing: watch::Receiver<Standing>,
    dispatch: Option<JoinHandle<()>>,
    pump: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
}

/// How long the pump may take to note what a closed link has answered. Only a link that does not say that it is closed
/// makes it wait.
const PUMP_END: Duration = Duration::from_secs(1);

impl Connector {
    /// Starts the connector's tasks in the current tokio runtime.
    pub(crate) fn start(plan: Plan, link: Arc<dyn Link>, wire: Capabilities, registry: Arc<Registry>) -> Self {
        let counters = Arc::new(Counters::default());
        let envelope = Arc::new(plan.envelope);
        let outbox = Arc::new(plan.outbox);
        let inbox = Arc::new(ByteQueue::new(plan.inbox_bytes, plan.inbox_overflow));
        let sink = Arc::new(Inbox {
            network: Arc::clone(&plan.name),
            queue: Arc::clone(&inbox),
            counters: Arc::clone(&counters),
        });
        let gate =
            Arc::new(Gate::new(Arc::clone(&plan.name), &plan.input_channel, &plan.separator, Arc::clone(&envelope)));
        let (name, shared) = (Arc::clone(&plan.name), Arc::clone(&envelope));
        let pump = Pump::new(name, Arc::clone(&outbox), shared, Arc::clone(&link), Arc::clone(&counters));
        let listens = !plan.input_channel.is_empty();
        let replies = Arc::new(ReplyInbox {
            network: Arc::clone(&plan.name),
            prefix: ReplyInbox::prefix(&plan.name, &plan.separator),
            pending: Pending::new(plan.inbox_bytes),
            counters: Arc::clone(&counters),
            envelope: Arc::clone(&envelope),
        });
        let mut echo: Vec<Echo> = Vec::new();
        if listens && !wire.hears_itself {
            echo.push((gate.prefix().to_owned(), Arc::clone(&sink) as Arc<dyn Sink>));
            echo.push((replies.prefix.clone(), Arc::clone(&replies) as Arc<dyn Sink>));
        }
        let outlet = Arc::new(Outlet {
            network: Arc::clone(&plan.name),
            envelope,
            outbox,
            link: Arc::clone(&link),
            max_payload: wire.max_payload,
            picky_seal: plan.picky_seal,
            counters: Arc::clone(&counters),
            echo,
        });
        let asker = Arc::new(Asker {
            link: Arc::clone(&link),
            outlet: Arc::clone(&outlet),
            inbox: replies,
            patterns: wire.patterns,
            listening: OnceCell::new(),
            runtime: Handle::current(),
        });
        let (pump, mut tasks) = (tokio::spawn(pump.run()), Vec::new());
        let (standing_sender, standing) = watch::channel(if listens { Standing::Waiting } else { Standing::Complete });
        let (mut dispatcher, mut answers) = (None, None);
        if listens {
            let desk = Arc::new(Desk::new(Arc::clone(&outlet), Arc::clone(&registry), &plan.separator));
            answers = Some(Arc::clone(&desk));
            let seen = Seen::new(plan.remembered_events);
            let dispatch = incoming::dispatch(Arc::clone(&gate), Arc::clone(&inbox), desk, Arc::clone(&counters), seen);
            dispatcher = Some(tokio::spawn(dispatch));
            let topics = Topics { link: Arc::clone(&link), gate, sink, registry, standing: standing_sender };
            tasks.push(tokio::spawn(topics.run(wire.patterns)));
        }
        let (name, desk, dispatch) = (plan.name, answers, dispatcher);
        Self { name, link, outlet, asker, desk, inbox, counters, standing, dispatch, pump, tasks }
    }

    /// The network's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where events of this network go.
    pub(crate) fn route(&self) -> Arc<dyn Route> {
        Arc::clone(&self.outlet) as Arc<dyn Route>
    }

    /// How to ask on this network.
    pub(crate) fn asker(&self) -> Arc<Asker> {
        Arc::clone(&self.asker)
    }

    /// Where the link stands, now and later.
    pub(crate) fn state(&self) -> watch::Receiver<LinkState> {
        self.link.state()
    }

    pub(crate) fn stats(&self) -> ConnectorStats {
        let mut stats = self.counters.snapshot(self.outlet.outbox.len(), self.asker.inbox.pending.len());
        stats.requests_expired += self.outlet.outbox.expired();
        stats
    }

    /// Resolves when the link is up and the subscriptions known at the start stand, or with what is in the way when the
    /// first attempt has failed.
    pub(crate) async fn settle(&self) -> LinkState {
        let mut state = self.link.state();
        let mut standing = self.standing.clone();
        // An error of either wait means that the connector is gone: the state says so.
        let _ = state.wait_for(|state| !matches!(state, LinkState::Connecting)).await;
        if state.borrow().is_up() {
            let _ = standing.wait_for(|standing| *standing != Standing::Waiting).await;
        }
        match &*standing.borrow() {
            Standing::Refused(why) if state.borrow().is_up() => {
                LinkState::Down { reason: format!("not subscribed: {why}").into(), gave_up: false }
            }
            _ => state.borrow().clone(),
        }
    }

    /// Resolves when the broker has answered for every event that was called before.
    pub(crate) fn flushed(&self) -> impl Future<Output = ()> + Send + use<> {
        let outlet = Arc::clone(&self.outlet);
        async move { outlet.outbox.settled().await }
    }

    /// Resolves when every event that was called before is where the outbox's settings promise it to be; false if that
    /// cannot be known any more.
    pub(crate) fn stored(&self) -> impl Future<Output = bool> + Send + use<> {
        let outlet = Arc::clone(&self.outlet);
        async move { outlet.outbox.stored().await }
    }

    /// Refuses new requests of others and lets the hooks of those under way answer, for at most `within`. They may ask on,
    /// on any network, so this comes before any connector is [closed](Self::close).
    pub(crate) async fn finish_answers(&self, within: Duration) {
        if let Some(desk) = &self.desk {
            desk.close(within).await;
        }
    }

    /// Ends the requests of this hive, sends what waits, if the link is up and takes it within the time, closes the link, and
    /// gives the hooks what has arrived. Returns how many events were left that no broker has answered for, and are lost;
    /// those of an outbox on disk are not.
    pub(crate) async fn close(mut self, within: Duration) -> u64 {
        let deadline = Instant::now() + within;
        self.asker.inbox.pending.close();
        self.outlet.outbox.close();
        if self.link.state().borrow().is_up() {
            let _ = tokio::time::timeout_at(deadline, self.outlet.outbox.settled()).await;
        }
        self.link.close().await;
        if tokio::time::timeout(PUMP_END, &mut self.pump).await.is_err() {
            self.pump.abort();
        }
        let left = self.outlet.outbox.unsettled() as u64;
        self.inbox.close();
        if let Some(mut dispatch) = self.dispatch.take()
            && tokio::time::timeout_at(deadline, &mut dispatch).await.is_err()
        {
            dispatch.abort();
            tracing::warn!(connector = %self.name, events = self.inbox.len(), "stopped with received events unhandled");
        }
        if !self.outlet.outbox.release().await {
            return left;
        }
        if left > 0 {
            tracing::info!(connector = %self.name, events = left, "unsent events wait on disk for the next start");
        }
        0
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        self.tasks.iter().chain(&self.dispatch).chain([&self.pump]).for_each(JoinHandle::abort);
    }
}

/// Where a network's events leave: the part of a connector that callers reach.
struct Outlet {
    network: Arc<str>,
    envelope: Arc<Envelope>,
    outbox: Arc<Outbox>,
    /// Asked whether its wire can carry an event, not handed it: the pump does that.
    link: Arc<dyn Link>,
    max_payload: Option<usize>,
    picky_seal: bool,
    counters: Arc<Counters>,
    /// Where a wire does not bring back what this hive publishes to itself: what it hears, and where that goes.
    echo: Vec<Echo>,
}

/// The start of the names that a hive hears, and where they go.
type Echo = (String, Arc<dyn Sink>);

/// Why an event did not get into the outbox.
enum Unsent {
    /// It cannot travel, now or later: too large, or not to be sealed.
    Unfit(RouteError),
    /// The outbox has no room for it.
    Full(RouteError),
    /// The outbox takes nothing.
    Other(RouteError),
}

impl From<Unsent> for RouteError {
    fn from(unsent: Unsent) -> Self {
        let (Unsent::Unfit(error) | Unsent::Full(error) | Unsent::Other(error)) = unsent;
        error
    }
}

/// Where a sealed event goes, and what is sealed.
type Echoed<'a> = (&'a Arc<dyn Sink>, Bytes);

impl Outlet {
    fn refused(&self, reason: impl ToString) -> RouteError {
        RouteError { network: self.network.to_string(), reason: reason.to_string() }
    }

    /// Whether an event of this name is delivered to this hive here, and not by the wire.
    fn echoes(&self, name: &str) -> bool {
        self.echo.iter().any(|(prefix, _)| name.starts_with(prefix.as_str()))
    }

    /// Puts an event into the outbox. `fate` is told what becomes of it there.
    fn send(&self, name: &EventName, payload: &Bytes, metadata: &Metadata, fate: Option<Fate>) -> Result<Sent, Unsent> {
        if payload.trim_ascii_start().first() != Some(&b'{') {
            return Err(Unsent::Unfit(self.refused("the payload is not a JSON object, and only objects travel")));
        }
        let topic = Topic::from(name);
        let message = self.envelope.message(payload, metadata).map_err(|error| Unsent::Unfit(self.refused(error)))?;
        self.check(&topic, &message).map_err(Unsent::Unfit)?;
        // Before the outbox has it: an error says that it has not.
        let echoes = self.echoes_of(name, &topic, &message).map_err(Unsent::Unfit)?;
        // Requests and answers to them are of no use once those who wait for them are gone.
        let keep = metadata.exchange.is_none();
        let fate = fate.map(|fate| match deadline_of(metadata) {
            None => fate,
            deadline => fate.with_deadline(deadline),
        });
        match self.outbox.push(topic.clone(), message.clone(), fate, keep) {
            Pushed::Queued { dropped } => {
                if dropped > 0 {
                    Counters::add(&self.counters.outbox_dropped, dropped);
                    tracing::warn!(event = %name, dropped, "the outbox is full: the oldest events were dropped");
                }
            }
            Pushed::Full => {
                Counters::add(&self.counters.outbox_dropped, 1);
                let reason = "the outbox is full; see `outbox.max_bytes` and `outbox.overflow`";
                return Err(Unsent::Full(self.refused(reason)));
            }
            Pushed::Closed => return Err(Unsent::Other(self.refused("the hive is stopping"))),
            Pushed::Failed(error) => {
                Counters::add(&self.counters.outbox_dropped, 1);
                return Err(Unsent::Other(self.refused(format!("the outbox on disk does not take it: {error}"))));
            }
        }
        for (sink, payload) in echoes {
            sink.deliver(Incoming { topic: topic.clone(), payload });
        }
        Ok(Sent::Queued)
    }

    /// What this hive hears of its own event without the wire, and where that goes.
    fn echoes_of(&self, name: &EventName, topic: &Topic, message: &Bytes) -> Result<Vec<Echoed<'_>>, RouteError> {
        let echo = self.echo.iter().filter(|(prefix, _)| name.as_str().starts_with(prefix.as_str()));
        echo.map(|(_, sink)| Ok((sink, self.envelope.seal_message(topic, message)?)))
            .collect::<Result<_, SealError>>()
            .map_err(|error| self.refused(error))
    }

    /// Whether the message can be sealed and the wire can carry it; it is sealed only when it is sent.
    fn check(&self, topic: &Topic, message: &Bytes) -> Result<(), RouteError> {
        let largest = if self.picky_seal { Some(0) } else { self.max_payload };
        let sample = self.envelope.sample(topic, message, largest).map_err(|error| self.refused(error))?;
        if let Some(largest) = self.max_payload.filter(|largest| sample.len() > *largest) {
            let size = sample.len();
            return Err(self.refused(format!("the sealed event has {size} bytes, the wire takes {largest}")));
        }
        self.link.check(topic, &sample).map_err(|reason| self.refused(reason))
    }
}

/// When nobody waits for the answer any more, for a request of this hive: the time is by this machine's clock.
fn deadline_of(request: &Metadata) -> Option<std::time::Instant> {
    let Some(Exchange::Request { deadline: Some(seconds), .. }) = request.exchange.as_deref() else { return None };
    let deadline = UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(*seconds).ok()?)?;
    let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
    std::time::Instant::now().checked_add(left)
}

impl Route for Outlet {
    fn publish(&self, event: &Event) -> Result<Sent, RouteError> {
        self.send(event.name(), event.payload().as_bytes(), event.metadata(), None).map_err(RouteError::from)
    }
}
