//! Starting doors, on as few listeners as they need, and stopping them.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use crate::serve::{self, Running, Serve};
use crate::share::{Guest, Shared, share};
use crate::tls::Certificate;
use crate::{Door, DoorPlan, Limits, StartError, bind, files};

/// Listeners that run. Dropping it cuts every connection; [`stop`](Self::stop) drains them.
pub struct Listeners {
    all: Vec<Listener>,
}

struct Listener {
    addresses: Vec<SocketAddr>,
    certificate: Option<Arc<Certificate>>,
    doors: Vec<Guest>,
    /// `None` once it has been stopped.
    running: Option<Running>,
}

/// An address that is listened on, with the real port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// The address.
    pub address: SocketAddr,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// The doors behind it.
    pub doors: Vec<BoundDoor>,
}

/// A door behind an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundDoor {
    /// As in [`DoorPlan::name`].
    pub name: String,
    /// As in [`DoorPlan::path`].
    pub path: String,
    /// As in [`DoorPlan::scheme`].
    pub scheme: &'static str,
}

impl Listeners {
    /// Starts all doors, or none. Raises the process's limit of open files as far as `max_connections` needs it and the
    /// system allows; a limit that stays too low is a warning in the log. Blocks for as long as binding and starting threads takes, and for the resolver when a
    /// host is a name.
    ///
    /// # Errors
    /// Everything that is in the way, as far as it can be seen without starting.
    pub fn start(plans: Vec<DoorPlan>) -> Result<Self, Vec<StartError>> {
        let mut ready = Vec::new();
        let mut problems = Vec::new();
        for warning in plans.iter().flat_map(|plan| &plan.warnings) {
            tracing::warn!("{warning}");
        }
        for shared in share(plans)? {
            match prepare(&shared) {
                Ok((serve, listener)) => ready.push((serve, listener, shared.address())),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let connections = ready.iter().map(|(serve, ..)| serve.limits.max_connections as u64);
        let standard = Limits::default().max_connections;
        let chosen = ready.iter().any(|(serve, ..)| serve.limits.max_connections != standard);
        files::make_room(connections.fold(0, u64::saturating_add), chosen);
        let mut started = Self { all: Vec::new() };
        for (serve, mut listener, address) in ready {
            match serve::start(serve) {
                Ok(running) => listener.running = Some(running),
                // The drop of `started` ends those that run already.
                Err(source) => return Err(vec![StartError::Threads { address, source }]),
            }
            started.all.push(listener);
        }
        Ok(started)
    }

    /// Every address that is listened on.
    #[must_use]
    pub fn addresses(&self) -> Vec<Bound> {
        let bound = |listener: &Listener, address: &SocketAddr| Bound {
            address: *address,
            tls: listener.certificate.is_some(),
            doors: listener.doors.iter().map(Guest::bound).collect(),
        };
        self.all.iter().flat_map(|one| one.addresses.iter().map(move |address| bound(one, address))).collect()
    }

    /// Sessions of all doors now.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.all.iter().flat_map(|listener| &listener.doors).map(|guest| guest.door.sessions()).sum()
    }

    /// Connections of all listeners now, those without a session included.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.all
            .iter()
            .filter_map(|listener| listener.running.as_ref())
            .map(|running| running.connections.count())
            .sum()
    }

    /// What reads files again: certificates, and the doors' own.
    pub fn reload(&self) -> Reload {
        Reload {
            certificates: self.all.iter().filter_map(|listener| listener.certificate.clone()).collect(),
            doors: self.all.iter().flat_map(|one| one.doors.iter().map(|guest| Arc::clone(&guest.door))).collect(),
        }
    }

    /// Stops: no connection is accepted any more (they wait in the kernel and are reset at the end, so that clients back
    /// off), every door drains, and after `within` the rest is cut. Dropping the future cuts it at once.
    pub async fn stop(mut self, within: Duration) {
        join_all(self.all.iter_mut().map(|listener| listener.stop(within))).await;
    }
}

/// Reads files again, for instance on SIGHUP; apart from the listeners, so that it may take its time elsewhere.
#[must_use = "nothing is read until it is run"]
#[derive(Default)]
pub struct Reload {
    certificates: Vec<Arc<Certificate>>,
    doors: Vec<Arc<dyn Door>>,
}

impl Reload {
    /// Reads the files. What is broken is logged and returned, and leaves the old in use. Not for a thread that must not
    /// wait.
    pub fn run(self) -> Vec<String> {
        let certificates = self.certificates.iter().filter_map(|one| one.reload().err());
        let of_doors = self.doors.iter().flat_map(|door| door.reload());
        let problems: Vec<String> = certificates.map(|error| error.to_string()).chain(of_doors).collect();
        for problem in &problems {
            tracing::error!(problem, "not replaced; the old one stays in use");
        }
        problems
    }

    /// Both.
    pub fn and(mut self, other: Self) -> Self {
        self.certificates.extend(other.certificates);
        self.doors.extend(other.doors);
        self
    }
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (certificates, doors) = (self.certificates.len(), self.doors.len());
        f.debug_struct("Reload").field("certificates", &certificates).field("doors", &doors).finish()
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.addresses()).finish()
    }
}

impl Guest {
    fn bound(&self) -> BoundDoor {
        BoundDoor { name: self.name.clone(), path: self.path.clone(), scheme: self.scheme }
    }
}

impl Listener {
    async fn stop(&mut self, within: Duration) {
        // It stays where the drop finds it: who stops waiting must not leave threads and a port behind.
        let Some(Running { handle, connections, done }) = &mut self.running else { return };
        handle.pause().await;
        let drained = async {
            join_all(self.doors.iter().map(|guest| guest.door.drain(within))).await;
            if timeout(ARRIVING, connections.none()).await.is_err() {
                connections.stop_reading_all();
                connections.none().await;
            }
        };
        if timeout(within, drained).await.is_err() {
            tracing::warn!(connections = connections.count(), "cutting connections that did not end in time");
            connections.kill_all();
            // Their tasks notice at once; a worker that is asked to stop before looks again only a second later.
            _ = timeout(CUT, connections.none()).await;
        }
        handle.stop(true).await;
        // The sender is dropped with the thread, which is the answer.
        _ = done.await;
        self.running = None;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.connections.kill_all();
            // The command is sent by the call; the answer is for those who wait.
            drop(running.handle.stop(false));
        }
    }
}

/// How long requests may take that are on their way when the last session has ended. After it, connections that their
/// clients keep for later are ended.
const ARRIVING: Duration = Duration::from_millis(200);

/// How long connections may take to notice that they were cut.
const CUT: Duration = Duration::from_secs(1);

fn prepare(shared: &Shared) -> Result<(Serve, Listener), StartError> {
    let door = shared.first_name();
    let tls_problem = |source| StartError::Tls { door: door.to_owned(), source: Box::new(source) };
    let certificate = shared.tls.clone().map(Certificate::load).transpose().map_err(tls_problem)?;
    let sockets = bind::bind(door, &shared.host, shared.port)?;
    let addresses = sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect();
    let listener = Listener { addresses, certificate: certificate.clone(), doors: shared.doors.clone(), running: None };
    let serve = Serve {
        name: format!("http {}", shared.address()),
        sockets,
        certificate,
        proxies: shared.proxies.clone(),
        limits: shared.limits,
        doors: shared.doors.clone(),
    };
    Ok((serve, listener))
}
