//! The file of the access list, and when it is read again.

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
    /// That has been read, whatever was in it.
    read: Option<Version>,
    /// Seen, and when; read when it is still the same a while later, so that nobody is still writing it.
    changed: Option<(Version, Instant)>,
}

/// What changes when somebody writes a file, or puts another one in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    modified: Option<SystemTime>,
    length: u64,
    node: u64,
}

/// How long a changed file must have been left alone before it is read.
pub(super) const SETTLED: Duration = Duration::from_millis(500);

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
        let text = self.read_whole().map_err(|source| AclError::File { path: self.path.clone(), source })?;
        List::parse(&text).map_err(|what| AclError::Wrong { path: self.path.clone(), what })
    }

    fn read_whole(&self) -> io::Result<Zeroizing<String>> {
        for _ in 0..TRIES {
            let before = version(&self.path)?;
            let text = Zeroizing::new(std::fs::read_to_string(&self.path)?);
            if version(&self.path)? == before {
                *self.watched() = Watched { read: Some(before), changed: None };
                return Ok(text);
            }
            sleep(BETWEEN_TRIES);
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "it is being written all the time"))
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
                    // Whatever comes of it: what cannot be read is not tried again until it changes.
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

fn version(path: &Path) -> io::Result<Version> {
    let metadata = std::fs::metadata(path)?;
    Ok(Version { modified: metadata.modified().ok(), length: metadata.len(), node: node(&metadata) })
}

#[cfg(unix)]
fn node(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn node(_: &Metadata) -> u64 {
    0
}
