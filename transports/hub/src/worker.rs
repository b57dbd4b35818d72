//! The fan-out on one thread.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Poll, Waker};

use eventhive_transport::Overflow;
use slab::Slab;
use tokio::task::yield_now;

use crate::core::Core;
use crate::index::Target;
use crate::lane::{Lane, Parcel};
use crate::queue::{Ended, Offer, Queue, Share};
use crate::{Drops, Hub, Message, Outgoing, Session, SessionSettings, Tracker};

/// Handed out to one session, in bytes, before the sockets get a turn: well under the smallest sensible queue.
const BURST_BYTES: usize = 64 << 10;

/// Handed out to all sessions before the sockets get a turn, where they are few: about a fifth of a millisecond.
const BURST_DELIVERIES: usize = 4096;

/// Handed out for each session before the sockets get a turn, where they are many: what a socket takes in one write of
/// some 20 KiB. The turn of a thousand sockets takes longer than this whatever is written, and with a tenth of it in each
/// write, a delivery to a thousand sessions costs twice as much as one to a hundred.
const BURST_PER_SESSION: usize = 64;

/// The fan-out worker of a thread. It works while a clone of it or one of its sessions lives.
#[derive(Clone)]
pub struct Worker(Rc<Local>);

/// What a worker's handles, sessions and task share.
pub(crate) struct Local {
    pub(crate) core: Arc<Core>,
    pub(crate) lane: Arc<Lane>,
    lane_key: usize,
    sessions: RefCell<Slab<Rc<Queue>>>,
}

thread_local! {
    /// This thread's workers, by hub: a handful at most.
    static WORKERS: RefCell<Vec<Weak<Local>>> = const { RefCell::new(Vec::new()) };
}

impl Worker {
    pub(crate) fn of_this_thread(core: &Arc<Core>) -> Self {
        WORKERS.with_borrow_mut(|workers| {
            workers.retain(|worker| worker.strong_count() > 0);
            let known = workers.iter().filter_map(Weak::upgrade).find(|local| local.serves(core));
            Self(known.unwrap_or_else(|| {
                let local = Local::start(Arc::clone(core));
                workers.push(Rc::downgrade(&local));
                local
            }))
        })
    }

    /// Opens a session: the handle for its door, and what its socket reads. On a closing hub it has ended already.
    #[must_use]
    pub fn open(&self, settings: SessionSettings) -> (Session, Outgoing) {
        let local = &self.0;
        let queue = {
            let mut sessions = local.sessions.borrow_mut();
            let place = sessions.vacant_entry();
            let (lane, slot) = (Arc::clone(&local.lane), place.key());
            let (id, key) = local.core.open(Arc::clone(&lane), slot, &settings);
            let queue = Rc::new(Queue::new(id, key.unwrap_or_default(), slot, lane, &settings));
            match key {
                Some(_) => drop(place.insert(Rc::clone(&queue))),
                None => {
                    queue.registered.set(false);
                    queue.abort(Ended::HubClosing);
                }
            }
            queue
        };
        (Session::new(Rc::clone(&queue), Rc::clone(local)), Outgoing::new(queue, Rc::clone(local)))
    }

    /// The hub.
    #[must_use]
    pub fn hub(&self) -> Hub {
        Hub::of(Arc::clone(&self.0.core))
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("sessions", &self.0.sessions.borrow().len()).finish()
    }
}

impl Local {
    fn start(core: Arc<Core>) -> Rc<Self> {
        let (lane_key, lane) = core.add_lane();
        let local = Rc::new(Self { core, lane: Arc::clone(&lane), lane_key, sessions: RefCell::default() });
        tokio::task::spawn_local(run(Rc::downgrade(&local), LaneGuard(lane)));
        local
    }

    fn serves(&self, core: &Arc<Core>) -> bool {
        Arc::ptr_eq(&self.core, core) && !self.lane.is_closed()
    }

    /// Ends a session's subscriptions; it goes when the rest is read.
    pub(crate) fn finish(&self, queue: &Queue, why: Ended) {
        queue.finish(why);
        if queue.registered.get() {
            self.core.silence(queue.key);
        }
    }

    /// Ends a session at once.
    pub(crate) fn end(&self, queue: &Queue, why: Ended) {
        queue.abort(why);
        self.remove(queue);
    }

    /// Takes a session that is over out of the tables.
    pub(crate) fn remove(&self, queue: &Queue) {
        if queue.registered.replace(false) {
            let gone = self.sessions.borrow_mut().try_remove(queue.slot);
            self.core.remove(queue.key);
            drop(gone);
        }
    }

    async fn hand_out(&self, message: &Arc<Message>, targets: &[Target], tracker: Option<&Tracker>) {
        let excluded = message.excluded();
        for target in targets {
            if excluded == Some(target.session) {
                continue;
            }
            let offered = match self.sessions.borrow().get(target.slot as usize) {
                // A slot may have been given to another session since the match was made.
                Some(queue) if queue.id == target.session => queue.offer(message, tracker, target.copies),
                _ => Offer::Over,
            };
            match offered {
                Offer::Queued(reader) => reader.into_iter().for_each(Waker::wake),
                Offer::Full => self.overflow(target, message, tracker).await,
                Offer::Over => self.lane.counters.dropped(ended(target.copies)),
            }
        }
    }

    /// The slow path of one delivery: the session's queue is full.
    #[cold]
    async fn overflow(&self, target: &Target, message: &Arc<Message>, tracker: Option<&Tracker>) {
        let Some(queue) = self.sessions.borrow().get(target.slot as usize).cloned() else { return };
        let copies = target.copies;
        let weight = message.weight().saturating_mul(copies as usize);
        if queue.spare() {
            yield_now().await;
        }
        if queue.overflow == Overflow::Block {
            self.wait_for_room(&queue, weight).await;
        }
        if queue.overflow == Overflow::DropOldest && queue.ended().is_none() {
            queue.evict_for(weight);
        }
        match queue.offer(message, tracker, copies) {
            Offer::Queued(reader) => reader.into_iter().for_each(Waker::wake),
            Offer::Over => queue.dropped(ended(copies)),
            Offer::Full if queue.overflow == Overflow::DropNewest => {
                queue.dropped(Drops { newest: copies.into(), ..Drops::default() });
            }
            Offer::Full if self.lane.is_halted() => queue.dropped(ended(copies)),
            Offer::Full => {
                tracing::warn!(hub = %self.core.settings.name, session = %queue.id, "disconnected: too slow a consumer");
                queue.dropped(Drops { slow_consumer: copies.into(), ..Drops::default() });
                self.end(&queue, Ended::SlowConsumer);
            }
        }
    }

    /// Waits as long as a blocking session may block.
    async fn wait_for_room(&self, queue: &Queue, weight: usize) {
        let room = poll_fn(|context| {
            self.lane.watch(context);
            if self.lane.is_halted() {
                return Poll::Ready(());
            }
            queue.poll_room(weight, Share::Whole, context).map(|_| ())
        });
        // Whether it came in time shows at the next offer.
        let _ = tokio::time::timeout(queue.longest_block, room).await;
    }

    /// The deliveries after which the sockets get a turn.
    fn burst(&self) -> usize {
        BURST_DELIVERIES.max(self.sessions.borrow().len().saturating_mul(BURST_PER_SESSION))
    }

    fn finish_all(&self) {
        for queue in self.all() {
            queue.finish(Ended::HubClosing);
        }
    }

    fn end_all(&self) {
        for queue in self.all() {
            self.end(&queue, Ended::HubClosing);
        }
    }

    fn all(&self) -> Vec<Rc<Queue>> {
        self.sessions.borrow().iter().map(|(_, queue)| Rc::clone(queue)).collect()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.lane.close();
        self.core.remove_lane(self.lane_key);
    }
}

fn ended(copies: u32) -> Drops {
    Drops { ended: copies.into(), ..Drops::default() }
}

/// Closes the lane when the worker's task ends, in whatever way: publishers must not wait for a thread that is gone.
struct LaneGuard(Arc<Lane>);

impl Drop for LaneGuard {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A worker's task.
async fn run(local: Weak<Local>, guard: LaneGuard) {
    let lane = &guard.0;
    let mut parcels = VecDeque::new();
    while poll_fn(|context| lane.poll_take(context, &mut parcels)).await {
        let Some(local) = local.upgrade() else { return };
        work(&local, &mut parcels).await;
        if lane.is_halted() {
            local.end_all();
            return;
        }
    }
}

/// Hands out a batch of parcels; the sockets get a turn in between.
async fn work(local: &Local, parcels: &mut VecDeque<Parcel>) {
    let (mut bytes, mut deliveries) = (0, 0);
    while let Some(parcel) = parcels.pop_front() {
        match parcel {
            Parcel::Event { message, targets, tracker } => {
                local.hand_out(&message, &targets, tracker.as_ref()).await;
                bytes += message.weight();
                deliveries += targets.len();
            }
            Parcel::Finish => local.finish_all(),
        }
        if bytes >= BURST_BYTES || deliveries >= local.burst() {
            local.lane.release(bytes);
            (bytes, deliveries) = (0, 0);
            yield_now().await;
        }
    }
    local.lane.release(bytes);
}
