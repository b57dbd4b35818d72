//! The reference: a bus in memory, and the ways in which it can be broken.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use eventhive_conformance::Fixture;
use eventhive_transport::{
    Capabilities, Delivery, Filter, Incoming, Link, LinkError, LinkState, Order, Receipt, Refused, RefusedReason, Sink,
    Subscription, Topic,
};
use futures_util::future::BoxFuture;
use tokio::sync::watch;

/// What is wrong with a bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    AltersPayloads,
    AnySegmentSuffices,
    BringsBackAllButOwn,
    CallsItUpAfterClosing,
    CannotSubscribeAgain,
    CannotSubscribeTwice,
    CloseHangsTheSecondTime,
    ClosesEveryLink,
    DeliversAfterClosing,
    DeliversAfterDropping,
    DeliversAfterUnsubscribing,
    DeliversByTheFiltersName,
    DeliversToAllOfALinkOnce,
    Drops,
    Duplicates,
    EndsAllSubscriptionsToATopic,
    GlobStopsAtSlash,
    IgnoresUnsupported,
    KeepsBytesOfText,
    KeepsOld,
    LeaksToPrefixes,
    LosesEmpty,
    LosesLastUnlessMore,
    LosesLong,
    MiscountsReceivers,
    NeverSettles,
    NeverUp,
    OrdersDifferPerSubscriber,
    PublishesAfterClosing,
    RefusesNobody,
    SubscribesAfterClosing,
    TakesTooLarge,
    TopicsAreTrimmed,
    TopicsFoldedToText,
    TopicsLoseControls,
}

pub(crate) const LARGEST: usize = 2 << 20;

pub(crate) struct Bus(Arc<Shared>);

struct Shared {
    flaw: Flaw,
    capabilities: Capabilities,
    subscribers: Mutex<Vec<Subscriber>>,
    /// The last message, held back by flaws that reorder or forget.
    held: Mutex<Option<Incoming>>,
    old: Mutex<Vec<Incoming>>,
    ended: Mutex<Vec<Filter>>,
    links: Mutex<Vec<watch::Sender<LinkState>>>,
    counter: AtomicU64,
}

struct Subscriber {
    id: u64,
    link: u64,
    filter: Filter,
    sink: Arc<dyn Sink>,
}

const EVERYTHING: Capabilities = Capabilities::new()
    .with_patterns(true)
    .with_everything(true)
    .with_segments(true)
    .with_order(Order::Total)
    .with_binary(true)
    .with_max_payload(Some(LARGEST))
    .with_hears_itself(true)
    .with_delivery_count(true);

const LITTLE: Capabilities = Capabilities::new().with_order(Order::PerPublisher);

impl Bus {
    pub(crate) async fn sound() -> Self {
        Self::with(EVERYTHING, Flaw::None)
    }

    pub(crate) async fn plain() -> Self {
        Self::with(LITTLE, Flaw::None)
    }

    pub(crate) fn flawed(flaw: Flaw) -> Self {
        Self::with(EVERYTHING, flaw)
    }

    pub(crate) fn plain_flawed(flaw: Flaw) -> Self {
        Self::with(LITTLE, flaw)
    }

    fn with(capabilities: Capabilities, flaw: Flaw) -> Self {
        Self(Arc::new(Shared {
            flaw,
            capabilities,
            subscribers: Mutex::default(),
            held: Mutex::default(),
            old: Mutex::default(),
            ended: Mutex::default(),
            links: Mutex::default(),
            counter: AtomicU64::new(0),
        }))
    }
}

impl Fixture for Bus {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities
    }

    fn link(&self) -> BoxFuture<'_, Arc<dyn Link>> {
        let state = if self.0.flaw == Flaw::NeverUp { LinkState::Connecting } else { LinkState::Up };
        let state = watch::Sender::new(state);
        self.0.links.lock().unwrap().push(state.clone());
        let link = MemoryLink { bus: Arc::clone(&self.0), id: self.0.next(), state, closes: AtomicU64::new(0) };
        Box::pin(async { Arc::new(link) as Arc<dyn Link> })
    }

    fn patience(&self) -> Duration {
        // A flawed bus is one whose waits run out; on a sound one they end at once.
        Duration::from_millis(if self.0.flaw == Flaw::None { 30_000 } else { 400 })
    }
}

impl Shared {
    fn next(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }

    fn spread(&self, from: u64, message: Incoming) -> u64 {
        let subscribers = self.subscribers.lock().unwrap();
        if self.flaw == Flaw::OrdersDifferPerSubscriber && subscribers.len() > 1 {
            return self.spread_in_two_orders(&subscribers, &message);
        }
        let mut served: Vec<u64> = Vec::new();
        for subscriber in subscribers.iter() {
            if !self.wants(subscriber, &message.topic) || !self.hears(subscriber.link == from) {
                continue;
            }
            if self.flaw == Flaw::DeliversToAllOfALinkOnce && served.contains(&subscriber.link) {
                continue;
            }
            served.push(subscriber.link);
            let mut message = message.clone();
            if let (Flaw::DeliversByTheFiltersName, Filter::Glob(glob)) = (self.flaw, &subscriber.filter) {
                message.topic = glob.as_str().into();
            }
            if let (Flaw::DeliversByTheFiltersName, Filter::All) = (self.flaw, &subscriber.filter) {
                message.topic = "*".into();
            }
            subscriber.sink.deliver(message);
        }
        served.len() as u64
    }

    /// The first subscriber gets each pair of messages the other way round.
    fn spread_in_two_orders(&self, subscribers: &[Subscriber], message: &Incoming) -> u64 {
        let Some(first) = subscribers.iter().position(|subscriber| self.wants(subscriber, &message.topic)) else {
            return 0;
        };
        let wanting = subscribers.iter().filter(|subscriber| self.wants(subscriber, &message.topic));
        for other in wanting.clone().skip(1) {
            other.sink.deliver(message.clone());
        }
        let mut held = self.held.lock().unwrap();
        if let Some(before) = held.take() {
            subscribers[first].sink.deliver(message.clone());
            subscribers[first].sink.deliver(before);
        } else {
            *held = Some(message.clone());
        }
        wanting.count() as u64
    }

    fn wants(&self, subscriber: &Subscriber, topic: &Topic) -> bool {
        match (self.flaw, &subscriber.filter) {
            (Flaw::LeaksToPrefixes, Filter::Exact(wanted)) => topic.as_bytes().starts_with(wanted.as_bytes()),
            (Flaw::TopicsAreTrimmed, Filter::Exact(wanted)) => {
                wanted.as_bytes().trim_ascii() == topic.as_bytes().trim_ascii()
            }
            (Flaw::AnySegmentSuffices, Filter::Segments(sets)) => sets.iter().flatten().any(|segment| {
                topic.as_bytes().split(|byte| *byte == b'/').skip(1).any(|found| found == segment.as_bytes())
            }),
            (Flaw::GlobStopsAtSlash, Filter::Glob(glob)) => {
                let slashes = |text: &str| text.matches('/').count();
                topic.as_str().is_some_and(|text| glob.matches(text) && slashes(text) == slashes(glob.as_str()))
            }
            (_, filter) => filter.matches(topic),
        }
    }

    fn hears(&self, own: bool) -> bool {
        match self.flaw {
            Flaw::BringsBackAllButOwn => own != self.capabilities.hears_itself,
            _ => !own || self.capabilities.hears_itself,
        }
    }

    /// What becomes of a message that was accepted; the receivers it had.
    fn accept(&self, from: u64, mut message: Incoming) -> u64 {
        let number = self.next();
        match self.flaw {
            Flaw::AltersPayloads => message.payload = Bytes::from([&message.payload[..], b" "].concat()),
            Flaw::KeepsBytesOfText => {
                message.payload = Bytes::from(String::from_utf8_lossy(&message.payload).replace('\u{0}', ""));
            }
            Flaw::TopicsFoldedToText => message.topic = message.topic.to_string().into(),
            Flaw::TopicsLoseControls => {
                message.topic = message.topic.to_string().replace(char::is_control, "").into();
            }
            Flaw::LosesEmpty if message.payload.is_empty() => return 0,
            Flaw::LosesLong if message.payload.len() >= 1 << 20 => return 0,
            Flaw::Drops if number % 17 == 16 => return 0,
            Flaw::Duplicates if number % 17 == 16 => drop(self.spread(from, message.clone())),
            Flaw::LosesLastUnlessMore => {
                let before = self.held.lock().unwrap().replace(message);
                return before.map_or(0, |before| self.spread(from, before));
            }
            Flaw::KeepsOld => self.old.lock().unwrap().push(message.clone()),
            _ => {}
        }
        self.spread(from, message)
    }
}

struct MemoryLink {
    bus: Arc<Shared>,
    id: u64,
    state: watch::Sender<LinkState>,
    closes: AtomicU64,
}

impl MemoryLink {
    fn is_closed(&self) -> bool {
        *self.state.borrow() == LinkState::Closed || self.closes.load(Ordering::Relaxed) > 0
    }

    fn reason_against(&self, topic: &Topic, payload: &Bytes) -> Option<RefusedReason> {
        let (flaw, capabilities) = (self.bus.flaw, &self.bus.capabilities);
        if self.is_closed() {
            return (flaw != Flaw::PublishesAfterClosing).then_some(RefusedReason::Closed);
        }
        if capabilities.max_payload.is_some_and(|most| payload.len() > most) && flaw != Flaw::TakesTooLarge {
            return Some(RefusedReason::TooLarge { size: payload.len(), largest: LARGEST });
        }
        let no_text = std::str::from_utf8(payload).is_err() || topic.as_str().is_none();
        if !capabilities.binary && no_text && flaw != Flaw::RefusesNobody {
            return Some(RefusedReason::Unrepresentable("only text".into()));
        }
        None
    }
}

impl Link for MemoryLink {
    fn publish(&self, topic: Topic, payload: Bytes) -> Result<Receipt, Refused> {
        if let Some(reason) = self.reason_against(&topic, &payload) {
            return Err(Refused { topic, payload, reason });
        }
        let mut receivers = self.bus.accept(self.id, Incoming { topic, payload });
        if self.bus.flaw == Flaw::NeverSettles {
            let (sender, receipt) = Receipt::pending();
            std::mem::forget(sender);
            return Ok(receipt);
        }
        if self.bus.flaw == Flaw::MiscountsReceivers {
            receivers += 1;
        }
        let counts = self.bus.capabilities.delivery_count;
        Ok(Receipt::known(if counts { Delivery::Counted(receivers) } else { Delivery::Accepted }))
    }

    fn subscribe(&self, filter: Filter, sink: Arc<dyn Sink>) -> BoxFuture<'_, Result<Subscription, LinkError>> {
        Box::pin(async move {
            let (flaw, capabilities) = (self.bus.flaw, &self.bus.capabilities);
            if self.is_closed() && flaw != Flaw::SubscribesAfterClosing {
                return Err(LinkError::Closed);
            }
            let supported = match &filter {
                Filter::All => capabilities.everything,
                Filter::Exact(_) => true,
                Filter::Segments(_) => capabilities.segments,
                _ => capabilities.patterns,
            };
            if !supported && flaw != Flaw::IgnoresUnsupported {
                return Err(LinkError::Unsupported("subscribe exact topics".into()));
            }
            for old in self.bus.old.lock().unwrap().iter().filter(|old| filter.matches(&old.topic)) {
                sink.deliver(old.clone());
            }
            let id = self.bus.next();
            let mut subscribers = self.bus.subscribers.lock().unwrap();
            if flaw == Flaw::CannotSubscribeTwice {
                subscribers.retain(|subscriber| subscriber.link != self.id || subscriber.filter != filter);
            }
            let again = self.bus.ended.lock().unwrap().contains(&filter);
            if flaw == Flaw::CannotSubscribeAgain && again {
                return Ok(Subscription::new(|| Box::pin(async {})));
            }
            subscribers.push(Subscriber { id, link: self.id, filter: filter.clone(), sink });
            let bus = Arc::clone(&self.bus);
            if flaw == Flaw::DeliversAfterDropping {
                return Ok(Subscription::new(|| Box::pin(async {})));
            }
            Ok(Subscription::new(move || Box::pin(async move { unsubscribe(&bus, id, &filter) })))
        })
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let flaw = self.bus.flaw;
            if self.closes.fetch_add(1, Ordering::Relaxed) > 0 && flaw == Flaw::CloseHangsTheSecondTime {
                std::future::pending::<()>().await;
            }
            let all = flaw == Flaw::ClosesEveryLink;
            if flaw != Flaw::DeliversAfterClosing {
                self.bus.subscribers.lock().unwrap().retain(|subscriber| subscriber.link != self.id && !all);
            }
            if flaw != Flaw::CallsItUpAfterClosing {
                self.state.send_replace(LinkState::Closed);
            }
        })
    }
}

fn unsubscribe(bus: &Shared, id: u64, filter: &Filter) {
    bus.ended.lock().unwrap().push(filter.clone());
    let mut subscribers = bus.subscribers.lock().unwrap();
    match bus.flaw {
        Flaw::DeliversAfterUnsubscribing => {}
        Flaw::EndsAllSubscriptionsToATopic => subscribers.retain(|subscriber| subscriber.filter != *filter),
        _ => subscribers.retain(|subscriber| subscriber.id != id),
    }
}
