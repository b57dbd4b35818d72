//! Threads for handlers that may block.
//!
//! tokio's own pool for blocking work has a fixed limit, so enough stalled hooks would stall all others, and a runtime
//! waits for it when it ends, so one stalled hook would keep the process alive. This pool has one thread for each job
//! under way and lets go of threads that are idle. Jobs are the batches of blocking hooks, at most `concurrency` for a
//! hook at a time: that bounds the threads.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

type Job = Box<dyn FnOnce() + Send>;

/// How long a thread waits for one more job. A thread costs some 20 KiB while it waits.
const IDLE: Duration = Duration::from_secs(10);

struct Pool {
    state: Mutex<State>,
    filled: Condvar,
}

struct State {
    jobs: VecDeque<Job>,
    idle: usize,
}

static POOL: Pool = Pool { state: Mutex::new(State { jobs: VecDeque::new(), idle: 0 }), filled: Condvar::new() };

/// Runs `job` on a thread that may block, soon.
///
/// # Errors
/// The system has no more threads. The job is dropped.
pub(crate) fn run(job: Job) -> std::io::Result<()> {
    let mut state = POOL.lock();
    if state.idle > state.jobs.len() {
        state.jobs.push_back(job);
        drop(state);
        POOL.filled.notify_one();
        return Ok(());
    }
    drop(state);
    std::thread::Builder::new().name("eventhive-hook".into()).spawn(move || POOL.work(job)).map(drop)
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, first: Job) {
        let mut job = Some(first);
        while let Some(run) = job.take() {
            // Handlers' panics are caught where they are counted; this is for what a handler leaves behind, such as a
            // value whose drop panics.
            let _ = catch_unwind(AssertUnwindSafe(run));
            job = self.next();
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        state.idle += 1;
        let (mut state, _) = self
            .filled
            .wait_timeout_while(state, IDLE, |state| state.jobs.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        state.jobs.pop_front()
    }
}
