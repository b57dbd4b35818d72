//! A hive's membership in one network.
//!
//! Out: [`Outlet`] is the route of the network's name: it seals an event and puts it into the outbox; the
//! [`outgoing`] pump hands it to the link and keeps it until the broker has answered. In: the link delivers to the inbox;
//! [`incoming`] opens each message, checks it and gives it to the hooks. [`topics`] keeps the subscriptions. Each of the
//! three is a task that owns its state; they share queues bounded in bytes, and no lock is held while one waits.

mod counters;
mod incoming;
mod outgoing;
mod queue;
mod seen;
mod topics;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use eventhive_transport::{Capabilities, Incoming, Link, LinkState, Overflow, Sink, Topic};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use counters::ConnectorStats;

use crate::envelope::Envelope;
use crate::event::Event;
use crate::registry::{Registry, Route, RouteError, Sent};
use counters::Counters;
use incoming::{Gate, Inbox};
use outgoing::{Outgoing, Pump};
use queue::{ByteQueue, Pushed};
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
    pub(crate) outbox_bytes: usize,
    pub(crate) outbox_overflow: Overflow,
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
    inbox: Arc<ByteQueue<Incoming>>,
    counters: Arc<Counters>,
    standing: watch::Receiver<Standing>,
    dispatch: Option<JoinHandle<()>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Connector {
    /// Starts the connector's tasks in the current tokio runtime.
    pub(crate) fn start(plan: Plan, link: Arc<dyn Link>, wire: Capabilities, registry: Arc<Registry>) -> Self {
        let counters = Arc::new(Counters::default());
        let envelope = Arc::new(plan.envelope);
        let outbox = Arc::new(ByteQueue::new(plan.outbox_bytes, plan.outbox_overflow));
        let inbox = Arc::new(ByteQueue::new(plan.inbox_bytes, plan.inbox_overflow));
        let sink = Arc::new(Inbox {
            network: Arc::clone(&plan.name),
            queue: Arc::clone(&inbox),
            counters: Arc::clone(&counters),
        });
        let gate =
            Arc::new(Gate::new(Arc::clone(&plan.name), &plan.input_channel, &plan.separator, Arc::clone(&envelope)));
        let pump = Pump::new(Arc::clone(&plan.name), Arc::clone(&outbox), Arc::clone(&link), Arc::clone(&counters));
        let listens = !plan.input_channel.is_empty();
        let echo = (listens && !wire.hears_itself).then(|| (gate.prefix().to_owned(), Arc::clone(&sink)));
        let outlet = Arc::new(Outlet {
            network: Arc::clone(&plan.name),
            envelope,
            outbox,
            link: Arc::clone(&link),
            max_payload: wire.max_payload,
            counters: Arc::clone(&counters),
            echo,
        });
        let mut tasks = vec![tokio::spawn(pump.run())];
        let (standing_sender, standing) = watch::channel(if listens { Standing::Waiting } else { Standing::Complete });
        let mut dispatcher = None;
        if listens {
            let seen = Seen::new(plan.remembered_events);
            let dispatch = incoming::dispatch(
                Arc::clone(&gate),
                Arc::clone(&inbox),
                Arc::clone(&registry),
                Arc::clone(&counters),
                seen,
            );
            dispatcher = Some(tokio::spawn(dispatch));
            let topics = Topics { link: Arc::clone(&link), gate, sink, registry, standing: standing_sender };
            tasks.push(tokio::spawn(topics.run(wire.patterns)));
        }
        Self { name: plan.name, link, outlet, inbox, counters, standing, dispatch: dispatcher, tasks }
    }

    /// The network's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where events of this network go.
    pub(crate) fn route(&self) -> Arc<dyn Route> {
        Arc::clone(&self.outlet) as Arc<dyn Route>
    }

    /// Where the link stands, now and later.
    pub(crate) fn state(&self) -> watch::Receiver<LinkState> {
        self.link.state()
    }

    pub(crate) fn stats(&self) -> ConnectorStats {
        self.counters.snapshot(self.outlet.outbox.len())
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

    /// Sends what waits, if the link is up and takes it within the time, closes the link, and gives the hooks what has
    /// arrived. Returns how many events were left unsent.
    pub(crate) async fn close(mut self, within: Duration) -> u64 {
        let deadline = Instant::now() + within;
        self.outlet.outbox.close();
        if self.link.state().borrow().is_up() {
            let _ = tokio::time::timeout_at(deadline, self.outlet.outbox.settled()).await;
        }
        let left = self.outlet.outbox.len() as u64;
        self.link.close().await;
        self.inbox.close();
        if let Some(mut dispatch) = self.dispatch.take()
            && tokio::time::timeout_at(deadline, &mut dispatch).await.is_err()
        {
            dispatch.abort();
            tracing::warn!(connector = %self.name, events = self.inbox.len(), "stopped with received events unhandled");
        }
        left
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        self.tasks.iter().chain(&self.dispatch).for_each(JoinHandle::abort);
    }
}

/// Where a network's events leave: the part of a connector that callers reach.
struct Outlet {
    network: Arc<str>,
    envelope: Arc<Envelope>,
    outbox: Arc<ByteQueue<Outgoing>>,
    /// Asked whether its wire can carry an event, not handed it: the pump does that.
    link: Arc<dyn Link>,
    max_payload: Option<usize>,
    counters: Arc<Counters>,
    /// Where a wire does not bring back what this hive publishes on its own channel: the channel's prefix, and the inbox.
    echo: Option<(String, Arc<Inbox>)>,
}

impl Outlet {
    fn refused(&self, reason: impl ToString) -> RouteError {
        RouteError { network: self.network.to_string(), reason: reason.to_string() }
    }
}

impl Route for Outlet {
    fn publish(&self, event: &Event) -> Result<Sent, RouteError> {
        let payload = event.payload().as_bytes();
        if payload.trim_ascii_start().first() != Some(&b'{') {
            return Err(self.refused("the payload is not a JSON object, and only objects travel"));
        }
        let name = event.name();
        let payload =
            self.envelope.seal(name.as_str(), payload, event.metadata()).map_err(|error| self.refused(error))?;
        if let Some(largest) = self.max_payload.filter(|largest| payload.len() > *largest) {
            let size = payload.len();
            return Err(self.refused(format!("the sealed event has {size} bytes, the wire takes {largest}")));
        }
        let outgoing = Outgoing { topic: Topic::from(name), payload };
        self.link.check(&outgoing.topic, &outgoing.payload).map_err(|reason| self.refused(reason))?;
        if let Some((_, inbox)) = self.echo.as_ref().filter(|(prefix, _)| name.as_str().starts_with(prefix.as_str())) {
            inbox.deliver(Incoming { topic: outgoing.topic.clone(), payload: outgoing.payload.clone() });
        }
        let bytes = outgoing.bytes();
        match self.outbox.push(outgoing, bytes) {
            Pushed::Queued { dropped } => {
                if dropped > 0 {
                    Counters::add(&self.counters.outbox_dropped, dropped);
                    tracing::warn!(event = %name, dropped, "the outbox is full: the oldest events were dropped");
                }
                Ok(Sent::Queued)
            }
            Pushed::Full(_) => {
                Counters::add(&self.counters.outbox_dropped, 1);
                Err(self.refused("the outbox is full; see `outbox_bytes` and `outbox_overflow`"))
            }
            Pushed::Closed(_) => Err(self.refused("the hive is stopping")),
        }
    }
}
