//! The sessions of one thread, and their watchdog.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt;
use eventhive_hub::{Hub, Worker};
use slab::Slab;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::drain::Plan;
use super::live::Live;
use super::stats::Counters;
use super::{Close, Common};
use crate::Config;

/// A time in milliseconds since the shard was made. It moves with the watchdog's looks, so reading it costs nothing.
pub(super) type Millis = u64;

/// A thread's part of a door.
pub(super) struct Shard {
    common: Arc<Common>,
    /// Made with the first session, which is certain to come on the thread where the sessions live.
    worker: OnceCell<Worker>,
    started: Instant,
    now: Cell<Millis>,
    lives: RefCell<Slab<Rc<Live>>>,
}

impl Shard {
    pub(super) fn new(common: Arc<Common>) -> Self {
        let (worker, now, lives) = (OnceCell::new(), Cell::new(0), RefCell::default());
        Self { common, worker, started: Instant::now(), now, lives }
    }

    pub(super) fn common(&self) -> &Common {
        &self.common
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

    /// The hub's worker of this thread. The first call also starts the watchdog.
    pub(super) fn worker(self: &Rc<Self>) -> &Worker {
        self.worker.get_or_init(|| {
            self.now.set(self.elapsed());
            let tick = tick(&self.common.config);
            rt::spawn(watch_over(Rc::downgrade(self), tick, self.common.drain.watch()));
            self.common.hub.worker()
        })
    }

    /// Takes a session in; the key is for [`remove`](Self::remove).
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
        // Nothing that a look does takes a session out of the table: their tasks do, later.
        for (_, live) in self.lives.borrow().iter() {
            live.look(now);
        }
    }

    /// Closes as many sessions as the plan wants closed by now.
    fn drain(&self, plan: Plan, at_start: usize) {
        let lives = self.lives.borrow();
        let open: Vec<_> = lives.iter().filter(|(_, live)| !live.is_closing()).collect();
        let surplus = open.len().saturating_sub(plan.may_stand(at_start, Instant::now()));
        for (_, live) in open.into_iter().take(surplus) {
            live.close(&Close::RESTART);
        }
    }
}

/// Time between looks: an eighth of the shorter of the two waits, so that they are kept about that exactly.
fn tick(config: &Config) -> Duration {
    (config.ping_interval.min(config.ping_timeout) / 8).clamp(Duration::from_millis(10), Duration::from_secs(1))
}

/// Time between looks while draining.
const DRAIN_TICK: Duration = Duration::from_millis(10);

async fn watch_over(shard: Weak<Shard>, tick: Duration, mut drain: watch::Receiver<Option<Plan>>) {
    let mut at_start = None;
    loop {
        let plan = *drain.borrow_and_update();
        let pause = if plan.is_some() { DRAIN_TICK.min(tick) } else { tick };
        tokio::select! {
            () = sleep(pause) => {}
            changed = drain.changed() => if changed.is_err() { return },
        }
        let Some(shard) = shard.upgrade() else { return };
        shard.look();
        let plan = *drain.borrow();
        if let Some(plan) = plan {
            let at_start = *at_start.get_or_insert_with(|| shard.lives.borrow().len());
            shard.drain(plan, at_start);
        }
    }
}
