//! Where events of other doors wait for whom they are for.
//!
//! Each url has a lane, in which one event is under way and the others wait in order: what one publisher sends at another door
//! reaches a url in that order, and a slow url delays no other. A websocket has none while its own queue has room; once that is
//! crowded, it has a lane too, in which its events wait until there is room, as a publisher of this door would.
//!
//! All lanes together have a bound in bytes, and one lane an eighth of it. What does not fit is dropped by the policy, and
//! counted, and a websocket is told that it missed it; with [`Overflow::Block`] nothing is taken from the hub until there is
//! room, and the hub's publishers wait.

use std::collections::VecDeque;
use std::sync::Arc;

use eventhive_hub::Tracker;
use eventhive_transport::Overflow;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use hashbrown::{Equivalent, HashMap};

use super::{Broadcaster, Peer};
use crate::index::Target;
use crate::message::Message;

/// What a delivery is charged beside its message.
const ENTRY_BYTES: usize = 192;

/// Urls that are called at a time; while there are as many, nothing is taken from the hub.
const MOST_CALLS: usize = 4096;

pub(super) struct Lanes<'b> {
    broadcaster: &'b Arc<Broadcaster>,
    lanes: HashMap<Key, Lane>,
    under_way: FuturesUnordered<BoxFuture<'b, Key>>,
    /// How many of those are urls that are called.
    calls: usize,
    bytes: usize,
    most: usize,
    overflow: Overflow,
}

/// Whose lane it is.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Url(Box<str>),
    /// Where it is in memory, which is no other's while its lane has it.
    Peer(usize),
}

/// The same, for looking. It has the hash of a [`Key`].
#[derive(Hash)]
enum Sought<'a> {
    Url(&'a str),
    Peer(usize),
}

impl Equivalent<Key> for Sought<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        match (self, key) {
            (Self::Url(url), Key::Url(of)) => **of == **url,
            (Self::Peer(at), Key::Peer(of)) => at == of,
            _ => false,
        }
    }
}

impl From<&Sought<'_>> for Key {
    fn from(sought: &Sought<'_>) -> Self {
        match sought {
            Sought::Url(url) => Self::Url((*url).into()),
            Sought::Peer(at) => Self::Peer(*at),
        }
    }
}

/// What waits for somebody; one more is under way.
#[derive(Default)]
struct Lane {
    waiting: VecDeque<Delivery>,
    bytes: usize,
}

struct Delivery {
    to: To,
    message: Message,
    tracker: Option<Tracker>,
}

enum To {
    Url(Target),
    Peer(Arc<dyn Peer>),
}

impl Delivery {
    fn weight(&self) -> usize {
        // Events of a hub are in memory.
        let body = self.message.body.as_bytes().map_or(0, |body| body.len());
        ENTRY_BYTES + self.message.topic.len() + body
    }

    fn sought(&self) -> Sought<'_> {
        match &self.to {
            To::Url(target) => Sought::Url(&target.urls.receive),
            To::Peer(peer) => place(peer),
        }
    }

    /// It will not come.
    fn missed(&self, broadcaster: &Broadcaster) {
        match &self.to {
            To::Url(target) => broadcaster.deliver.give_up(target, &self.message),
            To::Peer(peer) => peer.missed(&self.message.topic),
        }
    }
}

/// What still waits when a broadcaster closes is not delivered, and its subscribers hear of it.
impl Drop for Lanes<'_> {
    fn drop(&mut self) {
        for delivery in self.lanes.values().flat_map(|lane| &lane.waiting) {
            self.broadcaster.counters.dropped.add(1);
            delivery.missed(self.broadcaster);
        }
    }
}

fn place(peer: &Arc<dyn Peer>) -> Sought<'static> {
    Sought::Peer(Arc::as_ptr(peer).cast::<()>().addr())
}

impl<'b> Lanes<'b> {
    pub(super) fn new(broadcaster: &'b Arc<Broadcaster>, most: usize, overflow: Overflow) -> Self {
        let (lanes, under_way) = (HashMap::new(), FuturesUnordered::new());
        Self { broadcaster, lanes, under_way, calls: 0, bytes: 0, most, overflow }
    }

    /// Whether more may be taken from the hub.
    pub(super) fn have_room(&self) -> bool {
        self.calls < MOST_CALLS && (self.overflow != Overflow::Block || self.bytes < self.most)
    }

    pub(super) fn are_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Sends a message to a url, or lets it wait for those before it.
    pub(super) fn call(&mut self, target: Target, message: Message, tracker: Option<Tracker>) {
        let delivery = Delivery { to: To::Url(target), message, tracker };
        if self.lanes.contains_key(&delivery.sought()) {
            self.join(delivery);
            return;
        }
        let key = || Key::from(&delivery.sought());
        let (key, own) = (key(), key());
        self.lanes.insert(own, Lane::default());
        self.send(key, delivery);
    }

    /// Gives a message to a websocket, or lets it wait until that has room.
    pub(super) fn give(&mut self, peer: Arc<dyn Peer>, message: &Message, tracker: Option<&Tracker>) {
        let sought = place(&peer);
        if self.lanes.contains_key(&sought) {
            self.join(Delivery { to: To::Peer(peer), message: message.clone(), tracker: tracker.cloned() });
            return;
        }
        self.broadcaster.give(&peer, message, tracker);
        if peer.room().is_some() {
            self.lanes.insert(Key::from(&sought), Lane::default());
            self.under_way.push(Box::pin(has_room(Key::from(&sought), peer)));
        }
    }

    /// Resolves when something is done, and has begun the next of its lane.
    pub(super) async fn step(&mut self) {
        let Some(key) = self.under_way.next().await else { return };
        self.calls -= usize::from(matches!(key, Key::Url(_)));
        let next = self.lanes.get_mut(&key).and_then(Lane::pop);
        match next {
            Some(delivery) => {
                self.bytes -= delivery.weight();
                self.send(key, delivery);
            }
            None => drop(self.lanes.remove(&key)),
        }
    }

    fn send(&mut self, key: Key, delivery: Delivery) {
        let broadcaster = self.broadcaster;
        let Delivery { to, message, tracker } = delivery;
        match to {
            To::Url(target) => {
                self.calls += 1;
                self.under_way.push(Box::pin(async move {
                    let delivered = broadcaster.to_url(&target, &message).await;
                    if let Some(tracker) = tracker {
                        tracker.confirm(delivered.count.into());
                    }
                    key
                }));
            }
            To::Peer(peer) => {
                broadcaster.give(&peer, &message, tracker.as_ref());
                self.under_way.push(Box::pin(has_room(key, peer)));
            }
        }
    }

    /// Lets it wait in its lane, if there is room.
    fn join(&mut self, delivery: Delivery) {
        if !self.make_room(&delivery) {
            self.broadcaster.counters.dropped.add(1);
            delivery.missed(self.broadcaster);
            return;
        }
        let weight = delivery.weight();
        if let Some(lane) = self.lanes.get_mut(&delivery.sought()) {
            self.bytes += weight;
            lane.bytes += weight;
            lane.waiting.push_back(delivery);
        }
    }

    /// Whether there is room for a delivery, perhaps because others were dropped.
    fn make_room(&mut self, delivery: &Delivery) -> bool {
        if self.overflow == Overflow::Block {
            return true;
        }
        let (weight, most_each) = (delivery.weight(), self.most / 8);
        let Some(lane) = self.lanes.get_mut(&delivery.sought()) else { return false };
        let fits = |lane: &Lane, bytes: usize| lane.bytes + weight <= most_each && bytes + weight <= self.most;
        while !fits(lane, self.bytes) {
            let oldest = if self.overflow == Overflow::DropOldest { lane.pop() } else { None };
            let Some(oldest) = oldest else { return false };
            self.bytes -= oldest.weight();
            self.broadcaster.counters.dropped.add(1);
            oldest.missed(self.broadcaster);
        }
        true
    }
}

/// Resolves when a websocket has room, or has been waited for long enough.
async fn has_room(key: Key, peer: Arc<dyn Peer>) -> Key {
    if let Some(room) = peer.room() {
        room.await;
    }
    key
}

impl Lane {
    fn pop(&mut self) -> Option<Delivery> {
        let delivery = self.waiting.pop_front()?;
        self.bytes -= delivery.weight();
        Some(delivery)
    }
}
