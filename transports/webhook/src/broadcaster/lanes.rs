//! Where events of other doors wait for whom they are for.
//!
//! Each url has a lane, in which one event is under way and the others wait in order: what one publisher sends at another door
//! reaches a url in that order, and a slow url delays no other. A websocket has none while its own queue has room; once that is
//! crowded, it has a lane too, in which its events wait until there is room, as a publisher of this door would. One that has
//! ended its subscription meanwhile gets nothing more of it.
//!
//! All lanes together have a bound in bytes, and one lane an eighth of it. What does not fit is dropped by the policy: of one
//! lane that is full the oldest or newest, and where all together have too much, the oldest of the fullest. Each drop is
//! counted, and whom it was for is told that it was missed. With [`Overflow::Block`] nothing is taken from the hub until there
//! is room, and the hub's publishers wait; but what waits for a url that takes too long for one event is dropped, and nothing
//! of others.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use eventhive_hub::Tracker;
use eventhive_transport::Overflow;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use hashbrown::{Equivalent, HashMap};
use slab::Slab;
use tokio::time::Instant;

use super::losses::Losses;
use super::{Broadcaster, Peer};
use crate::delivery::GivenUp;
use crate::index::Target;
use crate::message::Message;

/// What a delivery is charged beside its message.
pub(super) const ENTRY_BYTES: usize = 192;

/// What one lane may have: this part of all, as a divisor.
pub(super) const SHARE: usize = 8;

/// Urls that are called at a time; others wait for their turn.
const MOST_CALLS: usize = 4096;

pub(super) struct Lanes<'b> {
    broadcaster: &'b Arc<Broadcaster>,
    lanes: Slab<Lane>,
    places: HashMap<Key, usize>,
    /// Lanes in which something waits, with its bytes before the lane's place.
    by_bytes: BTreeSet<(usize, usize)>,
    /// Each resolves to the place of its lane.
    under_way: FuturesUnordered<BoxFuture<'b, usize>>,
    /// How many of those are urls that are called.
    calls: usize,
    /// Lanes of urls that are to be called as soon as fewer are.
    turns: VecDeque<usize>,
    bytes: usize,
    most: usize,
    overflow: Overflow,
    losses: Losses,
}

/// Whose lane it is.
#[derive(Clone, PartialEq, Eq, Hash)]
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

/// What waits for somebody; one more is under way, or its turn is to come.
struct Lane {
    key: Key,
    waiting: VecDeque<Delivery>,
    bytes: usize,
    /// When it last went on.
    since: Instant,
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

    /// It will not come.
    fn missed(&self, broadcaster: &Broadcaster, why: GivenUp) {
        broadcaster.counters.dropped.add(1);
        match &self.to {
            To::Url(target) => broadcaster.deliver.give_up(target, &self.message, why),
            To::Peer(peer) => peer.missed(&self.message.topic),
        }
    }
}

fn place_of(peer: &Arc<dyn Peer>) -> usize {
    Arc::as_ptr(peer).cast::<()>().addr()
}

impl<'b> Lanes<'b> {
    pub(super) fn new(broadcaster: &'b Arc<Broadcaster>, most: usize, overflow: Overflow) -> Self {
        Self {
            broadcaster,
            lanes: Slab::new(),
            places: HashMap::new(),
            by_bytes: BTreeSet::new(),
            under_way: FuturesUnordered::new(),
            calls: 0,
            turns: VecDeque::new(),
            bytes: 0,
            most,
            overflow,
            losses: Losses::new("events of other doors were dropped: urls or websockets are too slow for them"),
        }
    }

    /// Whether more may be taken from the hub.
    pub(super) fn have_room(&self) -> bool {
        self.overflow != Overflow::Block || self.bytes < self.most
    }

    /// Sends a message to a url, or lets it wait for those before it.
    pub(super) fn call(&mut self, target: Target, message: Message, tracker: Option<Tracker>) {
        let sought = Sought::Url(&target.urls.receive);
        if let Some(place) = self.places.get(&sought).copied() {
            self.join(place, Delivery { to: To::Url(target), message, tracker });
            return;
        }
        let place = self.open(Key::from(&sought));
        let delivery = Delivery { to: To::Url(target), message, tracker };
        if self.calls < MOST_CALLS {
            self.send(place, delivery);
        } else {
            self.join(place, delivery);
            self.turns.push_back(place);
        }
    }

    /// Gives a message to a websocket, or lets it wait until that has room.
    pub(super) fn give(&mut self, peer: Arc<dyn Peer>, message: &Message, tracker: Option<&Tracker>) {
        let sought = Sought::Peer(place_of(&peer));
        if let Some(place) = self.places.get(&sought).copied() {
            self.join(place, Delivery { to: To::Peer(peer), message: message.clone(), tracker: tracker.cloned() });
            return;
        }
        self.broadcaster.give(&peer, message, tracker);
        if peer.room().is_some() {
            let place = self.open(Key::from(&sought));
            self.under_way.push(Box::pin(has_room(place, peer)));
        }
    }

    /// Resolves when something is done: to the place for which [`go_on`](Self::go_on) is to be called. `None` if nothing is
    /// under way; then nothing waits, either.
    pub(super) async fn done(&mut self) -> Option<usize> {
        self.under_way.next().await
    }

    /// Begins the next of a lane in which one is done.
    pub(super) fn go_on(&mut self, place: usize) {
        self.losses.look();
        let Some(lane) = self.lanes.get_mut(place) else { return };
        lane.since = Instant::now();
        match lane.key {
            Key::Url(_) => {
                self.calls -= 1;
                // Behind those that wait for their turn.
                self.turns.push_back(place);
                self.take_turns();
            }
            Key::Peer(_) => self.go_on_with_peer(place),
        }
    }

    /// When a lane in which something waits has not gone on for so long.
    pub(super) fn late_at(&self, patience: Duration) -> Option<Instant> {
        let lanes = self.by_bytes.iter().filter_map(|(_, place)| self.lanes.get(*place));
        lanes.map(|lane| lane.since).min().map(|since| since + patience)
    }

    /// Drops the oldest of lanes that have not gone on for so long, of the fullest first, until half of the room is free.
    pub(super) fn relieve(&mut self, patience: Duration) {
        let is_late = |place: &usize| self.lanes.get(*place).is_some_and(|lane| lane.since.elapsed() >= patience);
        let late: Vec<usize> = self.by_bytes.iter().rev().map(|(_, place)| *place).filter(is_late).collect();
        for place in late {
            while self.bytes > self.most / 2 && self.drop_oldest(place) {}
        }
    }

    /// Counts a message that never came into a lane, and tells all whom it was for.
    pub(super) fn give_up(&self, targets: Vec<Target>, peers: Vec<Arc<dyn Peer>>, message: &Message) {
        let to = targets.into_iter().map(To::Url).chain(peers.into_iter().map(To::Peer));
        for to in to {
            Delivery { to, message: message.clone(), tracker: None }.missed(self.broadcaster, GivenUp::Stopped);
        }
    }

    fn open(&mut self, key: Key) -> usize {
        let (waiting, since) = (VecDeque::new(), Instant::now());
        let place = self.lanes.insert(Lane { key: key.clone(), waiting, bytes: 0, since });
        self.places.insert(key, place);
        place
    }

    fn close(&mut self, place: usize) {
        if let Some(lane) = self.lanes.try_remove(place) {
            self.places.remove(&lane.key);
        }
    }

    fn take_turns(&mut self) {
        while self.calls < MOST_CALLS
            && let Some(place) = self.turns.pop_front()
        {
            match self.pop(place) {
                Some(delivery) => self.send(place, delivery),
                None => self.close(place),
            }
        }
    }

    fn go_on_with_peer(&mut self, place: usize) {
        while let Some(delivery) = self.pop(place) {
            if self.is_wanted(&delivery) {
                return self.send(place, delivery);
            }
        }
        self.close(place);
    }

    /// Whether a websocket still wants what it waited for.
    fn is_wanted(&self, Delivery { to, message, .. }: &Delivery) -> bool {
        let To::Peer(peer) = to else { return true };
        self.broadcaster.index.peers(&message.topic).iter().any(|wants| place_of(wants) == place_of(peer))
    }

    fn send(&mut self, place: usize, delivery: Delivery) {
        let broadcaster = self.broadcaster;
        match &delivery.to {
            To::Url(_) => {
                self.calls += 1;
                self.under_way.push(Box::pin(call(broadcaster, place, delivery)));
            }
            To::Peer(peer) => {
                broadcaster.give(peer, &delivery.message, delivery.tracker.as_ref());
                self.under_way.push(Box::pin(has_room(place, Arc::clone(peer))));
            }
        }
    }

    /// Lets it wait in its lane, if there is room.
    fn join(&mut self, place: usize, delivery: Delivery) {
        let weight = delivery.weight();
        if !self.make_room(place, weight) {
            self.lose(&delivery);
        } else if let Some(lane) = self.lanes.get_mut(place) {
            lane.waiting.push_back(delivery);
            let was = lane.bytes;
            lane.bytes += weight;
            self.weigh(place, was, was + weight);
        }
    }

    /// Whether there is room for a delivery, perhaps because others were dropped.
    fn make_room(&mut self, place: usize, weight: usize) -> bool {
        if self.overflow == Overflow::Block {
            return true;
        }
        let most_each = self.most / SHARE;
        // Before anything is dropped for it.
        if weight > most_each {
            return false;
        }
        let its = |lanes: &Self| lanes.lanes.get(place).map_or(0, |lane| lane.bytes);
        if self.overflow != Overflow::DropOldest {
            return its(self) + weight <= most_each && self.bytes + weight <= self.most;
        }
        while its(self) + weight > most_each && self.drop_oldest(place) {}
        self.drop_until(self.most - weight);
        true
    }

    fn drop_until(&mut self, most: usize) {
        while self.bytes > most
            && let Some((_, fullest)) = self.by_bytes.last().copied()
            && self.drop_oldest(fullest)
        {}
    }

    /// Whether there was one.
    fn drop_oldest(&mut self, place: usize) -> bool {
        let oldest = self.pop(place);
        oldest.iter().for_each(|oldest| self.lose(oldest));
        oldest.is_some()
    }

    fn lose(&mut self, delivery: &Delivery) {
        delivery.missed(self.broadcaster, GivenUp::Crowded);
        self.losses.add(1);
    }

    fn pop(&mut self, place: usize) -> Option<Delivery> {
        let lane = self.lanes.get_mut(place)?;
        let delivery = lane.waiting.pop_front()?;
        let was = lane.bytes;
        lane.bytes -= delivery.weight();
        let is = lane.bytes;
        self.weigh(place, was, is);
        Some(delivery)
    }

    /// What waits in a lane has changed.
    fn weigh(&mut self, place: usize, was: usize, is: usize) {
        self.bytes = self.bytes - was + is;
        self.by_bytes.remove(&(was, place));
        if is > 0 {
            self.by_bytes.insert((is, place));
        }
    }
}

/// What still waits when a broadcaster closes is not delivered, and its subscribers hear of it.
impl Drop for Lanes<'_> {
    fn drop(&mut self) {
        for (_, lane) in &self.lanes {
            lane.waiting.iter().for_each(|delivery| delivery.missed(self.broadcaster, GivenUp::Stopped));
        }
    }
}

/// A call that is under way. Its subscriber hears of it if it is dropped before it is known what became of it.
struct Call<'b> {
    broadcaster: &'b Broadcaster,
    delivery: Delivery,
    is_over: bool,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.delivery.missed(self.broadcaster, GivenUp::Stopped);
        }
    }
}

async fn call(broadcaster: &Arc<Broadcaster>, place: usize, delivery: Delivery) -> usize {
    let mut call = Call { broadcaster, delivery, is_over: false };
    if let To::Url(target) = &call.delivery.to {
        let delivered = broadcaster.to_url(target, &call.delivery.message).await;
        if let Some(tracker) = &call.delivery.tracker {
            tracker.confirm(delivered.count.into());
        }
    }
    call.is_over = true;
    place
}

/// Resolves when a websocket has room, or has been waited for long enough.
async fn has_room(place: usize, peer: Arc<dyn Peer>) -> usize {
    if let Some(room) = peer.room() {
        room.await;
    }
    place
}
