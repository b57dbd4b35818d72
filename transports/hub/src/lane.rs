//! The way from publishers to one worker: an inbox that an event enters once, however many sessions behind it want it.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

use crate::index::Target;
use crate::stats::Counters;
use crate::{Drops, Message, Tracker, lock};

/// What a worker is told.
pub(crate) enum Parcel {
    /// Hand this message to these sessions.
    Event { message: Arc<Message>, targets: Arc<[Target]>, tracker: Option<Tracker> },
    /// The hub closes: let every session take what it has, then end it.
    Finish,
}

impl Parcel {
    fn weight(&self) -> usize {
        match self {
            Self::Event { message, .. } => message.weight(),
            Self::Finish => 0,
        }
    }

    /// The deliveries that are in it.
    pub(crate) fn deliveries(&self) -> u64 {
        match self {
            Self::Event { message, targets, .. } => {
                let meant = targets.iter().filter(|target| message.excluded() != Some(target.session));
                meant.map(|target| u64::from(target.copies)).sum()
            }
            Self::Finish => 0,
        }
    }
}

/// Where publishers wait: open when no lane of the hub is over its bound.
#[derive(Debug)]
pub(crate) struct Gate {
    full_lanes: AtomicUsize,
    room: Notify,
    bound: usize,
}

impl Gate {
    pub(crate) fn new(bound: usize) -> Self {
        Self { full_lanes: AtomicUsize::new(0), room: Notify::new(), bound }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.full_lanes.load(Ordering::Acquire) == 0
    }

    pub(crate) async fn opened(&self) {
        loop {
            // Made before the look: it catches an opening that comes between the look and the wait.
            let room = self.room.notified();
            if self.is_open() {
                return;
            }
            room.await;
        }
    }

    fn shut_one(&self) {
        self.full_lanes.fetch_add(1, Ordering::AcqRel);
    }

    fn open_one(&self) {
        if self.full_lanes.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.room.notify_waiters();
        }
    }
}

/// One worker's inbox, bounded in bytes by its publishers' manners (the gate) and by the hub's refusal.
pub(crate) struct Lane {
    inbox: Mutex<Inbox>,
    /// What is in the inbox or in the worker's hands.
    bytes: AtomicUsize,
    worker: AtomicWaker,
    halted: AtomicBool,
    gate: Arc<Gate>,
    pub(crate) counters: Counters,
}

#[derive(Default)]
struct Inbox {
    parcels: VecDeque<Parcel>,
    full: bool,
    closed: bool,
}

impl Lane {
    pub(crate) fn new(gate: Arc<Gate>) -> Self {
        Self {
            inbox: Mutex::default(),
            bytes: AtomicUsize::new(0),
            worker: AtomicWaker::new(),
            halted: AtomicBool::new(false),
            gate,
            counters: Counters::default(),
        }
    }

    /// Puts a parcel in. The caller calls [`wake`](Self::wake) once it has let go of its locks. A closed lane gives the
    /// parcel back: its thread is gone.
    pub(crate) fn push(&self, parcel: Parcel) -> Result<(), Parcel> {
        let mut inbox = lock(&self.inbox);
        if inbox.closed {
            return Err(parcel);
        }
        let bytes = self.bytes.fetch_add(parcel.weight(), Ordering::Relaxed) + parcel.weight();
        inbox.parcels.push_back(parcel);
        if bytes > self.gate.bound && !inbox.full {
            inbox.full = true;
            self.gate.shut_one();
        }
        Ok(())
    }

    pub(crate) fn wake(&self) {
        self.worker.wake();
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// For the worker: everything in the inbox, or a wait for it. `false` when the lane is closed.
    pub(crate) fn poll_take(&self, context: &Context<'_>, into: &mut VecDeque<Parcel>) -> Poll<bool> {
        self.worker.register(context.waker());
        let mut inbox = lock(&self.inbox);
        if inbox.closed {
            return Poll::Ready(false);
        }
        if inbox.parcels.is_empty() && !self.is_halted() {
            return Poll::Pending;
        }
        mem::swap(&mut inbox.parcels, into);
        Poll::Ready(true)
    }

    /// For the worker: this much was handed out.
    pub(crate) fn release(&self, bytes: usize) {
        let left = self.bytes.fetch_sub(bytes, Ordering::Relaxed).saturating_sub(bytes);
        // Half: so that publishers are not woken for one message each.
        if left <= self.gate.bound / 2 {
            self.reopen(&mut lock(&self.inbox));
        }
    }

    fn reopen(&self, inbox: &mut Inbox) {
        if mem::take(&mut inbox.full) {
            self.gate.open_one();
        }
    }

    /// For a worker that waits elsewhere: a halt wakes it there.
    pub(crate) fn watch(&self, context: &Context<'_>) {
        self.worker.register(context.waker());
    }

    /// Tells the worker to end its sessions at once.
    pub(crate) fn halt(&self) {
        self.halted.store(true, Ordering::Release);
        self.wake();
    }

    pub(crate) fn is_halted(&self) -> bool {
        self.halted.load(Ordering::Acquire)
    }

    /// No worker reads here any more. For the worker's thread: what it has not read counts as dropped.
    pub(crate) fn close(&self) {
        let parcels = {
            let mut inbox = lock(&self.inbox);
            inbox.closed = true;
            self.reopen(&mut inbox);
            self.bytes.store(0, Ordering::Relaxed);
            mem::take(&mut inbox.parcels)
        };
        self.counters.dropped(Drops { ended: parcels.iter().map(Parcel::deliveries).sum(), ..Drops::default() });
        drop(parcels);
        self.wake();
    }

    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.inbox).closed
    }
}
