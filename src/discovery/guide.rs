//! The link of a connector whose server is looked for: `from_broadcast`.

use std::sync::Arc;
use std::time::Duration;

use eventhive_transport::settings::{Entry, Node, Position, Value};
use eventhive_transport::{Link, LinkState, Problem, Settings, Transport};

use super::moving::{Helm, MovingLink, Opener};
use super::needed::{Follower, Neighbourhood, Timing, follow};
use super::{Found, Sources, keep_known};
use crate::config::{ConnectorConfig, DiscoverySettings};

/// What an announcement says of its server's place goes before what `init` says; of all else `init` has the last word.
const PLACE: &[&str] = &["host", "port", "endpoint"];

/// How long a link may be away before the server is looked for again. A link that was cut comes back sooner.
const HICCUP: Duration = Duration::from_millis(500);

/// How often the server is looked for while the link to the one that was found does not come up.
const AGAIN: Duration = Duration::from_secs(5);

/// Opens a link to the server of the connector's network, wherever that is: it is looked for until it is found, and again
/// each time that it is lost, says goodbye, or hands over. Inside a tokio runtime.
///
/// `from_broadcast` of the connector says how long it may take at first before the link says that it is down. With a
/// secret, only servers count whose announcements are signed with it.
#[must_use]
pub fn connect(
    transport: Arc<dyn Transport>,
    connector: &ConnectorConfig,
    settings: &DiscoverySettings,
) -> Arc<dyn Link> {
    let look = connector.from_broadcast.unwrap_or(AGAIN);
    // Clients start nothing: they need not wait for each other.
    let timing = Timing { look, again: AGAIN, spread: Duration::from_millis(200), ..Timing::default() };
    let sources = Sources::configured(settings, connector.announcement_secret());
    let (name, init) = (connector.name.clone(), connector.init.clone());
    Arc::new(MovingLink::start(move |helm| {
        let network = Neighbourhood::new(name.clone(), sources);
        let guide = Guide { helm, transport, name, init, target: None, patience: HICCUP };
        follow(network, guide, timing)
    }))
}

/// Steers a moving link to the network's server.
struct Guide {
    helm: Helm,
    transport: Arc<dyn Transport>,
    name: String,
    init: Settings,
    /// The settings of the last order.
    target: Option<Node>,
    /// How long the link may be away from now on.
    patience: Duration,
}

impl Follower for Guide {
    async fn follow(&mut self, server: &Found) {
        let node = merged(&self.init, server, &*self.transport);
        if self.target.as_ref() == Some(&node) && self.reaches() {
            return;
        }
        match self.opener(&node) {
            Ok(opener) => {
                self.target = Some(node);
                self.patience = AGAIN;
                self.helm.go(opener);
            }
            Err(problems) => {
                tracing::error!(server = self.name, at = %server, "what is announced cannot be used: {problems}");
                self.helm.nowhere(problems);
            }
        }
    }

    fn nothing_found(&mut self, problem: Option<&str>) {
        self.helm.nowhere(match problem {
            Some(problem) => problem.to_owned(),
            None => format!("no server `{}` was found", self.name),
        });
    }

    async fn lost(&mut self) {
        let mut state = self.helm.state();
        loop {
            if state.borrow().is_up() {
                self.patience = HICCUP;
                if state.wait_for(|state| !state.is_up()).await.is_err() {
                    // The link is gone, and this task with it.
                    return std::future::pending().await;
                }
            }
            let back = async { state.wait_for(LinkState::is_up).await.is_ok() };
            match tokio::time::timeout(self.patience, back).await {
                Ok(true) => {}
                Ok(false) => return std::future::pending().await,
                Err(_) => {
                    self.patience = AGAIN;
                    return;
                }
            }
        }
    }

    fn reaches(&self) -> bool {
        self.helm.state().borrow().is_up()
    }
}

impl Guide {
    fn opener(&self, node: &Node) -> Result<Opener, String> {
        let path = format!("connectors.{}.init (as announced)", self.name);
        let settings = Settings::check(&path, node, self.transport.keys()).map_err(|problems| list(&problems))?;
        let transport = Arc::clone(&self.transport);
        Ok(Arc::new(move || transport.connect(&settings).map_err(|problems| list(&problems))))
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// `init` of the configuration, with the place that is announced, and with what else is announced and not in `init`.
fn merged(init: &Settings, server: &Found, transport: &dyn Transport) -> Node {
    let at = Position::default();
    let known = keep_known(server.init(), transport.keys());
    let Value::Map(announced) = known.value else { return Node { value: Value::Map(Vec::new()), at } };
    let mut entries: Vec<Entry> = Vec::new();
    for key in transport.keys() {
        // What has no place in a file is a default.
        let given = init.get(key.name).filter(|node| node.at != at).cloned();
        let heard = announced.iter().find(|entry| entry.key == key.name).map(|entry| entry.node.clone());
        let node = if PLACE.contains(&key.name) { heard.or(given) } else { given.or(heard) };
        entries.extend(node.map(|node| Entry { key: key.name.to_owned(), key_at: at, node }));
    }
    Node { value: Value::Map(entries), at }
}

#[cfg(test)]
mod tests {
    use super::*;

    use eventhive_transport::{Capabilities, Key, KeyKind, Order};

    struct Wire;

    const KEYS: &[Key] = &[
        Key::with_default("host", KeyKind::Text, "localhost", ""),
        Key::with_default("port", eventhive_transport::settings::PORT, "8085", ""),
        Key::with_default("endpoint", KeyKind::Text, "/pubsub", ""),
        Key::with_default("scheme", KeyKind::Text, "ws", ""),
        Key::optional("token", KeyKind::Secrets, ""),
    ];

    impl Transport for Wire {
        fn kind(&self) -> &'static str {
            "wire"
        }

        fn keys(&self) -> &'static [Key] {
            KEYS
        }

        fn capabilities(&self) -> Capabilities {
            Capabilities {
                patterns: false,
                everything: false,
                order: Order::None,
                replay: false,
                binary: false,
                max_payload: None,
                hears_itself: false,
                native_reply: false,
                delivery_count: false,
                broker: false,
            }
        }

        fn connect(&self, settings: &Settings) -> Result<Arc<dyn Link>, Vec<Problem>> {
            Err(vec![settings.problem("host", "none is there")])
        }
    }

    fn init(entries: &[(&str, &str)]) -> Settings {
        let at = Position { document: 0, line: 1, column: 1 };
        let entry = |(key, text): &(&str, &str)| {
            let node = Node { value: Value::Text((*text).to_owned()), at };
            Entry { key: (*key).to_owned(), key_at: at, node }
        };
        let node = Node { value: Value::Map(entries.iter().map(entry).collect()), at };
        Settings::check("connectors.net.init", &node, KEYS).unwrap()
    }

    fn heard(entries: &[(&str, &str)]) -> Found {
        let txt = entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Found::described("net".to_owned(), txt, 9, None)
    }

    fn settings(init: &Settings, found: &Found) -> Settings {
        Settings::check("x", &merged(init, found, &Wire), KEYS).unwrap()
    }

    #[test]
    fn the_place_is_the_announced_one_and_all_else_stays_as_configured() {
        let configured = init(&[("host", "h"), ("port", "1"), ("scheme", "wss"), ("token", "ours")]);
        let found = heard(&[("host", "10.0.0.1"), ("port", "81"), ("scheme", "ws"), ("token", "theirs"), ("odd", "x")]);
        let settings = settings(&configured, &found);
        assert_eq!((settings.text("host"), settings.integer("port")), (Some("10.0.0.1"), Some(81)));
        assert_eq!(settings.text("scheme"), Some("wss"), "nobody on the network can turn TLS off");
        assert_eq!(settings.secrets("token").unwrap()[0].as_str(), "ours");
        assert_eq!(settings.text("endpoint"), Some("/pubsub"));
    }

    #[test]
    fn what_is_announced_holds_where_nothing_is_configured() {
        let settings = settings(&init(&[]), &heard(&[("host", "h"), ("scheme", "wss"), ("endpoint", "/x")]));
        assert_eq!((settings.text("scheme"), settings.text("endpoint")), (Some("wss"), Some("/x")));
        assert_eq!(settings.integer("port"), Some(8085));
    }
}
