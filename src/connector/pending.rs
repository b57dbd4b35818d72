//! The requests of this hive that wait for answers.
//!
//! The link's task puts an answer, sealed as it is, into the place of its request and wakes whoever waits there; opening it
//! is the asker's work, on the asker's thread. So a request costs the link one lookup, and an answer that nobody waits for
//! costs no more than that. All under one lock, held for a few moves in memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use eventhive_transport::Delivery;
use smallvec::SmallVec;

use crate::request::CLOCK_TOLERANCE;

/// The open requests of one connector.
#[derive(Debug)]
pub(super) struct Pending {
    table: Mutex<Table>,
    /// The most bytes of answers that wait to be looked at, of all requests together.
    most_bytes: usize,
    /// Requests that have ended since the start.
    ended: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    /// By the id of the request. The ids are random and ours; others can only look them up.
    open: HashMap<u128, Entry, foldhash::fast::RandomState>,
    bytes: usize,
    closed: bool,
}

#[derive(Debug, Default)]
struct Entry {
    arrived: Arrived,
    told: Option<Told>,
    /// The asker wants to know the number of receivers, whatever it is.
    counts: bool,
    waker: Option<Waker>,
}

type Arrived = SmallVec<[Bytes; 1]>;

/// What became of a request on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// The broker has it; the number of receivers, where it counts them.
    Published(Option<u64>),
    /// It was not published; for people, why.
    Failed(Arc<str>),
}

impl Told {
    /// Whether the asker must know it at once.
    const fn matters(&self) -> bool {
        matches!(self, Self::Published(Some(0)) | Self::Failed(_))
    }
}

/// What became of an answer that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offered {
    Taken,
    /// Nobody waits for it, or not any more.
    Late,
    /// Too much waits to be looked at.
    Full,
}

/// What a request hears.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// An answer, still sealed.
    Answer(Bytes),
    Told(Told),
    /// The connector is closing.
    Closed,
}

impl Pending {
    pub(super) fn new(most_bytes: usize) -> Arc<Self> {
        Arc::new(Self { table: Mutex::default(), most_bytes, ended: AtomicU64::new(0) })
    }

    /// A place for the answers to the request of this id; `None` once the connector is closing.
    pub(super) fn open(self: &Arc<Self>, id: u128) -> Option<Ticket> {
        let mut table = self.lock();
        if table.closed {
            return None;
        }
        table.open.insert(id, Entry::default());
        Some(Ticket { pending: Arc::clone(self), id, taken: Arrived::new().into_iter(), told: false })
    }

    /// Takes an answer in for the request of this id. Never waits.
    pub(super) fn offer(&self, id: u128, answer: Bytes) -> Offered {
        let mut table = self.lock();
        let bytes = table.bytes.saturating_add(answer.len());
        let Some(entry) = table.open.get_mut(&id) else { return Offered::Late };
        // One always fits, however large it is.
        if bytes > self.most_bytes && !entry.arrived.is_empty() {
            return Offered::Full;
        }
        entry.arrived.push(answer);
        let waker = entry.waker.take();
        table.bytes = bytes;
        drop(table);
        wake(waker);
        Offered::Taken
    }

    /// Ends all requests; no new ones are taken.
    pub(super) fn close(&self) {
        let mut table = self.lock();
        table.closed = true;
        let wakers: Vec<Waker> = table.open.values_mut().filter_map(|entry| entry.waker.take()).collect();
        drop(table);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// How many requests wait.
    pub(super) fn len(&self) -> usize {
        self.lock().open.len()
    }

    /// How many requests have ended since the start.
    pub(super) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Acquire)
    }

    fn tell(&self, id: u128, told: Told) {
        let mut table = self.lock();
        let Some(entry) = table.open.get_mut(&id) else { return };
        // Usually the number is of no interest, and the answer is under way: the asker sleeps on.
        let matters = entry.counts || told.matters();
        entry.told = Some(told);
        let waker = entry.waker.take_if(|_| matters);
        drop(table);
        wake(waker);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// One open request. Dropping it ends it: what still comes for it is late.
#[derive(Debug)]
pub(super) struct Ticket {
    pending: Arc<Pending>,
    id: u128,
    /// Answers taken out of the table at once, not yet looked at.
    taken: smallvec::IntoIter<[Bytes; 1]>,
    /// Whether the asker has heard what became of the request on its way out.
    told: bool,
}

impl Ticket {
    /// The request's way out, to go with its event.
    pub(super) fn fate(&self) -> Fate {
        Fate { asker: Some((Arc::clone(&self.pending), self.id)), until: None }
    }

    /// Whether the broker is known to have the request.
    pub(super) fn is_published(&self) -> bool {
        let table = self.pending.lock();
        table.open.get(&self.id).is_some_and(|entry| matches!(entry.told, Some(Told::Published(_))))
    }

    /// The next thing to hear. The number of receivers is told once: with `counts` as soon as it is known, else only if there
    /// are none.
    pub(super) fn poll(&mut self, context: &Context<'_>, counts: bool) -> Poll<Step> {
        if let Some(answer) = self.taken.next() {
            return Poll::Ready(Step::Answer(answer));
        }
        let mut table = self.pending.lock();
        let table = &mut *table;
        let Some(entry) = table.open.get_mut(&self.id) else { return Poll::Ready(Step::Closed) };
        let arrived = std::mem::take(&mut entry.arrived);
        table.bytes -= arrived.iter().map(Bytes::len).sum::<usize>();
        self.taken = arrived.into_iter();
        if let Some(answer) = self.taken.next() {
            return Poll::Ready(Step::Answer(answer));
        }
        if table.closed {
            return Poll::Ready(Step::Closed);
        }
        if let Some(told) = entry.told.as_ref().filter(|told| !self.told && (counts || told.matters())) {
            self.told = true;
            return Poll::Ready(Step::Told(told.clone()));
        }
        entry.counts = counts && !self.told;
        match &mut entry.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut table = self.pending.lock();
        if let Some(entry) = table.open.remove(&self.id) {
            table.bytes -= entry.arrived.iter().map(Bytes::len).sum::<usize>();
        }
        drop(table);
        self.pending.ended.fetch_add(1, Ordering::Release);
    }
}

/// What an event in the outbox knows of the request that it is. Dropped untold, it tells that the event is gone.
#[derive(Debug)]
pub(super) struct Fate {
    asker: Option<(Arc<Pending>, u128)>,
    /// From then on nobody waits for an answer, whether the request is known to have ended or not.
    until: Option<Instant>,
}

impl Fate {
    /// Of an answer, for which its asker waits until `deadline`. Clocks differ, and whoever asks is to hear of that too: so it
    /// is of use for a while in any case.
    pub(super) fn of_answer(deadline: Option<SystemTime>) -> Self {
        let until = |deadline: SystemTime| {
            let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
            Instant::now().checked_add(left.saturating_add(CLOCK_TOLERANCE))
        };
        Self { asker: None, until: deadline.and_then(until) }
    }

    /// The same, with a deadline.
    pub(super) fn with_deadline(mut self, until: Option<Instant>) -> Self {
        self.until = until;
        self
    }

    /// When it is moot at the latest.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.until
    }

    /// The request's table.
    pub(super) fn requests(&self) -> Option<&Arc<Pending>> {
        self.asker.as_ref().map(|(pending, _)| pending)
    }

    /// Whether nobody waits for an answer any more: then the event need not be sent.
    pub(super) fn is_moot(&self) -> bool {
        self.until.is_some_and(|until| until <= Instant::now())
            || self.asker.as_ref().is_some_and(|(pending, id)| !pending.lock().open.contains_key(id))
    }

    /// The event is not sent, being moot. Who asked has stopped waiting, or is about to: it is told nothing, so that its end
    /// is that its time was over.
    pub(super) fn expire(&mut self) {
        self.asker = None;
    }

    /// The broker has the event.
    pub(super) fn published(&mut self, delivery: Delivery) {
        let receivers = match delivery {
            Delivery::Counted(receivers) => Some(receivers),
            _ => None,
        };
        self.tell(Told::Published(receivers));
    }

    /// The event was not published.
    pub(super) fn failed(&mut self, reason: &str) {
        self.tell(Told::Failed(reason.into()));
    }

    fn tell(&mut self, told: Told) {
        if let Some((pending, id)) = self.asker.take() {
            pending.tell(id, told);
        }
    }
}

impl Drop for Fate {
    fn drop(&mut self) {
        if self.asker.is_some() {
            self.failed("it was dropped from the outbox before it was sent; see `outbox` in the configuration");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn step(ticket: &mut Ticket, counts: bool) -> Option<Step> {
        match ticket.poll(&Context::from_waker(Waker::noop()), counts) {
            Poll::Ready(step) => Some(step),
            Poll::Pending => None,
        }
    }

    #[test]
    fn answers_reach_their_request_and_no_other_and_are_late_once_it_is_dropped() {
        let pending = Pending::new(100);
        let (mut one, mut two) = (pending.open(1).unwrap(), pending.open(2).unwrap());
        assert_eq!(pending.offer(1, "a".into()), Offered::Taken);
        assert_eq!(pending.offer(1, "b".into()), Offered::Taken);
        assert_eq!(pending.offer(3, "c".into()), Offered::Late);
        assert_eq!(step(&mut two, false), None);
        assert_eq!(step(&mut one, false), Some(Step::Answer("a".into())));
        assert_eq!(step(&mut one, false), Some(Step::Answer("b".into())));
        drop(one);
        assert_eq!(pending.offer(1, "d".into()), Offered::Late);
        drop(two);
        assert_eq!((pending.len(), pending.lock().bytes), (0, 0));
    }

    #[test]
    fn what_waits_to_be_looked_at_is_bounded_and_freed() {
        let pending = Pending::new(10);
        let (mut one, two) = (pending.open(1).unwrap(), pending.open(2).unwrap());
        assert_eq!(pending.offer(1, "12345678".into()), Offered::Taken);
        assert_eq!(pending.offer(1, "123".into()), Offered::Full);
        assert_eq!(pending.offer(2, "123456789012".into()), Offered::Taken, "one always fits");
        drop(two);
        assert_eq!(step(&mut one, false), Some(Step::Answer("12345678".into())));
        assert_eq!(pending.lock().bytes, 0);
    }

    #[test]
    fn only_a_count_that_matters_wakes_the_asker() {
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let woken = |told: Delivery, counts: bool| {
            let pending = Pending::new(10);
            let mut ticket = pending.open(1).unwrap();
            assert!(ticket.poll(&Context::from_waker(&waker), counts).is_pending());
            let before = count.0.load(Ordering::SeqCst);
            ticket.fate().published(told);
            assert_eq!(
                ticket.poll(&Context::from_waker(&waker), counts).is_ready(),
                counts || told == Delivery::Counted(0)
            );
            count.0.load(Ordering::SeqCst) > before
        };
        assert!(!woken(Delivery::Counted(3), false) && !woken(Delivery::Accepted, false));
        assert!(woken(Delivery::Counted(0), false) && woken(Delivery::Counted(3), true));
    }

    #[test]
    fn an_event_that_is_dropped_unsent_tells_its_request_and_one_without_a_request_is_moot() {
        let pending = Pending::new(10);
        let mut ticket = pending.open(1).unwrap();
        let fate = ticket.fate();
        assert!(!fate.is_moot());
        drop(fate);
        assert!(matches!(step(&mut ticket, false), Some(Step::Told(Told::Failed(_)))));
        let fate = ticket.fate();
        drop(ticket);
        assert!(fate.is_moot());
    }

    #[test]
    fn a_request_past_its_deadline_is_moot_and_expires_without_a_word() {
        let pending = Pending::new(10);
        let mut ticket = pending.open(1).unwrap();
        assert!(!ticket.fate().with_deadline(Instant::now().checked_add(std::time::Duration::from_secs(60))).is_moot());
        step(&mut ticket, false);
        let mut ticket = pending.open(2).unwrap();
        let mut fate = ticket.fate().with_deadline(Some(Instant::now()));
        assert!(fate.is_moot());
        fate.expire();
        drop(fate);
        assert_eq!(step(&mut ticket, true), None);
    }

    #[test]
    fn closing_ends_every_request_after_the_answers_that_are_there() {
        let pending = Pending::new(10);
        let mut ticket = pending.open(1).unwrap();
        pending.offer(1, "a".into());
        pending.close();
        assert_eq!(step(&mut ticket, false), Some(Step::Answer("a".into())));
        assert_eq!(step(&mut ticket, false), Some(Step::Closed));
        assert!(pending.open(2).is_none());
    }
}
