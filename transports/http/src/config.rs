//! Settings of a door: the table of keys, and what they mean as typed values.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use eventhive_hub::Hub;
use eventhive_listener::door::{MAX_CONNECTIONS, REQUEST_TIMEOUT, WORKERS};
use eventhive_listener::proxies::{PROXY_PROTOCOL, TRUSTED_PROXIES};
use eventhive_listener::{DoorPlan, DoorTransport, Limits, Listen, Networks, Proxies, TLS_KEYS, TlsFiles};
use eventhive_transport::settings::PORT;
use eventhive_transport::{Key, KeyKind, Overflow, Problem, Settings};

use crate::access::{Access, Users, ldap};
use crate::door::HttpDoor;
use crate::sqs;

/// The HTTP transport. It is a [`DoorTransport`] for servers and a [`Transport`](eventhive_transport::Transport) for
/// connectors.
#[derive(Debug, Clone, Copy, Default)]
pub struct Http;

/// The port of the original.
pub const PORT_NUMBER: u16 = 2069;

const COUNT: KeyKind = KeyKind::Integer { min: 1, max: 10_000_000 };
const BYTES: KeyKind = KeyKind::Integer { min: 1024, max: 1 << 30 };
const TIME: KeyKind = KeyKind::Seconds { min: 0.05 };

const DOOR_KEYS: &[Key] = &[
    Key::with_default("host", KeyKind::Text, "127.0.0.1", "The address to listen on; `*` is all of the machine's."),
    Key::with_default("port", PORT, "2069", "The port to listen on; 0 takes a free one."),
    Key::with_default(
        "endpoint",
        KeyKind::Text,
        "/",
        "The path below which topics begin. Other doors of the same address go before it where their paths are longer.",
    ),
    TLS_KEYS[0],
    TLS_KEYS[1],
    TLS_KEYS[2],
    Key::optional(
        "payloaders",
        KeyKind::Texts,
        "Networks and addresses whose clients may publish. Left out: the machine itself. Holds at this door; other doors of the server have rules of their own.",
    ),
    TRUSTED_PROXIES,
    PROXY_PROTOCOL,
    Key::optional(
        "secure_topics",
        KeyKind::Texts,
        "Topics that only users with the right to them publish on. Holds at this door: whoever may publish at another door of the server, such as its websocket door, may publish on them there.",
    ),
    Key::optional(
        "acl_file",
        KeyKind::Text,
        "File of the access list, in PyPubSub's format. Read again when it changes: write another file, and rename it to this one. Without it nobody sees private events.",
    ),
    Key::optional("ldap", KeyKind::Table(ldap::KEYS), "An LDAP directory for users who are not in the access list."),
    Key::optional(
        "sqs",
        KeyKind::Named(sqs::KEYS),
        "Queues of Amazon SQS whose messages become events, by names for the log. Needs the feature `sqs`.",
    ),
    Key::optional(
        "oldschoolers",
        KeyKind::Texts,
        "Clients whose User-Agent has one of these texts get a NUL behind each line.",
    ),
    Key::optional(
        "origins",
        KeyKind::Texts,
        "Web origins, such as `https://example.org`, whose pages may read and publish; `*` is any (CORS).",
    ),
    Key::with_default(
        "max_payload_bytes",
        KeyKind::Integer { min: 1, max: 1 << 30 },
        "102400",
        "The largest body of a publish.",
    ),
    Key::with_default("max_sessions", COUNT, "20000", "Streams of this server; further ones are told to come later."),
    Key::with_default(
        "max_sessions_per_address",
        COUNT,
        "10000",
        "Streams of one remote address (of IPv6, of one /64). Behind a proxy that is not among the `trusted_proxies` all \
         clients have the proxy's address: set it as high as `max_sessions` there.",
    ),
    MAX_CONNECTIONS,
    Key::with_default(
        "ping_interval_secs",
        TIME,
        "5",
        "Time between pings of a stream. Python clients leave a stream that is silent for 11 seconds.",
    ),
    Key::with_default("queue_bytes", BYTES, "1048576", "What may wait for one slow stream."),
    Key::with_default("overflow", KeyKind::Choice(Overflow::WORDS), "disconnect", "What a stream's full queue does."),
    Key::with_default(
        "max_compressed",
        KeyKind::Integer { min: 0, max: 10_000_000 },
        "1000",
        "Streams that are compressed at a time, each about 300 KB; further ones are sent plain.",
    ),
    Key::with_default(
        "idempotency_keys",
        KeyKind::Integer { min: 0, max: 10_000_000 },
        "10000",
        "How many `Idempotency-Key`s are remembered, about 200 bytes each, in the memory of this door: no other door knows \
         them, nor the next start. 0 turns them off.",
    ),
    Key::with_default("idempotency_secs", TIME, "600", "How long each is remembered."),
    REQUEST_TIMEOUT,
    Key::with_default(
        "send_timeout_secs",
        TIME,
        "30",
        "How long a client may take nothing of what waits for it, or send nothing of a body, before its connection is \
         ended. A body has this time and a second for each KiB of it.",
    ),
    WORKERS,
];

/// How a door treats its clients. The defaults are those of the configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The path below which topics begin, without a slash at its end; empty for the root.
    pub endpoint: String,
    /// The address or name that the door is reached by: pages from there are the server's own.
    pub host: String,
    /// Who may do what.
    pub access: Access,
    /// The proxies in front, which say whom they speak for.
    pub proxies: Proxies,
    /// Parts of the names of clients that want a NUL behind each line.
    pub oldschoolers: Vec<String>,
    /// Web origins whose pages may use the door; `*` is any.
    pub origins: Vec<String>,
    /// The largest body, in bytes.
    pub max_payload: usize,
    /// Streams at a time.
    pub max_sessions: usize,
    /// Streams of one remote address, as [`PerAddress`](eventhive_listener::PerAddress) counts them.
    pub max_sessions_per_address: usize,
    /// Time between pings.
    pub ping_interval: Duration,
    /// What may wait for a slow stream, in bytes.
    pub queue_bytes: usize,
    /// What happens when that is full.
    pub overflow: Overflow,
    /// Compressed streams at a time.
    pub max_compressed: usize,
    /// Idempotency keys remembered.
    pub idempotency_keys: usize,
    /// How long.
    pub idempotency_time: Duration,
    /// The longest time in which a client takes nothing.
    pub send_timeout: Duration,
    /// Queues whose messages become events.
    #[cfg(feature = "sqs")]
    pub queues: Vec<sqs::QueueConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            host: "127.0.0.1".to_owned(),
            access: Access::default(),
            proxies: Proxies::default(),
            oldschoolers: Vec::new(),
            origins: Vec::new(),
            max_payload: 102_400,
            max_sessions: 20_000,
            max_sessions_per_address: 10_000,
            ping_interval: Duration::from_secs(5),
            queue_bytes: 1 << 20,
            overflow: Overflow::Disconnect,
            max_compressed: 1000,
            idempotency_keys: 10_000,
            idempotency_time: Duration::from_secs(600),
            send_timeout: Duration::from_secs(30),
            #[cfg(feature = "sqs")]
            queues: Vec::new(),
        }
    }
}

impl Config {
    /// From settings that passed the table of [`Http`]'s door. Reads the access list.
    ///
    /// # Errors
    /// An access list that cannot be read, networks that are none, a path that is none, and queues that cannot be read.
    pub fn from_settings(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let default = Self::default();
        let mut problems = Vec::new();
        let access = access(settings).map_err(|found| problems.extend(found)).unwrap_or_default();
        let proxies = Proxies::from_settings(settings).map_err(|found| problems.extend(found)).unwrap_or_default();
        #[cfg(feature = "sqs")]
        let queues = sqs::QueueConfig::all(settings).map_err(|found| problems.extend(found)).unwrap_or_default();
        #[cfg(not(feature = "sqs"))]
        problems.extend(sqs::unsupported(settings));
        let endpoint = with_slash(settings.text("endpoint").unwrap_or_default());
        if let Some(odd) = endpoint.chars().find(|c| "?#{}*%,".contains(*c) || c.is_whitespace()) {
            problems.push(settings.problem("endpoint", format!("a path cannot have `{odd}`")));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let size = |name, or| settings.size(name).unwrap_or(or);
        let time = |name, or| settings.seconds(name).unwrap_or(or);
        let texts = |name| settings.texts(name).into_iter().map(str::to_owned).collect();
        Ok(Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            host: settings.text("host").map_or(default.host, str::to_owned),
            access,
            proxies,
            oldschoolers: texts("oldschoolers"),
            origins: texts("origins"),
            max_payload: size("max_payload_bytes", default.max_payload),
            max_sessions: size("max_sessions", default.max_sessions),
            max_sessions_per_address: size("max_sessions_per_address", default.max_sessions_per_address),
            ping_interval: time("ping_interval_secs", default.ping_interval),
            queue_bytes: size("queue_bytes", default.queue_bytes),
            overflow: settings
                .text("overflow")
                .and_then(|word| Overflow::from_str(word).ok())
                .unwrap_or(default.overflow),
            max_compressed: size("max_compressed", default.max_compressed),
            idempotency_keys: size("idempotency_keys", default.idempotency_keys),
            idempotency_time: time("idempotency_secs", default.idempotency_time),
            send_timeout: time("send_timeout_secs", default.send_timeout),
            #[cfg(feature = "sqs")]
            queues,
        })
    }
}

fn access(settings: &Settings) -> Result<Access, Vec<Problem>> {
    let payloaders = match settings.get("payloaders") {
        None => Ok(Networks::loopback()),
        Some(_) => Networks::parse(settings.texts("payloaders"))
            .map_err(|wrong| wrong.into_iter().map(|what| settings.problem("payloaders", what)).collect::<Vec<_>>()),
    };
    match (payloaders, users(settings)) {
        (Ok(payloaders), Ok(users)) => {
            let secure_topics = settings.texts("secure_topics").into_iter().map(str::to_owned).collect();
            Ok(Access { payloaders, secure_topics, users: users.map(Arc::new) })
        }
        (payloaders, users) => Err(payloaders.err().into_iter().chain(users.err()).flatten().collect()),
    }
}

/// The list, and the directory behind it; `None` if there is neither.
fn users(settings: &Settings) -> Result<Option<Users>, Vec<Problem>> {
    let file = settings.text("acl_file").map(PathBuf::from);
    let directory = settings.table("ldap").map(|ldap| ldap::open(&ldap)).transpose()?;
    if file.is_none() && directory.is_none() {
        return Ok(None);
    }
    let users = Users::open(file, directory).map(Some);
    users.map_err(|error| vec![settings.problem("acl_file", error.to_string())])
}

impl DoorTransport for Http {
    fn kind(&self) -> &'static str {
        "http"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["pypubsub"]
    }

    fn keys(&self) -> &'static [Key] {
        DOOR_KEYS
    }

    fn has_private_topics(&self) -> bool {
        true
    }

    fn plan(&self, settings: &Settings, hub: &Hub) -> Result<DoorPlan, Vec<Problem>> {
        let (config, tls) = match (Config::from_settings(settings), TlsFiles::from_settings(settings)) {
            (Ok(config), Ok(tls)) => (config, tls),
            (config, tls) => return Err(config.err().into_iter().flatten().chain(tls.err()).collect()),
        };
        let listen = Listen {
            host: config.host.clone(),
            port: settings.integer("port").and_then(|port| u16::try_from(port).ok()).unwrap_or(PORT_NUMBER),
            tls,
            proxies: config.proxies.of_connections(),
            limits: Limits::from_settings(settings),
        };
        let path = with_slash(&config.endpoint);
        let warnings = config.access.users.as_ref().map_or_else(Vec::new, |users| users.warnings());
        let warnings = warnings.into_iter().map(|warning| settings.problem("acl_file", warning)).collect();
        let door = Arc::new(HttpDoor::new(hub.clone(), config));
        let plan = DoorPlan::new(settings.path(), listen, "http", path, door);
        Ok(DoorPlan { warnings, ..plan })
    }
}

fn with_slash(endpoint: &str) -> String {
    if endpoint.starts_with('/') { endpoint.to_owned() } else { format!("/{endpoint}") }
}
