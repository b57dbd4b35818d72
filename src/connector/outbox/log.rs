//! The log of an outbox on disk: events are appended, and it is noted below which number all are done with.
//!
//! Nothing here waits for the disk: [`append`](Log::append) is one write to the operating system, which keeps it when the
//! process ends, however it ends. [`Disk`](super::disk::Disk) waits, on a thread of its own.

use std::collections::VecDeque;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eventhive_transport::Topic;

use super::error::OutboxError;
use super::record;
use super::segment::{self, Contents, MAGIC, Place, Places};

/// Size of one file: space is given back by whole files, so an eighth of the bound is not much too much; 8 MiB keep a
/// file quick to read, 64 KiB keep them few.
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = (64 << 10)..=(8 << 20);

/// What is kept of a buffer that one large event has made grow.
const LARGE_BUFFER: usize = 256 << 10;

pub(super) struct Log {
    folder: PathBuf,
    /// Oldest first; the last is written to.
    segments: Vec<u64>,
    active: Arc<File>,
    /// Bytes of the active file.
    length: u64,
    segment_bytes: u64,
    /// Above the numbers of all events.
    next: u64,
    /// Numbers of the events in the log that are not done with. Those between them are of events that are not kept.
    kept: VecDeque<u64>,
    buffer: Vec<u8>,
    unsynced: Unsynced,
    /// Why nothing can be written any more.
    broken: Option<String>,
    /// Held as long as the log is open.
    lock: Option<File>,
}

/// What was written and not synced yet.
#[derive(Default, Clone)]
pub(super) struct Unsynced {
    /// Files that an earlier process left. Not open: there may be more than a process can have open.
    pub(super) left: Vec<PathBuf>,
    pub(super) files: Vec<Arc<File>>,
    /// Whether a file was made, which the folder must know.
    pub(super) folder: bool,
    /// Every event below is written.
    pub(super) below: u64,
}

/// An opened log, and what waits in it.
pub(super) struct Opened {
    pub(super) log: Log,
    pub(super) waiting: Places,
}

impl Log {
    /// Opens the log in `folder`, or makes one. What a crash cut off at the end is removed; it was never taken.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub(super) fn open(folder: &Path, most_bytes: u64) -> Result<Opened, OutboxError> {
        create_folder(folder).map_err(OutboxError::at(folder))?;
        let lock = lock(folder)?;
        let mut segments = segment::list(folder)?;
        let (mut waiting, mut done, mut next) = (Vec::new(), 0, 0);
        for segment in segments.clone() {
            let contents = segment::scan(folder, segment)?;
            let is_last = segments.last() == Some(&segment);
            repair(&segment::path_of(folder, segment), &contents, is_last)?;
            if contents.sound == 0 && is_last {
                segments.pop();
            }
            done = contents.done.max(done);
            next = contents.events.last().map_or(next, |(number, _)| number + 1).max(done).max(next).max(segment);
            waiting.extend(contents.events);
        }
        waiting.retain(|(number, _)| *number >= done);
        let active = match segments.last() {
            Some(last) => segment::append(&segment::path_of(folder, *last)),
            None => segment::create(&segment::path_of(folder, next)).inspect(|_| segments.push(next)),
        };
        let active = active.map_err(OutboxError::at(folder))?;
        let length = active.metadata().map_err(OutboxError::at(folder))?.len();
        let active = Arc::new(active);
        // What an earlier process wrote may not be on the disk either.
        let left = segments.iter().map(|segment| segment::path_of(folder, *segment)).collect();
        let unsynced = Unsynced { left, files: Vec::new(), folder: true, below: next };
        let segment_bytes = (most_bytes / 8).clamp(*SEGMENT_BYTES.start(), *SEGMENT_BYTES.end());
        let log = Self {
            folder: folder.to_owned(),
            segments,
            active,
            length,
            segment_bytes,
            next,
            kept: waiting.iter().map(|(number, _)| *number).collect(),
            buffer: Vec::new(),
            unsynced,
            broken: None,
            lock: Some(lock),
        };
        Ok(Opened { log, waiting })
    }

    /// Above the numbers of all events.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Writes an event; its number must be above all others. When this returns, the event survives the end of the process.
    ///
    /// # Errors
    /// Nothing of the event is in the log then, and later ones may be taken again.
    pub(super) fn append(&mut self, number: u64, topic: &Topic, message: &[u8]) -> io::Result<Place> {
        self.begin_segment_if_full(number)?;
        self.buffer.clear();
        self.buffer.shrink_to(LARGE_BUFFER);
        record::write_event(&mut self.buffer, number, topic.as_bytes(), message)
            .ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let length = self.buffer.len();
        let (segment, offset) = (self.segments.last().copied().unwrap_or_default(), self.write()?);
        let place = Place { segment, offset, length };
        self.kept.push_back(number);
        self.next = number + 1;
        self.unsynced.below = self.next;
        if self.unsynced.files.last().is_none_or(|last| !Arc::ptr_eq(last, &self.active)) {
            self.unsynced.files.push(Arc::clone(&self.active));
        }
        Ok(place)
    }

    /// Notes that every event below `below` is done with. Gives the files that nothing needs any more, and whether it
    /// could be written: without the note the events are sent again after a restart, and receivers know them.
    pub(super) fn done(&mut self, below: u64) -> (Vec<PathBuf>, io::Result<()>) {
        let done = self.kept.partition_point(|number| *number < below);
        if done == 0 {
            // Nothing of it is in the log.
            return (Vec::new(), Ok(()));
        }
        // All that was appended is below it, and all that will be is not.
        let begun = self.begin_segment_if_full(self.next.max(below));
        // A segment's events are all below the number of the next segment.
        let gone = self.segments.iter().skip(1).take_while(|next| **next <= below).count();
        let gone = self.segments.drain(..gone).map(|gone| segment::path_of(&self.folder, gone)).collect();
        self.buffer.clear();
        record::write_done(&mut self.buffer, below);
        // What could not be noted is noted the next time.
        let noted = self.write().map(|_| drop(self.kept.drain(..done)));
        (gone, noted.and(begun))
    }

    /// What must be synced so that all that was taken is on the disk.
    pub(super) fn take_unsynced(&mut self) -> Unsynced {
        let below = self.unsynced.below;
        std::mem::replace(&mut self.unsynced, Unsynced { below, ..Unsynced::default() })
    }

    /// Takes nothing more, because of `reason`.
    pub(super) fn break_off(&mut self, reason: String) {
        self.broken.get_or_insert(reason);
    }

    /// Lets another process have the folder. A log in which nothing waits leaves no files of events.
    pub(super) fn close(&mut self) {
        self.break_off("it is closed".to_owned());
        let Some(lock) = self.lock.take() else { return };
        if self.kept.is_empty() {
            for segment in self.segments.drain(..) {
                // What stays is read as done with.
                let _ = fs::remove_file(segment::path_of(&self.folder, segment));
            }
        }
        drop(lock);
    }

    /// Lets the folder go as the end of the process would.
    #[cfg(test)]
    pub(super) fn forget(&mut self) {
        self.break_off("the process has ended".to_owned());
        self.lock = None;
    }

    /// Begins a new file for the event of this number and those behind it, if the active one is large enough.
    fn begin_segment_if_full(&mut self, number: u64) -> io::Result<()> {
        // A file without events has the right name for some that come later, and is not replaced.
        let has_events = self.segments.last().is_some_and(|first| *first < self.next);
        if self.length < self.segment_bytes || !has_events {
            return Ok(());
        }
        self.check()?;
        let file = segment::create(&segment::path_of(&self.folder, number))?;
        self.active = Arc::new(file);
        self.length = MAGIC.len() as u64;
        self.segments.push(number);
        self.unsynced.folder = true;
        Ok(())
    }

    /// Writes the buffer at the end of the active file, whole or not at all. Gives where it begins.
    fn write(&mut self) -> io::Result<u64> {
        self.check()?;
        let at = self.length;
        if let Err(error) = (&*self.active).write_all(&self.buffer) {
            // A part of a record would hide all that follows it.
            if let Err(stuck) = self.active.set_len(at) {
                self.break_off(format!("a record that was written in part cannot be removed: {stuck}"));
            }
            return Err(error);
        }
        self.length += self.buffer.len() as u64;
        Ok(at)
    }

    fn check(&self) -> io::Result<()> {
        self.broken.as_ref().map_or(Ok(()), |reason| Err(io::Error::other(reason.clone())))
    }
}

/// Makes the folder for this user alone; one that is there stays as it is.
fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn lock(folder: &Path) -> Result<File, OutboxError> {
    let path = folder.join("lock");
    let file = segment::options().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(OutboxError::at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OutboxError::InUse(folder.to_owned())),
        Err(TryLockError::Error(source)) => Err(OutboxError::Io { path, source }),
    }
}

/// Tells of what cannot be read in a file. At the end of the newest file it is what a crash cut off, and goes, so that the
/// next record is not behind it; a file of nothing else goes, too. Everywhere else the disk lost something: it stays for
/// people to look at, until all that is sound in the file is done with.
fn repair(path: &Path, contents: &Contents, is_last: bool) -> Result<(), OutboxError> {
    let (file, bytes) = (path.display(), contents.length - contents.sound);
    if contents.damaged > 0 {
        let bytes = contents.damaged;
        tracing::error!(%file, bytes, "this file of the outbox is damaged: events in the damaged part are lost, those behind it are not");
    }
    if bytes > 0 && !is_last {
        tracing::error!(%file, bytes, "the end of this file of the outbox is damaged: the events in it are lost");
        return Ok(());
    }
    if bytes > 0 {
        tracing::warn!(%file, bytes, "the end of the outbox was cut off by a crash or a loss of power and is removed: no whole event is in it");
    }
    let repaired = match contents.sound {
        0 if is_last => fs::remove_file(path),
        sound if bytes > 0 => segment::append(path).and_then(|file| file.set_len(sound)),
        _ => Ok(()),
    };
    repaired.map_err(OutboxError::at(path))
}
