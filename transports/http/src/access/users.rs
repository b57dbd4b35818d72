//! Who there is: the access list, the directory behind it, and everyone who is connected in a user's name.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use arc_swap::ArcSwap;

use super::Credentials;
use super::acl::{AclError, List};
use super::directory::{Directory, DirectoryError};
use super::file::AclFile;
use super::identity::{Identity, Standing};

/// Turns credentials into identities.
pub struct Users {
    file: Option<AclFile>,
    directory: Option<Arc<dyn Directory>>,
    /// Replaced under the lock of `open`, so that whoever enters is either judged by the new list or followed up by it.
    list: ArcSwap<List>,
    open: Mutex<Open>,
}

/// Everyone who was identified and may still be here.
#[derive(Default)]
struct Open {
    standings: Vec<Weak<Standing>>,
    /// At this many those that are gone are thrown out.
    full: usize,
}

/// Too many logins are being checked; nothing is known of this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many logins at a time")]
pub struct Busy;

impl Users {
    /// The users of a file, and behind it those of a directory.
    ///
    /// # Errors
    /// The file cannot be read, or is no access list.
    pub fn open(file: Option<PathBuf>, directory: Option<Arc<dyn Directory>>) -> Result<Self, AclError> {
        let file = file.map(AclFile::new);
        let list = file.as_ref().map(AclFile::read).transpose()?.unwrap_or_default();
        Ok(Self { file, directory, list: ArcSwap::from_pointee(list), open: Mutex::default() })
    }

    /// Whose credentials these are. Wrong ones are nobody's, and become somebody's if the list is changed so.
    ///
    /// # Errors
    /// [`Busy`]: it was not found out.
    pub async fn identify(&self, mut credentials: Credentials, peer: Option<IpAddr>) -> Result<Identity, Busy> {
        loop {
            let list = self.list.load_full();
            let standing = self.judge(&list, credentials, peer).await?;
            match self.enter(&list, standing) {
                Ok(identity) => return Ok(identity),
                Err(replaced) => credentials = replaced.credentials,
            }
        }
    }

    async fn judge(&self, list: &List, credentials: Credentials, _peer: Option<IpAddr>) -> Result<Standing, Busy> {
        if let Some(user) = list.get(&credentials.user) {
            let fits = user.secret.as_ref().is_some_and(|secret| secret.fits(&credentials.password));
            return Ok(Standing::listed(credentials, user, fits));
        }
        let found = match &self.directory {
            None => Ok(None),
            Some(directory) => directory.lookup(&credentials.user, &credentials.password).await,
        };
        match found {
            Ok(rights) => Ok(Standing::unlisted(credentials, rights)),
            Err(DirectoryError::Unavailable) => Ok(Standing::unlisted(credentials, None)),
            Err(DirectoryError::Busy) => Err(Busy),
        }
    }

    /// Remembers who is here. Fails if the list is no longer the one by which it was judged.
    fn enter(&self, list: &Arc<List>, standing: Standing) -> Result<Identity, Standing> {
        let mut open = self.lock();
        if !Arc::ptr_eq(list, &self.list.load()) {
            return Err(standing);
        }
        let standing = Arc::new(standing);
        open.push(&standing);
        Ok(Identity::of(standing))
    }

    /// Reads the file again, and looks up anew the rights of everyone who is here. When something is wrong with the file
    /// the old list stays in use. Reads a file: not for a thread that must not wait.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn reload(&self) -> Result<(), AclError> {
        let Some(file) = &self.file else { return Ok(()) };
        let list = Arc::new(file.read()?);
        let mut open = self.lock();
        self.list.store(Arc::clone(&list));
        open.living().for_each(|standing| standing.follow(&list));
        drop(open);
        tracing::info!(file = %file.path().display(), "the access list was read again");
        Ok(())
    }

    /// Reads the file again if it has changed and is no longer being written. Costs one look at the file system.
    pub fn follow(&self, now: Instant) {
        if self.file.as_ref().is_some_and(|file| file.is_to_be_read(now))
            && let Err(error) = self.reload()
        {
            tracing::error!(%error, "the access list was not replaced; the old one stays in use");
        }
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.lock().standings.len()
    }

    // Nothing in here can panic halfway.
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So few are not looked through for those that are gone.
const FEW: usize = 64;

impl Open {
    fn push(&mut self, standing: &Arc<Standing>) {
        if self.standings.len() >= self.full.max(FEW) {
            self.standings.retain(|standing| standing.strong_count() > 0);
            // Twice as many as are there: looking through them costs each newcomer the same, however many there are.
            self.full = self.standings.len() * 2;
        }
        self.standings.push(Arc::downgrade(standing));
    }

    fn living(&mut self) -> impl Iterator<Item = Arc<Standing>> {
        self.standings.iter().filter_map(Weak::upgrade)
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users")
            .field("file", &self.file.as_ref().map(AclFile::path))
            .field("directory", &self.directory)
            .field("users", &self.list.load().len())
            .finish()
    }
}
