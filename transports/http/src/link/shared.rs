//! What a link's methods and its tasks share.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::queue::Queue;
use super::settings::LinkSettings;
use super::standing::{PartId, Standing};

pub(super) struct Shared {
    pub(super) settings: LinkSettings,
    pub(super) queue: Queue,
    pub(super) standing: Standing,
    /// Where the link's tasks run.
    pub(super) runtime: Handle,
    /// Set once, when the owner closes the link.
    closing: watch::Sender<bool>,
    streams: Mutex<Streams>,
}

/// The tasks of the subscriptions; none any more once the link is closed.
struct Streams {
    tasks: Option<HashMap<PartId, JoinHandle<()>>>,
    last: PartId,
}

impl Shared {
    pub(super) fn new(settings: LinkSettings) -> Self {
        Self {
            queue: Queue::new(settings.send_queue),
            standing: Standing::new(settings.url()),
            runtime: Handle::current(),
            closing: watch::Sender::new(false),
            streams: Mutex::new(Streams { tasks: Some(HashMap::new()), last: 0 }),
            settings,
        }
    }

    /// Tells the tasks to flush and end.
    pub(super) fn shut(&self) {
        self.queue.shut();
        self.closing.send_replace(true);
    }

    pub(super) async fn until_closing(&self) {
        // An error would mean that the sender is gone, which is in `self`.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }

    /// The time for flushing is over.
    pub(super) async fn until_closing_is_late(&self) {
        self.until_closing().await;
        tokio::time::sleep(self.settings.close_timeout).await;
    }

    /// Starts a stream; `None` if the link is closed.
    pub(super) fn start(&self, task: impl FnOnce(PartId) -> JoinHandle<()>) -> Option<PartId> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.last += 1;
        let id = streams.last;
        streams.tasks.as_mut()?.insert(id, task(id));
        Some(id)
    }

    /// Ends a stream. When this resolves, its sink is not called again.
    pub(super) async fn end(&self, id: PartId) {
        let task = {
            let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
            streams.tasks.as_mut().and_then(|tasks| tasks.remove(&id))
        };
        if let Some(task) = task {
            stop(task).await;
            self.standing.remove(id);
        }
    }

    /// Ends all streams, for good.
    pub(super) async fn end_all(&self) {
        let tasks = self.streams.lock().unwrap_or_else(PoisonError::into_inner).tasks.take();
        for (_, task) in tasks.into_iter().flatten() {
            stop(task).await;
        }
    }
}

async fn stop(task: JoinHandle<()>) {
    task.abort();
    // An error says that it was aborted, as it should be.
    let _ = task.await;
}
