//! What of a configuration concerns finding servers and being found.

use std::path::PathBuf;
use std::time::Duration;

use eventhive_transport::settings::{Node, Position, Problem, Settings, Value};
use eventhive_transport::{Key, KeyKind};

use super::Secrets;
use super::merge::get;
use super::model::{ConnectorConfig, Create, DiscoverySettings, ServerConfig};
use super::resolve::Resolve;

/// How long is looked for a server when nothing else is said, as in the original.
const LOOK: Duration = Duration::from_secs(5);

impl Resolve<'_> {
    /// `eventhive.discovery_...`
    pub(super) fn discovery_settings(&mut self, settings: &Settings) -> DiscoverySettings {
        let texts = |name: &str| settings.texts(name).into_iter().map(str::to_owned).collect::<Vec<_>>();
        let servers = texts("discovery_servers");
        self.check_servers(settings, &servers);
        DiscoverySettings {
            interfaces: texts("discovery_interfaces"),
            mdns: settings.flag("discovery_mdns"),
            servers,
            file: settings.text("discovery_file").filter(|path| !path.is_empty()).map(PathBuf::from),
        }
    }

    /// Every entry that is no server, at its own place.
    #[cfg(feature = "discovery")]
    fn check_servers(&mut self, settings: &Settings, servers: &[String]) {
        let places = match settings.get("discovery_servers").map(|node| &node.value) {
            Some(Value::List(items)) => items.iter().map(|item| item.at).collect(),
            _ => Vec::new(),
        };
        for (server, at) in servers.iter().zip(places) {
            if let Err(error) = server.parse::<crate::discovery::Listed>() {
                self.note(at, "eventhive.discovery_servers", error.to_string());
            }
        }
    }

    /// Without discovery nothing looks at them.
    #[cfg(not(feature = "discovery"))]
    fn check_servers(&mut self, _: &Settings, _: &[String]) {}

    /// Presence switches it on, except `false`. Null is what the original reads as "the default time".
    pub(super) fn look_time(&mut self, path: &str, node: &Node) -> Option<Duration> {
        let node = get(node, "from_broadcast")?;
        let path = format!("{path}.from_broadcast");
        #[expect(clippy::cast_precision_loss, reason = "a time of more than 2^53 seconds is as good as for ever")]
        let seconds = match &node.value {
            Value::Bool(false) => return None,
            Value::Bool(true) | Value::Null => return Some(LOOK),
            Value::Integer(seconds) => *seconds as f64,
            Value::Float(seconds) => *seconds,
            other => {
                let message = format!("expected true, false or a number of seconds, found {}", other.describe());
                self.note(node.at, &path, message);
                return None;
            }
        };
        let time = Duration::try_from_secs_f64(seconds).ok();
        if time.is_none() {
            self.note(node.at, &path, format!("{seconds} is no time: use 0 or more seconds"));
        }
        time
    }

    /// A server without a `secret` of its own signs its announcement with that of the connector of its name.
    pub(super) fn sign_with_connectors(&mut self, servers: &mut [ServerConfig], connectors: &[ConnectorConfig]) {
        for server in servers {
            let connector = connectors.iter().find(|connector| connector.name == server.name);
            let theirs = connector.and_then(ConnectorConfig::announcement_secret);
            match (self.node("servers", &server.name, "secret"), theirs) {
                (None, theirs) => server.secret = theirs.cloned(),
                (Some(node), Some(theirs)) if !knows(theirs, server.secret.as_ref()) => {
                    let path = format!("servers.{}.secret", server.name);
                    let message = "the connector of the same name has another secret, and will not heed this server";
                    self.warnings.push(Problem { at: node.at, path, message: message.to_owned() });
                }
                (Some(_), _) => {}
            }
        }
    }

    /// Combinations that work, and not as one would think.
    pub(super) fn doubt_discovery(
        &mut self,
        discovery: &DiscoverySettings,
        servers: &[ServerConfig],
        connectors: &[ConnectorConfig],
    ) {
        for server in servers.iter().filter(|server| server.create != Create::Never) {
            let needed = server.create == Create::Needed;
            if needed && !server.broadcast {
                let message = "a server that is `needed` and not announced (`broadcast: true`) cannot be seen by other \
                               hives: each of them may start one";
                self.doubt("servers", &server.name, "create", message);
            } else if !discovery.mdns && server.broadcast {
                let message = "nothing is announced: `eventhive.discovery_mdns` is false";
                self.doubt("servers", &server.name, "broadcast", message);
            }
        }
        let nowhere = !discovery.mdns && discovery.servers.is_empty() && discovery.file.is_none();
        for connector in connectors.iter().filter(|connector| nowhere && connector.from_broadcast.is_some()) {
            let message = "there is nowhere to look for the server: `eventhive.discovery_mdns` is false, and there are \
                           neither `discovery_servers` nor a `discovery_file`";
            self.doubt("connectors", &connector.name, "from_broadcast", message);
        }
        if discovery.mdns {
            connectors.iter().for_each(|connector| self.doubt_credential(connector));
        }
    }

    fn doubt_credential(&mut self, connector: &ConnectorConfig) {
        let unsigned = connector.from_broadcast.is_some() && connector.announcement_secret().is_none();
        let Some(keys) = self.kinds.find(connector.pubsub_type).and_then(|kind| kind.connector) else { return };
        if let Some(key) = credential(&connector.init, keys)
            && unsigned
            && named_host(&connector.init).is_none()
        {
            self.doubt("connectors", &connector.name, "from_broadcast", &withheld(key));
        }
    }

    fn doubt(&mut self, section: &str, name: &str, key: &str, message: &str) {
        let at = self.node(section, name, key).map_or_else(Position::default, |node| node.at);
        self.warnings.push(Problem { at, path: format!("{section}.{name}.{key}"), message: message.to_owned() });
    }

    fn node(&self, section: &str, name: &str, key: &str) -> Option<&Node> {
        get(get(get(&self.sources.tree, section)?, name)?, key)
    }
}

/// The first key of `init` that has a secret which a server is sent.
pub(crate) fn credential(init: &Settings, keys: &[Key]) -> Option<&'static str> {
    let is_given = |key: &&Key| init.get(key.name).is_some_and(|node| says_something(&node.value));
    keys.iter().filter(|key| matches!(key.kind, KeyKind::Secret | KeyKind::Secrets)).find(is_given).map(|key| key.name)
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Text(text) => !text.is_empty(),
        Value::List(items) => items.iter().any(|item| says_something(&item.value)),
        _ => true,
    }
}

/// `host` of `init`, if it was written there: a default names nobody.
pub(crate) fn named_host(init: &Settings) -> Option<&str> {
    init.get("host").filter(|node| node.at != Position::default()).and_then(|_| init.text("host"))
}

/// What becomes of a secret that just anybody could be sent, and the remedies.
pub(crate) fn withheld(key: &str) -> String {
    format!(
        "announcements are not signed here, and anybody on the local network can make one: no announced server is used, so \
         that none is sent `{key}`. Name the server's host in `init.host`; or list it in `eventhive.discovery_servers`, with \
         `discovery_mdns: false`; or, without Python hives, give the network a `secret`, which signs announcements"
    )
}

/// Whether what `signs` has signed counts for who has `secrets`.
fn knows(secrets: &Secrets, signs: Option<&Secrets>) -> bool {
    signs.is_some_and(|signs| secrets.iter().any(|secret| secret == signs.current()))
}
