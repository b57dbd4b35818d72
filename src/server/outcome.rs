//! Where servers stand.

use std::fmt;
use std::sync::Arc;

use eventhive_listener::Bound;
use tokio::sync::watch;

/// Where one server stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerOutcome {
    /// It is not known yet: it is being started, or another hive's is looked for.
    Pending,
    /// It listens on these addresses.
    Listening(Vec<Bound>),
    /// `create: never`.
    NotWanted,
    /// `create: needed`, and another hive runs one.
    Found {
        /// Where that is, as it says.
        at: String,
    },
    /// It could not be started; the text says why. If it is `needed`, it is tried again.
    Failed(String),
    /// The hive was stopped.
    Stopped,
}

impl fmt::Display for ServerOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending => f.write_str("not known yet"),
            Self::Listening(bound) => {
                let places: Vec<_> = bound.iter().map(|bound| bound.address.to_string()).collect();
                write!(f, "listening on {}", places.join(", "))
            }
            Self::NotWanted => f.write_str("not started: `create: never`"),
            Self::Found { at } => write!(f, "not needed: another hive runs one at {at}"),
            Self::Failed(reason) => write!(f, "not started: {reason}"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

/// A server and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStarted {
    /// The network's name.
    pub name: String,
    /// Where it stands.
    pub outcome: ServerOutcome,
}

/// Where each server of a hive stands, in the order of the configuration. Clones are the same board.
#[derive(Clone, Default)]
pub(crate) struct Board(Arc<watch::Sender<Vec<ServerStarted>>>);

impl Board {
    /// Puts up these servers, none of which is known yet.
    pub(super) fn put_up<'a>(&self, names: impl Iterator<Item = &'a str>) {
        let entry = |name: &str| ServerStarted { name: name.to_owned(), outcome: ServerOutcome::Pending };
        self.0.send_replace(names.map(entry).collect());
    }

    pub(super) fn set(&self, place: usize, outcome: ServerOutcome) {
        self.0.send_if_modified(|servers| match servers.get_mut(place) {
            Some(server) if server.outcome != outcome => {
                tracing::info!(server = server.name, "{outcome}");
                server.outcome = outcome;
                true
            }
            _ => false,
        });
    }

    /// The hive has stopped its servers. Those that it did not run stay as they are.
    pub(crate) fn stopped(&self) {
        use ServerOutcome::{Found, Listening, Pending, Stopped};
        self.0.send_modify(|servers| {
            for server in servers.iter_mut().filter(|it| matches!(it.outcome, Pending | Listening(_) | Found { .. })) {
                server.outcome = Stopped;
            }
        });
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Vec<ServerStarted>> {
        self.0.subscribe()
    }

    pub(crate) fn read(&self) -> Vec<ServerStarted> {
        self.0.borrow().clone()
    }
}
