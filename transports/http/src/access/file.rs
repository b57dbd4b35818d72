//! The file of the access list, and when it is read again.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
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
    read: Option<Version>,
    /// Seen, and when; read when it is still the same a while later, so that nobody is still writing it.
    changed: Option<(Version, Instant)>,
}

type Version = (SystemTime, u64);

/// How long a changed file must have been left alone before it is read.
pub(super) const SETTLED: Duration = Duration::from_millis(500);

impl AclFile {
    pub(super) fn new(path: PathBuf) -> Self {
        let read = version(&path);
        Self { path, watched: Mutex::new(Watched { read, changed: None }) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn read(&self) -> Result<List, AclError> {
        let text = std::fs::read_to_string(&self.path);
        let text = text.map_err(|source| AclError::File { path: self.path.clone(), source })?;
        let text = Zeroizing::new(text);
        List::parse(&text).map_err(|what| AclError::Wrong { path: self.path.clone(), what })
    }

    /// Whether the file has changed and has settled since. Costs one look at the file system.
    pub(super) fn is_to_be_read(&self, now: Instant) -> bool {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = version(&self.path);
        let Some(version) = seen.filter(|version| watched.read != Some(*version)) else { return false };
        match watched.changed {
            Some((known, since)) if known == version => {
                let settled = now.duration_since(since) >= SETTLED;
                if settled {
                    *watched = Watched { read: seen, changed: None };
                }
                settled
            }
            _ => {
                watched.changed = Some((version, now));
                false
            }
        }
    }
}

fn version(path: &Path) -> Option<Version> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
