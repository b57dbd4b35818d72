//! The subscriptions: what is wanted here, and what stands at the server.
//!
//! An entry a topic, everything's entry under the protocol's own name for it. Several subscriptions here are one there.
//! Calls are queued under the lock, so that the server gets them in the order in which this table changed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use eventhive_transport::{Incoming, LinkError, Sink, Topic};
use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::caller::Caller;
use super::connect::Server;
use crate::wire::ALL_TOPICS;

/// Everything, as a topic.
pub(super) const EVERYTHING: Topic = Topic::from_static(ALL_TOPICS);

#[derive(Default)]
pub(super) struct Registry {
    inner: Mutex<Inner>,
    /// Held while a sink is called, so that who ended a subscription can wait for the last delivery to it.
    delivering: Mutex<()>,
    renewal: AtomicBool,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<Topic, Entry, foldhash::fast::RandomState>,
    next: u64,
    /// Entries that wait for the server's answer.
    asked: usize,
    /// There while a connection takes calls.
    server: Option<Server>,
    /// What to tell everyone, once nothing can be subscribed any more.
    ended: Option<LinkError>,
}

#[derive(Default)]
struct Entry {
    sinks: SmallVec<[(u64, Arc<dyn Sink>); 1]>,
    /// Subscribers that wait for the server's answer.
    waiters: Vec<(u64, oneshot::Sender<Result<(), LinkError>>)>,
    wire: Wire,
}

/// How a topic stands at the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Wire {
    #[default]
    Absent,
    /// Asked for by the call of this number.
    Asked(u64),
    Standing,
}

/// A subscription made here; the receiver resolves when it stands at the server.
pub(super) struct Added {
    pub(super) id: u64,
    pub(super) stands: oneshot::Receiver<Result<(), LinkError>>,
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a subscriber, and asks the server where it has to know.
    pub(super) fn add(&self, topic: &Topic, sink: Arc<dyn Sink>, caller: &Caller) -> Result<Added, LinkError> {
        let mut inner = self.lock();
        if let Some(error) = &inner.ended {
            return Err(error.clone());
        }
        let id = inner.next;
        inner.next += 1;
        let (tell, stands) = oneshot::channel();
        let covered = inner.covered_by_everything(topic);
        let entry = inner.entries.entry(topic.clone()).or_default();
        entry.sinks.push((id, sink));
        let wire = if covered == Wire::Absent { entry.wire } else { covered };
        if wire == Wire::Standing {
            // The receiver is right here.
            let _ = tell.send(Ok(()));
            return Ok(Added { id, stands });
        }
        entry.waiters.push((id, tell));
        if wire == Wire::Absent && inner.server.is_some() {
            if inner.would_double(topic) {
                self.renewal.store(true, Ordering::Relaxed);
                caller.queue.wake();
            } else {
                inner.ask(vec![topic.clone()], caller);
            }
        }
        Ok(Added { id, stands })
    }

    /// Takes a subscriber out. The receiver, if there is one, resolves when the server has taken note.
    pub(super) fn remove(&self, topic: &Topic, id: u64, caller: &Caller) -> Option<oneshot::Receiver<()>> {
        let noted = self.lock().remove(topic, id, caller);
        // A delivery that began before is over when this lock can be had.
        drop(self.delivering.lock().unwrap_or_else(PoisonError::into_inner));
        noted
    }

    /// A connection is there: asks it for everything that is wanted.
    pub(super) fn connected(&self, server: Server, caller: &Caller) {
        let mut inner = self.lock();
        self.renewal.store(false, Ordering::Relaxed);
        inner.server = Some(server);
        let alone = !server.ours && inner.entries.contains_key(&EVERYTHING);
        let wanted = if alone { vec![EVERYTHING] } else { inner.entries.keys().cloned().collect() };
        inner.ask(wanted, caller);
    }

    /// The connection is gone, and with it all that stood there.
    pub(super) fn lost(&self) {
        let mut inner = self.lock();
        inner.server = None;
        inner.asked = 0;
        inner.entries.retain(|_, entry| {
            entry.wire = Wire::Absent;
            !entry.sinks.is_empty()
        });
    }

    /// Whether the subscriptions can only be had on a new connection.
    pub(super) fn wants_renewal(&self) -> bool {
        self.renewal.load(Ordering::Relaxed)
    }

    /// Whether every subscription made so far stands at the server.
    pub(super) fn all_stand(&self) -> bool {
        self.lock().asked == 0
    }

    /// The server's answer to the call of this number for these topics.
    ///
    /// # Errors
    /// What to say of a connection on which a subscription that stood before cannot be had any more.
    pub(super) fn answered(&self, id: u64, topics: Vec<Topic>, yes: bool, caller: &Caller) -> Result<(), String> {
        let mut inner = self.lock();
        let mut told = Vec::new();
        let result = if yes {
            inner.granted(id, &topics, &mut told);
            Ok(())
        } else {
            inner.denied(id, topics, caller, &mut told)
        };
        drop(inner);
        for (waiter, result) in told {
            // Who does not wait any more has taken itself out.
            let _ = waiter.send(result);
        }
        result
    }

    /// Nothing can be subscribed any more; everyone who waits is told so, and all sinks go.
    pub(super) fn end(&self, error: &LinkError) {
        let mut inner = self.lock();
        inner.server = None;
        inner.ended = Some(error.clone());
        let entries = std::mem::take(&mut inner.entries);
        drop(inner);
        for (_, waiter) in entries.into_values().flat_map(|entry| entry.waiters) {
            let _ = waiter.send(Err(error.clone()));
        }
    }

    /// Hands a message to the subscribers of its topic and of everything. No lock of the table is held meanwhile: a sink
    /// may subscribe and publish.
    pub(super) fn deliver(&self, topic: &str, payload: impl FnOnce() -> Bytes) {
        let _delivering = self.delivering.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = self.lock();
        let exact = inner.entries.get_key_value(topic.as_bytes());
        let everything = inner.entries.get(ALL_TOPICS.as_bytes());
        let mut sinks = SmallVec::<[Arc<dyn Sink>; 4]>::new();
        for entry in exact.iter().map(|(_, entry)| *entry).chain(everything) {
            sinks.extend(entry.sinks.iter().map(|(_, sink)| Arc::clone(sink)));
        }
        // Shared with the table where it is there.
        let shared = exact.map(|(topic, _)| topic.clone());
        drop(inner);
        let Some(last) = sinks.pop() else { return };
        let incoming = Incoming { topic: shared.unwrap_or_else(|| topic.into()), payload: payload() };
        for sink in sinks {
            sink.deliver(incoming.clone());
        }
        last.deliver(incoming);
    }
}

type Told = Vec<(oneshot::Sender<Result<(), LinkError>>, Result<(), LinkError>)>;

impl Inner {
    fn ask(&mut self, topics: Vec<Topic>, caller: &Caller) {
        let (entries, asked) = (&mut self.entries, &mut self.asked);
        caller.subscribe(topics, |topic, id| {
            if let Some(entry) = entries.get_mut(topic) {
                *asked += usize::from(!matches!(entry.wire, Wire::Asked(_)));
                entry.wire = Wire::Asked(id);
            }
        });
    }

    /// How the subscription to everything stands, if it brings this topic along: on a server that is not ours, which
    /// would notify twice.
    fn covered_by_everything(&self, topic: &Topic) -> Wire {
        let foreign = self.server.is_some_and(|server| !server.ours);
        let everything = self.entries.get(&EVERYTHING).filter(|_| foreign && *topic != EVERYTHING);
        everything.map_or(Wire::Absent, |entry| entry.wire)
    }

    /// Whether subscribing `topic` beside what stands would make such a server notify twice.
    fn would_double(&self, topic: &Topic) -> bool {
        let foreign = self.server.is_some_and(|server| !server.ours);
        foreign && *topic == EVERYTHING && self.entries.values().any(|entry| entry.wire != Wire::Absent)
    }

    fn remove(&mut self, topic: &Topic, id: u64, caller: &Caller) -> Option<oneshot::Receiver<()>> {
        let entry = self.entries.get_mut(topic)?;
        entry.sinks.retain(|(of, _)| *of != id);
        entry.waiters.retain(|(of, _)| *of != id);
        if !entry.sinks.is_empty() {
            return None;
        }
        let (wire, server) = (entry.wire, self.server);
        match (wire, server) {
            (Wire::Absent, _) | (_, None) => {
                self.entries.remove(topic);
                None
            }
            // Stays without a sink, so that nobody asks for it a second time, until the connection ends.
            (_, Some(server)) if !server.unsubscribes => None,
            (wire, Some(_)) => {
                self.entries.remove(topic);
                self.asked -= usize::from(wire != Wire::Standing);
                self.ask_for_uncovered(topic, caller);
                let (done, noted) = oneshot::channel();
                caller.unsubscribe(topic.as_str()?, done);
                Some(noted)
            }
        }
    }

    /// When everything is no longer subscribed, the topics that it brought along must be.
    fn ask_for_uncovered(&mut self, ended: &Topic, caller: &Caller) {
        if *ended == EVERYTHING && self.server.is_some() {
            let uncovered = self.entries.iter().filter(|(_, entry)| entry.wire == Wire::Absent);
            let uncovered = uncovered.map(|(topic, _)| topic.clone()).collect();
            self.ask(uncovered, caller);
        }
    }

    fn asked_by(&mut self, topic: &Topic, id: u64) -> Option<&mut Entry> {
        self.entries.get_mut(topic).filter(|entry| entry.wire == Wire::Asked(id))
    }

    fn granted(&mut self, id: u64, topics: &[Topic], told: &mut Told) {
        for topic in topics {
            let Some(entry) = self.asked_by(topic, id) else { continue };
            entry.wire = Wire::Standing;
            told.extend(entry.waiters.drain(..).map(|(_, waiter)| (waiter, Ok(()))));
            self.asked -= 1;
            if self.covered_by_everything(&Topic::from_static("")) == Wire::Standing {
                let covered = self.entries.values_mut().filter(|entry| entry.wire == Wire::Absent);
                told.extend(covered.flat_map(|entry| entry.waiters.drain(..)).map(|(_, waiter)| (waiter, Ok(()))));
            }
        }
    }

    fn denied(&mut self, id: u64, topics: Vec<Topic>, caller: &Caller, told: &mut Told) -> Result<(), String> {
        let topics: Vec<Topic> = topics.into_iter().filter(|topic| self.asked_by(topic, id).is_some()).collect();
        let [topic] = topics.as_slice() else {
            // One of them is to blame: asked one by one, the others can stand.
            for topic in topics {
                self.ask(vec![topic], caller);
            }
            return Ok(());
        };
        let Some(entry) = self.asked_by(topic, id) else { return Ok(()) };
        entry.wire = Wire::Absent;
        let waiters = std::mem::take(&mut entry.waiters);
        entry.sinks.retain(|(id, _)| !waiters.iter().any(|(waiting, _)| waiting == id));
        let left = !entry.sinks.is_empty();
        let refusal = LinkError::Rejected(format!("the server does not let us subscribe `{topic}`"));
        told.extend(waiters.into_iter().map(|(_, waiter)| (waiter, Err(refusal.clone()))));
        self.asked -= 1;
        if left {
            return Err(format!("the server no longer lets us subscribe `{topic}`"));
        }
        self.entries.remove(topic);
        self.ask_for_uncovered(topic, caller);
        Ok(())
    }
}
