//! The subscriptions: what is wanted here, and what stands at the server.
//!
//! Several subscriptions to one topic or pattern here are one there. Calls are queued under the lock, so that the server gets them in the order in which this table changed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use eventhive_transport::{Gap, Incoming, LinkError, Sink};
use tokio::sync::oneshot;

use super::caller::Caller;
use super::connect::Server;
use super::table::{Entry, Table, Waiter, Wire};
use super::wish::Wish;

#[derive(Default)]
pub(super) struct Registry {
    inner: Mutex<Inner>,
    /// Held while a sink is called, so that who ended a subscription can wait for the last delivery to it.
    delivering: Mutex<()>,
    renewal: AtomicBool,
}

#[derive(Default)]
struct Inner {
    table: Table,
    next: u64,
    /// Entries that wait for the server's answer.
    asked: usize,
    /// There while a connection takes calls.
    server: Option<Server>,
    /// What to tell everyone, once nothing can be subscribed any more.
    ended: Option<LinkError>,
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
    pub(super) fn add(&self, wish: &Wish, sink: Arc<dyn Sink>, caller: &Caller) -> Result<Added, LinkError> {
        let mut inner = self.lock();
        if let Some(error) = &inner.ended {
            return Err(error.clone());
        }
        if matches!(wish, Wish::Pattern(_)) && inner.is_foreign() {
            return Err(wish.unsupported());
        }
        let id = inner.next;
        inner.next += 1;
        let (tell, stands) = oneshot::channel();
        let covered = inner.covered_by_everything(wish);
        let entry = inner.table.entry(wish);
        entry.sinks.push((id, sink));
        let wire = if covered == Wire::Absent { entry.wire } else { covered };
        if wire == Wire::Standing {
            // The receiver is right here.
            let _ = tell.send(Ok(()));
            return Ok(Added { id, stands });
        }
        entry.waiters.push((id, tell));
        if wire == Wire::Absent && inner.server.is_some() {
            if inner.would_double(wish) {
                self.renewal.store(true, Ordering::Relaxed);
                caller.queue.wake();
            } else {
                inner.ask(vec![wish.clone()], caller);
            }
        }
        Ok(Added { id, stands })
    }

    /// Takes a subscriber out. The receiver, if there is one, resolves when the server has taken note.
    pub(super) fn remove(&self, wish: &Wish, id: u64, caller: &Caller) -> Option<oneshot::Receiver<()>> {
        let noted = self.lock().remove(wish, id, caller);
        // A delivery that began before is over when this lock can be had.
        drop(self.delivering.lock().unwrap_or_else(PoisonError::into_inner));
        noted
    }

    /// A connection is there: asks it for everything that is wanted.
    pub(super) fn connected(&self, server: Server, caller: &Caller) {
        let mut inner = self.lock();
        self.renewal.store(false, Ordering::Relaxed);
        inner.server = Some(server);
        let turned_away = if server.ours { Vec::new() } else { inner.do_without_patterns() };
        let alone = !server.ours && inner.table.get(&Wish::EVERYTHING).is_some();
        let wanted = if alone { vec![Wish::EVERYTHING] } else { inner.table.iter().map(|(wish, _)| wish).collect() };
        inner.ask(wanted, caller);
        let missed = inner.table.take_missed();
        drop(inner);
        tell(turned_away);
        // Nothing of this connection was delivered yet: what is lost lies before what comes.
        let _delivering = self.delivering.lock().unwrap_or_else(PoisonError::into_inner);
        missed.iter().for_each(|sink| sink.gap(Gap { lost: None }));
    }

    /// The connection is gone, and with it all that stood there.
    pub(super) fn lost(&self) {
        let mut inner = self.lock();
        // One subscription to everything brings the others along.
        let all = inner.everything() != Wire::Absent;
        inner.server = None;
        inner.asked = 0;
        inner.table.retain(|entry| {
            // Some servers notify before they answer, so what was asked for counts as well.
            entry.missed |= all || entry.wire != Wire::Absent;
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

    /// The server's answer to the call of this number for these wishes.
    ///
    /// # Errors
    /// What to say of a connection on which a subscription that stood before cannot be had any more.
    pub(super) fn answered(&self, id: u64, wishes: Vec<Wish>, yes: bool, caller: &Caller) -> Result<(), String> {
        let mut inner = self.lock();
        let mut told = Vec::new();
        let result = if yes {
            inner.granted(id, &wishes, &mut told);
            Ok(())
        } else {
            inner.denied(id, wishes, caller, &mut told)
        };
        drop(inner);
        tell(told);
        result
    }

    /// Nothing can be subscribed any more; everyone who waits is told so, and all sinks go.
    pub(super) fn end(&self, error: &LinkError) {
        let mut inner = self.lock();
        inner.server = None;
        inner.ended = Some(error.clone());
        let table = std::mem::take(&mut inner.table);
        drop(inner);
        let waiters = table.into_values().flat_map(|entry| entry.waiters);
        tell(waiters.map(|(_, waiter)| (waiter, Err(error.clone()))).collect());
    }

    /// Hands a message to the subscribers of its topic, of everything, and of patterns that it matches. No lock of the
    /// table is held meanwhile: a sink may subscribe and publish.
    pub(super) fn deliver(&self, topic: &str, payload: impl FnOnce() -> Bytes) {
        let _delivering = self.delivering.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = self.lock();
        let (known, mut sinks) = inner.table.concerned(topic);
        // Shared with the table where it is there.
        let shared = known.cloned();
        drop(inner);
        let Some(last) = sinks.pop() else { return };
        let incoming = Incoming { topic: shared.unwrap_or_else(|| topic.into()), payload: payload() };
        for sink in sinks {
            sink.deliver(incoming.clone());
        }
        last.deliver(incoming);
    }
}

type Told = Vec<(Waiter, Result<(), LinkError>)>;

/// Not under the lock: it wakes those who wait.
fn tell(told: Told) {
    for (waiter, result) in told {
        // Who does not wait any more has taken itself out.
        let _ = waiter.send(result);
    }
}

impl Inner {
    fn ask(&mut self, wishes: Vec<Wish>, caller: &Caller) {
        let (table, asked) = (&mut self.table, &mut self.asked);
        caller.subscribe(wishes, |wish, id| {
            if let Some(entry) = table.get_mut(wish) {
                *asked += usize::from(!matches!(entry.wire, Wire::Asked(_)));
                entry.wire = Wire::Asked(id);
            }
        });
    }

    /// Whether the connection is to a server that is not ours.
    fn is_foreign(&self) -> bool {
        self.server.is_some_and(|server| !server.ours)
    }

    /// What becomes of patterns on a server that is not ours: who waits for one is turned away; where one was granted
    /// before, on a door of ours, everything is wanted from now on.
    fn do_without_patterns(&mut self) -> Told {
        let turned_away = self.table.turn_patterns_away();
        let patterns = self.table.patterns();
        if patterns > 0 {
            tracing::warn!(
                patterns,
                "this server is not one of eventhive, as the one before it was, and knows no patterns:                  the link receives every event of the network, and passes on those that match"
            );
            self.table.entry(&Wish::EVERYTHING);
        }
        turned_away
    }

    /// Whether this is everything, wanted in the place of patterns.
    fn stands_in(&self, wish: &Wish) -> bool {
        self.is_foreign() && *wish == Wish::EVERYTHING && self.table.patterns() > 0
    }

    /// How the subscription to everything stands, if it brings other topics along: on a server that is not ours, which
    /// would notify twice.
    fn everything(&self) -> Wire {
        let everything = self.table.get(&Wish::EVERYTHING).filter(|_| self.is_foreign());
        everything.map_or(Wire::Absent, |entry| entry.wire)
    }

    /// The same, as far as it concerns this.
    fn covered_by_everything(&self, wish: &Wish) -> Wire {
        if *wish == Wish::EVERYTHING { Wire::Absent } else { self.everything() }
    }

    /// Whether subscribing this beside what stands would make such a server notify twice.
    fn would_double(&self, wish: &Wish) -> bool {
        let any = || self.table.iter().any(|(_, entry)| entry.wire != Wire::Absent);
        self.is_foreign() && *wish == Wish::EVERYTHING && any()
    }

    fn remove(&mut self, wish: &Wish, id: u64, caller: &Caller) -> Option<oneshot::Receiver<()>> {
        let entry = self.table.get_mut(wish)?;
        entry.forget(id);
        if !entry.sinks.is_empty() {
            return None;
        }
        let wire = entry.wire;
        match (wire, self.server) {
            (Wire::Absent, _) | (_, None) => {
                self.table.remove(wish);
                // With the last pattern, everything may have become needless in its place.
                let pattern = matches!(wish, Wish::Pattern(_));
                if pattern { self.remove(&Wish::EVERYTHING, id, caller) } else { None }
            }
            // Stays without a sink, so that nobody asks for it a second time, until the connection ends.
            (_, Some(server)) if !server.unsubscribes || self.stands_in(wish) => None,
            (wire, Some(_)) => {
                self.table.remove(wish);
                self.asked -= usize::from(wire != Wire::Standing);
                self.ask_for_uncovered(wish, caller);
                let (done, noted) = oneshot::channel();
                caller.unsubscribe(wish, done);
                Some(noted)
            }
        }
    }

    /// When everything is no longer subscribed, the topics that it brought along must be.
    fn ask_for_uncovered(&mut self, ended: &Wish, caller: &Caller) {
        if *ended == Wish::EVERYTHING && self.server.is_some() {
            let uncovered = self.table.iter().filter(|(_, entry)| entry.wire == Wire::Absent);
            let uncovered = uncovered.map(|(wish, _)| wish).collect();
            self.ask(uncovered, caller);
        }
    }

    fn asked_by(&mut self, wish: &Wish, id: u64) -> Option<&mut Entry> {
        self.table.get_mut(wish).filter(|entry| entry.wire == Wire::Asked(id))
    }

    fn granted(&mut self, id: u64, wishes: &[Wish], told: &mut Told) {
        for wish in wishes {
            let Some(entry) = self.asked_by(wish, id) else { continue };
            entry.wire = Wire::Standing;
            told.extend(entry.waiters.drain(..).map(|(_, waiter)| (waiter, Ok(()))));
            self.asked -= 1;
            if self.everything() == Wire::Standing {
                let covered = self.table.values_mut().filter(|entry| entry.wire == Wire::Absent);
                told.extend(covered.flat_map(|entry| entry.waiters.drain(..)).map(|(_, waiter)| (waiter, Ok(()))));
            }
        }
    }

    fn denied(&mut self, id: u64, wishes: Vec<Wish>, caller: &Caller, told: &mut Told) -> Result<(), String> {
        let wishes: Vec<Wish> = wishes.into_iter().filter(|wish| self.asked_by(wish, id).is_some()).collect();
        let [wish] = wishes.as_slice() else {
            // One of them is to blame: asked one by one, the others can stand.
            for wish in wishes {
                self.ask(vec![wish], caller);
            }
            return Ok(());
        };
        let Some(entry) = self.asked_by(wish, id) else { return Ok(()) };
        entry.wire = Wire::Absent;
        let waiters = entry.turn_away();
        let left = !entry.sinks.is_empty();
        let refusal = LinkError::Rejected(format!("the server does not let us subscribe `{wish}`"));
        told.extend(waiters.into_iter().map(|(_, waiter)| (waiter, Err(refusal.clone()))));
        self.asked -= 1;
        if left || self.stands_in(wish) {
            return Err(format!("the server no longer lets us subscribe `{wish}`"));
        }
        self.table.remove(wish);
        self.ask_for_uncovered(wish, caller);
        Ok(())
    }
}
