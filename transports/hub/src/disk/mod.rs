//! The backlog on disk.
//!
//! # How to read it
//! - [`DiskBacklog`]: what the hub sees.
//! - `segment`, `record`: the files, byte by byte.
//! - `open`: what they tell after a restart or a crash. `rescue`: what is left behind a damage. `state`: what is known while the log is open.
//! - `writer`: the thread that writes. `reader`: how files are read.
//! - `import`: the backlog of PyPubSub. `key`: the key of its cursors.

mod import;
mod key;
mod open;
mod reader;
mod record;
mod rescue;
mod segment;
mod state;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, Semaphore};
use tokio::task::spawn_blocking;

pub(crate) use self::import::check_import;
pub use self::import::{ImportError, Imported};
pub use self::open::OpenError;
pub(crate) use self::open::check_folder;
use self::state::{State, storage};
use self::writer::{Create, Writer};
use crate::{Backlog, BacklogError, Cursor, CursorKey, Extent, Message, Start, lock};

/// Threads that read files of one log at a time: further readers wait without one.
const READERS: usize = 4;

/// A log on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskSettings {
    /// Its folder, which is made if there is none.
    pub path: PathBuf,
    /// Whether [`stored`](Backlog::stored) waits until a message is safe from a power failure. Without it a message is
    /// written within milliseconds and safe after about a second, and nobody waits for that.
    pub durable: bool,
    /// Messages that are kept; `u64::MAX` is no bound.
    pub max_messages: u64,
    /// Bytes of files that are kept. It is kept to in steps of a 32nd, and at least 64 KiB.
    pub max_bytes: u64,
    /// Age that is kept, to about a second; `None` is no bound. The bytes of what is too old may stay in a file for as long
    /// as newer messages are in it; nobody is given them.
    pub max_age: Option<Duration>,
}

impl DiskSettings {
    /// A log in this folder, of up to 1 GiB, that is not durable.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), durable: false, max_messages: u64::MAX, max_bytes: 1 << 30, max_age: None }
    }

    /// The size at which a file is full: what is deleted at a time, and what is read when the log is opened.
    fn segment_bytes(&self) -> u64 {
        (self.max_bytes / 32).clamp(64 << 10, 64 << 20)
    }
}

/// A backlog on disk: an append-only log in a folder of its own, which one process at a time has.
///
/// It goes on where it ended, with the cursors that it gave out. Appending costs no more than handing the message to a
/// thread, which writes all that has come in the meantime at once; up to 64 MiB may be on their way to the disk. In memory
/// it has the newest messages, up to about a MiB, however long the log is. Dropping it writes what waits, and blocks for
/// that long; [`close`](Backlog::close) does it without blocking, and lets another have the log. Dropped while it closes, it
/// goes on writing and nobody waits.
///
/// Reading, and looking for a time, needs a tokio runtime, on whose threads for blocking work it is done.
///
/// Every record has a checksum. What a crash cut short at the end is cut off when the log is opened, with a line in the
/// log; so is damage in the middle of the newest file, of which what lies behind is kept. Damage elsewhere is an error to who
/// reads there.
///
/// While the disk fails, messages that it did not take are lost to the log, whoever waits for them by `stored` is told, and
/// for a second at a time further messages are refused. When the disk works again, so does the log.
pub struct DiskBacklog {
    shared: Arc<Shared>,
    durable: bool,
    folder: PathBuf,
    key: CursorKey,
    writer: Option<JoinHandle<()>>,
}

/// What the log's threads share.
struct Shared {
    state: Mutex<State>,
    /// The writer's wake-up.
    work: Condvar,
    /// Whether publishers are held back, and where they wait.
    crowded: AtomicBool,
    room: Notify,
    /// Told when the writer has gone.
    ended: Notify,
    readers: Semaphore,
    /// What this run of the process writes begins here.
    first_of_run: u64,
}

impl Shared {
    /// Publishers may go on.
    fn let_in(&self) {
        if self.crowded.swap(false, Ordering::AcqRel) {
            self.room.notify_waiters();
        }
    }
}

impl DiskBacklog {
    /// Opens the log, or makes one. Blocks while the newest file, of up to 64 MiB, is read.
    ///
    /// # Errors
    /// [`OpenError`]: it is in use, the system refuses, or a file is damaged.
    pub fn open(settings: DiskSettings) -> Result<Self, OpenError> {
        Self::open_with(settings, writer::create())
    }

    fn open_with(settings: DiskSettings, create: Create) -> Result<Self, OpenError> {
        let lock = open::take(&settings.path)?;
        import::start_over(&settings.path)?;
        let key = key::load(&settings.path)?;
        let state = open::load(&settings)?;
        let shared = Arc::new(Shared {
            first_of_run: state.newest + 1,
            state: Mutex::new(state),
            work: Condvar::new(),
            crowded: AtomicBool::new(false),
            room: Notify::new(),
            ended: Notify::new(),
            readers: Semaphore::new(READERS),
        });
        let (durable, folder) = (settings.durable, settings.path.clone());
        let writer = Writer::new(Arc::clone(&shared), settings, create);
        let thread = thread::Builder::new().name("eventhive-backlog".to_owned());
        let writer = thread.spawn(move || writer.run(lock)).map_err(|source| open::at(&folder, source))?;
        Ok(Self { shared, durable, folder, key, writer: Some(writer) })
    }

    /// Messages kept now.
    #[must_use]
    pub fn len(&self) -> u64 {
        lock(&self.shared.state).kept
    }

    /// Whether no message is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shut(&self) {
        lock(&self.shared.state).closing = true;
        self.shared.work.notify_one();
        self.shared.let_in();
    }

    /// Runs what blocks where that is allowed.
    async fn reading<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Shared) -> Result<T, BacklogError> + Send + 'static,
    ) -> Result<T, BacklogError> {
        // The semaphore is never closed; without a permit there would only be more threads.
        let _permit = self.shared.readers.acquire().await;
        let shared = Arc::clone(&self.shared);
        let read = spawn_blocking(move || read(&shared)).await;
        read.unwrap_or_else(|error| Err(storage(std::io::Error::other(error))))
    }
}

impl Backlog for DiskBacklog {
    fn extent(&self) -> Extent {
        lock(&self.shared.state).extent()
    }

    fn newest_time(&self) -> SystemTime {
        record::from_nanos(lock(&self.shared.state).newest_time)
    }

    fn cursor_key(&self) -> CursorKey {
        self.key.clone()
    }

    fn append(&self, message: &Arc<Message>) -> Result<(), BacklogError> {
        let mut state = lock(&self.shared.state);
        state.append(message)?;
        if state.is_crowded() {
            self.shared.crowded.store(true, Ordering::Release);
        }
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        if idle {
            self.shared.work.notify_one();
        }
        Ok(())
    }

    fn locate(&self, start: Start) -> BoxFuture<'_, Result<Cursor, BacklogError>> {
        async move {
            let extent = self.extent();
            match start {
                Start::Now => Ok(extent.newest),
                Start::After(cursor) => Ok(extent.check(cursor).map(|()| cursor)?),
                Start::Oldest => Ok(extent.oldest.map_or(extent.newest, Cursor::previous)),
                Start::Since(time) => {
                    let time = record::nanos(time);
                    let place = self.reading(move |shared| reader::since(shared, time)).await?;
                    Ok(Cursor::new(extent.newest.epoch(), place))
                }
            }
        }
        .boxed()
    }

    fn read(&self, place: Cursor, most: usize) -> BoxFuture<'_, Result<Vec<Arc<Message>>, BacklogError>> {
        async move {
            {
                let state = lock(&self.shared.state);
                state.extent().check(place)?;
                if let Some(after) = state.after(place.sequence()) {
                    return Ok(after.take(most).cloned().collect());
                }
            }
            self.reading(move |shared| reader::page(shared, place.sequence(), most)).await
        }
        .boxed()
    }

    fn recent(&self, place: Cursor, most: usize) -> Option<Vec<Arc<Message>>> {
        let state = lock(&self.shared.state);
        state.extent().check(place).ok()?;
        let rest = state.after(place.sequence())?;
        (rest.len() <= most).then(|| rest.cloned().collect())
    }

    fn is_ready(&self) -> bool {
        !self.shared.crowded.load(Ordering::Acquire)
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        async {
            loop {
                // Made before the look: it catches an opening that comes between the look and the wait.
                let room = self.shared.room.notified();
                if self.is_ready() {
                    return;
                }
                room.await;
            }
        }
        .boxed()
    }

    fn is_durable(&self) -> bool {
        self.durable
    }

    fn stored(&self, cursor: Cursor) -> BoxFuture<'_, Result<(), BacklogError>> {
        let outcome = lock(&self.shared.state).outcome(cursor.sequence());
        async move {
            match outcome {
                Ok(known) => known,
                Err(waiting) => {
                    waiting.await.unwrap_or_else(|_| Err(storage(std::io::Error::other("the log was closed"))))
                }
            }
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.shut();
        async {
            loop {
                let ended = self.shared.ended.notified();
                if lock(&self.shared.state).ended {
                    return;
                }
                ended.await;
            }
        }
        .boxed()
    }
}

impl Drop for DiskBacklog {
    fn drop(&mut self) {
        let (closing, ended) = {
            let state = lock(&self.shared.state);
            (state.closing, state.ended)
        };
        if closing && !ended {
            // Whoever closed it waited as long as they would.
            return;
        }
        self.shut();
        if let Some(writer) = self.writer.take() {
            // A thread that panicked has nothing more to write.
            let _ = writer.join();
        }
    }
}

impl fmt::Debug for DiskBacklog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.shared.state);
        f.debug_struct("DiskBacklog")
            .field("kept", &state.kept)
            .field("extent", &state.extent())
            .finish_non_exhaustive()
    }
}
