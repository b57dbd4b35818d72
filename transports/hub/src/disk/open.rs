//! Opening a log that may have ended in the middle of a write.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::DiskSettings;
use super::import::ImportError;
use super::record;
use super::rescue;
use super::segment::{HEAD, Head, Next, Records, Segment, mark};
use super::state::{State, TAIL_BYTES};
use super::writer::sync_folder;
use crate::{Cursor, Message};

/// Why a log on disk was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process, or another hub of this one, has it.
    #[error("the backlog {} is in use by another hub: stop that, or give this one another `path`", path.display())]
    InUse {
        /// The log's folder.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("the backlog's {} cannot be used: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not what it should be, and not by a write that was cut short.
    #[error("the backlog's file {} is damaged ({reason}): restore it, or move it away to go on without its messages", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another backlog was to be taken over.
    #[error(transparent)]
    Import(#[from] ImportError),
}

impl OpenError {
    /// The key of a `backlog:` block that it is about.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Import(ImportError::NotNew | ImportError::Read { .. }) => "import_pypubsub",
            _ => "path",
        }
    }
}

/// Sequences that are passed over at each opening: more than can have been handed out without having come to the disk.
/// So no cursor is ever given to two messages, though the first of them be lost. The sequences last for 2^29 openings.
const SKIPPED: u64 = 1 << 32;

/// Whether the log could be opened, as far as its folder is concerned. Leaves nothing behind.
pub(crate) fn check_folder(folder: &Path) -> Result<(), OpenError> {
    let there = folder.ancestors().find(|path| path.exists()).filter(|path| !path.as_os_str().is_empty());
    let there = there.unwrap_or_else(|| Path::new("."));
    let probe = there.join(format!(".eventhive-check-{}", std::process::id()));
    OpenOptions::new().create(true).truncate(false).write(true).open(&probe).map_err(|source| at(folder, source))?;
    fs::remove_file(&probe).map_err(|source| at(&probe, source))
}

/// Whether a folder has messages, or had some.
pub(super) fn has_files(folder: &Path) -> Result<bool, OpenError> {
    match paths(folder) {
        Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(false),
        paths => paths.map(|paths| !paths.is_empty()),
    }
}

/// Takes the log for this process, for as long as the file is open.
pub(super) fn take(folder: &Path) -> Result<File, OpenError> {
    make(folder).map_err(|source| at(folder, source))?;
    let path = folder.join("lock");
    let file = private().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|source| at(&path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(at(&path, source)),
    }
}

/// What the folder's files tell.
pub(super) fn load(settings: &DiskSettings) -> Result<State, OpenError> {
    let mut found = heads(&settings.path)?;
    let epoch = found.back().map_or_else(|| Cursor::origin().epoch(), |(_, head)| head.epoch);
    let last = found.back().map_or(0, |(_, head)| head.previous.last.max(head.base - 1));
    let is_new = found.is_empty();
    let mut segments = VecDeque::new();
    let mut newest = Newest::default();
    while let Some((path, head)) = found.pop_front() {
        if head.epoch != epoch {
            let reason = "it is of another log than the files after it".to_owned();
            return Err(OpenError::Damaged { path, reason });
        }
        let mut segment = Segment { path, ..Segment::new(&settings.path, head.base) };
        match found.front().map(|(_, next)| next.previous) {
            Some(previous) if previous.base == head.base => {
                (segment.last, segment.time, segment.marks) = (previous.last, previous.time, None);
                segment.bytes = size(&segment.path)?;
            }
            // A file that should follow it is missing, or nothing follows it.
            _ => {
                let scanned = scan(&mut segment, epoch)?;
                newest = scanned.newest;
                scanned.rest.into_iter().for_each(|rest| found.push_front(rest));
            }
        }
        segments.push_back(segment);
    }
    let last = segments.iter().map(|segment| segment.last).max().unwrap_or_default().max(last);
    let skipped = if is_new { 0 } else { SKIPPED };
    let mut state = State::new(epoch, last + skipped, segments, settings.max_messages);
    state.recall(newest.messages);
    Ok(state)
}

/// Makes the folder, if there is none. What is in it is for its owner alone: some of it may be private.
fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let mut maker = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut maker, 0o700);
    maker.create(folder)?;
    // So that the folder is still there after a power failure.
    sync_folder(parent)
}

/// How the log's files are made: for their owner alone, whoever may look into the folder.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The segments and their heads, oldest first.
fn heads(folder: &Path) -> Result<VecDeque<(PathBuf, Head)>, OpenError> {
    let paths = paths(folder)?;
    let mut heads = VecDeque::new();
    let count = paths.len();
    for (index, path) in paths.into_iter().enumerate() {
        match head(&path)? {
            Some(head) if head.base > 0 => heads.push_back((path, head)),
            // It was being made when the process ended: nothing had been written to it.
            None if index + 1 == count && size(&path)? <= HEAD => {
                tracing::warn!(path = %path.display(), "removed a file of the backlog that was begun and never used");
                fs::remove_file(&path).map_err(|source| at(&path, source))?;
            }
            _ => return Err(OpenError::Damaged { path, reason: "its head".to_owned() }),
        }
    }
    Ok(heads)
}

/// The segments, oldest first.
pub(super) fn paths(folder: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(|source| at(folder, source))? {
        let path = entry.map_err(|source| at(folder, source))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".log"));
        if name.is_some_and(|name| name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit())) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn head(path: &Path) -> Result<Option<Head>, OpenError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|source| at(path, source))?;
    file.take(HEAD).read_to_end(&mut bytes).map_err(|source| at(path, source))?;
    Ok(Head::decode(&bytes))
}

fn size(path: &Path) -> Result<u64, OpenError> {
    fs::metadata(path).map(|data| data.len()).map_err(|source| at(path, source))
}

/// The newest messages of a log, as many as fit.
#[derive(Default)]
struct Newest {
    messages: VecDeque<Arc<Message>>,
    bytes: usize,
}

impl Newest {
    fn add(&mut self, message: Message) {
        self.bytes += message.weight();
        self.messages.push_back(Arc::new(message));
        while self.bytes > TAIL_BYTES
            && let Some(oldest) = self.messages.pop_front()
        {
            self.bytes -= oldest.weight();
        }
    }
}

/// What a segment that was read whole has.
struct Scanned {
    /// Its newest messages.
    newest: Newest,
    /// The segment with the records behind a damage.
    rest: Option<(PathBuf, Head)>,
}

/// Reads a segment whole, and cuts off what is no record. With no record behind that it is the end of a write that was cut
/// short. A record behind it is what a damage in the middle has left: it goes into a segment of its own, with all that
/// follows it.
fn scan(segment: &mut Segment, epoch: u64) -> Result<Scanned, OpenError> {
    let path = segment.path.clone();
    let io = |source| at(&path, source);
    let (newest, cut) = scan_records(segment, epoch).map_err(io)?;
    let Some(offset) = cut else { return Ok(Scanned { newest, rest: None }) };
    let rest = rescue::behind(segment, offset, epoch).map_err(io)?;
    match &rest {
        Some((rescued, head)) => tracing::error!(
            path = %path.display(), offset, lost = head.base - segment.last - 1, rescued = %rescued.display(),
            "the backlog is damaged: messages are lost; those behind the damage are kept in a file of their own"
        ),
        None => tracing::warn!(
            path = %path.display(), offset, bytes = size(&path)?.saturating_sub(offset),
            "cut off the end of the backlog: a write that was not finished"
        ),
    }
    let file = OpenOptions::new().write(true).open(&path).map_err(io)?;
    file.set_len(offset).and_then(|()| file.sync_all()).map_err(io)?;
    Ok(Scanned { newest, rest })
}

/// The newest messages of a segment, and where its records end if something is behind them.
fn scan_records(segment: &mut Segment, epoch: u64) -> io::Result<(Newest, Option<u64>)> {
    let mut records = Records::open(&segment.path, HEAD, None)?;
    let (mut newest, mut marks) = (Newest::default(), Vec::new());
    segment.bytes = HEAD;
    let cut = loop {
        match records.next()? {
            Next::Record { mark: found, body } if found.sequence == segment.last + 1 => {
                let end = found.offset + (record::HEAD + body.len()) as u64;
                // Of another run: whoever was excluded is nobody now.
                let Some(message) = record::decode(body, epoch, u64::MAX) else { break Some(found.offset) };
                (segment.last, segment.bytes) = (found.sequence, end);
                mark(&mut marks, &mut segment.time, found);
                newest.add(message);
            }
            Next::Record { mark, .. } => break Some(mark.offset),
            Next::Broken { offset } => break Some(offset),
            Next::End => break None,
        }
    };
    segment.marks = Some(marks);
    Ok((newest, cut))
}

pub(super) fn at(path: &Path, source: io::Error) -> OpenError {
    OpenError::Io { path: path.to_owned(), source }
}
