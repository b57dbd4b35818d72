//! Where events of other doors wait for whom they are for.
//!
//! Each url has a lane, in which one event is under way and the others wait in order: what one publisher sends at another door
//! reaches a url in that order, and a slow url delays no other. A websocket has none while its own queue has room; once that is
//! crowded, it has a lane too, in which its events wait until there is room, as a publisher of this door would. One that has
//! ended its subscription meanwhile gets nothing more of it.
//!
//! All lanes together have a bound in bytes, and one lane an eighth of it. Lanes share an event's bytes, so all together are
//! charged for them once, but each lane for itself: one that stands still would else keep thousands of large events. What does
//! not fit is dropped by the policy: of one lane that is full the oldest or newest, and where all together have too much, the
//! oldest of the fullest. Each drop is counted, and whom it was for is told that it was missed. With [`Overflow::Block`]
//! nothing is taken from the hub until there is room, and the hub's publishers wait; but what waits for a url that takes too
//! long for one event is dropped, and nothing of others.
//!
//! So many urls are called at a time. What comes first for another is no sign that it is slow: it waits for its turn, and is
//! not dropped for what comes later.

use std::cell::Cell;
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use eventhive_hub::Tracker;
use eventhive_transport::Overflow;
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use hashbrown::{Equivalent, HashMap};
use slab::Slab;
use tokio::time::Instant;

use super::losses::Losses;
use super::{Broadcaster, Peer};
use crate::delivery::GivenUp;
use crate::index::{PeerKey, Target};
use crate::message::Message;

/// What a delivery is charged beside its message.
pub(super) const ENTRY_BYTES: usize = 192;

/// What one lane may have: this part of all, as a divisor. So seven urls that stand still leave room for all others, and one
/// has room for 2 MiB by default.
pub(super) const SHARE: usize = 8;

/// Urls that are called at a time; others wait for their turn. Four times what is requested at a time by default, so
/// that those of a host that is slow leave requests for others.
const MOST_CALLS: usize = 4096;

pub(super) struct Lanes<'b> {
    broadcaster: &'b Arc<Broadcaster>,
    lanes: Slab<Lane>,
    places: HashMap<Key, usize>,
    /// Lanes in which something waits, with its bytes before the lane's place.
    by_bytes: BTreeSet<(usize, usize)>,
    /// Each resolves to the place of its lane.
    under_way: FuturesUnordered<LocalBoxFuture<'b, usize>>,
    /// How many of those are urls that are called.
    calls: usize,
    /// Lanes of urls that are to be called as soon as fewer are.
    turns: VecDeque<usize>,
    /// What waits, with each event's own bytes once.
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
    /// What it was opened for, until its turn comes.
    first: Option<Delivery>,
    waiting: VecDeque<Delivery>,
    /// What waits, with all bytes of each event.
    bytes: usize,
    /// Since when one is under way.
    since: Option<Instant>,
}

struct Delivery {
    to: To,
    event: Rc<Event>,
}

pub(super) enum To {
    Url(Target),
    Peer(PeerKey, Arc<dyn Peer>),
}

/// An event, which all deliveries of it share.
pub(super) struct Event {
    message: Message,
    tracker: Option<Tracker>,
    /// In how many lanes it waits.
    waiting: Cell<usize>,
}

impl Event {
    pub(super) fn new(message: Message, tracker: Option<Tracker>) -> Rc<Self> {
        Rc::new(Self { message, tracker, waiting: Cell::new(0) })
    }

    /// What a lane is charged for it.
    fn weight(&self) -> usize {
        // Events of a hub are in memory.
        let body = self.message.body.as_bytes().map_or(0, |body| body.len());
        ENTRY_BYTES + self.message.topic.len() + body
    }

    /// What all lanes together are charged for one more delivery.
    fn cost(&self) -> usize {
        if self.waiting.get() == 0 { self.weight() } else { ENTRY_BYTES }
    }

    /// One more waits, at this cost.
    fn enter(&self) -> usize {
        let cost = self.cost();
        self.waiting.update(|waiting| waiting + 1);
        cost
    }

    /// One waits no more. That cost so much.
    fn leave(&self) -> usize {
        self.waiting.update(|waiting| waiting - 1);
        self.cost()
    }
}

impl Delivery {
    /// It will not come.
    fn missed(&self, broadcaster: &Broadcaster, why: GivenUp) {
        broadcaster.counters.dropped.add(1);
        match &self.to {
            To::Url(target) => broadcaster.deliver.give_up(target, &self.event.message, why),
            To::Peer(_, peer) => peer.missed(&self.event.message.topic),
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
            losses: Losses::new(
                "events of other doors were dropped: `hub_queue_bytes` has no more room for urls or websockets that are too slow",
            ),
        }
    }

    /// Whether more may be taken from the hub. Whatever the bound, one is taken when none waits.
    pub(super) fn have_room(&self) -> bool {
        self.overflow != Overflow::Block || self.bytes == 0 || self.bytes < self.most
    }

    /// Delivers an event to somebody, or lets it wait for those before it.
    pub(super) fn hand(&mut self, to: To, event: &Rc<Event>) {
        let sought = match &to {
            To::Url(target) => Sought::Url(&target.urls.receive),
            To::Peer(_, peer) => Sought::Peer(place_of(peer)),
        };
        if let Some(place) = self.places.get(&sought).copied() {
            return self.join(place, Delivery { to, event: Rc::clone(event) });
        }
        let key = Key::from(&sought);
        match to {
            To::Url(_) => self.call(key, Delivery { to, event: Rc::clone(event) }),
            To::Peer(_, peer) => self.give(key, peer, event),
        }
    }

    /// Sends an event to a url that has no lane, at once or at its turn.
    fn call(&mut self, key: Key, delivery: Delivery) {
        if self.calls < MOST_CALLS {
            let place = self.open(key, None);
            self.send(place, delivery);
        } else if self.all_have_room(&delivery.event) {
            self.bytes += delivery.event.enter();
            let place = self.open(key, Some(delivery));
            self.turns.push_back(place);
        } else {
            self.lose(&delivery);
        }
    }

    /// Gives an event to a websocket that has no lane. It has one while it is crowded then.
    fn give(&mut self, key: Key, peer: Arc<dyn Peer>, event: &Event) {
        self.broadcaster.give(&peer, &event.message, event.tracker.as_ref());
        if peer.room().is_some() {
            let place = self.open(key, None);
            self.begin(place, Box::pin(has_room(place, peer)));
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
        lane.since = None;
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

    /// When it is to be looked which lanes have not gone on for so long: not before one has, in which something waits.
    pub(super) fn late_at(&self, patience: Duration) -> Instant {
        let lanes = self.by_bytes.iter().filter_map(|(_, place)| self.lanes.get(*place));
        lanes.filter_map(|lane| lane.since).min().unwrap_or_else(Instant::now) + patience
    }

    /// Drops the oldest of lanes that have not gone on for so long, of the fullest first, until half of the room is free.
    pub(super) fn relieve(&mut self, patience: Duration) {
        let since = |place: &usize| self.lanes.get(*place).and_then(|lane| lane.since);
        let is_late = |place: &usize| since(place).is_some_and(|since| since.elapsed() >= patience);
        let late: Vec<usize> = self.by_bytes.iter().rev().map(|(_, place)| *place).filter(is_late).collect();
        for place in late {
            while self.bytes > self.most / 2 && self.drop_oldest(place) {}
        }
    }

    /// Counts deliveries that never came into a lane, and tells all whom they were for.
    pub(super) fn give_up(&self, to: impl Iterator<Item = To>, event: &Rc<Event>) {
        to.for_each(|to| Delivery { to, event: Rc::clone(event) }.missed(self.broadcaster, GivenUp::Stopped));
    }

    fn open(&mut self, key: Key, first: Option<Delivery>) -> usize {
        let lane = Lane { key: key.clone(), first, waiting: VecDeque::new(), bytes: 0, since: None };
        let place = self.lanes.insert(lane);
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
            match self.take_first(place).or_else(|| self.pop(place)) {
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
    fn is_wanted(&self, Delivery { to, event }: &Delivery) -> bool {
        let To::Peer(key, peer) = to else { return true };
        // Another may have its key by now.
        self.broadcaster.index.wants(*key, &event.message.topic).is_some_and(|wants| place_of(&wants) == place_of(peer))
    }

    fn send(&mut self, place: usize, delivery: Delivery) {
        let broadcaster = self.broadcaster;
        let event = &delivery.event;
        match &delivery.to {
            To::Url(_) => {
                self.calls += 1;
                self.begin(place, Box::pin(call(broadcaster, place, delivery)));
            }
            To::Peer(_, peer) => {
                broadcaster.give(peer, &event.message, event.tracker.as_ref());
                self.begin(place, Box::pin(has_room(place, Arc::clone(peer))));
            }
        }
    }

    fn begin(&mut self, place: usize, one: LocalBoxFuture<'b, usize>) {
        if let Some(lane) = self.lanes.get_mut(place) {
            lane.since = Some(Instant::now());
        }
        self.under_way.push(one);
    }

    /// Lets it wait in its lane, if there is room.
    fn join(&mut self, place: usize, delivery: Delivery) {
        let weight = delivery.event.weight();
        if !self.has_room(place, weight) || !self.all_have_room(&delivery.event) {
            self.lose(&delivery);
        } else if let Some(lane) = self.lanes.get_mut(place) {
            self.bytes += delivery.event.enter();
            lane.waiting.push_back(delivery);
            let was = lane.bytes;
            lane.bytes += weight;
            self.weigh(place, was, was + weight);
        }
    }

    /// Whether a lane has room for a delivery, perhaps because others were dropped.
    fn has_room(&mut self, place: usize, weight: usize) -> bool {
        let most = self.most / SHARE;
        let fits = |lanes: &Self| lanes.lanes.get(place).map_or(0, |lane| lane.bytes) + weight <= most;
        match self.overflow {
            Overflow::Block => return true,
            // What is larger than a lane takes the place of none.
            Overflow::DropOldest if weight <= most => while !fits(self) && self.drop_oldest(place) {},
            _ => {}
        }
        fits(self)
    }

    /// Whether all together have room for one more delivery of an event, perhaps because others were dropped.
    fn all_have_room(&mut self, event: &Event) -> bool {
        let fits = |lanes: &Self| lanes.bytes + event.cost() <= lanes.most;
        if self.overflow == Overflow::DropOldest {
            while !fits(self) && self.drop_of_fullest() {}
        }
        self.overflow == Overflow::Block || fits(self)
    }

    /// Whether there was one.
    fn drop_of_fullest(&mut self) -> bool {
        let fullest = self.by_bytes.last().copied();
        fullest.is_some_and(|(_, place)| self.drop_oldest(place))
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

    /// What waits for a lane's turn, if that is its first.
    fn take_first(&mut self, place: usize) -> Option<Delivery> {
        let first = self.lanes.get_mut(place)?.first.take()?;
        self.bytes -= first.event.leave();
        Some(first)
    }

    fn pop(&mut self, place: usize) -> Option<Delivery> {
        let lane = self.lanes.get_mut(place)?;
        let delivery = lane.waiting.pop_front()?;
        let was = lane.bytes;
        lane.bytes -= delivery.event.weight();
        let is = lane.bytes;
        self.bytes -= delivery.event.leave();
        self.weigh(place, was, is);
        Some(delivery)
    }

    /// What waits in a lane has changed.
    fn weigh(&mut self, place: usize, was: usize, is: usize) {
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
            let waiting = lane.first.iter().chain(&lane.waiting);
            waiting.for_each(|delivery| delivery.missed(self.broadcaster, GivenUp::Stopped));
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
        let event = &call.delivery.event;
        let delivered = broadcaster.to_url(target, &event.message).await;
        if let Some(tracker) = &event.tracker {
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
