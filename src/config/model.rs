//! What a configuration says, checked and typed.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use eventhive_hub::BacklogSettings;
use eventhive_transport::Overflow;
use eventhive_transport::settings::{Problem, Settings};

use crate::envelope::{Cipher, ReplayWindow};

use super::report::{Documents, Report};
use super::{ConfigError, Kinds, Secrets, Sources};

/// A configuration without problems.
#[derive(Clone, Debug)]
pub struct Config {
    /// `eventhive:`
    pub hive: HiveSettings,
    /// `connectors:`, in the order of the file.
    pub connectors: Vec<ConnectorConfig>,
    /// `servers:`, in the order of the file.
    pub servers: Vec<ServerConfig>,
    pub(super) warnings: Report,
    pub(super) documents: Documents,
}

/// `eventhive:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiveSettings {
    /// The key of the metadata object inside a message.
    pub metadata_key: String,
    /// Whether messages are sent without metadata.
    pub remove_metadata: bool,
    /// What joins the segments of a name. Never empty.
    pub channel_separator: String,
    /// `discovery_...`: where servers are looked for.
    pub discovery: DiscoverySettings,
}

/// Where servers are looked for: by mDNS, then in the list, then in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiscoverySettings {
    /// The network interfaces that mDNS uses, by name; empty: the usual ones.
    pub interfaces: Vec<String>,
    /// Whether mDNS is used.
    pub mdns: bool,
    /// Servers that are written down in the configuration.
    pub servers: Vec<String>,
    /// A file with more of them.
    pub file: Option<PathBuf>,
}

/// One entry of `connectors:`.
#[derive(Clone)]
#[non_exhaustive]
pub struct ConnectorConfig {
    /// The network's name. Never empty, and the separator is not in it.
    pub name: String,
    /// The transport's own name: an alias such as `fastapi` is replaced by what it stands for.
    pub pubsub_type: &'static str,
    /// The channel to listen on; `None` to publish only.
    pub input_channel: Option<String>,
    /// The transport's settings, checked against its table, defaults filled in.
    pub init: Settings,
    /// Seals and opens, if there is any.
    pub secret: Option<Secrets>,
    /// How it seals, if there is a secret.
    pub cipher: Cipher,
    /// The furthest that a sealed message's time may be from now.
    pub replay_time: Duration,
    /// How many sealed messages are remembered.
    pub replay_messages: usize,
    /// Look for the server, at first for this long; what it announces goes before the address in `init`.
    pub from_broadcast: Option<Duration>,
    /// Where called events wait.
    pub outbox: OutboxConfig,
    /// The bound of the inbox in bytes.
    pub inbox_bytes: usize,
    /// What a full inbox does.
    pub inbox_overflow: Overflow,
    /// How many event ids are remembered to drop what is delivered twice.
    pub dedupe_events: usize,
}

/// `outbox:` of a connector.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutboxConfig {
    /// The folder; `None` to keep what waits in memory.
    pub path: Option<PathBuf>,
    /// The bound in bytes.
    pub max_bytes: usize,
    /// What it does when it is full.
    pub overflow: Overflow,
    /// Whether what is on disk is synced.
    pub durable: bool,
}

/// One entry of `servers:`: a hub and its doors.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerConfig {
    /// The network's name.
    pub name: String,
    /// Whether to start it.
    pub create: Create,
    /// Whether it is announced by mDNS.
    pub broadcast: bool,
    /// Signs the announcement: its own, or that of the connector of the same name.
    pub secret: Option<Secrets>,
    /// What the hub keeps of the past.
    pub backlog: Backlog,
    /// The hub's doors. A server with `pubsub_type` and `init` is a hub with one door.
    pub doors: Vec<DoorConfig>,
}

/// `backlog:` of a server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Backlog {
    /// What it says.
    pub settings: BacklogSettings,
    /// Where it says so.
    pub(crate) given: Settings,
}

/// One door of a server.
#[derive(Clone)]
#[non_exhaustive]
pub struct DoorConfig {
    /// The transport's own name.
    pub pubsub_type: &'static str,
    /// The transport's settings, checked against its table, defaults filled in.
    pub init: Settings,
}

/// When a server is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Create {
    /// Not at all.
    Never,
    /// While no other hive runs one.
    Needed,
    /// Always.
    Always,
}

impl Config {
    /// What the environment says: the built-in defaults, the file named by `EVENTHIVE_CONFIG` or else `eventhive.yaml`
    /// in the working directory if there is one, and `EVENTHIVE_SECRET`. See [`Sources`] for more.
    ///
    /// # Errors
    /// Every problem, with its place.
    pub fn load(kinds: &Kinds) -> Result<Self, ConfigError> {
        let mut sources = Sources::new();
        sources.read_environment();
        sources.resolve(kinds)
    }

    /// The built-in defaults with `text` over them; no file and no environment variable is looked at, except those that
    /// a secret names.
    ///
    /// # Errors
    /// Every problem, with its place.
    pub fn from_yaml(text: &str, kinds: &Kinds) -> Result<Self, ConfigError> {
        let mut sources = Sources::new();
        sources.read_string(text);
        sources.resolve(kinds)
    }

    /// The connector of this name.
    #[must_use]
    pub fn connector(&self, name: &str) -> Option<&ConnectorConfig> {
        self.connectors.iter().find(|connector| connector.name == name)
    }

    /// What is doubtful and not wrong.
    #[must_use]
    pub const fn warnings(&self) -> &Report {
        &self.warnings
    }

    /// Adds what was found later, by a transport say, to the warnings.
    pub fn warn(&mut self, warnings: Vec<Problem>) {
        let all = self.warnings.problems().iter().cloned().chain(warnings).collect();
        self.warnings = Report::new(all, self.documents.clone());
    }

    /// Problems that were found later, by a transport say, shown with the lines of this configuration.
    #[must_use]
    pub fn error(&self, problems: Vec<Problem>) -> ConfigError {
        ConfigError::new(Report::new(problems, self.documents.clone()))
    }
}

impl ConnectorConfig {
    /// What announcements of its server must be signed with: its secret, unless it talks with hives of eventhive 0.5.0,
    /// which do not sign.
    #[must_use]
    pub fn announcement_secret(&self) -> Option<&Secrets> {
        self.secret.as_ref().filter(|_| self.cipher != Cipher::Eventhive05)
    }

    /// How far the time of a sealed message may be off, and how many are remembered.
    #[must_use]
    pub const fn replay_window(&self) -> ReplayWindow {
        ReplayWindow { time: self.replay_time, messages: self.replay_messages }
    }
}

// `init` may have passwords and tokens: a transport's settings are never shown.
impl fmt::Debug for ConnectorConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectorConfig")
            .field("name", &self.name)
            .field("pubsub_type", &self.pubsub_type)
            .field("input_channel", &self.input_channel)
            .field("secret", &self.secret)
            .field("cipher", &self.cipher)
            .field("replay_time", &self.replay_time)
            .field("replay_messages", &self.replay_messages)
            .field("from_broadcast", &self.from_broadcast)
            .field("outbox", &self.outbox)
            .field("inbox_bytes", &self.inbox_bytes)
            .field("inbox_overflow", &self.inbox_overflow)
            .field("dedupe_events", &self.dedupe_events)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for DoorConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DoorConfig").field("pubsub_type", &self.pubsub_type).finish_non_exhaustive()
    }
}

impl fmt::Debug for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} documents", self.count())
    }
}
