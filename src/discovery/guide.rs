//! The link of a connector whose server is looked for: `from_broadcast`.
//!
//! A connector that has a token or a password gives it to whoever it connects to. Where nothing proves that an announcement
//! comes from the network ([`is_proven`]), such a connector goes only to the host that its `init` names, and takes nothing
//! else from the announcement than [`PLACE`] and `scheme`.

use std::sync::Arc;
use std::time::Duration;

use eventhive_transport::settings::{Entry, Node, Position, Value};
use eventhive_transport::{Link, LinkState, Problem, Settings, Transport};

use super::moving::{Helm, MovingLink, Opener};
use super::needed::{Follower, Neighbourhood, Timing, follow};
use super::{Found, Signature, Sources, keep_known};
use crate::config::{ConnectorConfig, DiscoverySettings, credential, named_host, withheld};

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
/// secret, only servers count whose announcements are signed with it. Without one, a connector with a token or a password
/// uses only what is announced at `init.host`.
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
    if let Some(key) = credential(&init, transport.keys())
        && settings.mdns
        && connector.announcement_secret().is_none()
        && named_host(&init).is_none()
    {
        tracing::warn!(connector = name, "{}", withheld(key));
    }
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
        if let Some(key) = self.would_be_given_away(server) {
            let reason = withheld(key);
            tracing::error!(server = self.name, at = %server, "not connected: {reason}");
            return self.helm.nowhere(reason);
        }
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
    /// The key of `init` that must not be sent to this server.
    fn would_be_given_away(&self, server: &Found) -> Option<&'static str> {
        let is_named = named_host(&self.init).zip(server.host()).is_some_and(|(named, host)| same_host(named, host));
        if is_proven(server) || is_named { None } else { credential(&self.init, self.transport.keys()) }
    }

    fn opener(&self, node: &Node) -> Result<Opener, String> {
        let path = format!("connectors.{}.init (as announced)", self.name);
        let settings = Settings::check(&path, node, self.transport.keys()).map_err(|problems| list(&problems))?;
        let transport = Arc::clone(&self.transport);
        Ok(Arc::new(move || transport.connect(&settings).map_err(|problems| list(&problems))))
    }
}

/// Whether somebody who knows the network said that it is there: not just anybody near.
fn is_proven(server: &Found) -> bool {
    server.listed || server.signature == Signature::Valid
}

fn same_host(one: &str, other: &str) -> bool {
    let bare = |host: &str| host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    bare(one) == bare(other)
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// `init` of the configuration, with the place that is announced, and with what else is announced and not in `init`.
fn merged(init: &Settings, server: &Found, transport: &dyn Transport) -> Node {
    let at = Position::default();
    let known = keep_known(server.init(), transport.keys());
    let Value::Map(announced) = known.value else { return Node { value: Value::Map(Vec::new()), at } };
    let takes_all = is_proven(server) || credential(init, transport.keys()).is_none();
    let is_taken = |key: &str| takes_all || PLACE.contains(&key) || key == "scheme";
    let mut entries: Vec<Entry> = Vec::new();
    for key in transport.keys() {
        // What has no place in a file is a default.
        let given = init.get(key.name).filter(|node| node.at != at).cloned();
        let heard =
            announced.iter().find(|entry| entry.key == key.name && is_taken(key.name)).map(|entry| entry.node.clone());
        let node = if PLACE.contains(&key.name) { heard.or(given) } else { given.or(heard) };
        entries.extend(node.map(|node| Entry { key: key.name.to_owned(), key_at: at, node }));
    }
    Node { value: Value::Map(entries), at }
}

#[cfg(test)]
mod tests {
    use super::*;

    use eventhive_transport::{Capabilities, Key, KeyKind};

    struct Wire;

    const KEYS: &[Key] = &[
        Key::with_default("host", KeyKind::Text, "localhost", ""),
        Key::with_default("port", eventhive_transport::settings::PORT, "8085", ""),
        Key::with_default("endpoint", KeyKind::Text, "/pubsub", ""),
        Key::with_default("scheme", KeyKind::Text, "ws", ""),
        Key::optional("token", KeyKind::Secrets, ""),
        Key::optional("relay", KeyKind::Text, ""),
    ];

    impl Transport for Wire {
        fn kind(&self) -> &'static str {
            "wire"
        }

        fn keys(&self) -> &'static [Key] {
            KEYS
        }

        fn capabilities(&self) -> Capabilities {
            Capabilities::new()
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

    /// What becomes of a moving link that is told to follow this server.
    async fn led(init: &Settings, server: &Found) -> String {
        let (sender, helm) = tokio::sync::oneshot::channel();
        let link = MovingLink::start(async move |helm| {
            let _ = sender.send(helm);
            std::future::pending::<()>().await;
        });
        let (helm, name, init) = (helm.await.unwrap(), "net".to_owned(), init.clone());
        let mut guide = Guide { helm, transport: Arc::new(Wire), name, init, target: None, patience: HICCUP };
        guide.follow(server).await;
        let mut state = link.state();
        let state = state.wait_for(|state| matches!(state, LinkState::Down { .. })).await.unwrap();
        state.to_string()
    }

    #[tokio::test]
    async fn a_token_goes_to_no_server_that_anybody_could_have_announced() {
        const TRIED: &str = "none is there";
        let with_token = init(&[("token", "ours")]);
        let impostor = heard(&[("host", "10.0.0.66"), ("scheme", "wss")]);
        let refused = led(&with_token, &impostor).await;
        assert!(refused.contains("sent `token`") && refused.contains("`init.host`"), "{refused}");
        let elsewhere = init(&[("token", "ours"), ("host", "10.0.0.1")]);
        assert!(led(&elsewhere, &impostor).await.contains("sent `token`"));
        let unchecked = Found { signature: Signature::Unchecked, ..impostor.clone() };
        assert!(led(&with_token, &unchecked).await.contains("sent `token`"));

        let named = init(&[("token", "ours"), ("host", "Hub.local")]);
        assert!(led(&named, &heard(&[("host", "hub.local.")])).await.contains(TRIED));
        let signed = Found { signature: Signature::Valid, ..impostor.clone() };
        assert!(led(&with_token, &signed).await.contains(TRIED));
        let listed = Found { listed: true, ..impostor.clone() };
        assert!(led(&with_token, &listed).await.contains(TRIED));
        for without in [init(&[]), init(&[("token", "")])] {
            let tried = led(&without, &impostor).await;
            assert!(tried.contains(TRIED), "Python's way needs no proof: {tried}");
        }
    }

    #[test]
    fn who_has_a_token_takes_nothing_but_the_place_from_who_proves_nothing() {
        let entries = [("host", "h"), ("port", "81"), ("scheme", "wss"), ("relay", "10.0.0.66")];
        let relay = |init: &Settings, found: &Found| settings(init, found).text("relay").map(str::to_owned);
        let (bare, with_token) = (init(&[]), init(&[("host", "h"), ("token", "ours")]));
        let signed = Found { signature: Signature::Valid, ..heard(&entries) };
        assert_eq!(relay(&bare, &heard(&entries)).as_deref(), Some("10.0.0.66"));
        assert_eq!(relay(&with_token, &signed).as_deref(), Some("10.0.0.66"));
        assert_eq!(relay(&with_token, &heard(&entries)), None);
        let settings = settings(&with_token, &heard(&entries));
        assert_eq!((settings.integer("port"), settings.text("scheme")), (Some(81), Some("wss")));
    }
}
