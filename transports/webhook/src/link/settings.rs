//! The keys of a connector's `init`, and what they mean.

use std::time::Duration;

use eventhive_listener::{Limits, Listen, TLS_KEYS, TlsFiles};
use eventhive_transport::settings::{PORT, REMOTE_PORT};
use eventhive_transport::{Backoff, Key, KeyKind, Problem, Settings};

use crate::broadcaster::Schemes;
use crate::config::Secrecy;
use crate::config::keys::AUTH;
use crate::subscriber::{Broadcaster, Builder, LinkMode, Subscriber, Upgrade};

const TIME: KeyKind = KeyKind::Seconds { min: 0.001 };
const BYTES: KeyKind = KeyKind::Integer { min: 1024, max: 1 << 32 };
const RATE: KeyKind = KeyKind::Seconds { min: 0.0 };

/// `listen:`
pub const LISTEN: &[Key] = &[
    Key::with_default("host", KeyKind::Text, "127.0.0.1", "The address to listen on; `*` is all of the machine's."),
    Key::with_default("port", PORT, "3002", "The port to listen on; 0 takes a free one."),
    TLS_KEYS[0],
    TLS_KEYS[1],
    TLS_KEYS[2],
];

/// The keys of a connector's `init`.
pub const KEYS: &[Key] = &[
    Key::with_default("host", KeyKind::Text, "127.0.0.1", "The broadcaster's name or address."),
    Key::with_default("port", REMOTE_PORT, "3003", "The broadcaster's port."),
    Key::with_default("endpoint", KeyKind::Text, "/", "What stands before `/v1/..` in the broadcaster's paths."),
    Key::with_default("scheme", KeyKind::Choice(&["http", "https"]), "http", "`https` is `http` over TLS."),
    Key::optional(
        "broadcasters",
        KeyKind::Texts,
        "Urls of broadcasters that share their subscriptions, such as `http://one:3003`, in place of `host`, `port`, \
         `endpoint` and `scheme`. The first that answers is held on to.",
    ),
    Key::with_default(
        "upgrade",
        KeyKind::Choice(&["never", "websocket", "auto"]),
        "websocket",
        "How events come: `websocket` over a connection that this hive opens; `never` over HTTP, to `listen`; `auto` over \
         HTTP, and over a websocket what is busy.",
    ),
    Key::optional(
        "listen",
        KeyKind::Table(LISTEN),
        "Where broadcasters deliver events over HTTP. Not with `upgrade: websocket`.",
    ),
    Key::optional(
        "advertise",
        KeyKind::Text,
        "The url under which broadcasters reach `listen`, such as `http://this.host:3002`, where that is another one.",
    ),
    Key::optional(
        "secrets_file",
        KeyKind::Texts,
        "Files of secrets as `hive-cli setup webhook` writes them; the first signs.",
    ),
    Key::optional(
        "to_broadcaster",
        KeyKind::Table(AUTH),
        "How what this hive says is authorized, without `secrets_file`.",
    ),
    Key::optional(
        "to_subscriber",
        KeyKind::Table(AUTH),
        "How what broadcasters say is authorized, without `secrets_file`.",
    ),
    Key::optional("tls_ca", KeyKind::Text, "File of certificates in PEM to trust in place of the system's."),
    Key::with_default(
        "busy_per_second",
        RATE,
        "50",
        "With `upgrade: auto`, as many events a second of a topic or pattern make it change to the websocket.",
    ),
    Key::with_default(
        "quiet_per_second",
        RATE,
        "5",
        "With `upgrade: auto`, fewer events a second make it change back.",
    ),
    Key::with_default("compression", KeyKind::Bool, "true", "Whether events may be compressed on a websocket."),
    Key::with_default("max_message_bytes", BYTES, "16777216", "The largest payload to send and to take."),
    Key::with_default("send_queue_bytes", BYTES, "16777216", "What may wait to be sent; more is refused."),
    Key::with_default(
        "connect_timeout_secs",
        TIME,
        "10",
        "How long connecting may take, up to the broadcaster's answer.",
    ),
    Key::with_default("call_timeout_secs", TIME, "30", "How long a broadcaster may take to answer a request."),
    Key::with_default(
        "ping_interval_secs",
        TIME,
        "3",
        "How often a broadcaster is asked whether it is there. Python's closes connections that are idle for 5 seconds.",
    ),
    Key::with_default(
        "check_interval_secs",
        TIME,
        "300",
        "How often subscriptions over HTTP are compared with the broadcaster's.",
    ),
    Key::with_default("close_timeout_secs", TIME, "5", "How long closing may take to send what waits."),
    Key::with_default("reconnect_min_secs", TIME, "0.1", "The wait before the first attempt after a loss."),
    Key::with_default("reconnect_max_secs", TIME, "30", "The longest wait between two attempts; each is random."),
];

/// As good as for ever, and no clock overflows by it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How a link behaves.
#[derive(Clone)]
pub struct LinkSettings {
    pub(super) builder: Builder,
    pub(super) upgrade: Upgrade,
    /// The largest payload, in bytes.
    pub max_message: usize,
    /// For sending what waits when the link is closed.
    pub close_timeout: Duration,
    pub(super) shown: String,
}

impl std::fmt::Debug for LinkSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkSettings").field("broadcasters", &self.shown).finish_non_exhaustive()
    }
}

impl LinkSettings {
    /// From settings that passed [`KEYS`]. Reads the secrets, and the certificates of `tls_ca` or the system's.
    ///
    /// # Errors
    /// What the table cannot see: secrets and certificates that cannot be had, urls that are none, keys that have no effect
    /// together.
    pub fn from_settings(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let broadcasters = broadcasters(settings).map_err(|found| problems.extend(found)).unwrap_or_default();
        let schemes = schemes(settings).map_err(|found| problems.extend(found)).unwrap_or_default();
        let upgrade = upgrade(settings).map_err(|problem| problems.push(problem)).unwrap_or_default();
        let listen = listen(settings, upgrade).map_err(|problem| problems.push(problem)).unwrap_or_default();
        let wants_tls = broadcasters.iter().any(|one| one.tls);
        let tls = tls(settings, wants_tls).map_err(|problem| problems.push(problem)).unwrap_or_default();
        if let Some(url) = settings.text("advertise")
            && let Err(error) = crate::subscriber::check_receive_url(url)
        {
            problems.push(settings.problem("advertise", error.to_string()));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let time = |name| settings.seconds(name).unwrap_or(LONGEST).min(LONGEST);
        let size = |name| settings.size(name).unwrap_or(usize::MAX);
        let max_message = size("max_message_bytes");
        let shown = broadcasters.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let mut builder = Subscriber::builder()
            .schemes(schemes)
            .upgrade(upgrade)
            // Events are always in memory.
            .spool_bytes(max_message)
            .max_message_bytes(max_message as u64)
            .send_queue_bytes(size("send_queue_bytes"))
            .connect_timeout(time("connect_timeout_secs"))
            .request_timeout(time("call_timeout_secs"))
            .check_interval(time("check_interval_secs"))
            .heartbeat(time("ping_interval_secs"))
            .close_timeout(time("close_timeout_secs"))
            .compression(settings.flag("compression"));
        builder = broadcasters.into_iter().fold(builder, Builder::broadcaster);
        builder = tls.into_iter().fold(builder, Builder::tls);
        builder = listen.into_iter().fold(builder, Builder::listen);
        builder = settings.text("advertise").into_iter().fold(builder, Builder::receive_url);
        let backoff = Backoff::new(time("reconnect_min_secs"), time("reconnect_max_secs"));
        builder.link = Some(LinkMode { pulse: time("ping_interval_secs"), backoff });
        Ok(Self { builder, upgrade, max_message, close_timeout: time("close_timeout_secs"), shown })
    }
}

fn broadcasters(settings: &Settings) -> Result<Vec<Broadcaster>, Vec<Problem>> {
    let urls = settings.texts("broadcasters");
    let (key, urls) = if urls.is_empty() {
        let text = |name| settings.text(name).unwrap_or_default();
        let host = text("host").trim_matches(['[', ']']);
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let port = settings.integer("port").unwrap_or_default();
        let path = text("endpoint").trim_matches('/');
        ("host", vec![format!("{}://{host}:{port}/{path}", text("scheme"))])
    } else {
        ("broadcasters", urls.into_iter().map(str::to_owned).collect())
    };
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for (at, url) in (0_u32..).zip(&urls) {
        match Broadcaster::new(url) {
            Ok(one) => found.push(one.with_priority(at)),
            Err(error) => problems.push(settings.problem(key, error.to_string())),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn schemes(settings: &Settings) -> Result<Schemes, Vec<Problem>> {
    let secrecy = Secrecy::from_settings(settings)?;
    secrecy.read().map_err(|what| vec![settings.problem("secrets_file", what)])
}

fn upgrade(settings: &Settings) -> Result<Upgrade, Problem> {
    let rate = |name| settings.seconds(name).unwrap_or_default().as_secs_f64();
    let (busy, quiet) = (rate("busy_per_second"), rate("quiet_per_second"));
    match settings.text("upgrade") {
        Some("never") => Ok(Upgrade::Never),
        Some("auto") if quiet >= busy => {
            Err(settings.problem("quiet_per_second", "it has to be less than `busy_per_second`"))
        }
        Some("auto") => Ok(Upgrade::Auto { busy, quiet }),
        _ => Ok(Upgrade::Websocket),
    }
}

fn listen(settings: &Settings, upgrade: Upgrade) -> Result<Option<Listen>, Problem> {
    if upgrade == Upgrade::Websocket {
        let unused = ["listen", "advertise"].into_iter().find(|key| settings.get(key).is_some());
        let told = |key| settings.problem(key, "it has no effect with `upgrade: websocket`: say `never` or `auto`");
        return unused.map_or(Ok(None), |key| Err(told(key)));
    }
    let table = settings.table("listen").or_else(|| Settings::defaults("listen", LISTEN).ok());
    let Some(table) = table else { return Ok(None) };
    let host = table.text("host").unwrap_or_default().to_owned();
    if matches!(host.as_str(), "" | "*" | "0.0.0.0" | "::" | "[::]") && settings.text("advertise").is_none() {
        let what = "listening on all addresses does not say how broadcasters reach this hive: set `advertise`";
        return Err(settings.problem("listen", what));
    }
    let port = table.integer("port").and_then(|port| u16::try_from(port).ok()).unwrap_or_default();
    let tls = TlsFiles::from_settings(&table)?;
    // One thread answers tens of thousands of deliveries a second.
    let limits = Limits { workers: Some(1), ..Limits::default() };
    Ok(Some(Listen { host, port, tls, proxies: None, limits }))
}

fn tls(settings: &Settings, wanted: bool) -> Result<Option<std::sync::Arc<rustls::ClientConfig>>, Problem> {
    let file = settings.text("tls_ca");
    match (wanted, file) {
        (false, Some(_)) => Err(settings.problem("tls_ca", "`tls_ca` has no effect without `https`")),
        (false, None) => Ok(None),
        (true, _) => {
            let key = if file.is_some() { "tls_ca" } else { "scheme" };
            eventhive_tls::client(file, "tls_ca").map(Some).map_err(|what| settings.problem(key, what))
        }
    }
}

#[cfg(test)]
mod tests;
