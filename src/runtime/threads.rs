//! The threads that hooks run on.
//!
//! Inside a running actix system the hive uses the thread that it was built on. Anywhere else it starts a system of
//! its own on background threads, so that it works under any other runtime and in plain threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::ThreadId;
use std::time::Duration;

use actix::{Arbiter, System};
use actix_rt::ArbiterHandle;

use crate::registry::{Registry, SetupError};

/// A hive of its own threads gets one for each core, at most this many: hooks that wait need none, and handlers that
/// block have threads of their own.
const MOST_THREADS: usize = 4;

/// How long the hooks of a dropped hive may go on with what waits in their mailboxes.
const LAST_WORDS: Duration = Duration::from_secs(30);

pub(crate) struct Threads {
    workers: Vec<Worker>,
    next: AtomicUsize,
    /// The system to stop with the hive, if it is the hive's own.
    own: Option<System>,
}

#[derive(Clone)]
pub(crate) struct Worker {
    arbiter: ArbiterHandle,
    pub(crate) thread: ThreadId,
    pub(crate) runtime: tokio::runtime::Handle,
}

impl Threads {
    /// The running system's thread, or threads of a system of its own: `wanted`, or one for each core.
    pub(crate) fn start(wanted: Option<usize>) -> Result<Self, SetupError> {
        match (wanted, Worker::current()) {
            (None, Some(worker)) => Ok(Self { workers: vec![worker], next: AtomicUsize::new(0), own: None }),
            _ => {
                let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MOST_THREADS));
                Self::own(wanted.unwrap_or(cores).max(1))
            }
        }
    }

    fn own(count: usize) -> Result<Self, SetupError> {
        let (sender, receiver) = mpsc::channel();
        let spawned = std::thread::Builder::new().name("eventhive".into()).spawn(move || system(count, &sender));
        spawned.map_err(|error| failed(&error))?;
        match receiver.recv() {
            Ok(Ok((workers, own))) => Ok(Self { workers, next: AtomicUsize::new(0), own: Some(own) }),
            Ok(Err(error)) => Err(failed(&error)),
            Err(error) => Err(failed(&error)),
        }
    }

    /// The thread for the next hook or connector, in turn.
    pub(crate) fn pick(&self) -> &Worker {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.workers.len();
        &self.workers[turn]
    }

    /// The first thread, for what belongs to the hive as a whole.
    pub(crate) fn first(&self) -> &Worker {
        &self.workers[0]
    }

    /// Whether the calling thread is one that hooks run on.
    pub(crate) fn runs_here(&self) -> bool {
        let here = std::thread::current().id();
        self.workers.iter().any(|worker| worker.thread == here)
    }

    /// Ends the threads, if they are the hive's own, when the hooks of a closed registry have handled what waits.
    pub(crate) fn retire(&self, registry: Arc<Registry>) {
        let Some(system) = self.own.clone() else { return };
        let drain = move || {
            actix_rt::spawn(async move {
                // A hook that is stalled for good must not keep threads for good.
                let _ = tokio::time::timeout(LAST_WORDS, registry.drained()).await;
                system.stop();
            });
        };
        // If the threads have ended, there is nothing left to do.
        let _ = self.first().run(drain);
    }

    /// Ends the threads now, if they are the hive's own.
    pub(crate) fn stop(&self) {
        if let Some(system) = &self.own {
            system.stop();
        }
    }
}

impl Worker {
    /// This thread, if an actix system runs on it. The thread remembers a system that has ended, so that is looked at.
    fn current() -> Option<Self> {
        let arbiter = Arbiter::try_current().filter(ArbiterHandle::alive)?;
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        System::is_registered().then(|| Self { arbiter, thread: std::thread::current().id(), runtime })
    }

    /// Runs `start` on the thread.
    ///
    /// # Errors
    /// The thread has ended.
    pub(crate) fn run(&self, start: impl FnOnce() + Send + 'static) -> Result<(), SetupError> {
        if self.arbiter.spawn_fn(start) { Ok(()) } else { Err(SetupError::Stopped) }
    }
}

type Started = std::io::Result<(Vec<Worker>, System)>;

/// The main thread of an own system.
fn system(count: usize, started: &mpsc::Sender<Started>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(started.send(Err(error))),
    };
    let runner = System::with_tokio_rt(move || runtime);
    let workers = runner.block_on(workers(count));
    let ready = workers.is_ok();
    let sent = started.send(workers.map(|workers| (workers, System::current())));
    if ready
        && sent.is_ok()
        && let Err(error) = runner.run()
    {
        tracing::error!(%error, "the hive's system ended");
    }
}

async fn workers(count: usize) -> std::io::Result<Vec<Worker>> {
    let mut workers: Vec<Worker> = Worker::current().into_iter().collect();
    for _ in 1..count {
        let arbiter = Arbiter::try_new()?;
        let (sender, receiver) = tokio::sync::oneshot::channel();
        arbiter.spawn_fn(move || drop(sender.send(Worker::current())));
        workers.extend(receiver.await.ok().flatten());
    }
    if workers.is_empty() { Err(std::io::Error::other("no thread came up")) } else { Ok(workers) }
}

fn failed(error: &dyn std::fmt::Display) -> SetupError {
    SetupError::Threads(Arc::from(error.to_string()))
}
