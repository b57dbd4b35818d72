//! The backlog file of PyPubSub: one JSON object a line, as its server writes it.
//!
//! `{"timestamp": <epoch float>, "topics": [..], "json": {<the event as it was sent>}, "private": <bool>}`
//!
//! While a file is taken over, a marker lies beside the log. A log that is found with it was cut short in that, and is begun
//! anew: half an import never happened.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::open::{OpenError, at, has_files, paths, private};
use super::writer::sync_folder;
use super::{DiskBacklog, DiskSettings, record};
use crate::{Backlog, BacklogError, Cursor, Draft, Message, lock};

/// The attribute of a message with the path that it was published to, where that is not simply its topic.
const PATH: &str = "pubsub_path";

/// The file that lies beside the log for as long as another is taken over.
const MARKER: &str = "importing";

/// Empties a log that was cut short in taking another over.
pub(super) fn start_over(folder: &Path) -> Result<(), OpenError> {
    let marker = folder.join(MARKER);
    if !marker.exists() {
        return Ok(());
    }
    tracing::warn!(folder = %folder.display(), "a backlog was cut short when it took another over, and is begun anew");
    for path in paths(folder)? {
        fs::remove_file(&path).map_err(|source| at(&path, source))?;
    }
    let removed = sync_folder(folder).and_then(|()| fs::remove_file(&marker));
    removed.map_err(|source| at(&marker, source))
}

/// Whether the file can be read, if the log in `folder` would take it over.
pub(crate) fn check_import(folder: &Path, file: &Path) -> Result<(), OpenError> {
    if has_files(folder)? && !folder.join(MARKER).exists() {
        return Ok(());
    }
    readable(file).map(drop).map_err(OpenError::Import)
}

fn readable(path: &Path) -> Result<File, ImportError> {
    let read = |source| ImportError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read)?;
    // A folder can be opened, and only then not be read.
    if file.metadata().map_err(read)?.is_dir() {
        return Err(read(io::ErrorKind::IsADirectory.into()));
    }
    Ok(file)
}

/// What came of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Events taken over. The log's bounds apply to them: some may be gone already.
    pub events: u64,
    /// Lines that are no event.
    pub skipped: u64,
}

/// Why a file was not imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The log has, or had, messages. What would be imported is older than they are, and there is no place for it.
    #[error("the backlog is not new: a file can only be imported into one that has never had a message")]
    NotNew,
    /// The file cannot be read.
    #[error("the backlog of PyPubSub {} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The log did not take it. It is empty when it is opened again.
    #[error(transparent)]
    Backlog(#[from] BacklogError),
    /// The log's folder did not take it. It is empty when it is opened again.
    #[error("the backlog's {} cannot be used: {source}", path.display())]
    Folder {
        /// The log's folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

#[derive(Deserialize)]
struct Line<'a> {
    timestamp: f64,
    topics: Vec<String>,
    #[serde(borrow)]
    json: &'a RawValue,
    private: bool,
}

#[derive(Deserialize, Default)]
struct Decoration {
    pubsub_path: Option<String>,
    pubsub_cursor: Option<Uuid>,
}

impl DiskBacklog {
    /// Opens the log and, if it has never had a message, takes over a backlog file of PyPubSub. The file is not looked at
    /// otherwise, and may be gone by then. Blocks as [`open`](Self::open) and [`import_pypubsub`](Self::import_pypubsub) do.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_with_pypubsub(settings: DiskSettings, file: &Path) -> Result<Self, OpenError> {
        let log = Self::open(settings)?;
        if log.is_new() {
            let Imported { events, skipped } = log.import_pypubsub(file)?;
            tracing::info!(file = %file.display(), events, skipped, "took over a backlog of PyPubSub");
        }
        Ok(log)
    }

    /// Whether the log has never had a message.
    #[must_use]
    pub fn is_new(&self) -> bool {
        lock(&self.shared.state).newest == 0
    }

    /// Takes over a backlog file of PyPubSub, before a hub has the log. Events keep their time (but for one that is ahead of
    /// the clock, which gets that of the event before it), their topics, their object to the letter and whether they are private; an event's cursor there becomes its id here, and it gets a new cursor.
    /// Lines that are no event, such as one that was cut short by a crash, are skipped and counted. Blocks until all is
    /// written.
    ///
    /// # Errors
    /// [`ImportError`].
    pub fn import_pypubsub(&self, path: &Path) -> Result<Imported, ImportError> {
        if !self.is_new() {
            return Err(ImportError::NotNew);
        }
        let file = readable(path)?;
        let folder = |source| ImportError::Folder { path: self.folder.clone(), source };
        let marker = self.folder.join(MARKER);
        let marked =
            private().write(true).create(true).truncate(true).open(&marker).and_then(|marker| marker.sync_all());
        marked.and_then(|()| sync_folder(&self.folder)).map_err(folder)?;
        let imported = self.take_all(file, path)?;
        self.sync().and_then(|()| fs::remove_file(&marker)).map_err(folder)?;
        Ok(imported)
    }

    fn take_all(&self, file: File, path: &Path) -> Result<Imported, ImportError> {
        let read = |source| ImportError::Read { path: path.to_owned(), source };
        let mut lines = BufReader::new(file);
        let (mut imported, mut line, mut newest) = (Imported::default(), Vec::new(), None);
        let now = SystemTime::now();
        while lines.read_until(b'\n', &mut line).map_err(read)? > 0 {
            match parse(&line) {
                Some((draft, time, id)) => {
                    // One that is ahead of the clock is wrong, and must not be that of all that follow.
                    newest = if time > now { newest } else { newest.max(Some(time)) };
                    self.take_over(draft, newest.unwrap_or(now), id)?;
                    imported.events += 1;
                }
                None => {
                    imported.skipped += 1;
                    let number = imported.events + imported.skipped;
                    tracing::warn!(path = %path.display(), line = number, "not imported: no event of a PyPubSub backlog");
                }
            }
            line.clear();
        }
        self.wait_for(self.extent().newest)?;
        Ok(imported)
    }

    /// Makes all files safe, also where the log is not durable.
    fn sync(&self) -> io::Result<()> {
        for path in paths(&self.folder).map_err(io::Error::other)? {
            match File::open(&path).and_then(|file| file.sync_all()) {
                // It had only what the log's bounds have dropped since.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                synced => synced?,
            }
        }
        Ok(())
    }

    fn take_over(&self, draft: Draft, time: SystemTime, id: Uuid) -> Result<(), BacklogError> {
        let newest = self.extent().newest;
        let message = Arc::new(Message::stamped(draft, id, time, newest.next()));
        match self.append(&message) {
            Err(BacklogError::Busy) => {
                self.wait_for(newest)?;
                self.append(&message)
            }
            appended => appended,
        }
    }

    fn wait_for(&self, cursor: Cursor) -> Result<(), BacklogError> {
        let waiting = match lock(&self.shared.state).outcome(cursor.sequence()) {
            Ok(known) => return known,
            Err(waiting) => waiting,
        };
        // A thread of its own, since this one may be a runtime's, which must not wait so.
        let waited = thread::scope(|scope| scope.spawn(|| waiting.blocking_recv()).join());
        let gone = |_| Err(super::storage(io::Error::other("the log was closed")));
        waited.map_or_else(|_| gone(()), |outcome| outcome.unwrap_or_else(|_| gone(())))
    }
}

fn parse(line: &[u8]) -> Option<(Draft, SystemTime, Uuid)> {
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    let object = line.json.get();
    let decoration: Decoration = object.starts_with('{').then(|| serde_json::from_str(object).unwrap_or_default())?;
    let since = Duration::try_from_secs_f64(line.timestamp).ok()?;
    let topic = line.topics.join("/");
    let regular = if line.private { format!("/private/{topic}") } else { format!("/{topic}") };
    let draft = Draft::json(topic.as_str(), object.to_owned()).private(line.private);
    let draft = match decoration.pubsub_path.filter(|path| *path != regular) {
        Some(path) => draft.attribute(PATH, path),
        None => draft,
    };
    // Rounded to what a file keeps.
    let time = record::from_nanos(record::nanos(UNIX_EPOCH.checked_add(since)?));
    Some((draft, time, decoration.pubsub_cursor.unwrap_or_else(Uuid::now_v7)))
}
