//! What a protocol implements to be served, and what it asks of its listener.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::ServiceConfig;
use eventhive_hub::Hub;
use eventhive_transport::{Key, KeyKind, Problem, Settings};
use futures_util::future::BoxFuture;

use crate::Networks;

/// A kind of wire that can serve a hub: the server's half of a
/// [`Transport`](eventhive_transport::Transport).
pub trait DoorTransport: Send + Sync {
    /// The word in `pubsub_type`.
    fn kind(&self) -> &'static str;

    /// Other words for the same.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// The keys of a server's `init`. The table checks, explains and documents them.
    fn keys(&self) -> &'static [Key];

    /// Whether its protocol says by a first segment `private` of the topic that an event is private. On a hub with such a door
    /// that holds for every door, so that no event is private on one and public on another.
    fn has_private_topics(&self) -> bool {
        false
    }

    /// Makes a door to `hub` with settings that passed [`keys`](Self::keys). Nothing is bound yet.
    ///
    /// # Errors
    /// Every problem in the settings that the table cannot see.
    fn plan(&self, settings: &Settings, hub: &Hub) -> Result<DoorPlan, Vec<Problem>>;
}

/// A door and where it wants to be.
pub struct DoorPlan {
    /// What the door is called in messages: the path of its settings, such as `servers.my-hive.init`.
    pub name: String,
    /// Where.
    pub listen: Listen,
    /// The path it serves, for the check that no other door of the address has it. Always begins with `/`.
    pub path: String,
    /// The scheme of its addresses without TLS, such as `http`; with TLS an `s` follows.
    pub scheme: &'static str,
    /// The door.
    pub door: Arc<dyn Door>,
    /// What is not as it should be and keeps the door from nothing. Logged when it starts.
    pub warnings: Vec<Problem>,
}

impl DoorPlan {
    /// A plan without warnings. `scheme` is as in [`scheme`](Self::scheme).
    pub fn new(
        name: impl Into<String>,
        listen: Listen,
        scheme: &'static str,
        path: impl Into<String>,
        door: Arc<dyn Door>,
    ) -> Self {
        Self { name: name.into(), listen, path: path.into(), scheme, door, warnings: Vec::new() }
    }
}

/// Where a door wants to be. Doors with the same host and port share a listener; 0 is a port like any other here, so
/// that doors without a wish for a port share whichever is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// A name or an address; `*` or nothing is every address of the machine, of both IP versions where it has both.
    pub host: String,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// Certificate and key; without them the listener speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Proxies whose connections begin with a header of the PROXY protocol, if any do.
    pub proxies: Option<Networks>,
    /// What the listener bears. Where doors that share it differ, the larger number holds.
    pub limits: Limits,
}

/// A certificate and its key, all in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and behind it those that lead to its issuer.
    pub certificate: PathBuf,
    /// The private key: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
    /// More certificates that lead to the issuer, where they are in a file of their own.
    pub chain: Option<PathBuf>,
}

/// The keys by which a door's settings name its certificate.
pub const TLS_KEYS: [Key; 3] = [
    Key::optional(
        "tls_cert",
        KeyKind::Text,
        "File of the certificate chain in PEM; turns TLS on. Read again on SIGHUP.",
    ),
    Key::optional("tls_key", KeyKind::Text, "File of the certificate's private key in PEM."),
    Key::optional(
        "tls_chain",
        KeyKind::Text,
        "File of the certificates that lead to the issuer, if they are not in tls_cert.",
    ),
];

impl TlsFiles {
    /// From settings whose table has [`TLS_KEYS`]; `None` if they want no TLS.
    ///
    /// # Errors
    /// A file without the one that belongs to it.
    pub fn from_settings(settings: &Settings) -> Result<Option<Self>, Problem> {
        let file = |name| settings.text(name).map(PathBuf::from);
        let missing = |name, what: &str| Err(settings.problem(name, format!("{what} is missing: name its file")));
        match (file("tls_cert"), file("tls_key"), file("tls_chain")) {
            (Some(certificate), Some(key), chain) => Ok(Some(Self { certificate, key, chain })),
            (None, None, None) => Ok(None),
            (Some(_), None, _) => missing("tls_cert", "`tls_key`, the private key,"),
            (None, Some(_), _) => missing("tls_key", "`tls_cert`, the certificate,"),
            (None, None, Some(_)) => missing("tls_chain", "`tls_cert`, the server's own certificate,"),
        }
    }
}

/// The key of [`Limits::workers`].
pub const WORKERS: Key = Key::optional(
    "workers",
    KeyKind::Integer { min: 1, max: 1024 },
    "Threads of the listener; as many as there are cores if not set.",
);

/// The key of [`Limits::max_connections`].
pub const MAX_CONNECTIONS: Key = Key::with_default(
    "max_connections",
    KeyKind::Integer { min: 1, max: 10_000_000 },
    "25000",
    "TCP connections of the listener; further ones wait.",
);

/// The key of [`Limits::request_timeout`].
pub const REQUEST_TIMEOUT: Key = Key::with_default(
    "request_timeout_secs",
    KeyKind::Seconds { min: 0.05 },
    "10",
    "How long a client may take for the head of a request.",
);

/// The key of [`Limits::send_timeout`].
pub const SEND_TIMEOUT: Key = Key::with_default(
    "send_timeout_secs",
    KeyKind::Seconds { min: 0.05 },
    "30",
    "How long the network may leave sent bytes unconfirmed before the connection is ended.",
);

/// What a listener bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Worker threads; `None` is one for each core that the process may use.
    pub workers: Option<usize>,
    /// Connections at a time, before and after the handshake. Further ones wait in the kernel's queue.
    pub max_connections: usize,
    /// How long a client may take for the head of its request, and for the TLS handshake.
    pub request_timeout: Duration,
    /// How long sent bytes may stay unacknowledged, or a full window closed, before the kernel ends the connection
    /// (`TCP_USER_TIMEOUT`, where the system has it).
    pub send_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workers: None,
            max_connections: 25_000,
            request_timeout: Duration::from_secs(10),
            send_timeout: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// From settings whose table has keys of the names of [`WORKERS`], [`MAX_CONNECTIONS`], [`REQUEST_TIMEOUT`] and
    /// [`SEND_TIMEOUT`].
    #[must_use]
    pub fn from_settings(settings: &Settings) -> Self {
        let standard = Self::default();
        Self {
            workers: settings.size("workers"),
            max_connections: settings.size("max_connections").unwrap_or(standard.max_connections),
            request_timeout: settings.seconds("request_timeout_secs").unwrap_or(standard.request_timeout),
            send_timeout: settings.seconds("send_timeout_secs").unwrap_or(standard.send_timeout),
        }
    }

    /// What serves both.
    #[must_use]
    pub fn larger(self, other: Self) -> Self {
        Self {
            // `None` is less than any number, so a number that someone wished for wins.
            workers: self.workers.max(other.workers),
            max_connections: self.max_connections.max(other.max_connections),
            request_timeout: self.request_timeout.max(other.request_timeout),
            send_timeout: self.send_timeout.max(other.send_timeout),
        }
    }
}

/// One listener of a hub, speaking one protocol on one path.
pub trait Door: Send + Sync {
    /// Adds the door's routes to an application. Called on each worker thread, and again when a thread is replaced.
    fn mount(&self, config: &mut ServiceConfig);

    /// Starts what the door does beside serving. Called once, when its listener accepts, on a thread of the listener's with
    /// a runtime that lives as long as the listener; it must not block. Whatever it starts ends with [`drain`](Self::drain).
    fn begin(&self) {}

    /// Ends the sessions without a reconnect storm and takes no new ones; done when none is left or after `within`.
    fn drain(&self, within: Duration) -> BoxFuture<'static, ()>;

    /// Sessions now.
    fn sessions(&self) -> usize;

    /// Reads again what the door reads from files of its own, such as lists of users. Returns what is wrong with them; what
    /// was in use stays so. May take its time: not for a thread that must not wait.
    fn reload(&self) -> Vec<String> {
        Vec::new()
    }
}
