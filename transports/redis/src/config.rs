//! Settings, checked and in the form that the link uses.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use eventhive_transport::settings::Value;
use eventhive_transport::{Problem, Settings};
use redis::{ConnectionAddr, IntoConnectionInfo};
use zeroize::Zeroizing;

use crate::keys::{REFUSED, STREAM_KEYS};

/// Everything that a link needs to know.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) servers: Servers,
    pub(crate) login: Login,
    pub(crate) tls: Option<Tls>,
    pub(crate) mode: Mode,
    pub(crate) client_name: Option<String>,
    pub(crate) connect_timeout: Duration,
    pub(crate) answer_timeout: Duration,
    pub(crate) check_interval: Duration,
    pub(crate) backoff: (Duration, Duration),
    pub(crate) close_timeout: Duration,
    pub(crate) max_payload: usize,
    pub(crate) send_queue: usize,
}

/// Where Redis is.
#[derive(Debug, PartialEq)]
pub(crate) enum Servers {
    One(Address),
    /// The master is asked for at every connection.
    Sentinel {
        sentinels: Vec<Address>,
        service: String,
        login: Login,
    },
    /// Any of them is the way in.
    Cluster(Vec<Address>),
}

/// One server's place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    Tcp(String, u16),
    Unix(PathBuf),
}

/// Who the link is. The password's memory is zeroed when it goes; the copies that the `redis` crate makes while it logs in,
/// or reads a URL, are freed without that.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Login {
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Zeroizing<String>>,
    pub(crate) db: i64,
}

/// How TLS is spoken. Files are read at every connection, so that certificates can be renewed in place.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Tls {
    pub(crate) authorities: Option<Authorities>,
    pub(crate) client: Option<(PathBuf, PathBuf)>,
    pub(crate) trust_anyone: bool,
    pub(crate) any_hostname: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Authorities {
    File(PathBuf),
    Directory(PathBuf),
    Text(String),
}

#[derive(Debug, PartialEq)]
pub(crate) enum Mode {
    /// `PUBLISH`, `SUBSCRIBE` and `PSUBSCRIBE`.
    PubSub,
    /// `SPUBLISH` and `SSUBSCRIBE`, in a cluster.
    Sharded,
    Streams(Streams),
}

/// How streams are named, kept and read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Streams {
    pub(crate) prefix: String,
    pub(crate) segments: usize,
    pub(crate) separator: String,
    pub(crate) keep: Keep,
    pub(crate) group: Option<Group>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Keep {
    All,
    Length(usize),
    Age(Duration),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) consumer: Consumer,
    pub(crate) claim_idle: Duration,
}

/// A member's name in its group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Consumer {
    Named(String),
    /// Made up for this link alone, and taken out of the group when it closes.
    Passing(String),
}

impl Consumer {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Named(name) | Self::Passing(name) => name,
        }
    }
}

impl Config {
    /// # Errors
    /// Every problem that the table of keys could not see.
    pub(crate) fn read(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader { settings, problems: Vec::new() };
        let config = reader.config();
        if reader.problems.is_empty() { Ok(config) } else { Err(reader.problems) }
    }
}

struct Reader<'a> {
    settings: &'a Settings,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn config(&mut self) -> Config {
        let url = self.url();
        let login = self.login("username", "password", url.as_ref());
        let servers = self.servers(url.as_ref().map(|url| url.addr()));
        let config = Config {
            tls: self.tls(url.as_ref().map(|url| url.addr())),
            mode: self.mode(&servers),
            client_name: self.text("client_name"),
            connect_timeout: self.seconds("socket_connect_timeout"),
            answer_timeout: self.seconds("socket_timeout"),
            check_interval: match self.seconds("health_check_interval") {
                Duration::ZERO => Duration::from_secs(10),
                interval => interval,
            },
            backoff: (self.seconds("backoff_min_secs"), self.seconds("backoff_max_secs")),
            close_timeout: self.seconds("close_timeout_secs"),
            max_payload: self.settings.size("max_payload_bytes").unwrap_or_default(),
            send_queue: self.settings.size("send_queue_bytes").unwrap_or_default(),
            servers,
            login,
        };
        if config.max_payload > config.send_queue {
            let message = "smaller than max_payload_bytes, so that the largest payload never fits: raise it";
            self.problem("send_queue_bytes", message);
        }
        self.refused();
        if config.login.db != 0 && matches!(config.servers, Servers::Cluster(_)) {
            self.problem("db", "a cluster has database 0 only: remove `db`, or `cluster`");
        }
        config
    }

    fn problem(&mut self, key: &str, message: impl Into<String>) {
        self.problems.push(self.settings.problem(key, message));
    }

    /// What redis-py can do and this cannot. Its own defaults ask for nothing.
    fn refused(&mut self) {
        for (key, remedy) in REFUSED {
            let asked = self.settings.get(key).is_some_and(|node| match &node.value {
                Value::Null | Value::Bool(false) => false,
                Value::Text(text) => !text.is_empty(),
                Value::List(items) => !items.is_empty(),
                _ => true,
            });
            if asked {
                self.problem(key, *remedy);
            }
        }
    }

    fn has(&self, key: &str) -> bool {
        self.settings.get(key).is_some()
    }

    fn text(&self, key: &str) -> Option<String> {
        self.settings.text(key).map(str::to_owned)
    }

    /// A secret, fetched from where it is kept. An empty one is none, as in redis-py.
    fn secret(&mut self, key: &str) -> Option<Zeroizing<String>> {
        if self.settings.text(key).is_none_or(str::is_empty) {
            return None;
        }
        match self.settings.secrets(key) {
            Ok(secrets) => secrets.into_iter().next(),
            Err(problems) => {
                self.problems.extend(problems);
                None
            }
        }
    }

    fn seconds(&self, key: &str) -> Duration {
        self.settings.seconds(key).unwrap_or_default()
    }

    /// The first of these keys cannot stand beside any of the others.
    fn alone(&mut self, key: &str, others: &[&str]) {
        if !self.has(key) {
            return;
        }
        for other in others {
            if self.has(other) {
                self.problem(other, format!("`{other}` and `{key}` say the same in two ways: remove one"));
            }
        }
    }

    fn url(&mut self) -> Option<redis::ConnectionInfo> {
        self.alone("url", &["host", "port", "unix_socket_path", "ssl", "sentinels", "nodes"]);
        let url = self.secret("url")?;
        match url.as_str().into_connection_info() {
            Ok(info) => Some(info),
            // The error's text may quote the URL, which has a password.
            Err(_) => {
                self.problem(
                    "url",
                    "not a Redis URL: use redis://user:password@host:port/db, rediss://... or unix:///path",
                );
                None
            }
        }
    }

    fn login(&mut self, username: &str, password: &str, url: Option<&redis::ConnectionInfo>) -> Login {
        let url = url.map(redis::ConnectionInfo::redis_settings);
        for (key, there) in [
            (username, url.is_some_and(|url| url.username().is_some())),
            (password, url.is_some_and(|url| url.password().is_some())),
            ("db", url.is_some_and(|url| url.db() != 0)),
        ] {
            if there {
                self.alone("url", &[key]);
            }
        }
        let login = Login {
            username: self.text(username).or_else(|| url?.username().map(str::to_owned)),
            password: self.secret(password).or_else(|| url?.password().map(str::to_owned).map(Zeroizing::new)),
            db: self.settings.integer("db").or_else(|| url.map(redis::RedisConnectionInfo::db)).unwrap_or(0),
        };
        if login.username.is_some() && login.password.is_none() {
            self.problem(username, format!("a user without a password: add `{password}`"));
        }
        login
    }

    fn servers(&mut self, url: Option<&ConnectionAddr>) -> Servers {
        self.alone("unix_socket_path", &["host", "port", "ssl", "sentinels", "nodes"]);
        self.alone("sentinels", &["host", "port", "nodes"]);
        self.alone("nodes", &["host", "port"]);
        if self.has("sentinels") {
            return self.sentinels();
        }
        if self.has("service_name") {
            self.problem("service_name", "nobody to ask for it: add `sentinels`");
        }
        let one = match url {
            Some(ConnectionAddr::Unix(path)) => Address::Unix(path.clone()),
            Some(ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. }) => {
                Address::Tcp(host.clone(), *port)
            }
            _ => self.one(),
        };
        match (self.settings.flag("cluster"), self.has("nodes")) {
            (true, true) => Servers::Cluster(self.addresses("nodes", 6379)),
            (true, false) => Servers::Cluster(vec![one]),
            (false, nodes) => {
                if nodes {
                    self.problem("nodes", "nodes are of a cluster: add `cluster: true`, or use `host` and `port`");
                }
                Servers::One(one)
            }
        }
    }

    fn one(&self) -> Address {
        if let Some(path) = self.settings.text("unix_socket_path") {
            return Address::Unix(path.into());
        }
        let port = self.settings.integer("port").and_then(|port| u16::try_from(port).ok());
        Address::Tcp(self.text("host").unwrap_or_else(|| "localhost".into()), port.unwrap_or(6379))
    }

    fn sentinels(&mut self) -> Servers {
        if self.settings.flag("cluster") {
            self.problem("cluster", "a cluster has no Sentinels: remove `cluster` or `sentinels`");
        }
        let service = self.text("service_name").unwrap_or_else(|| {
            self.problem("sentinels", "which master? add `service_name`, as in `sentinel monitor NAME ...`");
            String::new()
        });
        let mut login = self.login("sentinel_username", "sentinel_password", None);
        login.db = 0;
        Servers::Sentinel { sentinels: self.addresses("sentinels", 26379), service, login }
    }

    fn addresses(&mut self, key: &str, port: u16) -> Vec<Address> {
        let texts: Vec<String> = self.settings.texts(key).into_iter().map(str::to_owned).collect();
        if texts.is_empty() {
            self.problem(key, "an empty list: give at least one `host:port`");
        }
        let read = |text: &String| parse_address(text, port).ok_or_else(|| text.clone());
        let (good, bad): (Vec<_>, Vec<_>) = texts.iter().map(read).partition(Result::is_ok);
        for text in bad.into_iter().filter_map(Result::err) {
            self.problem(key, format!("`{text}` is not an address: use host:port, or [address]:port for IPv6"));
        }
        good.into_iter().flatten().collect()
    }

    fn tls(&mut self, url: Option<&ConnectionAddr>) -> Option<Tls> {
        let (by_url, insecure) = match url {
            Some(ConnectionAddr::TcpTls { insecure, .. }) => (true, *insecure),
            _ => (false, false),
        };
        if !by_url && !self.settings.flag("ssl") {
            for key in ["ssl_ca_certs", "ssl_ca_path", "ssl_ca_data", "ssl_certfile", "ssl_keyfile"] {
                if self.has(key) {
                    self.problem(key, "has no effect without TLS: add `ssl: true`, or use a rediss:// URL");
                }
            }
            return None;
        }
        Some(Tls {
            authorities: self.authorities(),
            client: self.client_certificate(),
            trust_anyone: insecure || self.settings.text("ssl_cert_reqs") == Some("none"),
            any_hostname: !self.settings.flag("ssl_check_hostname"),
        })
    }

    fn authorities(&mut self) -> Option<Authorities> {
        self.alone("ssl_ca_certs", &["ssl_ca_path", "ssl_ca_data"]);
        self.alone("ssl_ca_path", &["ssl_ca_data"]);
        let file = self.text("ssl_ca_certs").map(|path| Authorities::File(path.into()));
        let directory = || self.text("ssl_ca_path").map(|path| Authorities::Directory(path.into()));
        file.or_else(directory).or_else(|| self.text("ssl_ca_data").map(Authorities::Text))
    }

    fn client_certificate(&mut self) -> Option<(PathBuf, PathBuf)> {
        match (self.text("ssl_certfile"), self.text("ssl_keyfile")) {
            (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
            (Some(_), None) => {
                self.problem("ssl_certfile", "a certificate without its key: add `ssl_keyfile`");
                None
            }
            (None, Some(_)) => {
                self.problem("ssl_keyfile", "a key without its certificate: add `ssl_certfile`");
                None
            }
            (None, None) => None,
        }
    }

    fn mode(&mut self, servers: &Servers) -> Mode {
        let (sharded, streams) = (self.settings.flag("sharded"), self.settings.text("mode") == Some("streams"));
        if sharded && !matches!(servers, Servers::Cluster(_)) {
            self.problem("sharded", "sharded pub/sub is for clusters: add `cluster: true`, or remove `sharded`");
        }
        if sharded && streams {
            self.problem("sharded", "streams are sharded by themselves: remove `sharded`");
        }
        if streams {
            return Mode::Streams(self.streams());
        }
        for key in STREAM_KEYS {
            if self.has(key) {
                self.problem(key, "only streams know it: add `mode: streams`, or remove it");
            }
        }
        if sharded { Mode::Sharded } else { Mode::PubSub }
    }

    fn streams(&mut self) -> Streams {
        if self.has("stream_maxlen") && self.has("stream_max_age_secs") {
            self.problem("stream_max_age_secs", "Redis trims by length or by age: remove this or `stream_maxlen`");
        }
        let keep = match (self.settings.size("stream_maxlen"), self.settings.seconds("stream_max_age_secs")) {
            (_, Some(age)) => Keep::Age(age),
            (Some(0), None) => Keep::All,
            (Some(length), None) => Keep::Length(length),
            (None, None) => Keep::Length(DEFAULT_MAXLEN),
        };
        let separator = self.text("stream_separator").unwrap_or_default();
        if separator.is_empty() {
            self.problem("stream_separator", "must not be empty: use the hive's `channel_separator`");
        }
        if self.has("consumer_name") && !self.has("consumer_group") {
            self.problem("consumer_name", "a member of no group: add `consumer_group`");
        }
        Streams {
            prefix: self.text("stream_prefix").unwrap_or_default(),
            segments: self.settings.size("stream_segments").unwrap_or_default(),
            separator,
            keep,
            group: self.text("consumer_group").map(|name| Group {
                name,
                consumer: self.text("consumer_name").map_or_else(passing_name, Consumer::Named),
                claim_idle: self.seconds("claim_idle_secs"),
            }),
        }
    }
}

/// Messages that a stream keeps when nothing is said: about 10 MB at 1 KiB each.
const DEFAULT_MAXLEN: usize = 10_000;

fn passing_name() -> Consumer {
    Consumer::Passing(format!("hive-{:016x}", fastrand::u64(..)))
}

fn parse_address(text: &str, default_port: u16) -> Option<Address> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        // More than one colon without brackets is a bare IPv6 address.
        None if text.matches(':').count() > 1 => (text, ""),
        None => text.find(':').map_or((text, ""), |at| text.split_at(at)),
    };
    let port = match port.strip_prefix(':') {
        Some(digits) => digits.parse().ok()?,
        None if port.is_empty() => default_port,
        None => return None,
    };
    (!host.is_empty() && port != 0).then(|| Address::Tcp(host.to_owned(), port))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = self.password.as_ref().map(|_| "...");
        f.debug_struct("Login")
            .field("username", &self.username)
            .field("password", &password)
            .field("db", &self.db)
            .finish()
    }
}

#[cfg(test)]
mod tests;
