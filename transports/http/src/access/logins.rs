//! Passwords that take time to be checked: how many at once, how many wait, and which need no check.
//!
//! Half the cores check, so that a flood of wrong passwords leaves the other half to the streams. At most [`MOST_WAIT`]
//! different logins wait for that, [`MOST_OF_ADDRESS`] of one address; further ones are told to come later. Requests that
//! bring the same password wait for one check together, and a password that was right is remembered for some minutes: so
//! the many connections of one program cost one check, and neither wait nor are put off while others flood.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use eventhive_listener::PerAddress;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::Busy;
use super::password::Secret;

/// Different logins that may wait, all addresses together: about four seconds of argon2id on a small machine.
pub(super) const MOST_WAIT: usize = 128;
/// Of them of one address. A proxy that is not among the `trusted_proxies` is one.
pub(super) const MOST_OF_ADDRESS: usize = 32;
/// A right password is remembered for this long, and up to twice.
const REMEMBERED: Duration = Duration::from_secs(120);
/// Right passwords that are remembered at least, and up to twice as many; about 60 bytes each.
const MOST_REMEMBERED: usize = 5000;

/// What a password and its hash are known by. Keyed, so that neither can be found from it.
pub(super) type Digest = [u8; 32];

/// Whether a password fits; nothing until it has been found out.
type Verdict = watch::Receiver<Option<bool>>;

/// Checks passwords.
pub(super) struct Logins(Arc<Shared>);

struct Shared {
    key: Zeroizing<Digest>,
    /// Stands before a password to make it a wrong one.
    wrong: String,
    turns: Arc<Semaphore>,
    addresses: Arc<PerAddress>,
    waiting: Mutex<HashMap<Digest, Verdict>>,
    proven: Mutex<Proven>,
    #[cfg(test)]
    checks: std::sync::atomic::AtomicUsize,
}

/// The passwords that were right lately, in two halves of which the older goes at once: a bound in time and number that
/// costs no clock for each.
struct Proven {
    young: HashSet<Digest>,
    old: HashSet<Digest>,
    since: Instant,
}

impl Logins {
    pub(super) fn new() -> Self {
        let mut key = Zeroizing::new(Digest::default());
        let random = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()];
        key.copy_from_slice(random.as_flattened());
        let checking = thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
        Self(Arc::new(Shared {
            key,
            wrong: Uuid::new_v4().simple().to_string(),
            turns: Arc::new(Semaphore::new(checking)),
            addresses: PerAddress::new(MOST_OF_ADDRESS),
            waiting: Mutex::default(),
            proven: Mutex::new(Proven { young: HashSet::new(), old: HashSet::new(), since: Instant::now() }),
            #[cfg(test)]
            checks: std::sync::atomic::AtomicUsize::default(),
        }))
    }

    /// Whether a password fits. Needs tokio. When nobody waits for it any more a check that was begun goes on.
    pub(super) async fn fits(&self, secret: &Arc<Secret>, password: &str, peer: Option<IpAddr>) -> Result<bool, Busy> {
        if secret.is_plain() {
            return Ok(secret.fits(password));
        }
        let digest = self.0.digest(secret, password);
        if self.0.is_proven(&digest) {
            return Ok(true);
        }
        let mut verdict = self.0.verdict(digest, secret, password, peer)?;
        let verdict = verdict.wait_for(Option::is_some).await;
        // Only a server that ends leaves a check undone.
        verdict.ok().and_then(|verdict| *verdict).ok_or(Busy)
    }

    /// Takes as long as a wrong password that is compared with one of `decoys`: always with the same for a name, so that a
    /// name among hashes of several kinds has a time of its own as a user has. A check is of one name alone, as a user's
    /// is: nobody learns from who waits with whom which names there are.
    pub(super) async fn pretend(
        &self,
        decoys: &[Arc<Secret>],
        user: &str,
        password: &str,
        peer: Option<IpAddr>,
    ) -> Result<(), Busy> {
        let Some(decoy) = self.0.choose(decoys, user) else { return Ok(()) };
        let wrong = Zeroizing::new(format!("{}{}:{user}{password}", self.0.wrong, user.len()));
        self.fits(decoy, &wrong, peer).await.map(|_| ())
    }

    /// Whether a password fits, found out on this thread, or `known` from before.
    pub(super) fn fits_now(&self, secret: &Secret, password: &str, known: &mut HashMap<Digest, bool>) -> bool {
        let digest = self.0.digest(secret, password);
        let find_out = || self.0.is_proven(&digest) || self.0.check(secret, password, digest);
        *known.entry(digest).or_insert_with(find_out)
    }

    /// Whether the password was right lately. Takes no time.
    pub(super) fn is_proven(&self, secret: &Secret, password: &str) -> bool {
        self.0.is_proven(&self.0.digest(secret, password))
    }

    /// How often a password was compared with a hash.
    #[cfg(test)]
    pub(super) fn checks(&self) -> usize {
        self.0.checks.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Different logins that are being checked or wait for it.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        lock(&self.0.waiting).len()
    }

    /// What this name is compared with when there is nothing to compare.
    #[cfg(test)]
    pub(super) fn decoy_of<'a>(&self, decoys: &'a [Arc<Secret>], user: &str) -> Option<&'a Arc<Secret>> {
        self.0.choose(decoys, user)
    }

    /// Keeps a turn from everyone else, so that logins wait.
    #[cfg(test)]
    pub(super) fn occupy(&self) -> Vec<tokio::sync::OwnedSemaphorePermit> {
        let mut turns = Vec::new();
        while let Ok(turn) = Arc::clone(&self.0.turns).try_acquire_owned() {
            turns.push(turn);
        }
        turns
    }
}

impl Shared {
    fn digest(&self, secret: &Secret, password: &str) -> Digest {
        self.keyed(secret.text(), password)
    }

    fn keyed(&self, first: &str, second: &str) -> Digest {
        // The key has the length of a digest, and HMAC takes every length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key[..]) else { return Digest::default() };
        mac.update(&first.len().to_le_bytes());
        mac.update(first.as_bytes());
        mac.update(second.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Nobody knows beforehand which it is: the key is new with each start.
    fn choose<'a>(&self, decoys: &'a [Arc<Secret>], user: &str) -> Option<&'a Arc<Secret>> {
        let number = self.keyed("decoy", user).first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let at = number.checked_rem(u64::try_from(decoys.len()).ok()?)?;
        decoys.get(usize::try_from(at).ok()?)
    }

    /// The check of this password that is under way, or a new one.
    fn verdict(
        self: &Arc<Self>,
        digest: Digest,
        secret: &Arc<Secret>,
        password: &str,
        peer: Option<IpAddr>,
    ) -> Result<Verdict, Busy> {
        let mut waiting = lock(&self.waiting);
        if let Some(verdict) = waiting.get(&digest) {
            return Ok(verdict.clone());
        }
        if waiting.len() >= MOST_WAIT {
            return Err(Busy);
        }
        let place = self.addresses.take(peer).ok_or(Busy)?;
        let (tell, verdict) = watch::channel(None);
        waiting.insert(digest, verdict.clone());
        drop(waiting);
        let (secret, password) = (Arc::clone(secret), Zeroizing::new(password.to_owned()));
        let checking = Checking { shared: Arc::clone(self), digest };
        tokio::spawn(async move {
            let shared = Arc::clone(&checking.shared);
            let Ok(turn) = Arc::clone(&shared.turns).acquire_owned().await else { return };
            // The turn is given back when the work is done, also if nobody waits for this task any more.
            let check = spawn_blocking(move || (shared.check(&secret, &password, digest), turn));
            let fits = check.await.map(|(fits, _)| fits);
            drop((checking, place));
            tell.send_replace(fits.ok());
        });
        Ok(verdict)
    }

    fn check(&self, secret: &Secret, password: &str, digest: Digest) -> bool {
        #[cfg(test)]
        self.checks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let fits = secret.fits(password);
        if fits {
            lock(&self.proven).insert(digest);
        }
        fits
    }

    fn is_proven(&self, digest: &Digest) -> bool {
        let mut proven = lock(&self.proven);
        proven.age();
        proven.young.contains(digest) || proven.old.contains(digest)
    }
}

impl Proven {
    fn insert(&mut self, digest: Digest) {
        if self.young.len() >= MOST_REMEMBERED {
            self.turn_over();
        }
        self.young.insert(digest);
    }

    fn age(&mut self) {
        if self.since.elapsed() < REMEMBERED {
            return;
        }
        // Who was not asked for two times that long remembers nothing.
        if self.since.elapsed() >= 2 * REMEMBERED {
            self.young.clear();
        }
        self.turn_over();
    }

    fn turn_over(&mut self) {
        self.old = std::mem::take(&mut self.young);
        self.since = Instant::now();
    }
}

/// A check that is under way. Dropped, it is no longer, whatever became of it.
struct Checking {
    shared: Arc<Shared>,
    digest: Digest,
}

impl Drop for Checking {
    fn drop(&mut self) {
        lock(&self.shared.waiting).remove(&self.digest);
    }
}

// Nothing that is done under these locks can panic halfway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
