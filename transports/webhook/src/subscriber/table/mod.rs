//! Who wants what, within one subscriber: from what arrives to whom it is for, and what broadcasters have to know.
//!
//! A [`Wish`] is at the broadcasters once, whatever the number of those who have it. Whoever talks to a broadcaster
//! asks for the [`Plan`]: what is wanted and does not stand, and what stands and is wanted no more; and tells what has
//! come of it. So a lost connection, a restart and a new subscription are the same case.
//!
//! # One copy for each
//! Over HTTP a message comes once for each subscription that it matches, each copy at the url of its own pattern. A
//! consumer with several wishes takes the copy of the first one that matches, a name before a pattern, and no other.
//!
//! # How to read it
//! - `entry`: one wish, and where it is to stand. `overlap`: a wish that is on its way from one wire to the other.

mod entry;
mod overlap;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use smallvec::SmallVec;
use tokio::sync::{Notify, oneshot};

use super::error::SubscriberError;
use super::wish::{Wish, number};
use crate::message::Message;
use crate::wire::glob::{Glob, Subject};
use entry::{Began, Entry};

/// Takes what arrives. Called from any thread, one call at a time for each message; must not block.
pub(crate) trait Consumer: Send + Sync {
    fn deliver(&self, message: &Message);
    /// Messages may have been missed before this.
    fn gap(&self);
    /// Nothing more comes.
    fn end(&self);
}

/// A wire on which messages come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    Http,
    Websocket,
}

/// For which subscription a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// For one of a name, over HTTP.
    Exact,
    /// For the pattern with this number, over HTTP.
    Glob(u64),
    /// For any, over a websocket.
    Websocket,
}

/// What has to be done for the wishes and what stands to agree.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) begin: Vec<Wish>,
    pub(crate) end: Vec<Wish>,
    /// What ended and began again before anybody was asked to end it: it stands, and who waits has to hear it.
    pub(crate) again: Vec<Wish>,
}

pub(crate) type Stands = oneshot::Receiver<Result<(), SubscriberError>>;
type Consumers = SmallVec<[Arc<dyn Consumer>; 4]>;
type Fast<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

pub(crate) struct Table {
    inner: Mutex<Inner>,
    /// Told when a plan changes, a wire each.
    http: Notify,
    websocket: Notify,
    /// On which wire a wish begins.
    first: Way,
}

#[derive(Default)]
struct Inner {
    next: u64,
    members: Fast<u64, Member>,
    exact: HashMap<Arc<[u8]>, Entry>,
    globs: HashMap<Glob, Entry>,
    numbers: Fast<u64, Glob>,
    closed: bool,
}

struct Member {
    wishes: Arc<[Wish]>,
    consumer: Arc<dyn Consumer>,
}

impl Table {
    pub(crate) fn new(first: Way) -> Self {
        Self { inner: Mutex::default(), http: Notify::new(), websocket: Notify::new(), first }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Told when the plan of a wire may have changed.
    pub(crate) fn changed(&self, way: Way) -> &Notify {
        match way {
            Way::Http => &self.http,
            Way::Websocket => &self.websocket,
        }
    }

    fn tell(&self) {
        self.http.notify_one();
        self.websocket.notify_one();
    }

    /// Adds a consumer. The receiver hears, for each wish, when it stands.
    pub(crate) fn add(
        &self,
        wishes: Arc<[Wish]>,
        consumer: Arc<dyn Consumer>,
    ) -> Result<(u64, Vec<Stands>), SubscriberError> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(SubscriberError::Closed);
        }
        let id = inner.next;
        inner.next += 1;
        let mut stand = Vec::new();
        for wish in wishes.iter() {
            if let Wish::Glob(glob) = wish {
                inner.numbers.insert(number(glob), glob.clone());
            }
            let first = self.first;
            let entry = inner.entry(wish, || Entry::new(first));
            entry.members.push(id);
            if !entry.stands() {
                let (told, stands) = oneshot::channel();
                entry.waiting.push(told);
                stand.push(stands);
            }
        }
        inner.members.insert(id, Member { wishes, consumer });
        drop(inner);
        self.tell();
        Ok((id, stand))
    }

    /// Removes a consumer. Nothing is handed to it after the calls that are under way.
    pub(crate) fn remove(&self, id: u64) {
        let mut inner = self.lock();
        let Some(member) = inner.members.remove(&id) else { return };
        for wish in member.wishes.iter() {
            inner.leave(wish, id);
        }
        drop(inner);
        self.tell();
    }

    /// Hands a message to those it is for, and says to how many; `None` if nobody has a wish for which it could have come.
    pub(crate) fn deliver(&self, arrival: Arrival, message: &Message) -> Option<usize> {
        let consumers = self.lock().consumers(arrival, message)?;
        consumers.iter().for_each(|consumer| consumer.deliver(message));
        Some(consumers.len())
    }

    /// Whether somebody has a wish for which a message could have come, so that its bytes are worth having.
    pub(crate) fn wants(&self, arrival: Arrival, topic: &[u8]) -> bool {
        let inner = self.lock();
        match arrival {
            Arrival::Exact => inner.exact.contains_key(topic),
            Arrival::Glob(number) => inner.numbers.contains_key(&number),
            Arrival::Websocket => inner.closed || !inner.members.is_empty(),
        }
    }

    /// Tells consumers that messages may have been missed: those of the wishes that `concerned` picks, each once.
    pub(crate) fn gap(&self, concerned: impl Fn(&Wish) -> bool) {
        let inner = self.lock();
        let hit = |member: &&Member| member.wishes.iter().any(&concerned);
        let consumers: Consumers =
            inner.members.values().filter(hit).map(|member| Arc::clone(&member.consumer)).collect();
        drop(inner);
        consumers.iter().for_each(|consumer| consumer.gap());
    }

    /// Nothing stands on this wire any more. Consumers are told of the gap when it is over.
    pub(crate) fn lost(&self, way: Way) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        inner.exact.values_mut().chain(inner.globs.values_mut()).for_each(|entry| entry.lost(way));
        self.tell();
    }

    /// What is to be done on a wire where `standing` stand.
    pub(crate) fn plan(&self, way: Way, standing: &HashSet<Wish>) -> Plan {
        let inner = self.lock();
        let wanted = |wish: &Wish| inner.get(wish).is_some_and(|entry| entry.is_wanted(way));
        Plan {
            begin: inner.wishes(|entry| entry.is_wanted(way)).filter(|wish| !standing.contains(wish)).collect(),
            end: standing.iter().filter(|wish| !wanted(wish)).cloned().collect(),
            again: standing
                .iter()
                .filter(|wish| inner.get(wish).is_some_and(|one| one.is_news(way)))
                .cloned()
                .collect(),
        }
    }

    /// A wish stands on a wire from now on.
    pub(crate) fn stands(&self, way: Way, wish: &Wish) {
        let mut inner = self.lock();
        let Some(Began { waiting, missed }) = inner.get_mut(wish).map(|entry| entry.began(way)) else { return };
        let consumers: Consumers =
            missed.iter().filter_map(|id| inner.members.get(id)).map(|one| Arc::clone(&one.consumer)).collect();
        drop(inner);
        consumers.iter().for_each(|consumer| consumer.gap());
        // Who no longer waits need not be told.
        waiting.into_iter().for_each(|one| _ = one.send(Ok(())));
        self.tell();
    }

    /// A wish cannot be made to stand. Who waits for it is told; if nobody had it before, it is wanted no more.
    pub(crate) fn failed(&self, wish: &Wish, error: &SubscriberError) {
        let mut inner = self.lock();
        let waiting = inner.get_mut(wish).map(|entry| std::mem::take(&mut entry.waiting)).unwrap_or_default();
        drop(inner);
        waiting.into_iter().for_each(|one| _ = one.send(Err(error.clone())));
    }

    /// Wishes that are to change to the other wire, after `now`'s look at how much came for them.
    pub(crate) fn shift(&self, now: Instant, pace: Pace, usable: bool) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let entries = inner.exact.values_mut().chain(inner.globs.values_mut());
        let moved = entries.filter_map(|entry| entry.shift(now, pace, usable)).count();
        if moved > 0 {
            self.tell();
        }
    }

    /// Whether a wish is wanted on a wire.
    pub(crate) fn any_wanted(&self, way: Way) -> bool {
        self.lock().wishes(|entry| entry.is_wanted(way)).next().is_some()
    }

    /// Ends all, for good.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        let members = std::mem::take(&mut inner.members);
        inner.exact.clear();
        inner.globs.clear();
        inner.numbers.clear();
        drop(inner);
        members.into_values().for_each(|member| member.consumer.end());
        self.tell();
    }
}

/// When a wish changes to the websocket, and when back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Messages a second from which on it goes there.
    pub(crate) busy: f64,
    /// Messages a second below which it comes back.
    pub(crate) quiet: f64,
    /// For how long copies of the two wires are told apart after a change.
    pub(crate) linger: std::time::Duration,
}

impl Inner {
    fn entry(&mut self, wish: &Wish, new: impl FnOnce() -> Entry) -> &mut Entry {
        match wish {
            Wish::Exact(topic) => self.exact.entry(Arc::clone(topic)).or_insert_with(new),
            Wish::Glob(glob) => self.globs.entry(glob.clone()).or_insert_with(new),
        }
    }

    fn get(&self, wish: &Wish) -> Option<&Entry> {
        match wish {
            Wish::Exact(topic) => self.exact.get(topic),
            Wish::Glob(glob) => self.globs.get(glob),
        }
    }

    fn get_mut(&mut self, wish: &Wish) -> Option<&mut Entry> {
        match wish {
            Wish::Exact(topic) => self.exact.get_mut(topic),
            Wish::Glob(glob) => self.globs.get_mut(glob),
        }
    }

    fn wishes(&self, pick: impl Fn(&Entry) -> bool + Copy) -> impl Iterator<Item = Wish> {
        let exact =
            self.exact.iter().filter(move |(_, entry)| pick(entry)).map(|(topic, _)| Wish::Exact(topic.clone()));
        let globs = self.globs.iter().filter(move |(_, entry)| pick(entry)).map(|(glob, _)| Wish::Glob(glob.clone()));
        exact.chain(globs)
    }

    /// A consumer has this wish no more; the last one takes it along.
    fn leave(&mut self, wish: &Wish, id: u64) {
        let Some(entry) = self.get_mut(wish) else { return };
        entry.members.retain(|member| *member != id);
        if !entry.members.is_empty() {
            return;
        }
        match wish {
            Wish::Exact(topic) => _ = self.exact.remove(topic),
            Wish::Glob(glob) => {
                self.globs.remove(glob);
                self.numbers.remove(&number(glob));
            }
        }
    }

    fn consumers(&mut self, arrival: Arrival, message: &Message) -> Option<Consumers> {
        let subject = Subject::new(&message.topic);
        let mut ids = SmallVec::<[u64; 4]>::new();
        match arrival {
            Arrival::Exact => ids.extend_from_slice(self.exact.get_mut(&message.topic)?.take(Way::Http, message)),
            Arrival::Glob(number) => {
                let glob = self.numbers.get(&number)?.clone();
                if !glob.matches(&subject) {
                    return Some(Consumers::new());
                }
                let members = self.globs.get_mut(&glob)?.take(Way::Http, message);
                let mine = Wish::Glob(glob);
                ids.extend(members.iter().copied().filter(|id| self.members.is_first(*id, &mine, message, &subject)));
            }
            Arrival::Websocket => {
                let exact = self.exact.get_mut(&message.topic);
                ids.extend_from_slice(exact.map_or(&[], |entry| entry.take(Way::Websocket, message)));
                let globs = self.globs.iter_mut().filter(|(glob, _)| glob.matches(&subject));
                globs.for_each(|(_, entry)| ids.extend_from_slice(entry.take(Way::Websocket, message)));
                ids.sort_unstable();
                ids.dedup();
            }
        }
        let consumer = |id| self.members.get(&id).map(|member| Arc::clone(&member.consumer));
        Some(ids.into_iter().filter_map(consumer).collect())
    }
}

trait First {
    fn is_first(&self, id: u64, mine: &Wish, message: &Message, subject: &Subject<'_>) -> bool;
}

impl First for Fast<u64, Member> {
    /// Whether the copy for this wish is the one that the consumer takes.
    fn is_first(&self, id: u64, mine: &Wish, message: &Message, subject: &Subject<'_>) -> bool {
        let Some(member) = self.get(&id) else { return false };
        let is_exact = |wish: &&Wish| matches!(wish, Wish::Exact(_));
        let by_name = member.wishes.iter().filter(is_exact);
        let mut in_order = by_name.chain(member.wishes.iter().filter(|wish| !is_exact(wish)));
        in_order.find(|wish| wish.matches(&message.topic, subject)) == Some(mine)
    }
}
