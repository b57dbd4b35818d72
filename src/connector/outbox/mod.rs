//! The outbox: events that were taken and that no broker has answered for yet, in order, in memory or on disk.
//!
//! On disk, *taken* means written to the operating system before the caller goes on: it survives the end of the process,
//! however it ends. An event is appended to the [`log`] and, while there is room for it in memory, kept there too; the
//! others are [loaded](Outbox::load) when their turn comes. What waits is the plain message with its id: it is sealed
//! when it is sent, so that its seal is never too old, and a repeated one is known by its id.
//!
//! - `queue.rs`, `perishing.rs`: order, bounds, and what is under way, in memory.
//! - `disk.rs`, `log.rs`, `segment.rs`, `record.rs`: the thread, the log, its files, their records.

mod disk;
mod error;
mod log;
mod perishing;
mod queue;
mod record;
mod segment;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use eventhive_transport::{Overflow, Topic};
use tokio::sync::Notify;

use super::pending::Fate;
use disk::Disk;
pub(crate) use error::OutboxError;
use queue::Queue;
use record::Record;
use segment::Reader;

/// An event that was taken.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// Its place in the order of the outbox.
    pub(super) number: u64,
    pub(super) topic: Topic,
    /// The plain message.
    pub(super) message: Bytes,
    /// For a request of this hive: who waits for the answer, and is told what becomes of the event.
    pub(super) fate: Option<Fate>,
}

/// [`push`](Self::push) is for any thread; the rest is for the one task that empties the outbox.
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    filled: Notify,
    settled: Notify,
    disk: Option<Arc<Disk>>,
}

/// What became of a push.
#[derive(Debug)]
pub(super) enum Pushed {
    /// The event waits; so many older ones went for it.
    Queued { dropped: usize },
    /// There is no room for it.
    Full,
    /// The outbox was closed.
    Closed,
    /// The disk did not take it.
    Failed(std::io::Error),
}

/// What is next.
#[derive(Debug)]
pub(super) enum Next {
    /// This event. It counts as under way until it is [finished](Outbox::finish) or put back.
    Event(Outgoing),
    /// An event that must be [loaded](Outbox::load) first.
    OnDisk,
    /// Nothing.
    Nothing,
}

impl Outbox {
    /// An outbox of `limit` bytes that ends with the process. Of the policies only `drop_oldest` lets old events go.
    pub(crate) fn in_memory(limit: usize, overflow: Overflow) -> Self {
        Self::new(Queue::new(limit, overflow, usize::MAX), None)
    }

    /// An outbox of `limit` bytes in `folder`, with what an earlier process left in it. Waits for the disk.
    ///
    /// # Errors
    /// [`OutboxError`]; its text names the path and the fix.
    pub(crate) fn on_disk(folder: &Path, limit: usize, overflow: Overflow, durable: bool) -> Result<Self, OutboxError> {
        let (disk, waiting) = Disk::open(folder, limit as u64, durable)?;
        let mut queue = Queue::new(limit, overflow, queue::MEMORY_BYTES);
        queue.restore(disk.log().next(), waiting);
        Ok(Self::new(queue, Some(disk)))
    }

    fn new(queue: Queue, disk: Option<Arc<Disk>>) -> Self {
        Self { queue: Mutex::new(queue), filled: Notify::new(), settled: Notify::new(), disk }
    }

    /// Takes an event; with `keep` it goes to the disk, if there is one: that is one write to the operating system, in the
    /// caller's thread. In memory nothing could wait.
    pub(super) fn push(&self, topic: Topic, message: Bytes, fate: Option<Fate>, keep: bool) -> Pushed {
        let pushed = match &self.disk {
            None => {
                let mut queue = self.queue();
                let number = queue.next_number();
                let event = Outgoing { number, topic, message, fate };
                queue.refusal(&event).unwrap_or_else(|| Pushed::Queued { dropped: queue.push(event, None) })
            }
            Some(disk) => self.push_to(disk, topic, message, fate, keep),
        };
        if matches!(pushed, Pushed::Queued { .. }) {
            self.filled.notify_one();
        }
        pushed
    }

    /// The lock of the log is held all the time, so that the order of the log is that of the queue; the queue's is not,
    /// so that a write that takes long does not hold up the task that sends.
    fn push_to(&self, disk: &Disk, topic: Topic, message: Bytes, fate: Option<Fate>, keep: bool) -> Pushed {
        let mut log = disk.log();
        let number = self.queue().next_number();
        let event = Outgoing { number, topic, message, fate };
        if let Some(refusal) = self.queue().refusal(&event) {
            return refusal;
        }
        let place = match keep.then(|| log.append(number, &event.topic, &event.message)).transpose() {
            Ok(place) => place,
            Err(error) => return Pushed::Failed(error),
        };
        let dropped = self.queue().push(event, place);
        drop(log);
        if keep {
            disk.written();
        }
        if dropped > 0 {
            disk.done(self.queue().done());
        }
        Pushed::Queued { dropped }
    }

    /// The oldest event.
    pub(super) fn pop(&self) -> Next {
        self.queue().pop()
    }

    /// Puts events back in front, in their order, whatever the limit: they were there before.
    pub(super) fn put_back(&self, events: impl DoubleEndedIterator<Item = Outgoing>) {
        let mut queue = self.queue();
        events.rev().for_each(|event| queue.put_back(event));
        drop(queue);
        self.filled.notify_one();
    }

    /// An event that was popped is done with.
    pub(super) fn finish(&self, number: u64) {
        let mut queue = self.queue();
        queue.finish(number);
        self.tell_done(queue);
    }

    fn tell_done(&self, queue: MutexGuard<'_, Queue>) {
        let (done, settled) = (queue.done(), queue.is_settled());
        drop(queue);
        if let Some(disk) = &self.disk {
            disk.done(done);
        }
        if settled {
            self.settled.notify_waiters();
        }
    }

    /// Brings the next events from the disk into memory. Gives how many could not be read; they are lost, and each has
    /// been told.
    pub(super) async fn load(self: &Arc<Self>) -> usize {
        let outbox = Arc::clone(self);
        // The task fails only with the runtime, and with it the one who asks.
        tokio::task::spawn_blocking(move || outbox.load_now()).await.unwrap_or(0)
    }

    fn load_now(&self) -> usize {
        let Some(disk) = &self.disk else { return 0 };
        let wanted = self.queue().unread();
        let mut reader = Reader::new(disk.folder());
        let read: Vec<_> = wanted.into_iter().map(|(number, place)| (number, reader.read(place))).collect();
        let mut queue = self.queue();
        let mut lost = 0;
        for (number, record) in read {
            match record {
                Ok(Record::Event { topic, message, .. }) => queue.loaded(number, topic, message),
                // The place is an event's: another record there is damage, too.
                Ok(Record::Done { .. }) => lost += usize::from(queue.remove(number)),
                Err(error) => {
                    let outbox = disk.folder().display();
                    tracing::error!(%outbox, number, "an event cannot be read back from the disk and is lost: {error}");
                    lost += usize::from(queue.remove(number));
                }
            }
        }
        self.tell_done(queue);
        lost
    }

    /// Resolves when every event pushed before this call is gone: finished, or dropped by the policy.
    pub(super) async fn settled(&self) {
        loop {
            let notified = self.settled.notified();
            tokio::pin!(notified);
            // From here on no notification is missed, so one between the look and the wait wakes it.
            notified.as_mut().enable();
            if self.queue().is_settled() {
                return;
            }
            notified.await;
        }
    }

    /// Resolves when every event pushed before this call would survive a loss of power, as far as that was asked for.
    /// False if that cannot be known any more.
    pub(super) async fn stored(&self) -> bool {
        match &self.disk {
            Some(disk) => disk.synced().await,
            None => true,
        }
    }

    /// Resolves when something was pushed since the last time; may resolve once too often.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Takes no more.
    pub(super) fn close(&self) {
        self.queue().close();
    }

    /// Lets another process have the folder; what waits stays in it. Whether there is a folder.
    pub(super) async fn release(&self) -> bool {
        let Some(disk) = self.disk.clone() else { return false };
        // As in `load`.
        let _ = tokio::task::spawn_blocking(move || disk.close()).await;
        true
    }

    /// Events that wait.
    pub(super) fn len(&self) -> usize {
        self.queue().len()
    }

    /// Events that made room because nobody waited for them any more, since the start.
    pub(super) fn expired(&self) -> u64 {
        self.queue().expired()
    }

    /// Events that wait or are under way.
    pub(super) fn unsettled(&self) -> usize {
        self.queue().unsettled()
    }

    // The lock covers a few moves in memory and no await; a panic cannot leave it half done.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        if let Some(disk) = &self.disk {
            disk.end();
        }
    }
}
