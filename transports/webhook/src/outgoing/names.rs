//! From a name to its addresses, by a resolver that blocks and may take long to give up.
//!
//! Each name is looked up once at a time, for all who ask meanwhile, and one that has none is not looked up again for some
//! seconds. One domain has a part of the places alone, so that one whose name servers are slow holds nobody else up. What
//! waits for a place ends when nobody waits for it any more; so there is no more of it than there are requests. That wait is
//! no fault of the name.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::dial::{self, Time};
use super::report::Failure;
use crate::store::Outcome;

/// How many names are looked up at a time. Each has a thread, and keeps it until the system's resolver gives up, which may be
/// long after nobody waits for it.
const LOOKUPS: usize = 32;

/// How many of them are of one domain: a name's last two labels.
const OF_ONE_DOMAIN: usize = 8;

/// For how long a name that could not be looked up is not looked up again.
const FAILED_FOR: Duration = Duration::from_secs(5);

/// How many such names are remembered, about 200 kB. Others are looked up each time.
const FAILED_NAMES: usize = 1024;

/// Looks a name up, for a port. Blocks.
pub(super) type Lookup = Arc<dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// By the system's resolver. That one has hardly a word for it when there is no room for another socket; so one is tried.
pub(super) fn system_lookup() -> Lookup {
    Arc::new(|name, port| {
        let found = (name, port).to_socket_addrs().map(Iterator::collect);
        let no_room = || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).err().filter(dial::is_ours);
        found.map_err(|why| no_room().unwrap_or(why))
    })
}

/// What came of a lookup.
type Found = Result<Arc<[SocketAddr]>, Arc<io::Error>>;

/// How far a lookup is.
enum Stand {
    /// It has no place yet.
    Waits,
    Begun,
    Done(Found),
}

/// A name and a port, which the resolver wants to know.
type Asked = (Box<str>, u16);

/// Names that are looked up.
pub(super) struct Names(Arc<Shared>);

struct Shared {
    lookup: Lookup,
    places: Arc<Semaphore>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    asked: HashMap<Asked, watch::Sender<Stand>>,
    failed: HashMap<Asked, (Instant, Arc<io::Error>)>,
    domains: HashMap<Box<str>, Weak<Semaphore>>,
}

impl Names {
    pub(super) fn new(lookup: Lookup) -> Self {
        let (places, table) = (Arc::new(Semaphore::new(LOOKUPS)), Mutex::default());
        Self(Arc::new(Shared { lookup, places, table }))
    }

    /// The addresses of a name. Cancelling it leaves those who wait for the same name theirs.
    pub(super) async fn addresses(&self, name: &str, port: u16, time: &mut Time) -> Result<Arc<[SocketAddr]>, Failure> {
        let asked = (name.into(), port);
        loop {
            let mut answer = self.0.ask(&asked).map_err(|why| not_found(&why))?;
            let begun = async { _ = answer.wait_for(|stand| !matches!(stand, Stand::Waits)).await };
            time.turn(begun).await.ok_or_else(no_place)?;
            let done = time.take(1, answer.wait_for(|stand| matches!(stand, Stand::Done(_)))).await;
            // It fails if whoever looked it up gave up, or went with its runtime: it is asked anew.
            if let Ok(stand) = done.ok_or_else(|| dial::late("its name is still looked up"))?
                && let Stand::Done(found) = &*stand
            {
                return found.as_ref().map(Arc::clone).map_err(|why| not_found(why));
            }
        }
    }
}

fn not_found(why: &io::Error) -> Failure {
    Failure::new(dial::outcome(why), format!("its name cannot be looked up: {why}"))
}

fn no_place() -> Failure {
    Failure::new(Outcome::Crowded, "its name's turn to be looked up did not come in time")
}

impl Shared {
    /// The lookup that is under way, or a new one. An error is that of the last, a moment ago.
    fn ask(self: &Arc<Self>, asked: &Asked) -> Result<watch::Receiver<Stand>, Arc<io::Error>> {
        let mut table = self.table();
        if let Some(under_way) = table.asked.get(asked) {
            return Ok(under_way.subscribe());
        }
        if let Some((until, why)) = table.failed.get(asked) {
            if Instant::now() < *until {
                return Err(Arc::clone(why));
            }
            table.failed.remove(asked);
        }
        let (sender, answer) = watch::channel(Stand::Waits);
        table.asked.insert(asked.clone(), sender.clone());
        let domain = table.domain(domain(&asked.0));
        drop(table);
        tokio::spawn(Search { shared: Arc::clone(self), asked: asked.clone(), sender }.run(domain));
        Ok(answer)
    }

    /// No code panics while it has this.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// The places of a domain.
    fn domain(&mut self, domain: &str) -> Arc<Semaphore> {
        if let Some(places) = self.domains.get(domain).and_then(Weak::upgrade) {
            return places;
        }
        self.domains.retain(|_, places| places.strong_count() > 0);
        let places = Arc::new(Semaphore::new(OF_ONE_DOMAIN));
        self.domains.insert(domain.into(), Arc::downgrade(&places));
        places
    }

    fn failed(&mut self, asked: &Asked, why: &Arc<io::Error>) {
        let now = Instant::now();
        if self.failed.len() >= FAILED_NAMES {
            self.failed.retain(|_, (until, _)| now < *until);
        }
        if self.failed.len() < FAILED_NAMES {
            self.failed.insert(asked.clone(), (now + FAILED_FOR, Arc::clone(why)));
        }
    }
}

/// One lookup. When it goes, be it with its runtime, the name may be asked again.
struct Search {
    shared: Arc<Shared>,
    asked: Asked,
    sender: watch::Sender<Stand>,
}

impl Search {
    async fn run(self, domain: Arc<Semaphore>) {
        let places = async {
            let of_domain = domain.acquire_owned().await;
            (of_domain, Arc::clone(&self.shared.places).acquire_owned().await)
        };
        let places = tokio::select! {
            places = places => places,
            () = self.sender.closed() => return,
        };
        self.sender.send_replace(Stand::Begun);
        // The thread has the places: it may live longer than what waits for it.
        tokio::task::spawn_blocking(move || {
            let found = (self.shared.lookup)(&self.asked.0, self.asked.1);
            drop(places);
            self.answer(found.map(Into::into).map_err(Arc::new));
        });
    }

    fn answer(self, found: Found) {
        if let Err(why) = &found {
            self.shared.table().failed(&self.asked, why);
        }
        // First: who asks after the answer is to have a new one.
        self.end();
        self.sender.send_replace(Stand::Done(found));
    }

    /// Whoever asks from now on begins a lookup of their own.
    fn end(&self) {
        let mut table = self.shared.table();
        if table.asked.get(&self.asked).is_some_and(|sender| sender.same_channel(&self.sender)) {
            table.asked.remove(&self.asked);
        }
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        self.end();
    }
}

/// The last two labels of a name, which is nearly always what somebody has registered.
fn domain(name: &str) -> &str {
    name.rmatch_indices('.').nth(1).and_then(|(dot, _)| name.get(dot + 1..)).unwrap_or(name)
}
