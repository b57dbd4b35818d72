//! The link of hives in the hub's own process: no wire, the same contract.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eventhive_transport::{
    Capabilities, Delivery, Filter, Gap, Incoming, Link, LinkError, LinkState, Order, Overflow, Receipt, Refused,
    RefusedReason, Sink, Subscription, Topic,
};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, LocalSet, yield_now};

use crate::{
    Draft, Ended, Format, Hub, Message, Outbound, Outgoing, PublishRefused, Published, Session, SessionSettings,
    SubscribeError, Worker,
};

/// Requests that may wait for the link's thread; more callers wait.
const WAITING_REQUESTS: usize = 64;

/// A sink must not block; one that does for so long misses events rather than stop the hub, and is told of the gap.
const LONGEST_BLOCK: Duration = Duration::from_secs(60);

/// Events that one sink takes before the others, and the hub's worker, have their turn.
const BURST: usize = 64;

/// A link to a hub of this process. It has a thread of its own, on which its sinks are called; drop or
/// [`close`](Link::close) it to end that.
///
/// Payloads are bytes. Where a door took a JSON value in, a sink gets the text of a string, and any other value as JSON:
/// hives send each other strings, whatever the wire.
pub struct LocalLink {
    hub: Hub,
    requests: mpsc::Sender<Request>,
    receipts: mpsc::UnboundedSender<Waiting>,
    state: Arc<watch::Sender<LinkState>>,
}

/// A receipt to be settled, and for which message.
type Waiting = (oneshot::Sender<Result<Delivery, LinkError>>, Published);

enum Request {
    Subscribe { filter: Filter, sink: Arc<dyn Sink>, done: oneshot::Sender<Result<Subscription, LinkError>> },
    Cancel { subscription: u64, done: oneshot::Sender<()> },
    Close { done: oneshot::Sender<()> },
}

impl LocalLink {
    /// What the link can do.
    pub const CAPABILITIES: Capabilities = Capabilities::new()
        .with_patterns(true)
        .with_everything(true)
        .with_segments(true)
        .with_order(Order::Total)
        .with_binary(true)
        .with_hears_itself(true)
        .with_delivery_count(true);

    /// Starts a link.
    ///
    /// # Errors
    /// The operating system gives no thread or no event loop.
    pub fn new(hub: Hub) -> io::Result<Self> {
        let each =
            SessionSettings { overflow: Overflow::Block, longest_block: LONGEST_BLOCK, ..SessionSettings::default() };
        Self::start(hub, each)
    }

    /// Starts a link whose subscriptions are sessions with these settings.
    fn start(hub: Hub, each: SessionSettings) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let (requests, incoming) = mpsc::channel(WAITING_REQUESTS);
        // Bounded by the hub: each waits for one message in a worker's inbox.
        let (receipts, waiting) = mpsc::unbounded_channel();
        let state = Arc::new(watch::Sender::new(LinkState::Up));
        // Weak: a link that is dropped ends its thread, whoever still has a subscription.
        let (its_hub, its_state, its_requests) = (hub.clone(), Arc::clone(&state), requests.downgrade());
        std::thread::Builder::new().name("eventhive-local".to_owned()).spawn(move || {
            let all = LocalSet::new();
            all.spawn_local(settle(its_hub.clone(), waiting));
            all.spawn_local(tell_of_the_end(its_hub.clone(), its_state));
            let thread = Thread { hub: its_hub, each, requests: its_requests, subscriptions: HashMap::new(), last: 0 };
            all.block_on(&runtime, thread.run(incoming));
        })?;
        Ok(Self { hub, requests, receipts, state })
    }

    /// What to say of an accepted message: at once, or when a durable backlog has it and the hub has caught up, so that a
    /// publisher who waits for receipts keeps its pace.
    fn receipt(&self, published: Published) -> Receipt {
        if self.hub.is_ready() && !self.hub.is_durable() {
            return Receipt::known(Delivery::Counted(published.receivers));
        }
        let (sender, receipt) = Receipt::pending();
        // Without the link's thread nobody settles it, and it says that nothing is known.
        let _ = self.receipts.send((sender, published));
        receipt
    }

    fn is_closed(&self) -> bool {
        *self.state.borrow() == LinkState::Closed
    }
}

impl Link for LocalLink {
    fn publish(&self, topic: Topic, payload: Bytes) -> Result<Receipt, Refused> {
        if self.is_closed() {
            return Err(Refused { topic, payload, reason: RefusedReason::Closed });
        }
        // As it was given: the hub may have read in it that the event is private.
        let given = topic.clone();
        match self.hub.publish(Draft::bytes(topic, payload)) {
            Ok(published) => Ok(self.receipt(published)),
            Err(error) => {
                let reason = match error.reason {
                    PublishRefused::Closed => RefusedReason::Down,
                    PublishRefused::Busy => RefusedReason::Full,
                    other => RefusedReason::Unrepresentable(other.to_string()),
                };
                let (_, payload) = error.draft.into_parts();
                Err(Refused { topic: given, payload, reason })
            }
        }
    }

    fn subscribe(&self, filter: Filter, sink: Arc<dyn Sink>) -> BoxFuture<'_, Result<Subscription, LinkError>> {
        let asking = async move {
            let (done, answer) = oneshot::channel();
            let request = Request::Subscribe { filter, sink, done };
            self.requests.send(request).await.map_err(|_| LinkError::Closed)?;
            answer.await.map_err(|_| LinkError::Closed)?
        };
        asking.boxed()
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        let closing = async {
            self.state.send_replace(LinkState::Closed);
            let (done, answer) = oneshot::channel();
            if self.requests.send(Request::Close { done }).await.is_ok() {
                // Either way the thread has ended its subscriptions.
                let _ = answer.await;
            }
        };
        closing.boxed()
    }
}

async fn cancel(requests: mpsc::WeakSender<Request>, subscription: u64) {
    let Some(requests) = requests.upgrade() else { return };
    let (done, answer) = oneshot::channel();
    if requests.send(Request::Cancel { subscription, done }).await.is_ok() {
        let _ = answer.await;
    }
}

/// Settles receipts that wait for the hub to catch up, or for its backlog.
async fn settle(hub: Hub, mut waiting: mpsc::UnboundedReceiver<Waiting>) {
    while let Some((receipt, published)) = waiting.recv().await {
        let stored = if hub.is_durable() { hub.stored(published.cursor).await } else { Ok(()) };
        hub.ready().await;
        let delivery = stored.map(|()| Delivery::Counted(published.receivers));
        // Nobody may wait for it any more.
        let _ = receipt.send(delivery.map_err(|error| LinkError::Rejected(error.to_string())));
    }
}

/// Says that the hub closes, also to a link without a subscription.
async fn tell_of_the_end(hub: Hub, state: Arc<watch::Sender<LinkState>>) {
    hub.closing().await;
    state.send_if_modified(|state| {
        let open = *state != LinkState::Closed;
        if open {
            *state = LinkState::Down { reason: "the hub has closed".into(), gave_up: true };
        }
        open
    });
}

/// The link's thread.
struct Thread {
    hub: Hub,
    each: SessionSettings,
    requests: mpsc::WeakSender<Request>,
    subscriptions: HashMap<u64, JoinHandle<()>>,
    last: u64,
}

impl Thread {
    async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let worker = self.hub.worker();
        while let Some(request) = requests.recv().await {
            match request {
                Request::Subscribe { filter, sink, done } => {
                    // An asker that has gone, before or after this, drops the subscription unseen, and so ends it.
                    let _ = done.send(self.subscribe(&worker, filter, sink));
                }
                Request::Cancel { subscription, done } => {
                    self.cancel(subscription);
                    let _ = done.send(());
                }
                Request::Close { done } => {
                    requests.close();
                    self.subscriptions.drain().for_each(|(_, pump)| pump.abort());
                    let _ = done.send(());
                }
            }
        }
    }

    fn subscribe(&mut self, worker: &Worker, filter: Filter, sink: Arc<dyn Sink>) -> Result<Subscription, LinkError> {
        let feed = Feed::open(worker, &self.each, &filter).map_err(|error| LinkError::Rejected(error.to_string()))?;
        self.last += 1;
        let pump = tokio::task::spawn_local(pump(feed, worker.clone(), self.each.clone(), filter, sink));
        self.subscriptions.insert(self.last, pump);
        let (requests, subscription) = (self.requests.clone(), self.last);
        // Made on this thread, it is also ended here when its owner drops it outside a runtime.
        Ok(Subscription::new(move || cancel(requests, subscription).boxed()))
    }

    /// Sinks are called on this thread: once this is done, that of the subscription is not called again.
    fn cancel(&mut self, subscription: u64) {
        if let Some(pump) = self.subscriptions.remove(&subscription) {
            pump.abort();
        }
    }
}

/// A session with one subscription.
struct Feed {
    _session: Session,
    outgoing: Outgoing,
}

impl Feed {
    fn open(worker: &Worker, settings: &SessionSettings, filter: &Filter) -> Result<Self, SubscribeError> {
        let (session, outgoing) = worker.open(settings.clone());
        session.subscribe(filter.clone())?;
        Ok(Self { _session: session, outgoing })
    }
}

/// Hands a subscription's events to its sink, for as long as the hub is open.
async fn pump(mut feed: Feed, worker: Worker, each: SessionSettings, filter: Filter, sink: Arc<dyn Sink>) {
    loop {
        drain(&mut feed.outgoing, &*sink).await;
        if feed.outgoing.ended() != Some(Ended::SlowConsumer) {
            return;
        }
        tracing::warn!(hub = worker.hub().name(), ?filter, "a sink blocked: it missed events and is told so");
        // It fails only on a closing hub, of which the link tells.
        let Ok(again) = Feed::open(&worker, &each, &filter) else { return };
        feed = again;
        // How many is not known: some may have been published while there was no session.
        sink.gap(Gap { lost: None });
    }
}

async fn drain(outgoing: &mut Outgoing, sink: &dyn Sink) {
    let mut in_a_row = 0;
    while let Some(item) = outgoing.next().await {
        if let Outbound::Event { message, .. } = item {
            sink.deliver(Incoming { topic: message.topic().clone(), payload: content(&message) });
        }
        in_a_row = (in_a_row + 1) % BURST;
        if in_a_row == 0 {
            yield_now().await;
        }
    }
}

/// What a hive sees of a message: of a JSON string its text, of anything else the payload as it is.
fn content(message: &Message) -> Bytes {
    if message.format() == Format::Json
        && let Ok(text) = serde_json::from_slice::<String>(message.payload())
    {
        return text.into();
    }
    message.payload().clone()
}

#[cfg(test)]
mod tests;
