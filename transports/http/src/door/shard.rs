//! The streams of one thread, their pings and their watchdog.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt;
use eventhive_hub::{Hub, Worker};
use slab::Slab;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::Common;
use super::form::Form;
use super::live::Live;
use super::stats::Counters;
use crate::Config;
use crate::wire::chunk::Chunk;

/// A time in milliseconds since the shard was made. It moves with the watchdog's looks, so reading it costs nothing.
pub(super) type Millis = u64;

/// A thread's part of a door.
pub(super) struct Shard {
    common: Arc<Common>,
    /// The server has nothing between the door and its sockets that reads bodies, so that bodies may come to it as chunks.
    chunks: bool,
    /// Made with the first stream, which is certain to come on the thread where the streams live.
    worker: OnceCell<Worker>,
    started: Instant,
    now: Cell<Millis>,
    lives: RefCell<Slab<Rc<Live>>>,
}

/// The pings of one look: all streams of a form share one.
#[derive(Default)]
pub(super) struct Pings(Vec<(Form, Chunk)>);

impl Pings {
    pub(super) fn of(&mut self, form: Form) -> Chunk {
        if let Some((_, ping)) = self.0.iter().find(|(known, _)| *known == form) {
            return ping.clone();
        }
        let ping = form.ping();
        self.0.push((form, ping.clone()));
        ping
    }
}

impl Shard {
    pub(super) fn new(common: Arc<Common>, chunks: bool) -> Self {
        let (worker, now, lives) = (OnceCell::new(), Cell::new(0), RefCell::default());
        Self { common, chunks, worker, started: Instant::now(), now, lives }
    }

    pub(super) fn common(&self) -> &Common {
        &self.common
    }

    pub(super) const fn makes_chunks(&self) -> bool {
        self.chunks
    }

    pub(super) fn config(&self) -> &Config {
        &self.common.config
    }

    pub(super) fn hub(&self) -> &Hub {
        &self.common.hub
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.common.counters
    }

    pub(super) fn now(&self) -> Millis {
        self.now.get()
    }

    pub(super) fn ping_interval(&self) -> Millis {
        Millis::try_from(self.config().ping_interval.as_millis()).unwrap_or(Millis::MAX)
    }

    /// The hub's worker of this thread. The first call also starts the watchdog.
    pub(super) fn worker(self: &Rc<Self>) -> &Worker {
        self.worker.get_or_init(|| {
            self.now.set(self.elapsed());
            // A fortieth of the interval, so that pings keep it about that exactly.
            let tick = (self.config().ping_interval / 40).clamp(Duration::from_millis(5), Duration::from_millis(250));
            rt::spawn(watch_over(Rc::downgrade(self), tick, self.common.draining.subscribe()));
            self.common.hub.worker()
        })
    }

    /// Takes a stream in; the key is for [`remove`](Self::remove).
    pub(super) fn insert(&self, live: Rc<Live>) -> usize {
        self.lives.borrow_mut().insert(live)
    }

    pub(super) fn remove(&self, key: usize) {
        let gone = self.lives.borrow_mut().try_remove(key);
        if gone.is_some() {
            self.common.counters.leave();
        }
    }

    fn elapsed(&self) -> Millis {
        Millis::try_from(self.started.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }

    fn look(&self) {
        let now = self.elapsed();
        self.now.set(now);
        let mut pings = Pings::default();
        // Nothing that a look does takes a stream out of the table: their tasks do, later.
        for (_, live) in self.lives.borrow().iter() {
            live.look(now, &mut pings);
        }
    }

    /// Ends some streams in good order.
    fn drain(&self, most: usize) {
        let lives = self.lives.borrow();
        lives.iter().filter(|(_, live)| live.is_open()).take(most).for_each(|(_, live)| live.session.close());
    }
}

/// Time between looks while draining.
const DRAIN_TICK: Duration = Duration::from_millis(10);

/// Streams that a thread ends at each of them: clients come back at once, and not all in one instant.
const DRAIN_STEP: usize = 20;

/// The part of the time for draining in which the ends are begun.
const DRAIN_SHARE: f64 = 0.7;

async fn watch_over(shard: Weak<Shard>, tick: Duration, mut draining: watch::Receiver<Option<Duration>>) {
    let mut step = None;
    loop {
        let within = *draining.borrow_and_update();
        tokio::select! {
            () = sleep(if within.is_some() { DRAIN_TICK.min(tick) } else { tick }) => {}
            changed = draining.changed() => if changed.is_err() { return },
        }
        let Some(shard) = shard.upgrade() else { return };
        shard.look();
        if let Some(within) = *draining.borrow() {
            shard.drain(*step.get_or_insert_with(|| drain_step(shard.lives.borrow().len(), within)));
        }
    }
}

fn drain_step(streams: usize, within: Duration) -> usize {
    let ticks = (within.mul_f64(DRAIN_SHARE).as_millis() / DRAIN_TICK.as_millis()).max(1);
    streams.div_ceil(usize::try_from(ticks).unwrap_or(usize::MAX)).max(DRAIN_STEP)
}
