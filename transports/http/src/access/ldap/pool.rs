//! Several connections: a bounded number, kept for a while, each used by one login at a time.
//!
//! A connection that waits is still logged in as its last user. Nobody can use that: a login begins with a bind, and only
//! after it has succeeded anything else is asked.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::config::{LdapConfig, Server};
use super::connection::Connection;
use super::error::Broken;
use crate::access::Asker;

pub(super) struct Pool {
    servers: Vec<Server>,
    /// The server that could be reached last. The others are asked when it cannot.
    current: AtomicUsize,
    connect_timeout: Duration,
    keep: Duration,
    /// Connections at a time.
    most: usize,
    permits: Semaphore,
    /// Clients wait here first, so that there are never more of them before a recheck than connections.
    clients: Semaphore,
    idle: Mutex<Idle>,
    opened: AtomicU64,
}

/// The right to one connection.
pub(super) struct Permit<'a> {
    _permit: SemaphorePermit<'a>,
    _client: Option<SemaphorePermit<'a>>,
}

#[derive(Default)]
struct Idle {
    /// The one that waits longest first, and until when.
    connections: Vec<(Connection, Instant)>,
    /// Closes those that have waited too long.
    watch: Option<JoinHandle<()>>,
}

impl Pool {
    pub(super) fn new(config: &LdapConfig) -> Self {
        Self {
            servers: config.servers.clone(),
            current: AtomicUsize::new(0),
            connect_timeout: config.connect_timeout,
            keep: config.idle,
            most: config.connections,
            permits: Semaphore::new(config.connections),
            clients: Semaphore::new(config.connections),
            idle: Mutex::default(),
            opened: AtomicU64::new(0),
        }
    }

    /// Waits for the right to one connection. `None` never comes: the pool does not close.
    pub(super) async fn permit(&self, asker: Asker) -> Option<Permit<'_>> {
        let _client = match asker {
            Asker::Client(_) => Some(self.clients.acquire().await.ok()?),
            Asker::Recheck => None,
        };
        Some(Permit { _permit: self.permits.acquire().await.ok()?, _client })
    }

    /// One that waits, if any is still alive.
    pub(super) fn waiting(&self) -> Option<Connection> {
        loop {
            // The lock is not held while it is looked at.
            let (mut connection, _) = self.lock().connections.pop()?;
            if connection.is_alive() {
                return Some(connection);
            }
        }
    }

    /// A new one, to the first server that can be reached.
    pub(super) async fn open(&self) -> Result<Connection, Broken> {
        let first = self.current.load(Ordering::Relaxed);
        let mut error = Broken::Malformed("there is no server");
        for step in 0..self.servers.len() {
            let at = (first + step) % self.servers.len();
            let Some(server) = self.servers.get(at) else { break };
            match timeout(self.connect_timeout, Connection::open(server)).await {
                Ok(Ok(connection)) => {
                    self.current.store(at, Ordering::Relaxed);
                    self.opened.fetch_add(1, Ordering::Relaxed);
                    return Ok(connection);
                }
                Ok(Err(broken)) => error = broken,
                Err(_) => error = Broken::Timeout,
            }
            tracing::debug!(%server, %error, "an LDAP server cannot be reached");
        }
        Err(error)
    }

    /// Keeps a connection that has nothing on its way.
    pub(super) fn give_back(self: &Arc<Self>, connection: Connection) {
        let mut idle = self.lock();
        idle.connections.push((connection, Instant::now() + self.keep));
        if idle.watch.as_ref().is_none_or(JoinHandle::is_finished) {
            idle.watch = Some(tokio::spawn(watch(Arc::downgrade(self))));
        }
    }

    /// Closes all that wait: what happened to one has happened to them.
    pub(super) fn clear(&self) {
        let connections = std::mem::take(&mut self.lock().connections);
        drop(connections);
    }

    /// Connections at a time.
    pub(super) const fn connections(&self) -> usize {
        self.most
    }

    /// Connections made so far.
    pub(super) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// The servers, for people.
    pub(super) fn servers(&self) -> String {
        self.servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// Those that have waited too long, and when to look again; `None` if none is left to look at.
    fn expired(&self, now: Instant) -> (Vec<Connection>, Option<Instant>) {
        let mut idle = self.lock();
        let count = idle.connections.iter().take_while(|(_, end)| *end <= now).count();
        let expired = idle.connections.drain(..count).map(|(connection, _)| connection).collect();
        let next = idle.connections.first().map(|(_, end)| *end);
        if next.is_none() {
            idle.watch = None;
        }
        (expired, next)
    }

    // Nothing in here can panic halfway.
    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends when nothing waits any more, or the pool is gone.
async fn watch(pool: Weak<Pool>) {
    let mut next = None;
    loop {
        if let Some(next) = next {
            sleep_until(next).await;
        }
        let Some(pool) = pool.upgrade() else { return };
        let (expired, later) = pool.expired(Instant::now());
        expired.into_iter().for_each(Connection::close);
        if later.is_none() {
            return;
        }
        next = later;
    }
}
