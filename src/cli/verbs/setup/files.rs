//! New files in a folder: all of them or none, and never over one that is there.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::cli::exit::{Exit, Failure};

/// Writes these texts into new files of `folder`, which is made where it is missing. Their owner alone can read them.
///
/// Each is complete on the disk before it gets its name. What fails half way takes the names away again that it gave.
pub(super) fn write_new(folder: &Path, files: &[(&str, &str)]) -> Result<(), Failure> {
    let failed = |what: &Path, error: &io::Error| {
        Failure::new(Exit::Failed, format!("cannot write `{}`: {error}", what.display()))
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    let there: Vec<&str> = files.iter().map(|(name, _)| *name).filter(|name| is_there(&folder.join(name))).collect();
    if !there.is_empty() {
        return Err(exists(folder, &there));
    }
    let mut complete = Vec::new();
    for (name, text) in files {
        let path = folder.join(name);
        complete.push((*name, file_with(folder, text).map_err(|error| failed(&path, &error))?));
    }
    let mut named = Vec::new();
    for (name, file) in complete {
        let path = folder.join(name);
        if let Err(error) = file.persist_noclobber(&path) {
            take_back(&named);
            return Err(match error.error.kind() {
                io::ErrorKind::AlreadyExists => exists(folder, &[name]),
                _ => failed(&path, &error.error),
            });
        }
        named.push(path);
    }
    sync(folder).map_err(|error| failed(folder, &error))
}

/// A link that leads nowhere is there too.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn exists(folder: &Path, names: &[&str]) -> Failure {
    let (names, are) = (names.join(", "), if names.len() == 1 { "is" } else { "are" });
    let folder = folder.display();
    let message = format!("{names} {are} in `{folder}` already; nothing was written: choose another --directory");
    Failure::new(Exit::Failed, message)
}

/// Without a name that lasts.
fn file_with(folder: &Path, text: &str) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn take_back(named: &[PathBuf]) {
    for path in named {
        let _ = fs::remove_file(path);
    }
}

/// Names are on the disk when their folder is.
fn sync(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
