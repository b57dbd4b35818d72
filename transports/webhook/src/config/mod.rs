//! Settings of a door: the table of keys, and what they mean as typed values.
//!
//! # How to read it
//! - [`keys`]: the table. [`Config`]: what it comes to. `outgoing`: the part of it that is about urls;
//!   `session`: that about websockets.
//! - [`Secrecy`]: where secrets are kept. `transport`: a door as a configuration makes it.

mod auth;
pub mod keys;
mod outgoing;
mod session;
mod transport;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use eventhive_transport::{Overflow, Problem, Settings};

pub use auth::Secrecy;
pub use transport::Webhook;

use crate::broadcaster::{Advertised, BridgeSettings};
use crate::budget::Budget;
use crate::compression::MAX_MESSAGE_BYTES;
use crate::delivery::DeliverySettings;
use crate::outgoing::{OutgoingSettings, Unvouched};
use crate::session::Settings as SessionSettings;
use crate::store;

/// The port of the original.
pub const PORT_NUMBER: u16 = 3003;

/// What messages may have in memory together, in bytes.
const MEMORY: usize = 256 << 20;

/// Who is told of urls that are disabled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Announce {
    /// Those at other doors of the hub who may see private events of that topic.
    #[default]
    Private,
    /// All at the hub, urls and websockets of this door among them.
    Public,
    /// The log alone.
    Never,
}

/// How a door works. The defaults are those of the configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// What stands before `/v1` in the paths of the protocol, without a slash at its end; empty for nothing.
    pub endpoint: String,
    /// The name that web pages of its own know the server by; addresses and `localhost` always are its own.
    pub host: String,
    /// Web origins whose pages may use the door; `*` is any.
    pub origins: Vec<String>,
    /// Where subscriptions live, as [`store::open`] takes it.
    pub database: String,
    /// Where the secrets are.
    pub secrecy: Secrecy,
    /// Where other broadcasters reach this one's websockets, if they do.
    pub advertised: Option<Advertised>,
    /// Messages of more bytes are kept in files.
    pub spool_size: usize,
    /// The folder of those files; `None` is the system's.
    pub spool_folder: Option<PathBuf>,
    /// What messages may have in memory together.
    pub memory: Budget,
    /// The largest message, in bytes.
    pub max_message: u64,
    /// The largest lists of subscriptions of one url, in bytes.
    pub max_set_bytes: usize,
    /// How long a body may stand still.
    pub body_timeout: Duration,
    /// Requests to urls that one message has under way at a time.
    pub max_deliveries: usize,
    /// How urls are called. Who signs is put in when the door opens.
    pub outgoing: OutgoingSettings,
    /// What becomes of what does not arrive.
    pub delivery: DeliverySettings,
    /// Who is told of urls that are disabled.
    pub announce_disabled: Announce,
    /// What may wait of other doors' events for slow urls, in bytes.
    pub hub_queue_bytes: usize,
    /// What happens when that is full.
    pub hub_overflow: Overflow,
    /// Larger messages are not given to other doors, in bytes.
    pub hub_max_message: usize,
    /// How websockets are treated.
    pub session: SessionSettings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            host: String::new(),
            origins: Vec::new(),
            database: "sqlite:eventhive-webhook.db".to_owned(),
            secrecy: Secrecy::default(),
            advertised: None,
            spool_size: 10 << 20,
            spool_folder: None,
            memory: Budget::new(MEMORY),
            max_message: MAX_MESSAGE_BYTES,
            max_set_bytes: 16 << 20,
            body_timeout: Duration::from_secs(10),
            max_deliveries: 256,
            outgoing: OutgoingSettings::new(Arc::new(Unvouched)),
            delivery: DeliverySettings::default(),
            announce_disabled: Announce::default(),
            hub_queue_bytes: 16 << 20,
            hub_overflow: Overflow::DropOldest,
            hub_max_message: 1 << 20,
            session: SessionSettings::default(),
        }
    }
}

impl Config {
    /// From settings that passed the table of [`keys::DOOR`]. Reads secrets, but for those in files.
    ///
    /// # Errors
    /// Every problem that the table cannot see.
    pub fn from_settings(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let default = Self::default();
        let mut problems = Vec::new();
        let secrecy = Secrecy::from_settings(settings).map_err(|found| problems.extend(found)).unwrap_or_default();
        let outgoing = outgoing::outgoing(settings).map_err(|found| problems.extend(found));
        let endpoint = with_slash(settings.text("endpoint").unwrap_or_default());
        if let Some(odd) = endpoint.chars().find(|c| "?#{}*%,".contains(*c) || c.is_whitespace()) {
            problems.push(settings.problem("endpoint", format!("a path cannot have `{odd}`")));
        }
        let spool_folder = settings.text("spool_path").map(PathBuf::from);
        if let Some(folder) = spool_folder.as_ref().filter(|folder| !folder.is_dir()) {
            problems.push(settings.problem("spool_path", format!("`{}` is no folder: make it", folder.display())));
        }
        let advertised = settings.text("advertise").map(advertised).transpose();
        let advertised = advertised.map_err(|what| problems.push(settings.problem("advertise", what)));
        let session = session::session(settings).map_err(|found| problems.extend(found));
        let database = settings.text("database").map_or(default.database, str::to_owned);
        problems.extend(check_database(&database).map(|what| settings.problem("database", what)));
        let size = |name, or| settings.size(name).unwrap_or(or);
        let hub_queue_bytes = size("hub_queue_bytes", default.hub_queue_bytes);
        let hub_max_message = size("hub_max_message_bytes", default.hub_max_message);
        let small = check_hub_queue(hub_queue_bytes, hub_max_message);
        problems.extend(small.map(|what| settings.problem("hub_queue_bytes", what)));
        let (true, Ok(outgoing), Ok(advertised), Ok(session)) = (problems.is_empty(), outgoing, advertised, session)
        else {
            return Err(problems);
        };
        Ok(Self {
            endpoint: before_v1(&endpoint).to_owned(),
            host: settings.text("host").unwrap_or_default().to_owned(),
            origins: settings.texts("origins").into_iter().map(str::to_owned).collect(),
            database,
            secrecy,
            advertised,
            spool_size: size("message_body_spool_size", default.spool_size),
            spool_folder,
            memory: Budget::new(size("message_memory", MEMORY)),
            max_message: size("max_message_bytes", usize::MAX) as u64,
            max_set_bytes: size("max_set_bytes", default.max_set_bytes),
            body_timeout: settings.seconds("body_timeout_secs").unwrap_or(default.body_timeout),
            max_deliveries: size("max_deliveries", default.max_deliveries),
            outgoing,
            delivery: outgoing::delivery(settings),
            announce_disabled: match settings.text("announce_disabled") {
                Some("public") => Announce::Public,
                Some("never") => Announce::Never,
                _ => Announce::Private,
            },
            hub_queue_bytes,
            hub_overflow: settings
                .text("hub_overflow")
                .and_then(|word| Overflow::from_str(word).ok())
                .unwrap_or(default.hub_overflow),
            hub_max_message,
            session,
        })
    }
}

impl Config {
    /// How websockets are treated, with memory of the door's own budget.
    pub(crate) fn sessions(&self) -> SessionSettings {
        let mut session = self.session.clone();
        session.bounds.memory = Some(self.memory.clone());
        session
    }
}

fn advertised(base: &str) -> Result<Advertised, String> {
    let uri: Option<actix_web::http::Uri> = base.parse().ok();
    let scheme = uri.as_ref().and_then(|uri| uri.scheme_str());
    if !matches!(scheme, Some("http" | "https")) || base.contains(['?', '#']) {
        return Err("expected a url such as `http://10.0.0.5:3003`".to_owned());
    }
    Ok(Advertised::new(base))
}

/// What is wrong with an address of a store, as far as can be seen without opening it.
fn check_database(address: &str) -> Option<String> {
    const SCHEMES: [&str; 5] = ["sqlite:", "postgres://", "postgresql://", "rqlite://", "rqlites://"];
    if !SCHEMES.iter().any(|scheme| address.starts_with(scheme)) {
        return Some("expected `sqlite:FILE`, `postgres://..` or `rqlite://..`".to_owned());
    }
    let folder = Path::new(store::sqlite_file(address)?).parent().filter(|folder| !folder.as_os_str().is_empty())?;
    (!folder.is_dir()).then(|| format!("there is no folder `{}`: make it", folder.display()))
}

/// What is wrong with the room for other doors' events.
fn check_hub_queue(bytes: usize, max_message: usize) -> Option<String> {
    let least = BridgeSettings::least_queue_bytes(max_message);
    let what =
        "one url has an eighth of it, in which the largest event (`hub_max_message_bytes`) and its topic have to fit";
    (bytes < least).then(|| {
        format!("{bytes} is too little for `hub_max_message_bytes: {max_message}`: {what}; set {least} or more")
    })
}

/// Whether only this machine reaches a server at `host`.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What stands before the `/v1` at the end of a path, if it has one.
fn before_v1(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.strip_suffix("/v1").unwrap_or(path)
}

fn with_slash(endpoint: &str) -> String {
    if endpoint.starts_with('/') { endpoint.to_owned() } else { format!("/{endpoint}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_given_what_stands_before_v1() {
        for (path, before) in
            [("/v1", ""), ("/", ""), ("/lonely", "/lonely"), ("/lonely/v1/", "/lonely"), ("/xv1", "/xv1")]
        {
            assert_eq!(before_v1(path), before, "{path}");
        }
    }

    #[test]
    fn what_only_this_machine_reaches_is_loopback() {
        for host in ["127.0.0.1", "127.3.2.1", "::1", "[::1]", "localhost"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["*", "", "0.0.0.0", "10.0.0.1", "example.org"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn a_database_that_cannot_be_one_is_told_before_it_is_opened() {
        assert_eq!(check_database("sqlite:here.db"), None);
        assert_eq!(check_database("sqlite::memory:"), None);
        assert_eq!(check_database("rqlite://db:4001"), None);
        assert_eq!(check_database("sqlite://here.db"), None);
        assert!(check_database("sqlite:///no/such/folder/x.db").unwrap().contains("`/no/such/folder`"));
        assert!(check_database("sqlite:/no/such/folder/x.db").unwrap().contains("/no/such/folder"));
        assert!(check_database("mysql://x").unwrap().contains("postgres://"));
    }
}
