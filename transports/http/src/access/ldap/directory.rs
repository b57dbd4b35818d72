//! All logins together: equal ones at a time are one, and what was found is remembered for a while.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eventhive_listener::{PerAddress, Place};
use eventhive_transport::{Problem, Settings};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::cache::Cache;
use super::config::LdapConfig;
use super::error::Refused;
use super::lookup::Lookup;
use crate::access::{Asker, Directory, DirectoryError, Rights};

/// An LDAP directory.
///
/// A user who logs in with the same password again within `cache_secs` is not looked up again. Passwords are not kept:
/// what is remembered is found by a hash of name and password under a random key that this process has for itself.
///
/// Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct LdapDirectory(Arc<Inner>);

struct Inner {
    lookup: Lookup,
    key: Zeroizing<[u8; 64]>,
    memory: Mutex<Memory>,
    /// Who asked for the logins that are on their way.
    addresses: Arc<PerAddress>,
    counters: Counters,
    recheck: Duration,
}

/// A name and a password.
type Login = [u8; 32];

type Found = Result<Arc<Rights>, Refused>;

struct Memory {
    known: Cache<Login, Arc<Rights>>,
    /// Apart from the others, so that who tries passwords pushes none of them out.
    refused: Cache<Login, Refused>,
    /// On their way. Who asks for the same waits for the same answer.
    flights: HashMap<Login, Waiting>,
}

type Waiting = Shared<BoxFuture<'static, Found>>;

/// Logins on their way, when a client asks. Further ones are told to come later. Those of rechecks, of which there are few
/// at a time, have room beyond.
const MOST_FLIGHTS: usize = 1024;
/// Of them of one address. A proxy that is not among the `trusted_proxies` is one.
const MOST_OF_ADDRESS: usize = 32;

/// The longest name and the longest password, in bytes.
const LONGEST: usize = 1024;

/// What an [`LdapDirectory`] has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LdapStats {
    /// Questions whose credentials are.
    pub lookups: u64,
    /// Of these, answered from memory.
    pub remembered: u64,
    /// Of these, answered with an equal one that was on its way.
    pub shared: u64,
    /// Logins that were tried with a server.
    pub asked: u64,
    /// Of these, refused by it.
    pub refused: u64,
    /// Of these, without an answer, because the server could not be asked or too many waited.
    pub unanswered: u64,
    /// Connections made.
    pub connections: u64,
}

#[derive(Default)]
struct Counters {
    lookups: AtomicU64,
    remembered: AtomicU64,
    shared: AtomicU64,
    asked: AtomicU64,
    refused: AtomicU64,
    unanswered: AtomicU64,
}

impl LdapDirectory {
    /// From settings that passed [`KEYS`](super::KEYS). Reads certificates; the server is not asked yet.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn from_settings(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let config = LdapConfig::from_settings(settings)?;
        let mut key = Zeroizing::new([0; 64]);
        let no_random = |error| vec![settings.problem_here(format!("the system has no random numbers: {error}"))];
        getrandom::fill(key.as_mut_slice()).map_err(no_random)?;
        let memory = Mutex::new(Memory {
            known: Cache::new(config.cache, config.cache_entries),
            refused: Cache::new(config.refusal_cache, config.cache_entries),
            flights: HashMap::new(),
        });
        let recheck = config.recheck;
        let lookup = Lookup::new(config);
        let addresses = PerAddress::new(MOST_OF_ADDRESS);
        Ok(Self(Arc::new(Inner { lookup, key, memory, addresses, counters: Counters::default(), recheck })))
    }

    /// The numbers now.
    #[must_use]
    pub fn stats(&self) -> LdapStats {
        let (counters, read) = (&self.0.counters, |counter: &AtomicU64| counter.load(Ordering::Relaxed));
        LdapStats {
            lookups: read(&counters.lookups),
            remembered: read(&counters.remembered),
            shared: read(&counters.shared),
            asked: read(&counters.asked),
            refused: read(&counters.refused),
            unanswered: read(&counters.unanswered),
            connections: self.0.lookup.pool().opened(),
        }
    }
}

impl Inner {
    async fn find(self: &Arc<Self>, user: &str, password: &str, asker: Asker) -> Found {
        count(&self.counters.lookups);
        // An empty password is an anonymous login, which succeeds with any name.
        if user.is_empty() || password.is_empty() || user.len().max(password.len()) > LONGEST {
            return Err(Refused::Wrong);
        }
        let login = self.login(user, password);
        let (told, waiting) = oneshot::channel();
        match self.known(login, asker, waiting) {
            Known::Found(found) => found,
            Known::OnItsWay(waiting) => waiting.await,
            Known::Nothing(waiting, flight) => {
                flight.set_out(user.to_owned(), Zeroizing::new(password.to_owned()), asker, told);
                waiting.await
            }
        }
    }

    /// What is known, or who will know. Who is told that nothing is has to find it out: others wait for it by then.
    fn known(self: &Arc<Self>, login: Login, asker: Asker, waiting: oneshot::Receiver<Found>) -> Known {
        let now = Instant::now();
        let mut memory = self.lock();
        let known = memory.known.get(&login, now).map(Ok).or_else(|| memory.refused.get(&login, now).map(Err));
        if let Some(known) = known {
            count(&self.counters.remembered);
            return Known::Found(known);
        }
        if let Some(flight) = memory.flights.get(&login) {
            count(&self.counters.shared);
            return Known::OnItsWay(flight.clone());
        }
        let place = match asker {
            Asker::Recheck => None,
            Asker::Client(_) if memory.flights.len() >= MOST_FLIGHTS => return Known::Found(Err(Refused::Busy)),
            Asker::Client(peer) => match self.addresses.take(peer) {
                None => return Known::Found(Err(Refused::Busy)),
                place => place,
            },
        };
        let lost = || Err(Refused::Unavailable("the thread that asked has ended".to_owned()));
        let waiting = waiting.map(move |found| found.unwrap_or_else(|_| lost())).boxed().shared();
        memory.flights.insert(login, waiting.clone());
        drop(memory);
        Known::Nothing(waiting, Flight { inner: Arc::clone(self), login, found: None, _place: place })
    }

    fn tell(&self, user: &str, found: &Found) {
        count(&self.counters.asked);
        match found {
            Ok(_) => {}
            Err(Refused::Wrong | Refused::Rejected { .. }) => count(&self.counters.refused),
            Err(_) => count(&self.counters.unanswered),
        }
        if let Err(refused) = found {
            tracing::debug!(user, %refused, "an LDAP user was not let in");
        }
    }

    fn login(&self, user: &str, password: &str) -> Login {
        // The length keeps `ab` with `c` apart from `a` with `bc`.
        let mut hash = Hmac::<Sha256>::new((&*self.key).into());
        hash.update(&(user.len() as u64).to_le_bytes());
        hash.update(user.as_bytes());
        hash.update(password.as_bytes());
        hash.finalize().into_bytes().into()
    }

    // Nothing in here can panic halfway.
    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of a login.
enum Known {
    Found(Found),
    OnItsWay(Waiting),
    Nothing(Waiting, Flight),
}

/// A login on its way. However it ends, nobody waits for it after that.
struct Flight {
    inner: Arc<Inner>,
    login: Login,
    found: Option<Found>,
    /// Until the end of it, also when who asked has gone.
    _place: Option<Place>,
}

impl Flight {
    /// On a task of its own: who asked may go away, and others may wait for the same by then. Not under the lock of the
    /// memory, which the flight takes when it ends: a runtime that ends drops the task at once.
    fn set_out(mut self, user: String, password: Zeroizing<String>, asker: Asker, told: oneshot::Sender<Found>) {
        tokio::spawn(async move {
            let found = self.inner.lookup.ask(&user, &password, asker).await.map(Arc::new);
            self.inner.tell(&user, &found);
            self.found = Some(found.clone());
            // Remembered before anyone hears of it.
            drop(self);
            let _ = told.send(found);
        });
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let (mut memory, now) = (self.inner.lock(), Instant::now());
        memory.flights.remove(&self.login);
        match self.found.take() {
            Some(Ok(rights)) => memory.known.put(self.login, rights, now),
            Some(Err(refused @ (Refused::Wrong | Refused::Rejected { .. }))) if !refused.is_passing() => {
                memory.refused.put(self.login, refused, now);
            }
            // Of the others nothing was learned about the login.
            Some(Err(_)) | None => {}
        }
    }
}

impl Directory for LdapDirectory {
    fn lookup<'a>(
        &'a self,
        user: &'a str,
        password: &'a str,
        asker: Asker,
    ) -> BoxFuture<'a, Result<Option<Arc<Rights>>, DirectoryError>> {
        Box::pin(async move {
            match self.0.find(user, password, asker).await {
                Ok(rights) => Ok(Some(rights)),
                Err(Refused::Wrong) => Ok(None),
                Err(refused @ Refused::Rejected { .. }) if !refused.is_passing() => Err(DirectoryError::Withheld),
                Err(Refused::Rejected { .. } | Refused::Unavailable(_) | Refused::Closed) => {
                    Err(DirectoryError::Unavailable)
                }
                Err(Refused::Busy) => Err(DirectoryError::Busy),
            }
        })
    }

    fn rechecks_at_a_time(&self) -> usize {
        self.0.lookup.pool().connections()
    }

    fn recheck(&self) -> Option<Duration> {
        Some(self.0.recheck)
    }
}

impl fmt::Debug for LdapDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.0.lookup.pool().servers();
        f.debug_struct("LdapDirectory").field("servers", &servers).field("stats", &self.stats()).finish()
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
