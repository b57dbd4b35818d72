//! Settings: the tables of keys, and what they mean as typed values.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use eventhive_hub::Hub;
use eventhive_listener::door::{MAX_CONNECTIONS, SEND_TIMEOUT, WORKERS};
use eventhive_listener::proxies::{PROXY_PROTOCOL, TRUSTED_PROXIES};
use eventhive_listener::{DoorPlan, DoorTransport, Limits, Listen, Proxies, TLS_KEYS, TlsFiles};
use eventhive_transport::settings::PORT;
use eventhive_transport::{Key, KeyKind, Overflow, Problem, Settings};
use zeroize::Zeroizing;

use crate::door::WebSocketDoor;

/// The websocket transport. It is a [`DoorTransport`] for servers and a
/// [`Transport`](eventhive_transport::Transport) for connectors.
#[derive(Debug, Clone, Copy, Default)]
pub struct WebSocket;

/// The largest message that the Python clients accept. A larger one makes them disconnect with 1009.
pub const PYTHON_MAX_MESSAGE: usize = 1 << 20;

const MEBIBYTES: i64 = 1 << 20;

/// A number of things of which there must be at least one.
const COUNT: KeyKind = KeyKind::Integer { min: 1, max: 10_000_000 };
/// A time that must not be nothing.
const TIME: KeyKind = KeyKind::Seconds { min: 0.05 };

const DOOR_KEYS: &[Key] = &[
    Key::with_default("host", KeyKind::Text, "127.0.0.1", "The address to listen on; `*` is all of the machine's."),
    Key::with_default("port", PORT, "8085", "The port to listen on; 0 takes a free one."),
    Key::with_default("endpoint", KeyKind::Text, "/pubsub", "The path; a missing leading `/` is added."),
    Key::with_default(
        "scheme",
        KeyKind::Choice(&["ws", "wss"]),
        "ws",
        "Not used by a server; `tls_cert` turns TLS on.",
    ),
    TLS_KEYS[0],
    TLS_KEYS[1],
    TLS_KEYS[2],
    Key::optional(
        "tokens",
        KeyKind::Secrets,
        "Bearer tokens; a client needs one of them, in `Authorization: Bearer ..` or as `?token=..` in its endpoint.",
    ),
    Key::optional(
        "origins",
        KeyKind::Texts,
        "Web origins, such as `https://example.org`, whose pages may connect; `*` is any. Without it the server's own pages \
         may: those reached by an address, by `localhost`, or by the name in `host`. A server with `host: '*'` that pages \
         reach by a DNS name must list its own origin here.",
    ),
    Key::with_default(
        "max_message_bytes",
        KeyKind::Integer { min: 1024, max: 1024 * MEBIBYTES },
        "1048576",
        "The largest message in either direction. Python clients take no more than the default.",
    ),
    Key::with_default(
        "max_frame_bytes",
        KeyKind::Integer { min: 1024, max: 1024 * MEBIBYTES },
        "1048576",
        "The largest single frame; a message may come in several.",
    ),
    Key::with_default("max_subscriptions", COUNT, "10000", "Subscriptions of one session."),
    Key::with_default(
        "max_patterns",
        COUNT,
        "1000",
        "Of the subscriptions of one session, how many may be patterns, which cost more.",
    ),
    Key::with_default("max_sessions", COUNT, "20000", "Sessions of this server; further ones are told to come later."),
    Key::with_default(
        "max_sessions_per_address",
        COUNT,
        "10000",
        "Sessions of one remote address (of IPv6, of one /64). Behind a proxy that is not among the `trusted_proxies` all \
         clients have the proxy's address: set it as high as `max_sessions` there.",
    ),
    TRUSTED_PROXIES,
    PROXY_PROTOCOL,
    MAX_CONNECTIONS,
    Key::with_default("ping_interval_secs", TIME, "20", "A client that was silent this long is sent a ping."),
    Key::with_default(
        "ping_timeout_secs",
        TIME,
        "20",
        "A client that is silent this long after a ping is disconnected.",
    ),
    Key::with_default(
        "queue_bytes",
        KeyKind::Integer { min: 1024, max: 1024 * MEBIBYTES },
        "1048576",
        "What may wait for one slow session.",
    ),
    Key::with_default("overflow", KeyKind::Choice(Overflow::WORDS), "disconnect", "What a session's full queue does."),
    Key::with_default(
        "publish_timeout_secs",
        TIME,
        "10",
        "How long the answer to a synchronous publish waits for subscribers that do not answer.",
    ),
    Key::with_default("request_timeout_secs", TIME, "10", "How long a client may take for its handshake."),
    SEND_TIMEOUT,
    WORKERS,
];

/// How a door treats its sessions. The defaults are those of the configuration.
#[derive(Clone)]
pub struct Config {
    /// The path, with its leading `/`.
    pub endpoint: String,
    /// The address or name that the door is reached by: pages from there are the server's own.
    pub host: String,
    /// A client needs one of these; without any, everyone is let in.
    pub tokens: Vec<Zeroizing<String>>,
    /// Web origins that may connect beside the server's own; `*` is any. Clients that are no browsers send none.
    pub origins: Vec<String>,
    /// The largest message in either direction, in bytes.
    pub max_message: usize,
    /// The largest frame of a client, in bytes.
    pub max_frame: usize,
    /// Subscriptions of one session.
    pub max_subscriptions: usize,
    /// Of these, how many may be patterns.
    pub max_patterns: usize,
    /// Sessions of the door.
    pub max_sessions: usize,
    /// Sessions of one remote address, as [`PerAddress`](eventhive_listener::PerAddress) counts them.
    pub max_sessions_per_address: usize,
    /// The proxies in front, which say whom they speak for.
    pub proxies: Proxies,
    /// Silence after which a ping is sent.
    pub ping_interval: Duration,
    /// Silence after a ping that ends the session.
    pub ping_timeout: Duration,
    /// What may wait for a slow session, in bytes.
    pub queue_bytes: usize,
    /// What happens when that is full.
    pub overflow: Overflow,
    /// The longest wait for subscribers' answers to a synchronous publish.
    pub publish_timeout: Duration,
    /// How long a refusal for a bad token is held back. Some Python clients try again without a pause: this is their
    /// pause.
    pub refusal_delay: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: "/pubsub".to_owned(),
            host: "127.0.0.1".to_owned(),
            tokens: Vec::new(),
            origins: Vec::new(),
            max_message: PYTHON_MAX_MESSAGE,
            max_frame: PYTHON_MAX_MESSAGE,
            max_subscriptions: 10_000,
            max_patterns: 1000,
            max_sessions: 20_000,
            max_sessions_per_address: 10_000,
            proxies: Proxies::default(),
            ping_interval: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(20),
            queue_bytes: 1 << 20,
            overflow: Overflow::Disconnect,
            publish_timeout: Duration::from_secs(10),
            refusal_delay: Duration::from_secs(3),
        }
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Every field but the tokens.
        f.debug_struct("Config")
            .field("endpoint", &self.endpoint)
            .field("tokens", &self.tokens.len())
            .finish_non_exhaustive()
    }
}

impl Config {
    /// From settings that passed the table of [`WebSocket`]'s door.
    ///
    /// # Errors
    /// Secrets that cannot be had, and a path that is none.
    pub fn from_settings(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let default = Self::default();
        let size = |name, or| settings.size(name).unwrap_or(or);
        let time = |name, or| settings.seconds(name).unwrap_or(or);
        let endpoint = with_slash(settings.text("endpoint").unwrap_or("/pubsub"));
        if let Some(odd) = endpoint.chars().find(|c| "?#{}*%".contains(*c) || c.is_whitespace()) {
            return Err(vec![settings.problem("endpoint", format!("a path cannot have `{odd}`"))]);
        }
        Ok(Self {
            endpoint,
            host: settings.text("host").map_or(default.host, str::to_owned),
            tokens: settings.secrets("tokens")?,
            origins: settings.texts("origins").into_iter().map(str::to_owned).collect(),
            max_message: size("max_message_bytes", default.max_message),
            max_frame: size("max_frame_bytes", default.max_frame),
            max_subscriptions: size("max_subscriptions", default.max_subscriptions),
            max_patterns: size("max_patterns", default.max_patterns),
            max_sessions: size("max_sessions", default.max_sessions),
            max_sessions_per_address: size("max_sessions_per_address", default.max_sessions_per_address),
            proxies: Proxies::from_settings(settings)?,
            ping_interval: time("ping_interval_secs", default.ping_interval),
            ping_timeout: time("ping_timeout_secs", default.ping_timeout),
            queue_bytes: size("queue_bytes", default.queue_bytes),
            overflow: settings
                .text("overflow")
                .and_then(|word| Overflow::from_str(word).ok())
                .unwrap_or(default.overflow),
            publish_timeout: time("publish_timeout_secs", default.publish_timeout),
            refusal_delay: default.refusal_delay,
        })
    }
}

impl DoorTransport for WebSocket {
    fn kind(&self) -> &'static str {
        "websocket"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["fastapi"]
    }

    fn keys(&self) -> &'static [Key] {
        DOOR_KEYS
    }

    fn plan(&self, settings: &Settings, hub: &Hub) -> Result<DoorPlan, Vec<Problem>> {
        let (config, tls) = match (Config::from_settings(settings), TlsFiles::from_settings(settings)) {
            (Ok(config), Ok(tls)) => (config, tls),
            (config, tls) => return Err(config.err().into_iter().flatten().chain(tls.err()).collect()),
        };
        let listen = Listen {
            host: settings.text("host").unwrap_or("127.0.0.1").to_owned(),
            port: settings.integer("port").and_then(|port| u16::try_from(port).ok()).unwrap_or(8085),
            tls,
            proxies: config.proxies.of_connections(),
            limits: Limits::from_settings(settings),
        };
        let path = config.endpoint.clone();
        let door = Arc::new(WebSocketDoor::new(hub.clone(), config));
        Ok(DoorPlan::new(settings.path(), listen, "ws", path, door))
    }
}

fn with_slash(endpoint: &str) -> String {
    if endpoint.starts_with('/') { endpoint.to_owned() } else { format!("/{endpoint}") }
}

#[cfg(test)]
mod tests {
    use eventhive_hub::HubSettings;
    use eventhive_transport::settings::{Entry, Node, Position, Value};

    use super::*;

    fn settings(entries: &[(&str, Value)]) -> Result<Settings, Vec<Problem>> {
        let at = Position::default();
        let entry = |(key, value): &(&str, Value)| Entry {
            key: (*key).to_owned(),
            key_at: at,
            node: Node { value: value.clone(), at },
        };
        let map = Value::Map(entries.iter().map(entry).collect());
        Settings::check("servers.x.init", &Node { value: map, at }, DoorTransport::keys(&WebSocket))
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    fn plan(entries: &[(&str, Value)]) -> Result<DoorPlan, Vec<String>> {
        let settings = settings(entries).unwrap();
        let plan = DoorTransport::plan(&WebSocket, &settings, &Hub::new(HubSettings::default()));
        plan.map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_defaults_of_the_table_are_those_of_the_types_and_of_the_original() {
        let plan = plan(&[]).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!((&*plan.path, &*plan.name), ("/pubsub", "servers.x.init"));
        assert_eq!((&*plan.listen.host, plan.listen.port, plan.listen.tls), ("127.0.0.1", 8085, None));
        assert_eq!(plan.listen.limits, Limits::default());
        let (from_table, typed) = (Config::from_settings(&settings(&[]).unwrap()).unwrap(), Config::default());
        assert_eq!(
            (from_table.max_message, from_table.max_frame, from_table.max_subscriptions, from_table.max_sessions),
            (typed.max_message, typed.max_frame, typed.max_subscriptions, typed.max_sessions)
        );
        assert_eq!(
            (from_table.max_patterns, from_table.max_sessions_per_address),
            (typed.max_patterns, typed.max_sessions_per_address)
        );
        assert_eq!(
            (from_table.ping_interval, from_table.ping_timeout, from_table.publish_timeout),
            (typed.ping_interval, typed.ping_timeout, typed.publish_timeout)
        );
        assert_eq!((from_table.queue_bytes, from_table.overflow), (typed.queue_bytes, typed.overflow));
    }

    #[test]
    fn what_is_given_reaches_its_place() {
        let plan = plan(&[
            ("endpoint", text("net/one")),
            ("port", Value::Integer(0)),
            ("tls_cert", text("c.pem")),
            ("tls_key", text("k.pem")),
            ("workers", Value::Integer(3)),
            ("scheme", text("wss")),
        ])
        .unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!((&*plan.path, plan.listen.port, plan.listen.limits.workers), ("/net/one", 0, Some(3)));
        assert_eq!(plan.listen.tls, Some(TlsFiles { certificate: "c.pem".into(), key: "k.pem".into(), chain: None }));
        let given = settings(&[
            ("tokens", Value::List(vec![Node { value: text("a"), at: Position::default() }])),
            ("overflow", text("drop_oldest")),
            ("ping_interval_secs", Value::Float(1.5)),
        ]);
        let config = Config::from_settings(&given.unwrap()).unwrap();
        assert_eq!((config.tokens, config.overflow), (vec!["a".to_owned().into()], Overflow::DropOldest));
        assert_eq!(config.ping_interval, Duration::from_millis(1500));
    }

    #[test]
    fn every_problem_is_found_and_no_secret_is_printed() {
        let problems = plan(&[("tokens", text("env:EVENTHIVE_NO_SUCH")), ("tls_key", text("k.pem"))]).err().unwrap();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(
            problems[0].starts_with("servers.x.init.tokens:")
                && problems[1].contains("`tls_cert`, the certificate, is missing")
        );
        assert!(plan(&[("endpoint", text("a?token=x"))]).is_err());
        let config = Config { tokens: vec!["hidden".to_owned().into()], ..Config::default() };
        assert!(!format!("{config:?}").contains("hidden"));
    }
}
