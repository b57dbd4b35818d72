//! What is known of each host that is called: how many requests are under way, and connections for the next.
//!
//! A host is what has one scheme, name and port. It is known while it has a request or a kept connection. Its bound is one
//! count under one lock: a request counts from its call to its end, whether it is under way or waits for its turn.
//!
//! A request has its turn at its host, then at its address, and then among all; so nobody who waits for a turn has one that
//! others of other hosts or addresses wait for. Hosts that share an address do hold up one another there.
//!
//! A kept connection belongs to the tokio runtime that made it, as only that one is told when something moves on it. So
//! each runtime takes its own. One task, on any of them, closes those that are kept for too long, or have ended; it ends
//! when nothing is kept.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, timeout_at};

use super::addresses::{Address, Addresses};
use super::connection::Connection;
use super::report::Load;
use super::target::Origin;
use crate::store::Outcome;

/// How often kept connections are looked after.
const ROUND: Duration = Duration::from_secs(1);

/// How much of everything there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) per_host: usize,
    pub(super) per_host_waiting: usize,
    pub(super) requests: usize,
    pub(super) idle: usize,
    pub(super) idle_for: Duration,
}

/// All hosts.
pub(super) struct Hosts {
    bounds: Bounds,
    known: Mutex<HashMap<Arc<Origin>, Arc<Host>>>,
    addresses: Addresses,
    turns: Semaphore,
    requests: AtomicUsize,
    idle: AtomicUsize,
    crowded: AtomicU64,
    tended: AtomicBool,
}

struct Host {
    origin: Arc<Origin>,
    turns: Semaphore,
    /// Changed under the lock of [`Hosts::known`] alone.
    requests: AtomicUsize,
    kept: Mutex<Vec<Kept>>,
}

struct Kept {
    connection: Box<Connection>,
    address: Arc<Address>,
    runtime: Id,
    until: Instant,
}

/// There is no room for another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Crowded {
    #[error("{0} requests to this host are under way or wait already")]
    Full(usize),
    #[error("its turn {0} did not come in time")]
    Late(&'static str),
}

impl Hosts {
    pub(super) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self {
            bounds,
            known: Mutex::default(),
            // One host alone may have all of an address.
            addresses: Addresses::new(bounds.per_host.max(bounds.requests / 4)),
            turns: Semaphore::new(bounds.requests.min(Semaphore::MAX_PERMITS)),
            requests: AtomicUsize::new(0),
            idle: AtomicUsize::new(0),
            crowded: AtomicU64::new(0),
            tended: AtomicBool::new(false),
        })
    }

    pub(super) fn load(&self) -> Load {
        Load {
            hosts: lock(&self.known).len(),
            addresses: self.addresses.len(),
            requests: self.requests.load(Relaxed),
            idle: self.idle.load(Relaxed),
            crowded: self.crowded.load(Relaxed),
        }
    }

    /// A place for a request, counted until it is dropped.
    pub(super) fn enter(self: &Arc<Self>, origin: &Arc<Origin>) -> Result<Place, Crowded> {
        let mut known = lock(&self.known);
        let host = match known.get(origin) {
            Some(host) => Arc::clone(host),
            None => {
                let host = Arc::new(Host::new(Arc::clone(origin), self.bounds.per_host));
                known.insert(Arc::clone(origin), Arc::clone(&host));
                host
            }
        };
        let requests = host.requests.load(Relaxed);
        if requests >= self.bounds.per_host.saturating_add(self.bounds.per_host_waiting) {
            self.crowded.fetch_add(1, Relaxed);
            return Err(Crowded::Full(requests));
        }
        host.requests.store(requests + 1, Relaxed);
        self.requests.fetch_add(1, Relaxed);
        Ok(Place { hosts: Arc::clone(self), host })
    }

    /// A request was not made; counted if that is for want of room.
    pub(super) fn note(&self, outcome: Outcome) {
        self.crowded.fetch_add(u64::from(outcome == Outcome::Crowded), Relaxed);
    }

    /// Waits for a turn, until then at the latest.
    async fn turn<'a>(
        &self,
        turns: &'a Semaphore,
        latest: Instant,
        at: &'static str,
    ) -> Result<SemaphorePermit<'a>, Crowded> {
        if let Ok(turn) = turns.try_acquire() {
            return Ok(turn);
        }
        let turn = timeout_at(latest, turns.acquire()).await.ok().and_then(Result::ok);
        // One that comes when the time is over is none.
        turn.filter(|_| Instant::now() < latest).ok_or_else(|| {
            self.note(Outcome::Crowded);
            Crowded::Late(at)
        })
    }

    /// Forgets a host that has nothing any more. Whoever still holds one that was forgotten finds another in its place, or none.
    fn forget(known: &mut HashMap<Arc<Origin>, Arc<Host>>, host: &Arc<Host>) {
        let known_as_it = known.get(&host.origin).is_some_and(|known| Arc::ptr_eq(known, host));
        if known_as_it && host.requests.load(Relaxed) == 0 && lock(&host.kept).is_empty() {
            known.remove(&host.origin);
        }
    }

    /// Looks after kept connections, unless somebody does.
    ///
    /// Who keeps one counts it in `idle` and then looks at `tended`; a tender that goes clears `tended` and then looks at `idle`.
    /// One of the two must see what the other did, which only one order of all four (`SeqCst`) gives.
    fn tend(self: &Arc<Self>) {
        if !self.tended.swap(true, SeqCst) {
            let hosts = Arc::downgrade(self);
            tokio::spawn(unconstrained(async move {
                let tender = Tender(Weak::clone(&hosts));
                while tender.round() {
                    tokio::time::sleep(ROUND).await;
                }
                drop(tender);
                // One may have been kept since the last round.
                if let Some(hosts) = hosts.upgrade().filter(|hosts| hosts.idle.load(SeqCst) > 0) {
                    hosts.tend();
                }
            }));
        }
    }
}

impl Host {
    fn new(origin: Arc<Origin>, turns: usize) -> Self {
        let turns = Semaphore::new(turns.clamp(1, Semaphore::MAX_PERMITS));
        Self { origin, turns, requests: AtomicUsize::new(0), kept: Mutex::default() }
    }

    /// Where kept connections lead: the turn of an address that has one now, or else that of the connection that was used last.
    fn last(&self, runtime: Id) -> Option<Result<AddressTurn, Arc<Address>>> {
        let kept = lock(&self.kept);
        let mut addresses =
            kept.iter().rev().filter(|kept| kept.runtime == runtime).map(|kept| &kept.address).peekable();
        let last = Arc::clone(addresses.peek()?);
        Some(addresses.find_map(AddressTurn::at_once).ok_or(last))
    }
}

/// The right to one request to a host, when its turn comes.
pub(super) struct Place {
    hosts: Arc<Hosts>,
    host: Arc<Host>,
}

/// The host's turn: the right to make it when that of the address comes.
pub(super) struct HostTurn<'a> {
    place: &'a Place,
    _host: SemaphorePermit<'a>,
}

/// The address' turn.
pub(super) struct AddressTurn(Arc<Address>);

/// The right to make it now.
pub(super) struct Turn<'a> {
    place: &'a Place,
    address: AddressTurn,
    _all: SemaphorePermit<'a>,
}

impl Place {
    /// Waits for the host's turn; those who came first have theirs first.
    pub(super) async fn turn(&self, latest: Instant) -> Result<HostTurn<'_>, Crowded> {
        let host = self.hosts.turn(&self.host.turns, latest, "at its host").await?;
        Ok(HostTurn { place: self, _host: host })
    }
}

impl AddressTurn {
    /// If nobody has to wait for it.
    fn at_once(address: &Arc<Address>) -> Option<Self> {
        address.turns.try_acquire().ok().map(|turn| Self::new(turn, address))
    }

    /// The permit would borrow from what it stands beside: this gives it back when it goes.
    fn new(turn: SemaphorePermit<'_>, address: &Arc<Address>) -> Self {
        turn.forget();
        Self(Arc::clone(address))
    }

    pub(super) fn is_of(&self, address: IpAddr) -> bool {
        self.0.is_of(address)
    }
}

impl HostTurn<'_> {
    /// The turn of an address and then among all, unless `held` is the first already. `None` if that of the address does not
    /// come at once; with `wait` it is waited for.
    pub(super) async fn at(
        &self,
        address: IpAddr,
        held: Option<AddressTurn>,
        wait: bool,
        latest: Instant,
    ) -> Result<Option<Turn<'_>>, Crowded> {
        let address = self.place.hosts.addresses.of(address);
        let turn = match held.filter(|held| Arc::ptr_eq(&held.0, &address)).or_else(|| AddressTurn::at_once(&address)) {
            Some(turn) => turn,
            None if wait => self.address(&address, latest).await?,
            None => return Ok(None),
        };
        self.all(turn, latest).await.map(Some)
    }

    async fn address(&self, address: &Arc<Address>, latest: Instant) -> Result<AddressTurn, Crowded> {
        let turn = self.place.hosts.turn(&address.turns, latest, "at its address").await?;
        Ok(AddressTurn::new(turn, address))
    }

    async fn all(&self, address: AddressTurn, latest: Instant) -> Result<Turn<'_>, Crowded> {
        let all = self.place.hosts.turn(&self.place.hosts.turns, latest, "among all requests").await?;
        Ok(Turn { place: self.place, address, _all: all })
    }

    /// The turn of the address that a kept connection leads to, with one that stands, if it still has one. `None` if none is
    /// kept.
    pub(super) async fn kept(&self, latest: Instant) -> Result<Option<(Turn<'_>, Option<Box<Connection>>)>, Crowded> {
        let runtime = Handle::current().id();
        let address = match self.place.host.last(runtime) {
            None => return Ok(None),
            Some(Ok(turn)) => turn,
            Some(Err(address)) => self.address(&address, latest).await?,
        };
        let turn = self.all(address, latest).await?;
        let connection = std::iter::from_fn(|| turn.take(runtime)).find_map(|mut kept| kept.is_alive().then_some(kept));
        Ok(Some((turn, connection)))
    }
}

impl Turn<'_> {
    /// The turn of its address alone, for who has to look its name up first: nobody else's is held up by that.
    pub(super) fn aside(self) -> AddressTurn {
        self.address
    }

    /// The kept connection to its address that was used last: it is the least likely to have been closed.
    fn take(&self, runtime: Id) -> Option<Box<Connection>> {
        let mut kept = lock(&self.place.host.kept);
        let of = |kept: &Kept| kept.runtime == runtime && Arc::ptr_eq(&kept.address, &self.address.0);
        let at = kept.iter().rposition(of)?;
        self.place.hosts.idle.fetch_sub(1, Relaxed);
        Some(kept.remove(at).connection)
    }

    /// Keeps a connection for the next request, if it stands and there is room.
    pub(super) fn keep(self, mut connection: Box<Connection>) {
        let (hosts, bounds) = (&self.place.hosts, &self.place.hosts.bounds);
        if !connection.is_alive() || bounds.idle_for.is_zero() {
            return;
        }
        if hosts.idle.fetch_add(1, SeqCst) >= bounds.idle {
            hosts.idle.fetch_sub(1, Relaxed);
            return;
        }
        let (address, until) = (Arc::clone(&self.address.0), Instant::now() + bounds.idle_for);
        lock(&self.place.host.kept).push(Kept { connection, address, runtime: Handle::current().id(), until });
        hosts.tend();
    }
}

impl Drop for AddressTurn {
    fn drop(&mut self) {
        self.0.turns.add_permits(1);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut known = lock(&self.hosts.known);
        self.host.requests.fetch_sub(1, Relaxed);
        self.hosts.requests.fetch_sub(1, Relaxed);
        Hosts::forget(&mut known, &self.host);
    }
}

/// Looks after kept connections. When it goes, be it with its runtime, somebody else may.
struct Tender(Weak<Hosts>);

impl Tender {
    /// Looks at each. `false` if there is nothing left to look after.
    fn round(&self) -> bool {
        let Some(hosts) = self.0.upgrade() else { return false };
        let known: Vec<_> = lock(&hosts.known).values().map(Arc::clone).collect();
        let now = Instant::now();
        for host in known {
            let over = over(&host, now);
            hosts.idle.fetch_sub(over.len(), Relaxed);
            drop(over);
            Hosts::forget(&mut lock(&hosts.known), &host);
        }
        hosts.idle.load(Relaxed) > 0
    }
}

impl Drop for Tender {
    fn drop(&mut self) {
        if let Some(hosts) = self.0.upgrade() {
            hosts.tended.store(false, SeqCst);
        }
    }
}

/// What is kept no longer.
fn over(host: &Host, now: Instant) -> Vec<Kept> {
    lock(&host.kept).extract_if(.., |kept| kept.until <= now || !kept.connection.is_alive()).collect()
}

/// No code panics while it has one of these.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
