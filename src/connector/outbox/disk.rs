//! An outbox's log, and the thread that waits for the disk in its stead.
//!
//! The keeper thread notes what is done with, removes files, and syncs. It does so for all that came up while it was
//! busy: one sync stands for every event that was taken meanwhile.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::{fs, io, thread};

use tokio::sync::watch;

use super::error::OutboxError;
use super::log::{Log, Unsynced};
use super::segment::{self, Places};

pub(super) struct Disk {
    folder: PathBuf,
    log: Mutex<Log>,
    chores: Mutex<Chores>,
    wake: Condvar,
    durable: bool,
    /// Every event below is on the disk; `None` once that is no longer found out.
    synced: watch::Sender<Option<u64>>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

/// What the keeper has to do.
#[derive(Default)]
struct Chores {
    /// Every event below is done with.
    done: Option<u64>,
    sync: bool,
    end: bool,
}

impl Disk {
    /// Opens the log and starts its keeper. Also gives where what waits stands.
    ///
    /// # Errors
    /// [`OutboxError`].
    pub(super) fn open(folder: &Path, most_bytes: u64, durable: bool) -> Result<(Arc<Self>, Places), OutboxError> {
        let opened = Log::open(folder, most_bytes)?;
        let disk = Arc::new(Self {
            folder: folder.to_owned(),
            log: Mutex::new(opened.log),
            chores: Mutex::new(Chores { sync: durable, ..Chores::default() }),
            wake: Condvar::new(),
            durable,
            synced: watch::Sender::new(Some(0)),
            keeper: Mutex::new(None),
        });
        let kept = Arc::clone(&disk);
        let keeper = thread::Builder::new().name("outbox".to_owned()).spawn(move || kept.keep());
        *lock(&disk.keeper) = Some(keeper.map_err(OutboxError::at(folder))?);
        Ok((disk, opened.waiting))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.log)
    }

    /// Something was appended.
    pub(super) fn written(&self) {
        if self.durable {
            self.tell(|chores| !std::mem::replace(&mut chores.sync, true));
        }
    }

    /// Every event below `below` is done with.
    pub(super) fn done(&self, below: u64) {
        // Two threads may tell it the other way round.
        self.tell(|chores| chores.done.replace(chores.done.map_or(below, |told| told.max(below))).is_none());
    }

    /// Resolves when every event appended so far is on the disk, at once if that is not asked for. False if it is never
    /// known.
    pub(super) async fn synced(&self) -> bool {
        if !self.durable {
            return true;
        }
        let (below, mut synced) = (self.log().next(), self.synced.subscribe());
        // The sender is this disk's: it is there.
        synced.wait_for(|synced| synced.is_none_or(|synced| synced >= below)).await.is_ok_and(|synced| synced.is_some())
    }

    /// Ends the keeper once it has done what there is, without waiting for it.
    pub(super) fn end(&self) {
        self.tell(|chores| !std::mem::replace(&mut chores.end, true));
    }

    /// Ends the keeper and lets another process have the folder. Waits for the disk.
    pub(super) fn close(&self) {
        self.end();
        if let Some(keeper) = lock(&self.keeper).take() {
            // It does not panic; if it did, there is nothing left to wait for.
            let _ = keeper.join();
        }
        self.log().close();
    }

    /// Waits until the keeper has nothing left to do.
    #[cfg(test)]
    pub(super) fn settle(&self) {
        self.end();
        if let Some(keeper) = lock(&self.keeper).take() {
            keeper.join().unwrap();
        }
    }

    fn tell(&self, change: impl FnOnce(&mut Chores) -> bool) {
        if change(&mut lock(&self.chores)) {
            self.wake.notify_one();
        }
    }

    fn keep(&self) {
        let mut full = false;
        loop {
            let nothing = |chores: &mut Chores| chores.done.is_none() && !chores.sync && !chores.end;
            let idle = self.wake.wait_while(lock(&self.chores), nothing);
            let Chores { done, sync, end } = std::mem::take(&mut *idle.unwrap_or_else(PoisonError::into_inner));
            if let Some(below) = done {
                self.note(below, &mut full);
            }
            if sync && let Err(error) = self.sync() {
                tracing::error!(outbox = %self.folder.display(), "cannot sync, so nothing more is taken: {error}");
                // What the system could not write it may have dropped: a later sync would succeed without it.
                self.log().break_off(format!("the disk failed: {error}"));
                self.synced.send_replace(None);
            }
            if end {
                return;
            }
        }
    }

    /// `failing` is whether the last note could not be written: of many in a row only the first is told.
    fn note(&self, below: u64, failing: &mut bool) {
        let outbox = self.folder.display();
        let (gone, noted) = self.log().done(below);
        for path in gone {
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(file = %path.display(), "cannot remove a file that the outbox no longer needs: {error}");
            }
        }
        let failed_before = std::mem::replace(failing, noted.is_err());
        if let Err(error) = noted
            && !failed_before
        {
            tracing::warn!(%outbox, "cannot note what was sent; it may be sent again after a restart: {error}");
        }
    }

    fn sync(&self) -> io::Result<()> {
        let Unsynced { left, files, folder, below } = self.log().take_unsynced();
        for path in left {
            match segment::append(&path) {
                Ok(file) => file.sync_data()?,
                // All in it is done with by now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        for file in files {
            file.sync_data()?;
        }
        if folder {
            sync_folder(&self.folder)?;
        }
        self.synced.send_replace(Some(below));
        Ok(())
    }
}

/// So that the names of new files are on the disk, too. Elsewhere than on Unix a folder cannot be synced.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(folder)?.sync_all() } else { Ok(()) }
}

// Each lock covers a few moves in memory, that of the log a write too; a panic cannot leave them half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
