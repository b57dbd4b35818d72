//! Who there is: the access list, the directory behind it, and everyone who is connected in a user's name.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use futures_util::{StreamExt, stream};
use tokio::time::sleep;

use super::acl::{AclError, List};
use super::directory::{Asker, Directory, DirectoryError};
use super::file::AclFile;
use super::identity::{Identity, Said, Standing};
use super::logins::Logins;
use super::password::Secret;
use super::{Claim, Credentials};

/// Turns credentials into identities.
pub struct Users {
    file: Option<AclFile>,
    directory: Option<Arc<dyn Directory>>,
    logins: Logins,
    /// Replaced under the lock of `open`, so that whoever enters is either judged by the new list or followed up by it.
    list: ArcSwap<List>,
    open: Mutex<Open>,
    /// Held while the directory is asked again about everyone.
    rechecks: tokio::sync::Mutex<()>,
}

/// Everyone who was identified and may still be here.
#[derive(Default)]
struct Open {
    standings: Vec<Weak<Standing>>,
    /// At this many those that are gone are thrown out.
    full: usize,
    /// When the directory was last asked about them.
    rechecked: Option<Instant>,
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
        let logins = Logins::new();
        Ok(Self {
            file,
            directory,
            logins,
            list: ArcSwap::from_pointee(list),
            open: Mutex::default(),
            rechecks: tokio::sync::Mutex::default(),
        })
    }

    /// Who makes this claim. A wrong one is nobody's, and becomes somebody's if the list is changed so.
    ///
    /// # Errors
    /// [`Busy`]: it was not found out.
    pub async fn identify(&self, claim: impl Into<Claim>, peer: Option<IpAddr>) -> Result<Identity, Busy> {
        let mut claim = claim.into();
        loop {
            let list = self.list.load_full();
            let standing = match claim {
                Claim::Login(credentials) => self.judge(&list, credentials, peer).await?,
                Claim::Token(token) => Standing::with_token(token, &list),
            };
            match self.enter(&list, standing) {
                Ok(identity) => return Ok(identity),
                Err(replaced) => claim = replaced.into_claim(),
            }
        }
    }

    async fn judge(&self, list: &List, credentials: Credentials, peer: Option<IpAddr>) -> Result<Standing, Busy> {
        let Some(user) = list.get(&credentials.user) else { return self.look_up(list, credentials, peer).await };
        let fits = match &user.secret {
            Some(secret) => self.logins.fits(secret, &credentials.password, peer).await?,
            None => false,
        };
        if !fits && user.secret.as_ref().is_none_or(|secret| secret.is_plain()) {
            self.pretend(list, &credentials, peer).await?;
        }
        Ok(Standing::listed(credentials, user, fits))
    }

    /// Of a user that the list does not have.
    async fn look_up(&self, list: &List, credentials: Credentials, peer: Option<IpAddr>) -> Result<Standing, Busy> {
        let found = match &self.directory {
            None => self.pretend(list, &credentials, peer).await.map(|()| Ok(None))?,
            Some(directory) => directory.lookup(&credentials.user, &credentials.password, Asker::Client(peer)).await,
        };
        match found {
            Ok(found) => Ok(Standing::unlisted(credentials, found.into())),
            Err(DirectoryError::Unavailable | DirectoryError::Withheld) => {
                Ok(Standing::unlisted(credentials, Said::Nothing))
            }
            Err(DirectoryError::Busy) => Err(Busy),
        }
    }

    /// Where there are hashes, every login that fails takes the time of one, so that nobody learns from the clock which
    /// users there are. A user of the directory takes the directory's time.
    async fn pretend(&self, list: &List, credentials: &Credentials, peer: Option<IpAddr>) -> Result<(), Busy> {
        match list.decoy() {
            Some(decoy) => self.logins.pretend(decoy, &credentials.password, peer).await,
            None => Ok(()),
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
    /// the old list stays in use.
    ///
    /// Whose password is compared with a new hash keeps what the old list gave until that is done. It is done one after the
    /// other, first for those who have rights to lose, and before this returns: not for a thread that must not wait.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn reload(&self) -> Result<(), AclError> {
        let Some(file) = &self.file else { return Ok(()) };
        let list = Arc::new(file.read()?);
        let mut later = self.replace(&list);
        tracing::info!(file = %file.path().display(), users = list.len(), "the access list was read again");
        for warning in self.warnings() {
            tracing::warn!("{warning}");
        }
        later.sort_by_key(|(standing, _)| !standing.has_rights());
        let mut wrong = HashSet::new();
        for (standing, secret) in later {
            let Some(login) = standing.login() else { continue };
            let fits = self.logins.fits_now(&secret, &login.password, &mut wrong);
            if !self.settle(&list, &standing, &secret, fits) {
                break;
            }
        }
        Ok(())
    }

    /// Puts a list in use. Gives those whose passwords have to be compared anew.
    fn replace(&self, list: &Arc<List>) -> Vec<(Arc<Standing>, Arc<Secret>)> {
        let mut open = self.lock();
        self.list.store(Arc::clone(list));
        open.living().filter_map(|standing| standing.follow(list).map(|secret| (standing, secret))).collect()
    }

    /// Gives a user the rights of a list, unless it has been replaced meanwhile: then everyone is looked up by that one.
    fn settle(&self, list: &Arc<List>, standing: &Standing, secret: &Arc<Secret>, fits: bool) -> bool {
        let open = self.lock();
        let is_current = Arc::ptr_eq(list, &self.list.load());
        let user = standing.login().and_then(|login| list.get(&login.user));
        if is_current && let Some(user) = user {
            standing.settle(user, secret, fits);
        }
        drop(open);
        is_current
    }

    /// Whether it is time to [`recheck`](Self::recheck). Says so to one of those who ask.
    pub fn is_to_be_rechecked(&self, now: Instant) -> bool {
        let Some(period) = self.directory.as_ref().and_then(|directory| directory.recheck()) else { return false };
        let mut open = self.lock();
        let is_due = open.rechecked.is_some_and(|last| now.saturating_duration_since(last) >= period);
        if is_due || open.rechecked.is_none() {
            open.rechecked = Some(now);
        }
        is_due
    }

    /// Asks the directory again about everyone who is still here, as many at a time as it takes. Who was taken out of a group loses
    /// its rights; who came while the directory could not be asked gains them. Does nothing while that is still going on.
    pub async fn recheck(&self) {
        let Some(directory) = &self.directory else { return };
        let Ok(_alone) = self.rechecks.try_lock() else { return };
        let at_a_time = directory.rechecks_at_a_time().max(1);
        let questions = stream::iter(self.questions());
        questions.for_each_concurrent(at_a_time, |who| self.ask_again(&**directory, who)).await;
    }

    /// Comes back to a directory that has too much to do: who took away rights relies on it.
    async fn ask_again(&self, directory: &dyn Directory, standing: Weak<Standing>) {
        for _ in 0..MOST_TRIES {
            // They may have gone while others were asked about.
            let Some(standing) = standing.upgrade() else { return };
            let Some(login) = standing.login() else { return };
            match directory.lookup(&login.user, &login.password, Asker::Recheck).await {
                Ok(found) => return self.hear(&standing, found.into()),
                Err(DirectoryError::Withheld) => return self.hear(&standing, Said::Nothing),
                Err(DirectoryError::Unavailable) => return,
                Err(DirectoryError::Busy) => drop(standing),
            }
            sleep(BETWEEN_TRIES).await;
        }
    }

    /// Those that the directory is to be asked about.
    fn questions(&self) -> Vec<Weak<Standing>> {
        let mut open = self.lock();
        let list = self.list.load();
        let is_unlisted = |it: &Arc<Standing>| it.login().is_some_and(|login| list.get(&login.user).is_none());
        let questions = open.living().filter(|it| is_unlisted(it) && it.is_open_question());
        questions.map(|standing| Arc::downgrade(&standing)).collect()
    }

    /// Takes what the directory said, unless the list has the user by now.
    fn hear(&self, standing: &Standing, said: Said) {
        let open = self.lock();
        if standing.login().is_some_and(|login| self.list.load().get(&login.user).is_none()) {
            standing.hear(said);
        }
        drop(open);
    }

    /// What is wrong with single users of the list, each with file and line.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let Some(file) = &self.file else { return Vec::new() };
        let path = file.path().display();
        self.list.load().warnings().iter().map(|warning| format!("the access list `{path}`, {warning}")).collect()
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

    #[cfg(test)]
    pub(super) const fn logins(&self) -> &Logins {
        &self.logins
    }

    // Nothing in here can panic halfway.
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often a busy directory is asked about someone who is connected, until the next time that it is asked about all.
const MOST_TRIES: usize = 5;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

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
