//! The keys of a connector's `init`, and what they mean.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use eventhive_transport::settings::REMOTE_PORT;
use eventhive_transport::{Key, KeyKind, Problem, Settings};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

const TIME: KeyKind = KeyKind::Seconds { min: 0.001 };
const BYTES: KeyKind = KeyKind::Integer { min: 1024, max: 1 << 40 };

/// The keys of a connector's `init`.
pub const KEYS: &[Key] = &[
    Key::with_default("host", KeyKind::Text, "127.0.0.1", "The server's name or address."),
    Key::with_default("port", REMOTE_PORT, "2069", "The server's port."),
    Key::with_default("endpoint", KeyKind::Text, "/", "The path below which topics begin."),
    Key::with_default("scheme", KeyKind::Choice(&["http", "https"]), "http", "`https` is `http` over TLS."),
    Key::optional("username", KeyKind::Text, "Who we are, for private events and secured topics."),
    Key::optional("password", KeyKind::Secrets, "The password of `username`."),
    Key::optional("tls_ca", KeyKind::Text, "File of certificates in PEM to trust in place of the system's."),
    Key::with_default(
        "max_message_bytes",
        BYTES,
        "102400",
        "The largest body to send; a larger one is refused. The default is what servers take by theirs.",
    ),
    Key::with_default("send_queue_bytes", BYTES, "16777216", "What may wait to be sent; more is refused."),
    Key::with_default("connect_timeout_secs", TIME, "10", "How long connecting may take, up to the server's answer."),
    Key::with_default("call_timeout_secs", TIME, "30", "How long the server may take to answer a publish."),
    Key::with_default(
        "ping_interval_secs",
        TIME,
        "3",
        "Without a publish for this long the server is asked whether it is there. Servers close what is idle, some after 5 seconds.",
    ),
    Key::with_default("ping_timeout_secs", TIME, "20", "How long it may take to answer that."),
    Key::with_default(
        "silence_secs",
        TIME,
        "15",
        "A stream that is silent for this long is lost. Servers ping every 5.",
    ),
    Key::with_default("close_timeout_secs", TIME, "5", "How long closing may take to send what waits."),
    Key::with_default("reconnect_min_secs", TIME, "0.1", "The wait before the first attempt after a loss."),
    Key::with_default("reconnect_max_secs", TIME, "30", "The longest wait between two attempts; each is random."),
];

/// What a body has beside a payload that is no object.
const WRAP_BYTES: usize = 64;

/// As good as for ever, and no clock overflows by it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How a link behaves.
#[derive(Clone)]
#[non_exhaustive]
pub struct LinkSettings {
    /// The server's name or address, an IPv6 address without brackets.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// The path below which topics begin, without a slash at its end.
    pub endpoint: String,
    /// How TLS is made; `None` speaks plain TCP.
    pub tls: Option<TlsConnector>,
    /// The value of `Authorization`.
    pub authorization: Option<Zeroizing<String>>,
    /// The largest body to send, in bytes.
    pub max_message: usize,
    /// Bytes that may wait to be sent.
    pub send_queue: usize,
    /// From the name's resolution to the first answer.
    pub connect_timeout: Duration,
    /// For the answer to a publish.
    pub call_timeout: Duration,
    /// Silence after which the publishing connection is tried.
    pub ping_interval: Duration,
    /// For the answer to that.
    pub ping_timeout: Duration,
    /// Silence after which a stream is lost.
    pub silence: Duration,
    /// For sending what waits when the link is closed.
    pub close_timeout: Duration,
    /// The wait before the first attempt after a loss.
    pub reconnect_min: Duration,
    /// The longest wait between two attempts.
    pub reconnect_max: Duration,
}

impl std::fmt::Debug for LinkSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkSettings").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl LinkSettings {
    /// From settings that passed [`KEYS`]. Reads the certificates of `tls_ca`, or the system's.
    ///
    /// # Errors
    /// What the table cannot see: secrets and certificates that cannot be had, a name without a password, an endpoint
    /// that is no path.
    pub fn from_settings(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let authorization = authorization(settings).map_err(|found| problems.extend(found)).unwrap_or_default();
        let tls = encryption(settings).map_err(|problem| problems.push(problem)).unwrap_or_default();
        let endpoint = settings.text("endpoint").unwrap_or_default().trim_matches('/');
        if endpoint.chars().any(|c| !c.is_ascii_graphic() || "?#%".contains(c)) {
            problems.push(settings.problem("endpoint", "a path is of printable ASCII, without `?`, `#` and `%`"));
        }
        if settings.text("host").is_none_or(|host| host.is_empty() || host.contains(char::is_whitespace)) {
            problems.push(settings.problem("host", "it is no name and no address"));
        }
        let size = |name| settings.size(name).unwrap_or(usize::MAX);
        let time = |name| settings.seconds(name).unwrap_or(LONGEST).min(LONGEST);
        let made = Self {
            host: settings.text("host").unwrap_or_default().trim_matches(['[', ']']).to_owned(),
            port: settings.integer("port").and_then(|port| u16::try_from(port).ok()).unwrap_or_default(),
            endpoint: if endpoint.is_empty() { String::new() } else { format!("/{endpoint}") },
            tls,
            authorization,
            max_message: size("max_message_bytes"),
            send_queue: size("send_queue_bytes"),
            connect_timeout: time("connect_timeout_secs"),
            call_timeout: time("call_timeout_secs"),
            ping_interval: time("ping_interval_secs"),
            ping_timeout: time("ping_timeout_secs"),
            silence: time("silence_secs"),
            close_timeout: time("close_timeout_secs"),
            reconnect_min: time("reconnect_min_secs"),
            reconnect_max: time("reconnect_max_secs"),
        };
        if problems.is_empty() { Ok(made) } else { Err(problems) }
    }

    /// The largest payload that surely fits, where it has nothing to escape.
    #[must_use]
    pub const fn max_payload(&self) -> usize {
        self.max_message.saturating_sub(WRAP_BYTES)
    }

    /// The server's URL, for people.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{}/", self.authority(), self.endpoint)
    }

    /// Host and port, as in `Host`.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// How `settings` want TLS; `None` if they do not.
fn encryption(settings: &Settings) -> Result<Option<TlsConnector>, Problem> {
    let file = settings.text("tls_ca");
    if settings.text("scheme") != Some("https") {
        let unused = |_| Err(settings.problem("tls_ca", "`tls_ca` has no effect without `scheme: https`"));
        return file.map_or(Ok(None), unused);
    }
    let key = if file.is_some() { "tls_ca" } else { "scheme" };
    let client = eventhive_tls::client(file, "tls_ca").map_err(|message| settings.problem(key, message))?;
    Ok(Some(TlsConnector::from(client)))
}

fn authorization(settings: &Settings) -> Result<Option<Zeroizing<String>>, Vec<Problem>> {
    let passwords = settings.secrets("password")?;
    match (settings.text("username"), passwords.as_slice()) {
        (None, []) => Ok(None),
        (Some(user), [_, ..]) if user.contains(':') => {
            Err(vec![settings.problem("username", "a name in Basic authentication has no colon")])
        }
        (Some(user), [password, ..]) => {
            let claim = Zeroizing::new(format!("{user}:{}", password.as_str()));
            Ok(Some(Zeroizing::new(format!("Basic {}", STANDARD.encode(claim.as_bytes())))))
        }
        (Some(_), []) => Err(vec![settings.problem("username", "`password` is missing")]),
        (None, _) => Err(vec![settings.problem("password", "`username` is missing")]),
    }
}
