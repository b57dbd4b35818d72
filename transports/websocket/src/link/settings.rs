//! The keys of a connector's `init`, and what they mean.

use std::time::Duration;

use eventhive_transport::settings::REMOTE_PORT;
use eventhive_transport::{Key, KeyKind, Problem, Settings};
use tokio_tungstenite::Connector;
use zeroize::Zeroizing;

use super::tls;

const TIME: KeyKind = KeyKind::Seconds { min: 0.001 };
const BYTES: KeyKind = KeyKind::Integer { min: 8192, max: 1 << 40 };

/// The keys of a connector's `init`.
pub const KEYS: &[Key] = &[
    Key::with_default("host", KeyKind::Text, "127.0.0.1", "The server's name or address."),
    Key::with_default("port", REMOTE_PORT, "8085", "The server's port."),
    Key::with_default("endpoint", KeyKind::Text, "/pubsub", "The path; a missing leading `/` is added."),
    Key::with_default("scheme", KeyKind::Choice(&["ws", "wss"]), "ws", "`wss` is `ws` over TLS."),
    Key::optional(
        "token",
        KeyKind::Secrets,
        "Sent as `Authorization: Bearer ..`. Of a list, the next is tried when the server refuses one.",
    ),
    Key::optional("tls_ca", KeyKind::Text, "File of certificates in PEM to trust in place of the system's."),
    Key::with_default(
        "max_message_bytes",
        BYTES,
        "1048576",
        "The largest message to send; a larger one is refused. Python subscribers take no more than the default.",
    ),
    Key::with_default("send_queue_bytes", BYTES, "16777216", "What may wait to be sent; more is refused."),
    Key::with_default("connect_timeout_secs", TIME, "10", "How long connecting may take, up to the last subscription."),
    Key::with_default("call_timeout_secs", TIME, "30", "How long the server may take to answer a call."),
    Key::with_default("ping_interval_secs", TIME, "20", "A server that answered nothing for this long is sent a ping."),
    Key::with_default("ping_timeout_secs", TIME, "20", "A connection whose ping is not answered in this time is lost."),
    Key::with_default("close_timeout_secs", TIME, "5", "How long closing may take to send what waits."),
    Key::with_default("reconnect_min_secs", TIME, "0.1", "The wait before the first attempt after a loss."),
    Key::with_default("reconnect_max_secs", TIME, "30", "The longest wait between two attempts; each is random."),
    Key::with_default(
        "unsubscribe",
        KeyKind::Choice(&["auto", "always", "never"]),
        "auto",
        "Whether the server knows `unsubscribe`: fastapi_websocket_pubsub from 1.0 does, before that it goes deaf on it. \
         `auto` calls it only on servers of eventhive.",
    ),
];

/// What a frame has beside the payload at most, where names are no longer than
/// [`MAX_NAME_BYTES`](eventhive_transport::name::MAX_NAME_BYTES) and have nothing to escape; generous, because the
/// server's notification of it is a little longer than the publish.
pub(super) const FRAME_OVERHEAD: usize = 4096;

/// Python servers send messages of up to 16 MiB on to everyone. One that is too large costs the connection, so the link
/// takes what servers of all kinds send by default.
const LEAST_INCOMING: usize = 16 << 20;

/// As good as for ever, and no clock overflows by it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// When to call `unsubscribe`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsubscribe {
    /// On servers that are known to be ours.
    Auto,
    /// On every server.
    Always,
    /// On none.
    Never,
}

/// How a link behaves.
#[derive(Clone)]
#[non_exhaustive]
pub struct LinkSettings {
    /// The server's name or address, an IPv6 address without brackets.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// The path, with its leading `/`.
    pub endpoint: String,
    /// How TLS is made; `None` speaks plain TCP.
    pub tls: Option<Connector>,
    /// Bearer tokens, the first to be used first.
    pub tokens: Vec<Zeroizing<String>>,
    /// The largest message to send, in bytes.
    pub max_message: usize,
    /// Bytes that may wait to be sent.
    pub send_queue: usize,
    /// From the name's resolution to the answer to the subscriptions.
    pub connect_timeout: Duration,
    /// For the answer to a call.
    pub call_timeout: Duration,
    /// Silence after which a ping is sent.
    pub ping_interval: Duration,
    /// For its answer.
    pub ping_timeout: Duration,
    /// For sending what waits when the link is closed.
    pub close_timeout: Duration,
    /// The wait before the first attempt after a loss.
    pub reconnect_min: Duration,
    /// The longest wait between two attempts.
    pub reconnect_max: Duration,
    /// When to call `unsubscribe`.
    pub unsubscribe: Unsubscribe,
}

impl LinkSettings {
    /// From settings that passed [`KEYS`]. Reads the certificates of `tls_ca`, or the system's.
    ///
    /// # Errors
    /// What the table cannot see: secrets and certificates that cannot be had, a host or path that makes no address.
    pub fn from_settings(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let tokens = settings.secrets("token").map_err(|found| problems.extend(found)).unwrap_or_default();
        if tokens.iter().any(|token| token.bytes().any(|byte| !(0x20..0x7F).contains(&byte))) {
            problems.push(settings.problem("token", "a token has to be of printable ASCII"));
        }
        let tls = tls::connector(settings).map_err(|problem| problems.push(problem)).unwrap_or_default();
        let size = |name| settings.size(name).unwrap_or(usize::MAX);
        let time = |name| settings.seconds(name).unwrap_or(LONGEST).min(LONGEST);
        let made = Self {
            host: unbracketed(settings.text("host").unwrap_or_default()),
            port: settings.integer("port").and_then(|port| u16::try_from(port).ok()).unwrap_or_default(),
            endpoint: with_slash(settings.text("endpoint").unwrap_or_default()),
            tls,
            tokens,
            max_message: size("max_message_bytes"),
            send_queue: size("send_queue_bytes"),
            connect_timeout: time("connect_timeout_secs"),
            call_timeout: time("call_timeout_secs"),
            ping_interval: time("ping_interval_secs"),
            ping_timeout: time("ping_timeout_secs"),
            close_timeout: time("close_timeout_secs"),
            reconnect_min: time("reconnect_min_secs"),
            reconnect_max: time("reconnect_max_secs"),
            unsubscribe: match settings.text("unsubscribe") {
                Some("always") => Unsubscribe::Always,
                Some("never") => Unsubscribe::Never,
                _ => Unsubscribe::Auto,
            },
        };
        if made.host.is_empty() {
            problems.push(settings.problem("host", "must not be empty: name the server"));
        } else if made.host.contains('@') {
            // Without the text: what stands before the `@` may be a password.
            problems.push(settings.problem("host", "a host cannot have `@`: a login goes into `token`"));
        } else if let Err(error) = made.url().parse::<tokio_tungstenite::tungstenite::http::Uri>() {
            problems.push(settings.problem("endpoint", format!("`{}` is no address: {error}", made.shown_url())));
        }
        if problems.is_empty() { Ok(made) } else { Err(problems) }
    }

    /// The address as it may be shown and logged: a query may have a token.
    #[must_use]
    pub fn shown_url(&self) -> String {
        let mut url = self.url();
        if let Some(query) = url.find('?') {
            url.truncate(query);
            url.push_str("?***");
        }
        url
    }

    /// The address as a URL, with its query.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "wss" } else { "ws" };
        let Self { host, port, endpoint, .. } = self;
        if host.contains(':') {
            format!("{scheme}://[{host}]:{port}{endpoint}")
        } else {
            format!("{scheme}://{host}:{port}{endpoint}")
        }
    }

    /// The largest payload that is sent whatever the name it goes under.
    #[must_use]
    pub const fn max_payload(&self) -> usize {
        self.max_message.saturating_sub(FRAME_OVERHEAD)
    }

    /// The largest message that is taken from the server.
    pub(super) fn max_incoming(&self) -> usize {
        self.max_message.saturating_add(FRAME_OVERHEAD).max(LEAST_INCOMING)
    }
}

impl std::fmt::Debug for LinkSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Nothing of the tokens but their number.
        f.debug_struct("LinkSettings")
            .field("url", &self.shown_url())
            .field("tokens", &self.tokens.len())
            .finish_non_exhaustive()
    }
}

fn unbracketed(host: &str) -> String {
    host.strip_prefix('[').and_then(|inside| inside.strip_suffix(']')).unwrap_or(host).to_owned()
}

fn with_slash(endpoint: &str) -> String {
    if endpoint.starts_with('/') { endpoint.to_owned() } else { format!("/{endpoint}") }
}

#[cfg(test)]
mod tests {
    use eventhive_transport::settings::{Entry, Node, Position, Value};

    use super::*;

    fn read(entries: &[(&str, Value)]) -> Result<LinkSettings, Vec<Problem>> {
        let at = Position::default();
        let entry = |(key, value): &(&str, Value)| Entry {
            key: (*key).to_owned(),
            key_at: at,
            node: Node { value: value.clone(), at },
        };
        let node = Node { value: Value::Map(entries.iter().map(entry).collect()), at };
        LinkSettings::from_settings(&Settings::check("connectors.a.init", &node, KEYS).unwrap())
    }

    #[test]
    fn the_defaults_are_those_of_the_python_hive() {
        assert_eq!(read(&[]).unwrap().url(), "ws://127.0.0.1:8085/pubsub");
    }

    #[test]
    fn addresses_of_every_kind_make_a_url() {
        let text = |text: &str| Value::Text(text.to_owned());
        let url = |host, endpoint| read(&[("host", text(host)), ("endpoint", text(endpoint))]).unwrap().url();
        assert_eq!(url("::1", "hub/a"), "ws://[::1]:8085/hub/a");
        assert_eq!(url("[::1]", "/x?y=z"), "ws://[::1]:8085/x?y=z");
        let shown = read(&[("endpoint", text("/x?token=hunter2"))]).unwrap();
        assert_eq!(shown.shown_url(), "ws://127.0.0.1:8085/x?***");
        assert!(!format!("{shown:?}").contains("hunter2"));
        for wrong in
            [[("host", text("me:hunter2@host"))], [("endpoint", text("/ ?token=hunter2"))], [("host", text(""))]]
        {
            assert!(!format!("{:?}", read(&wrong).unwrap_err()).contains("hunter2"));
        }
        assert_eq!(url("hive.example", ""), "ws://hive.example:8085/");
        assert!(read(&[("host", text("a b"))]).is_err());
    }

    #[test]
    fn all_problems_are_told_at_once_and_no_secret_is_printed() {
        let text = |text: &str| Value::Text(text.to_owned());
        let wrong = [("token", text("geheim\u{7}")), ("scheme", text("wss")), ("tls_ca", text("/no/such/file"))];
        let problems = read(&wrong).unwrap_err();
        assert_eq!(problems.len(), 2, "{problems:?}");
        let right = read(&[("token", text("geheim"))]).unwrap();
        assert!(!format!("{right:?}{problems:?}").contains("geheim"));
    }
}
