//! The thread that writes a log. Whatever waits when it comes by is one batch: written with one call and, where the log
//! is durable, made safe with one more. So the more is published, the less each message costs.
//!
//! A write that fails costs the batch, never the log: what follows goes into a new file, behind which nobody need know how
//! much of the failed write has come to the disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::open::private;
use super::record;
use super::segment::{HEAD, Head, Mark, Previous, Segment};
use super::state::{Batch, Outcome, State, Written};
use super::{DiskSettings, Shared};
use crate::backlog::AHEAD;
use crate::{BacklogError, Message, lock};
use tokio::sync::oneshot;

/// Written at a time, about: enough that the calls cost nothing beside it.
const BATCH_BYTES: usize = 4 << 20;

/// Between two looks at what has grown too old, and between two syncs of a log that is not durable.
const TICK: Duration = Duration::from_secs(1);

/// As [`TICK`], while a look cannot read a file: it would read all of it, again and again.
const FAILED_TICK: Duration = Duration::from_secs(60);

/// A file that is only appended to. Tests have one that fails.
pub(super) trait LogFile: Send {
    /// Writes all of it at the end.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns when what was written is safe from a power failure.
    fn sync(&mut self) -> io::Result<()>;
}

impl LogFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Makes the file of a segment, which does not exist yet.
pub(super) type Create = Box<dyn FnMut(&Path) -> io::Result<Box<dyn LogFile>> + Send>;

pub(super) fn create() -> Create {
    Box::new(|path| {
        let file = private().append(true).create_new(true).open(path)?;
        Ok(Box::new(file))
    })
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    settings: DiskSettings,
    create: Create,
    /// The last segment's file and its size; none at first and after a failure.
    file: Option<(Box<dyn LogFile>, u64)>,
    buffer: Vec<u8>,
    /// Since when something is written and not safe.
    unsafe_since: Option<Instant>,
    looked: Instant,
    /// What the last look could not read, as it was told.
    told: Option<String>,
}

/// Says that the writer has gone, in whatever way: nobody must wait for it then, and others may have the log.
struct End {
    shared: Arc<Shared>,
    /// The log's lock.
    lock: Option<File>,
}

impl Drop for End {
    fn drop(&mut self) {
        drop(self.lock.take());
        let waiters = lock(&self.shared.state).end();
        drop(waiters);
        self.shared.let_in();
        self.shared.ended.notify_waiters();
    }
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, settings: DiskSettings, create: Create) -> Self {
        let looked = Instant::now();
        Self { shared, settings, create, file: None, buffer: Vec::new(), unsafe_since: None, looked, told: None }
    }

    /// Writes until the log is closed and nothing waits. `lock` is that of the log.
    pub(super) fn run(mut self, lock: File) {
        let _end = End { shared: Arc::clone(&self.shared), lock: Some(lock) };
        while let Some(batch) = self.wait() {
            if !batch.messages.is_empty() {
                self.write(batch);
            }
            let tick = if self.told.is_some() { FAILED_TICK } else { TICK };
            if self.looked.elapsed() >= tick {
                self.looked = Instant::now();
                self.expire();
            }
            self.sync(TICK);
            self.shrink();
        }
        self.sync(Duration::ZERO);
    }

    /// The next batch, empty if there is only housekeeping to be done; none at the end.
    fn wait(&self) -> Option<Batch> {
        let mut state = lock(&self.shared.state);
        if !state.is_waiting() {
            if state.closing {
                return None;
            }
            state.idle = true;
            state = self.sleep(state);
            state.idle = false;
        }
        Some(state.batch(BATCH_BYTES.min(self.settings.segment_bytes() as usize)))
    }

    fn sleep<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let busy = self.unsafe_since.is_some() || self.settings.max_age.is_some();
        if busy {
            let woken = self.shared.work.wait_timeout(state, TICK);
            return woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        self.shared.work.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&mut self, batch: Batch) {
        let written = self.try_write(&batch);
        let mut state = lock(&self.shared.state);
        let (waiters, outcome) = match written {
            Ok(written) => (state.written(&batch, written), Ok(())),
            Err(error) => {
                let error = Arc::new(error);
                (state.failed(&batch, &error), Err(BacklogError::Storage(error)))
            }
        };
        let has_room = state.has_room();
        drop(state);
        if let Err(error) = &outcome {
            // What was written before is not safe yet, and nobody comes back to this file.
            self.sync(Duration::ZERO);
            self.file = None;
            let (folder, messages) = (self.settings.path.display(), batch.messages.len());
            tracing::error!(%folder, messages, %error, "messages could not be written to the backlog");
        }
        tell(waiters, &outcome);
        if has_room {
            self.shared.let_in();
        }
    }

    fn try_write(&mut self, batch: &Batch) -> io::Result<Written> {
        let Some((first, last)) = batch.messages.first().zip(batch.messages.last()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if self.file.as_ref().is_none_or(|(_, size)| *size >= self.settings.segment_bytes()) {
            self.file = Some(self.begin(first.cursor().sequence())?);
        }
        let Some((file, size)) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
        let marks = encode(&mut self.buffer, &batch.messages, *size)?;
        file.append(&self.buffer)?;
        if self.settings.durable {
            file.sync()?;
        } else {
            self.unsafe_since.get_or_insert_with(Instant::now);
        }
        *size += self.buffer.len() as u64;
        // One large message must not be paid for ever after.
        self.buffer.shrink_to(BATCH_BYTES);
        Ok(Written { last: last.cursor().sequence(), bytes: *size, marks })
    }

    /// Begins a segment.
    fn begin(&mut self, base: u64) -> io::Result<(Box<dyn LogFile>, u64)> {
        if !self.settings.durable {
            self.sync(Duration::ZERO);
        }
        let (epoch, previous) = {
            let state = lock(&self.shared.state);
            let last = state.segments.iter().rev().find(|segment| !segment.is_empty());
            (state.epoch, last.map_or_else(Previous::default, Segment::as_previous))
        };
        let segment = Segment::new(&self.settings.path, base);
        let made = (self.create)(&segment.path).and_then(|mut file| {
            file.append(&Head { epoch, base, previous }.encode())?;
            sync_folder(&self.settings.path)?;
            Ok(file)
        });
        let file = made.inspect_err(|_| remove(&segment.path))?;
        let mut state = lock(&self.shared.state);
        // What is left of a segment in which nothing could be written.
        let empty = state.segments.pop_back_if(|last| last.is_empty());
        state.segments.push_back(segment);
        drop(state);
        empty.iter().map(|empty| &empty.path).for_each(remove);
        Ok((file, HEAD))
    }

    /// Makes safe what has been written for this long and is not yet.
    fn sync(&mut self, after: Duration) {
        if self.unsafe_since.is_none_or(|since| since.elapsed() < after) {
            return;
        }
        self.unsafe_since = None;
        if let Some((file, _)) = &mut self.file
            && let Err(error) = file.sync()
        {
            tracing::error!(folder = %self.settings.path.display(), %error, "the backlog could not be synced");
            self.file = None;
        }
    }

    /// Drops what has grown too old.
    fn expire(&mut self) {
        let Some(age) = self.settings.max_age else { return };
        let now = SystemTime::now();
        let Some(oldest) = now.checked_sub(age).map(record::nanos) else { return };
        let expired = super::reader::expire(&self.shared, oldest, record::nanos(now + AHEAD));
        let told = expired.err().map(|error| error.to_string());
        if let Some(error) = &told
            && self.told != told
        {
            tracing::error!(
                folder = %self.settings.path.display(), error,
                "old messages in this file of the backlog stay until all of it is too old"
            );
        }
        self.told = told;
    }

    /// Deletes files that are not needed.
    fn shrink(&self) {
        let dead = lock(&self.shared.state).take_dead(self.settings.max_bytes);
        dead.iter().for_each(remove);
    }
}

/// Encodes messages for a file that has `size` bytes; gives their places.
fn encode(buffer: &mut Vec<u8>, messages: &[Arc<Message>], size: u64) -> io::Result<Vec<Mark>> {
    buffer.clear();
    let mut marks = Vec::new();
    for message in messages {
        let offset = size + buffer.len() as u64;
        marks.push(Mark { sequence: message.cursor().sequence(), time: record::nanos(message.time()), offset });
        if !record::encode(buffer, message) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a message has a part of more than 4 GiB"));
        }
    }
    Ok(marks)
}

fn tell(waiters: Vec<oneshot::Sender<Outcome>>, outcome: &Outcome) {
    for waiter in waiters {
        // Who asked may have gone.
        let _ = waiter.send(outcome.clone());
    }
}

fn remove(path: impl AsRef<Path>) {
    let path = path.as_ref();
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "a file of the backlog that is no longer needed stays");
    }
}

/// Makes the names of new files safe.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}
