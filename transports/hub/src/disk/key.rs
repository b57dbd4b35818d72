//! The key under which a log's cursors leave the process: a file beside the log, which only its owner may read.
//!
//! Cursors that were given out under a key that is gone are unknown ever after, and that is said to whoever brings one.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::open::{OpenError, at, private};
use super::writer::sync_folder;
use crate::CursorKey;

const FILE: &str = "cursor.key";

/// The log's key, made if it has none. The log is ours.
pub(super) fn load(folder: &Path) -> Result<CursorKey, OpenError> {
    let path = folder.join(FILE);
    match fs::read(&path) {
        Ok(bytes) => {
            let reason = || format!("it has {} bytes, not {}", bytes.len(), CursorKey::BYTES);
            let bytes = bytes.as_slice().try_into();
            bytes.map(CursorKey::from_bytes).map_err(|_| OpenError::Damaged { path: path.clone(), reason: reason() })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = CursorKey::random();
            store(folder, &path, &key).map_err(|source| at(&path, source))?;
            Ok(key)
        }
        Err(error) => Err(at(&path, error)),
    }
}

/// Whole or not at all: half a key would be a log that does not open.
fn store(folder: &Path, path: &Path, key: &CursorKey) -> io::Result<()> {
    let new = folder.join(format!("{FILE}.new"));
    if let Err(error) = fs::remove_file(&new)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = private().write(true).create_new(true).open(&new)?;
    file.write_all(key.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_folder(folder)
}
