//! Who listens to what on one link. Outlives the connections: it is what they subscribe again from.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use eventhive_transport::{Filter, Gap, Incoming, Sink, Topic};

use crate::streams::StreamId;

/// What is asked of Redis for a subscription. Several subscriptions may need the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// A channel or shard channel; in streams mode, the key of a stream.
    Name(Topic),
    /// A pattern of channels.
    Pattern(Topic),
}

impl Key {
    pub(crate) const fn topic(&self) -> &Topic {
        match self {
            Self::Name(topic) | Self::Pattern(topic) => topic,
        }
    }
}

/// One subscription.
pub(crate) struct Entry {
    pub(crate) id: u64,
    pub(crate) key: Key,
    /// What must be tried on each message, where the key lets more through than was asked for.
    filter: Option<Filter>,
    live: Mutex<Option<Live>>,
}

struct Live {
    sink: Arc<dyn Sink>,
    /// Streams: what was there when the subscription was made. `None` until that is known.
    since: Option<StreamId>,
}

impl Entry {
    pub(crate) fn new(id: u64, key: Key, filter: Option<Filter>, sink: Arc<dyn Sink>) -> Self {
        Self { id, key, filter, live: Mutex::new(Some(Live { sink, since: None })) }
    }

    fn deliver(&self, incoming: Incoming) {
        if self.filter.as_ref().is_none_or(|filter| filter.matches(&incoming.topic)) {
            self.with_sink(|live| live.sink.deliver(incoming));
        }
    }

    fn deliver_entry(&self, id: StreamId, incoming: Incoming) {
        if self.filter.as_ref().is_none_or(|filter| filter.matches(&incoming.topic)) {
            self.with_sink(|live| {
                if live.since.is_some_and(|since| since < id) {
                    live.sink.deliver(incoming);
                }
            });
        }
    }

    /// The lock is held while the sink works, which it does without blocking: it is what makes sure that nothing is
    /// delivered once [`silence`](Self::silence) has returned. Nobody else but that takes it.
    fn with_sink(&self, work: impl FnOnce(&Live)) {
        let live = self.lock();
        let Some(live) = live.as_ref() else { return };
        // One bad message must not end the reception of the others.
        if catch_unwind(AssertUnwindSafe(|| work(live))).is_err() {
            tracing::error!(key = %self.key.topic(), "a subscription's sink panicked; the message is lost to it");
        }
    }

    /// Ends delivery. Nothing is being delivered any more when this returns.
    pub(crate) fn silence(&self) {
        drop(self.lock().take());
    }

    fn starts_at(&self, id: StreamId) {
        if let Some(live) = self.lock().as_mut() {
            live.since.get_or_insert(id);
        }
    }

    fn starts_over(&self) {
        if let Some(live) = self.lock().as_mut() {
            live.since = live.since.map(|_| StreamId::default());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Listeners = Arc<[Arc<Entry>]>;

/// All subscriptions of a link. Readers take a snapshot of the listeners; no lock is held while sinks work but each
/// one's own.
#[derive(Default)]
pub(crate) struct Table {
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<u64, Arc<Entry>>,
    names: Map,
    patterns: Map,
}

type Map = HashMap<Topic, Listeners, foldhash::fast::RandomState>;

impl Table {
    pub(crate) fn add(&self, entry: Arc<Entry>) {
        let mut inner = self.write();
        inner.entries.insert(entry.id, Arc::clone(&entry));
        let map = inner.map(&entry.key);
        let others = map.get(entry.key.topic()).map(|listeners| listeners.to_vec()).unwrap_or_default();
        let topic = entry.key.topic().clone();
        map.insert(topic, others.into_iter().chain([entry]).collect());
    }

    /// Silences and forgets a subscription. Gives back its key if nobody else needs it now.
    pub(crate) fn remove(&self, id: u64) -> Option<Key> {
        let mut inner = self.write();
        let entry = inner.entries.remove(&id)?;
        let map = inner.map(&entry.key);
        let others: Listeners =
            map.get(entry.key.topic())?.iter().filter(|other| other.id != id).map(Arc::clone).collect();
        let unused = others.is_empty();
        if unused {
            map.remove(entry.key.topic());
        } else {
            map.insert(entry.key.topic().clone(), others);
        }
        drop(inner);
        entry.silence();
        unused.then(|| entry.key.clone())
    }

    /// Silences and forgets all.
    pub(crate) fn clear(&self) {
        let inner = std::mem::take(&mut *self.write());
        inner.entries.into_values().for_each(|entry| entry.silence());
    }

    /// Every key that somebody needs.
    pub(crate) fn keys(&self) -> Vec<Key> {
        let inner = self.read();
        let names = inner.names.keys().cloned().map(Key::Name);
        names.chain(inner.patterns.keys().cloned().map(Key::Pattern)).collect()
    }

    pub(crate) fn has(&self, key: &Key) -> bool {
        self.read().map_of(key).contains_key(key.topic())
    }

    /// The ids of the subscriptions that need `key`.
    pub(crate) fn ids(&self, key: &Key) -> Vec<u64> {
        self.listeners(key).iter().map(|entry| entry.id).collect()
    }

    /// A message that came by a channel's name.
    pub(crate) fn deliver(&self, channel: &[u8], payload: bytes::Bytes) {
        let inner = self.read();
        let Some((topic, listeners)) = inner.names.get_key_value(channel) else { return };
        let (incoming, listeners) = (Incoming { topic: topic.clone(), payload }, Arc::clone(listeners));
        drop(inner);
        hand_out(&listeners, incoming, Entry::deliver);
    }

    /// A message that came by a pattern.
    pub(crate) fn deliver_by_pattern(&self, pattern: &[u8], incoming: Incoming) {
        let listeners = self.read().patterns.get(pattern).map(Arc::clone);
        if let Some(listeners) = listeners {
            hand_out(&listeners, incoming, Entry::deliver);
        }
    }

    /// An entry of a stream.
    pub(crate) fn deliver_entry(&self, stream: &Topic, id: StreamId, incoming: Incoming) {
        let listeners = self.read().names.get(stream).map(Arc::clone);
        if let Some(listeners) = listeners {
            hand_out(&listeners, incoming, |entry, incoming| entry.deliver_entry(id, incoming));
        }
    }

    /// A stream's subscriptions that wait for it begin behind this entry.
    pub(crate) fn starts_at(&self, stream: &Topic, id: StreamId) {
        self.listeners(&Key::Name(stream.clone())).iter().for_each(|entry| entry.starts_at(id));
    }

    /// The stream was made anew: nothing in it is old.
    pub(crate) fn starts_over(&self, stream: &Topic) {
        self.listeners(&Key::Name(stream.clone())).iter().for_each(|entry| entry.starts_over());
    }

    /// Tells the subscriptions of a key of a gap.
    pub(crate) fn gap(&self, key: &Key, gap: Gap) {
        for entry in self.listeners(key).iter() {
            entry.with_sink(|live| live.sink.gap(gap));
        }
    }

    fn listeners(&self, key: &Key) -> Listeners {
        self.read().map_of(key).get(key.topic()).map(Arc::clone).unwrap_or_default()
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    const fn map(&mut self, key: &Key) -> &mut Map {
        match key {
            Key::Name(_) => &mut self.names,
            Key::Pattern(_) => &mut self.patterns,
        }
    }

    const fn map_of(&self, key: &Key) -> &Map {
        match key {
            Key::Name(_) => &self.names,
            Key::Pattern(_) => &self.patterns,
        }
    }
}

/// The last one gets the message itself, the others a copy that shares its bytes.
fn hand_out(listeners: &[Arc<Entry>], incoming: Incoming, deliver: impl Fn(&Entry, Incoming)) {
    if let Some((last, others)) = listeners.split_last() {
        others.iter().for_each(|entry| deliver(entry, incoming.clone()));
        deliver(last, incoming);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use bytes::Bytes;

    use super::*;

    fn entry(id: u64, key: Key, filter: Option<Filter>) -> (Arc<Entry>, mpsc::Receiver<Incoming>) {
        let (sender, receiver) = mpsc::channel();
        let sink = move |incoming| sender.send(incoming).unwrap();
        (Arc::new(Entry::new(id, key, filter, Arc::new(sink))), receiver)
    }

    #[test]
    fn a_key_is_unused_when_its_last_subscription_is_gone() {
        let (table, key) = (Table::default(), Key::Name("a".into()));
        let (one, one_got) = entry(1, key.clone(), None);
        let (two, two_got) = entry(2, key.clone(), None);
        table.add(one);
        table.add(two);
        table.deliver(b"a", Bytes::from_static(b"x"));
        assert_eq!((one_got.try_iter().count(), two_got.try_iter().count()), (1, 1));
        assert_eq!(table.remove(1), None);
        table.deliver(b"a", Bytes::from_static(b"y"));
        assert_eq!((one_got.try_iter().count(), two_got.try_iter().count()), (0, 1));
        assert_eq!(table.remove(2), Some(key));
        assert_eq!((table.remove(2), table.keys()), (None, vec![]));
    }

    #[test]
    fn what_a_pattern_lets_through_is_filtered() {
        let table = Table::default();
        let filter = Filter::Glob("a?".parse().unwrap());
        let (one, got) = entry(1, Key::Pattern("a?*".into()), Some(filter));
        table.add(one);
        for name in ["ab", "abc", "aé"] {
            let incoming = Incoming { topic: name.into(), payload: Bytes::new() };
            table.deliver_by_pattern(b"a?*", incoming);
        }
        let names: Vec<_> = got.try_iter().map(|incoming| incoming.topic).collect();
        assert_eq!(names, ["ab".into(), "aé".into()]);
    }

    #[test]
    fn a_sink_that_panics_costs_its_neighbours_nothing() {
        let (table, key) = (Table::default(), Key::Name("a".into()));
        let bad = |_: Incoming| panic!("as a test");
        table.add(Arc::new(Entry::new(1, key.clone(), None, Arc::new(bad))));
        let (good, got) = entry(2, key, None);
        table.add(good);
        table.deliver(b"a", Bytes::new());
        table.deliver(b"a", Bytes::new());
        assert_eq!(got.try_iter().count(), 2);
    }

    #[test]
    fn a_stream_subscription_sees_what_came_after_it() {
        let (table, stream) = (Table::default(), Topic::from("s"));
        let (one, got) = entry(1, Key::Name(stream.clone()), None);
        table.add(one);
        let deliver = |at| {
            let payload = Bytes::from(format!("{at}"));
            table.deliver_entry(&stream, StreamId(at, 0), Incoming { topic: "t".into(), payload });
        };
        deliver(5);
        table.starts_at(&stream, StreamId(5, 0));
        (4..8).for_each(deliver);
        let payloads: Vec<_> = got.try_iter().map(|incoming| incoming.payload).collect();
        assert_eq!(payloads, ["6", "7"]);
        table.starts_over(&stream);
        deliver(1);
        assert_eq!(got.try_iter().count(), 1);
    }
}
