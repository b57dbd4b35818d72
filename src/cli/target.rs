//! Which network a verb talks to.

use eventhive::Config;
use eventhive::config::{ConnectorConfig, Kinds};

use super::config_args::ConfigArgs;
use super::exit::{Exit, Failure};

/// `--config`, or `--url` for a hub that needs no configuration.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct TargetArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// The hub's address, such as ws://127.0.0.1:8085/pubsub, in place of a configuration. It is also what is used when
    /// there is no configuration at all.
    #[arg(short, long, conflicts_with = "files")]
    url: Option<String>,

    /// A bearer token for --url: the token, env:NAME, or file:PATH.
    #[arg(long, requires = "url")]
    token: Option<String>,
}

/// Where `hive-cli serve` listens when nothing else is said.
pub(crate) const DEFAULT_URL: &str = "ws://127.0.0.1:8085/pubsub";

impl TargetArgs {
    /// The configuration; or, with `--url` or without any, one connector named `network` to the hub there.
    pub(crate) fn load(&self, network: &str) -> Result<Config, Failure> {
        let mut sources = self.config.sources();
        if self.url.is_some() || sources.is_empty() {
            sources = eventhive::config::Sources::new();
            sources.read_environment_secrets();
            sources.read_named("--url", &self.connector(network)?);
        }
        Ok(sources.resolve(&Kinds::compiled_in())?)
    }

    /// Whether [`load`](Self::load) makes the connector itself, so that its name means nothing.
    pub(crate) fn is_bare(&self) -> bool {
        self.url.is_some() || self.config.sources().is_empty()
    }

    /// The address as it may be shown, if [`load`](Self::load) makes the connector itself.
    pub(crate) fn bare_url(&self) -> Option<String> {
        self.is_bare().then(|| without_query(self.url.as_deref().unwrap_or(DEFAULT_URL)))
    }

    /// A configuration of one connector. JSON is YAML.
    fn connector(&self, network: &str) -> Result<String, Failure> {
        let url = self.url.as_deref().unwrap_or(DEFAULT_URL);
        let mut init = init_of(url).map_err(|error| Failure::new(Exit::Usage, error))?;
        if let Some(token) = &self.token {
            init["token"] = token.as_str().into();
        }
        let connector = serde_json::json!({ "pubsub_type": "websocket", "input_channel": "", "init": init });
        Ok(serde_json::json!({ "connectors": { network: connector } }).to_string())
    }
}

/// `scheme://host[:port][/path][?query]` as a connector's `init`. Errors never repeat what may be a secret.
fn init_of(url: &str) -> Result<serde_json::Value, String> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let (address, path) = rest.find(['/', '?', '#']).map_or((rest, "/"), |end| rest.split_at(end));
    if address.contains('@') {
        return Err("--url has a login (`@`), which hubs do not know: use --token".to_owned());
    }
    let wrong = || format!("`{}` is no address of a hub: write it like {DEFAULT_URL}", without_query(url));
    let port = match scheme {
        "ws" => 80,
        "wss" => 443,
        _ => return Err(wrong()),
    };
    let (host, port): (_, u16) = match address.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((host, digits)) if !digits.contains(']') => (host, digits.parse().map_err(|_| wrong())?),
        _ => (address, port),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() || port == 0 || path.contains('#') {
        return Err(wrong());
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    Ok(serde_json::json!({ "scheme": scheme, "host": host, "port": port, "endpoint": format!("{slash}{path}") }))
}

/// A URL as it may be shown: a query may have a token.
fn without_query(url: &str) -> String {
    url.split_once('?').map_or_else(|| url.to_owned(), |(url, _)| format!("{url}?***"))
}

/// Keeps this connector alone, to publish only, and no server: what calls must not serve or receive. Its outbox is in
/// memory: what is on disk is a running hive's to send.
pub(crate) fn only(mut config: Config, connector: &ConnectorConfig) -> Config {
    config.servers.clear();
    config.connectors.retain(|one| one.name == connector.name);
    for one in &mut config.connectors {
        one.input_channel = None;
        one.outbox.path = None;
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let parts = |url: &str| {
            let init = init_of(url).ok()?;
            Some(format!("{} {} {} {}", init["scheme"], init["host"], init["port"], init["endpoint"]).replace('"', ""))
        };
        assert_eq!(parts(DEFAULT_URL).as_deref(), Some("ws 127.0.0.1 8085 /pubsub"));
        assert_eq!(parts("wss://hub.example").as_deref(), Some("wss hub.example 443 /"));
        assert_eq!(parts("ws://[::1]:81/a/b?c=d").as_deref(), Some("ws ::1 81 /a/b?c=d"));
        assert_eq!(parts("ws://a:81?b=c").as_deref(), Some("ws a 81 /?b=c"));
        assert_eq!(parts("ws://a/b@c").as_deref(), Some("ws a 80 /b@c"));
        assert_eq!(parts("ws://[::1]/").as_deref(), Some("ws ::1 80 /"));
        for wrong in ["", "127.0.0.1", "http://a", "ws://", "ws://:80/", "ws://a:port/", "ws://a:0/", "ws://a/b#c"] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_error_shows_neither_a_login_nor_a_query() {
        for wrong in
            ["ws://me:hunter2@host/", "http://me:hunter2@host", "ws://hunter2@[::1]:80", "ws://a:x?token=hunter2"]
        {
            let error = init_of(wrong).unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
            assert_eq!(error.contains("--token"), wrong.contains('@'), "{error}");
        }
    }
}
