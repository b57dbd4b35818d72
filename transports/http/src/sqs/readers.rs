//! The readers of a door.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eventhive_hub::Hub;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::config::QueueConfig;
use super::queue::http_client;
use super::reader::Reader;
use super::stats::{Counters, QueueStats};

/// The end of a door, as its readers see it.
#[derive(Clone)]
pub(crate) struct Stop {
    draining: watch::Receiver<Option<Duration>>,
    hub: Hub,
}

impl Stop {
    /// When the door drains, its hub closes, or nobody holds the sender any more.
    pub(crate) const fn new(draining: watch::Receiver<Option<Duration>>, hub: Hub) -> Self {
        Self { draining, hub }
    }

    /// What `work` comes to; `None`, and the work is dropped, if the door stops before.
    pub(super) async fn unless<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut draining = self.draining.clone();
        tokio::select! {
            biased;
            // An error says that the door is gone.
            _ = draining.wait_for(Option::is_some) => None,
            () = self.hub.closing() => None,
            result = work => Some(result),
        }
    }
}

/// The readers of a door. Dropped, they end wherever they are.
#[derive(Default)]
pub(crate) struct Readers {
    tasks: Mutex<JoinSet<()>>,
    counters: Arc<Counters>,
}

impl Readers {
    /// Starts a reader for each queue, on the runtime of the calling thread. Does nothing when they have been started.
    ///
    /// # Panics
    /// If the thread has no tokio runtime and there are queues.
    pub(crate) fn start(&self, queues: &[QueueConfig], hub: &Hub, largest: usize, stop: &Stop) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if queues.is_empty() || !tasks.is_empty() {
            return;
        }
        let http = http_client();
        for queue in queues.iter().cloned() {
            let counters = Arc::clone(&self.counters);
            let reader = Reader::new(queue, http.clone(), hub.clone(), largest, stop.clone(), counters);
            tasks.spawn(reader.run());
        }
    }

    pub(crate) fn stats(&self) -> QueueStats {
        self.counters.read()
    }

    /// Resolves when all have ended.
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        async move { while tasks.join_next().await.is_some() {} }
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").finish_non_exhaustive()
    }
}
