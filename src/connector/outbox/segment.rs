//! The files of a log: `N.log`, where N is the number of the first event that may stand in it.
//!
//! A file begins with [`MAGIC`]; records follow. Only the newest is written to, and only at its end, so that a crash of the
//! process can damage nothing but its last record. A loss of power may leave zeros, or nothing, for what was not synced;
//! whatever record is sound behind that, or behind other damage, is found again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::error::OutboxError;
use super::record::{self, Record};

/// What every file begins with.
pub(super) const MAGIC: &[u8] = b"eventhive outbox 1\n";

/// Where an event stands on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Names the file.
    pub(super) segment: u64,
    pub(super) offset: u64,
    /// Bytes of the record.
    pub(super) length: usize,
}

/// Numbers and places of events, oldest first.
pub(super) type Places = Vec<(u64, Place)>;

/// What a file has.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) events: Places,
    /// Every event below is done with.
    pub(super) done: u64,
    /// Bytes up to the end of the last sound record; 0 if not even the start is sound.
    pub(super) sound: u64,
    /// Bytes among those that are damaged.
    pub(super) damaged: u64,
    /// Bytes of the file.
    pub(super) length: u64,
}

pub(super) fn path_of(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("{segment:020}.log"))
}

/// The segments in `folder`, oldest first.
pub(super) fn list(folder: &Path) -> Result<Vec<u64>, OutboxError> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(folder).map_err(OutboxError::at(folder))? {
        let name = entry.map_err(OutboxError::at(folder))?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_suffix(".log"));
        segments.extend(digits.and_then(|digits| digits.parse::<u64>().ok()));
    }
    segments.sort_unstable();
    Ok(segments)
}

/// Makes a file for this user alone, with its start written.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let file = options().append(true).create_new(true).open(path)?;
    if let Err(error) = io::Write::write_all(&mut &file, MAGIC) {
        // What cannot be removed either is found to be cut off when the outbox is opened again.
        let _ = fs::remove_file(path);
        return Err(error);
    }
    Ok(file)
}

/// Opens a file to write at its end.
pub(super) fn append(path: &Path) -> io::Result<File> {
    options().append(true).open(path)
}

/// Files that nobody else may read or write.
pub(super) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Reads what is whole in a file.
pub(super) fn scan(folder: &Path, segment: u64) -> Result<Contents, OutboxError> {
    let path = path_of(folder, segment);
    let bytes = fs::read(&path).map_err(OutboxError::at(&path))?;
    let mut contents = Contents { length: bytes.len() as u64, ..Contents::default() };
    let start = bytes.get(..MAGIC.len()).unwrap_or(&bytes);
    if !MAGIC.starts_with(start) && start.iter().any(|byte| *byte != 0) {
        return Err(OutboxError::Foreign(path));
    }
    let mut at = if start == MAGIC { MAGIC.len() } else { 0 };
    contents.sound = at as u64;
    while let Some((skipped, record, length)) = bytes.get(at..).and_then(record::find) {
        at += skipped;
        contents.damaged += skipped as u64;
        match record {
            Record::Event { number, .. } => {
                contents.events.push((number, Place { segment, offset: at as u64, length }));
            }
            Record::Done { below } => contents.done = contents.done.max(below),
        }
        at += length;
        contents.sound = at as u64;
    }
    Ok(contents)
}

/// Reads single events; keeps the file of the last one open.
pub(super) struct Reader<'a> {
    folder: &'a Path,
    open: Option<(u64, File)>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(folder: &'a Path) -> Self {
        Self { folder, open: None }
    }

    pub(super) fn read(&mut self, place: Place) -> io::Result<Record> {
        if self.open.as_ref().is_none_or(|(segment, _)| *segment != place.segment) {
            self.open = Some((place.segment, File::open(path_of(self.folder, place.segment))?));
        }
        let Some((_, file)) = &mut self.open else { return Err(io::ErrorKind::NotFound.into()) };
        let mut bytes = vec![0; place.length];
        file.seek(SeekFrom::Start(place.offset))?;
        file.read_exact(&mut bytes)?;
        record::read(&bytes).map(|(record, _)| record).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}
