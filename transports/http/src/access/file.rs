//! The file of the access list, and when it is read again.
//!
//! Whoever writes it in place has it half written for a moment. So it is read again when it has been left alone for
//! [`SETTLED`], also when a signal asks for it. Another file that is renamed to it is whole at every moment.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use zeroize::Zeroizing;

use super::acl::{AclError, List};

/// A file that is read again when it has changed and nobody is writing it any more.
#[derive(Debug)]
pub(super) struct AclFile {
    path: PathBuf,
    watched: Mutex<Watched>,
}

/// The file as it was when it was last looked at.
#[derive(Debug, Default)]
struct Watched {
    /// That has been read, whatever was in it; none if it could not be read.
    read: Option<Version>,
    /// Seen, and when; read when it is still the same a while later, so that nobody is still writing it.
    changed: Option<(Version, Instant)>,
}

/// What changes when somebody writes a file, lets others read it, or puts another one in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    modified: Option<SystemTime>,
    length: u64,
    node: Node,
}

/// The file's number, and when anything about it changed, its mode included: seconds and nanoseconds.
type Node = (u64, i64, i64);

/// How long a changed file must have been left alone before it is read.
pub(super) const SETTLED: Duration = Duration::from_millis(500);
/// How long that is waited for when it is to be read now. After that whoever asked is told; it is still followed.
const LONGEST: Duration = Duration::from_secs(5);

/// How often a file is read that is written meanwhile, and how long is waited before each time but the first.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

impl AclFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, watched: Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file as it is now; one that is written meanwhile is read again.
    pub(super) fn read(&self) -> Result<List, AclError> {
        self.parse(self.read_whole(|| version(&self.path)))
    }

    /// Reads the file when nobody has written it for [`SETTLED`]; waits for that up to [`LONGEST`].
    pub(super) fn read_settled(&self) -> Result<List, AclError> {
        let until = Instant::now() + LONGEST;
        self.parse(self.read_whole(|| self.settled(until)))
    }

    fn parse(&self, read: io::Result<Zeroizing<String>>) -> Result<List, AclError> {
        let text = read.map_err(|source| AclError::File { path: self.path.clone(), source })?;
        List::parse(&text).map_err(|what| AclError::Wrong { path: self.path.clone(), what })
    }

    /// Reads the version that `before` gives. What could not be read is not what has been read: it is tried again.
    fn read_whole(&self, before: impl Fn() -> io::Result<Version>) -> io::Result<Zeroizing<String>> {
        let read = self.read_unchanged(before);
        let version = read.as_ref().ok().map(|(_, version)| *version);
        *self.watched() = Watched { read: version, changed: None };
        let text = String::from_utf8(std::mem::take(&mut *read?.0));
        text.map(Zeroizing::new).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
    }

    fn read_unchanged(&self, before: impl Fn() -> io::Result<Version>) -> io::Result<(Zeroizing<Vec<u8>>, Version)> {
        for _ in 0..TRIES {
            let before = before()?;
            let bytes = Zeroizing::new(std::fs::read(&self.path)?);
            if version(&self.path)? == before {
                return Ok((bytes, before));
            }
            sleep(BETWEEN_TRIES);
        }
        Err(being_written())
    }

    /// The file's version when it has been left alone for long enough, by its own time or by being watched.
    fn settled(&self, until: Instant) -> io::Result<Version> {
        let (mut seen, mut since) = (version(&self.path)?, Instant::now());
        while !seen.is_old() && since.elapsed() < SETTLED {
            if Instant::now() >= until {
                return Err(being_written());
            }
            sleep(BETWEEN_TRIES);
            let now = version(&self.path)?;
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
        }
        Ok(seen)
    }

    /// Whether the file has changed and has settled since. Costs one look at the file system.
    pub(super) fn is_to_be_read(&self, now: Instant) -> bool {
        let Ok(seen) = version(&self.path) else { return false };
        let mut watched = self.watched();
        if watched.read == Some(seen) {
            return false;
        }
        match watched.changed {
            Some((known, since)) if known == seen => {
                let settled = now.saturating_duration_since(since) >= SETTLED;
                if settled {
                    // Only one of those who ask reads it; should that fail, it takes this back.
                    *watched = Watched { read: Some(seen), changed: None };
                }
                settled
            }
            _ => {
                watched.changed = Some((seen, now));
                false
            }
        }
    }

    // Nothing that is done under it can panic halfway.
    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Version {
    /// Whether it was written so long ago that nobody writes it any more. One from the future is not.
    fn is_old(&self) -> bool {
        self.modified.and_then(|modified| modified.elapsed().ok()).is_some_and(|age| age >= SETTLED)
    }
}

fn being_written() -> io::Error {
    io::Error::new(
        io::ErrorKind::ResourceBusy,
        "it is being written all the time: write another file, and rename it to this one",
    )
}

fn version(path: &Path) -> io::Result<Version> {
    let metadata = std::fs::metadata(path)?;
    Ok(Version { modified: metadata.modified().ok(), length: metadata.len(), node: node(&metadata) })
}

#[cfg(unix)]
fn node(metadata: &Metadata) -> Node {
    use std::os::unix::fs::MetadataExt;
    (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn node(_: &Metadata) -> Node {
    Node::default()
}
