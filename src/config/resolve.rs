//! From the merged tree to the typed model, with every problem on the way.

use std::path::PathBuf;

use eventhive_hub::{BACKLOG_KEYS, BacklogSettings};
use eventhive_transport::settings::{Entry, Node, Position, Problem, Settings, Value, unknown_key};
use eventhive_transport::{EventName, Key, KeyKind, Overflow};

use super::merge::{entries, get};
use super::model::{Backlog, Config, ConnectorConfig, Create, DoorConfig, HiveSettings, OutboxConfig, ServerConfig};
use super::report::{ConfigError, Report};
use super::secret::weak;
use super::sources::Sources;
use super::{Kind, Kinds, Secrets, clash, tables};

/// One run over the tree.
pub(super) struct Resolve<'a> {
    pub(super) sources: &'a Sources,
    pub(super) kinds: &'a Kinds,
    pub(super) problems: Vec<Problem>,
    /// What is doubtful and not wrong.
    pub(super) warnings: Vec<Problem>,
    separator: String,
}

pub(super) fn resolve(sources: &Sources, kinds: &Kinds) -> Result<Config, ConfigError> {
    let (problems, separator) = (sources.problems.clone(), "/".to_owned());
    let mut run = Resolve { sources, kinds, problems, warnings: sources.warnings.clone(), separator };
    run.top();
    let hive = run.hive();
    let connectors = run.section("connectors", Resolve::connector);
    let mut servers = run.section("servers", Resolve::server);
    run.problems.extend(clash::clashes(&servers));
    let documents = sources.documents.clone();
    match hive {
        Some(hive) if run.problems.is_empty() => {
            run.unused_secrets(&connectors);
            run.sign_with_connectors(&mut servers, &connectors);
            run.doubt_discovery(&hive.discovery, &servers, &connectors);
            let warnings = Report::new(run.warnings, documents.clone());
            Ok(Config { hive, connectors, servers, warnings, documents })
        }
        _ => Err(ConfigError::new(Report::new(run.problems, documents))),
    }
}

impl Resolve<'_> {
    /// Unknown sections. Those that begin with `x-` are the user's own, for anchors.
    fn top(&mut self) {
        let known = tables::TOP.iter().map(|(name, _)| *name);
        for entry in entries(&self.sources.tree) {
            if !known.clone().any(|name| name == entry.key) && !entry.key.starts_with("x-") {
                self.problems.push(unknown_key(entry.key_at, entry.key.clone(), &entry.key, known.clone()));
            }
        }
    }

    fn hive(&mut self) -> Option<HiveSettings> {
        let null = Node { value: Value::Null, at: Position::default() };
        let node = get(&self.sources.tree, "eventhive").unwrap_or(&null);
        // Of the node itself, so that they are seen beside another key that is wrong.
        for name in ["metadata_key", "channel_separator"] {
            match get(node, name) {
                Some(Node { value: Value::Text(text), at }) if text.is_empty() => {
                    self.note(*at, &format!("eventhive.{name}"), "must not be empty".to_owned());
                }
                Some(Node { value: Value::Text(text), .. }) if name == "channel_separator" => {
                    self.separator.clone_from(text);
                }
                _ => {}
            }
        }
        let settings = self.check("eventhive", node, tables::HIVE)?;
        let text = |name: &str| settings.text(name).unwrap_or_default().to_owned();
        Some(HiveSettings {
            metadata_key: text("metadata_key"),
            remove_metadata: settings.flag("remove_metadata"),
            channel_separator: text("channel_separator"),
            discovery: self.discovery_settings(&settings),
        })
    }

    /// Reads every entry of a section; those that are wrong are left out and noted.
    fn section<T>(&mut self, name: &str, read: fn(&mut Self, &str, &Entry) -> Option<T>) -> Vec<T> {
        let Some(node) = get(&self.sources.tree, name) else { return Vec::new() };
        if !matches!(node.value, Value::Map(_) | Value::Null) {
            let message = format!("expected a mapping of names, found {}", node.value.describe());
            self.note(node.at, name, message);
        }
        entries(node)
            .iter()
            .filter_map(|entry| {
                let path = format!("{name}.{}", entry.key);
                self.network_name(entry, &path);
                read(self, &path, entry)
            })
            .collect()
    }

    fn connector(&mut self, path: &str, entry: &Entry) -> Option<ConnectorConfig> {
        let settings = self.check(path, &entry.node, tables::CONNECTOR);
        let transport = self.transport(path, &entry.node, Kind::connector_side);
        let input_channel = self.input_channel(path, &entry.node);
        let secret = self.secret(path, entry);
        let from_broadcast = self.look_time(path, &entry.node);
        let outbox = self.outbox(path, &entry.node);
        let inbox = self.part(path, &entry.node, "inbox", tables::INBOX);
        let (settings, (pubsub_type, init), inbox) = (settings?, transport?, inbox?);
        let size = |name: &str| settings.size(name).unwrap_or(usize::MAX);
        Some(ConnectorConfig {
            name: entry.key.clone(),
            pubsub_type,
            input_channel: input_channel?,
            init,
            secret,
            cipher: settings.text("cipher").and_then(|word| word.parse().ok()).unwrap_or_default(),
            replay_time: settings.seconds("replay_secs").unwrap_or_default(),
            replay_messages: size("replay_messages"),
            from_broadcast,
            outbox: outbox?,
            inbox_bytes: inbox.size("max_bytes").unwrap_or(usize::MAX),
            inbox_overflow: overflow(&inbox).unwrap_or(Overflow::DropOldest),
            dedupe_events: size("dedupe_events"),
        })
    }

    fn outbox(&mut self, path: &str, node: &Node) -> Option<OutboxConfig> {
        let settings = self.part(path, node, "outbox", tables::OUTBOX)?;
        let folder = settings.text("path");
        if folder.is_some_and(str::is_empty) {
            self.problems.push(settings.problem("path", "must not be empty: name a folder, or leave it out"));
        }
        let (bytes, policy) = match folder {
            Some(_) => (1 << 30, Overflow::DropNewest),
            None => (16 << 20, Overflow::DropOldest),
        };
        Some(OutboxConfig {
            path: folder.map(PathBuf::from),
            max_bytes: settings.size("max_bytes").unwrap_or(bytes),
            overflow: overflow(&settings).unwrap_or(policy),
            durable: settings.flag("durable"),
        })
    }

    /// A mapping of a connector or server that may be left out.
    fn part(&mut self, path: &str, node: &Node, name: &str, table: &[Key]) -> Option<Settings> {
        let null = Node { value: Value::Null, at: node.at };
        self.check(&format!("{path}.{name}"), get(node, name).unwrap_or(&null), table)
    }

    fn server(&mut self, path: &str, entry: &Entry) -> Option<ServerConfig> {
        let settings = self.check(path, &entry.node, tables::SERVER);
        let doors = self.doors(path, &entry.node);
        let secret = get(&entry.node, "secret").and_then(|node| self.read_secret(node, path));
        let backlog = self.backlog(path, &entry.node);
        let (settings, doors, backlog) = (settings?, doors?, backlog?);
        let create = match settings.text("create") {
            Some("always") => Create::Always,
            Some("needed") => Create::Needed,
            _ => Create::Never,
        };
        let broadcast = settings.flag("broadcast");
        Some(ServerConfig { name: entry.key.clone(), create, broadcast, secret, backlog, doors })
    }

    fn backlog(&mut self, path: &str, node: &Node) -> Option<Backlog> {
        let given = self.part(path, node, "backlog", BACKLOG_KEYS)?;
        let settings =
            BacklogSettings::from_settings(&given).map_err(|problems| self.problems.extend(problems)).ok()?;
        Some(Backlog { settings, given })
    }

    /// The doors of a server: those of its list, or the one that it is itself.
    fn doors(&mut self, path: &str, node: &Node) -> Option<Vec<DoorConfig>> {
        let (own, list) = (get(node, "pubsub_type"), get(node, "doors"));
        let Some(list) = list.filter(|list| list.value != Value::Null) else {
            if own.is_none() {
                let message = "`pubsub_type` is missing: the protocol that the server speaks; or `doors`, for several";
                self.note(node.at, path, message.to_owned());
            }
            return self
                .transport(path, node, Kind::door_side)
                .map(|(pubsub_type, init)| vec![DoorConfig { pubsub_type, init }]);
        };
        for name in ["pubsub_type", "init"] {
            if let Some(own) = get(node, name) {
                let message = format!("a server has either `doors` or `{name}`: move it into the list");
                self.note(own.at, &format!("{path}.{name}"), message);
            }
        }
        let path = format!("{path}.doors");
        let items = match &list.value {
            Value::List(items) if !items.is_empty() => items,
            other => {
                self.note(list.at, &path, format!("expected a list of doors, found {}", other.describe()));
                return None;
            }
        };
        // All of them are looked at before one that is wrong ends it.
        let doors: Vec<_> =
            items.iter().enumerate().map(|(at, item)| self.door(&format!("{path}[{at}]"), item)).collect();
        doors.into_iter().collect()
    }

    fn door(&mut self, path: &str, node: &Node) -> Option<DoorConfig> {
        let checked = self.check(path, node, tables::DOOR);
        let transport = self.transport(path, node, Kind::door_side);
        checked?;
        transport.map(|(pubsub_type, init)| DoorConfig { pubsub_type, init })
    }

    /// The kind and its settings. Without a kind, of `init` only that it is a mapping is known.
    fn transport(&mut self, path: &str, node: &Node, side: Side) -> Option<(&'static str, Settings)> {
        let place = format!("{path}.init");
        let null = Node { value: Value::Null, at: node.at };
        let init = get(node, "init").unwrap_or(&null);
        let Some((kind, table)) = self.kind(path, node, side) else {
            if !matches!(init.value, Value::Map(_) | Value::Null) {
                self.note(init.at, &place, format!("expected a mapping, found {}", init.value.describe()));
            }
            return None;
        };
        let settings = self.check(&place, init, table)?;
        self.fetch_secrets(&settings, table);
        Some((kind, settings))
    }

    /// The kind and its table. Looks at the node itself, so that `init` is checked even if another key is wrong.
    fn kind(&mut self, path: &str, node: &Node, side: Side) -> Option<(&'static str, &'static [Key])> {
        let word_node = get(node, "pubsub_type")?;
        let Value::Text(word) = &word_node.value else { return None };
        let place = format!("{path}.pubsub_type");
        let Some(kind) = self.kinds.find(word) else {
            self.note(word_node.at, &place, self.kinds.unknown(word));
            return None;
        };
        let Some(table) = side(kind) else {
            let able =
                Kinds::words(self.kinds.iter().filter(|kind| side(kind).is_some())).collect::<Vec<_>>().join(", ");
            // A kind that is here at all has one of the two sides.
            let lacks = if kind.door.is_none() { "has no server to run here" } else { "cannot be used here" };
            self.note(word_node.at, &place, format!("`{word}` {lacks}: use one of {able}"));
            return None;
        };
        Some((kind.name, table))
    }

    /// Whether the secrets of a transport can be had. It fetches them again itself when it starts.
    fn fetch_secrets(&mut self, settings: &Settings, table: &[Key]) {
        for key in table.iter().filter(|key| key.kind == KeyKind::Secrets) {
            if let Err(problems) = settings.secrets(key.name) {
                self.problems.extend(problems);
            }
        }
    }

    /// The outer `None`: wrong or missing. The inner: publish only.
    fn input_channel(&mut self, path: &str, node: &Node) -> Option<Option<String>> {
        let channel = get(node, "input_channel")?;
        let message = match &channel.value {
            Value::Null => return Some(None),
            Value::Text(text) if text.is_empty() => return Some(None),
            Value::Text(text) => match EventName::new(text.as_str()) {
                Ok(_) => {
                    self.doubt_pattern(channel.at, path, text);
                    return Some(Some(text.clone()));
                }
                Err(error) => format!("not a channel: {error}"),
            },
            Value::List(_) | Value::Map(_) => format!("expected text, found {}", channel.value.describe()),
            other => format!("expected text, found {}: put it in quotes", other.describe()),
        };
        self.note(channel.at, &format!("{path}.input_channel"), message);
        None
    }

    /// A channel is one name; whoever writes a pattern wants more.
    fn doubt_pattern(&mut self, at: Position, path: &str, channel: &str) {
        if let Some(odd) = channel.chars().find(|c| "*?[".contains(*c)) {
            let message = format!("`{odd}` stands for itself: a channel is one name, not a pattern");
            self.warnings.push(Problem { at, path: format!("{path}.input_channel"), message });
        }
    }

    /// The connector's own secret, or the one of `EVENTHIVE_SECRET` unless a later document has one.
    fn secret(&mut self, path: &str, entry: &Entry) -> Option<Secrets> {
        let path = format!("{path}.secret");
        let own = get(&entry.node, "secret");
        let from_env = self.sources.secrets.iter().rfind(|secret| secret.connector == entry.key);
        let is_later =
            |node: &Node, documents| node.at.document >= documents && node.value != Value::Text(String::new());
        let read = match (own, from_env) {
            (Some(node), Some(secret)) if is_later(node, secret.documents) => Secrets::read(node, &path),
            (_, Some(secret)) => {
                let value = Value::Text(secret.secret.to_string());
                Secrets::read(&Node { value, at: Position::default() }, &path)
            }
            (Some(node), None) => Secrets::read(node, &path),
            (None, None) => Ok(None),
        };
        self.noted(read, own.map_or_else(Position::default, |node| node.at), &path)
    }

    fn read_secret(&mut self, node: &Node, path: &str) -> Option<Secrets> {
        let path = format!("{path}.secret");
        let read = Secrets::read(node, &path);
        let at = get(node, "secret").map_or_else(Position::default, |node| node.at);
        self.noted(read, at, &path)
    }

    fn noted(&mut self, read: Result<Option<Secrets>, Vec<Problem>>, at: Position, path: &str) -> Option<Secrets> {
        let secrets = read.unwrap_or_else(|problems| {
            self.problems.extend(problems);
            None
        });
        secrets.iter().flat_map(Secrets::iter).filter_map(weak).for_each(|bits| self.doubt_secret(at, path, bits));
        secrets
    }

    fn doubt_secret(&mut self, at: Position, path: &str, bits: u32) {
        let message = format!(
            "a weak secret, of {bits} bits at the most: who captures one message can find it by trying; \
             `hive-cli keygen` makes a strong one"
        );
        self.warnings.push(Problem { at, path: path.to_owned(), message });
    }

    /// A name of a network is one segment of event names.
    fn network_name(&mut self, entry: &Entry, path: &str) {
        if let Err(error) = EventName::new(entry.key.as_str()) {
            self.note(entry.key_at, path, format!("not a network's name: {error}"));
        } else if !self.separator.is_empty() && entry.key.contains(&self.separator) {
            let message =
                format!("the name has the separator `{}` in it, so no event could reach it: rename it", self.separator);
            self.note(entry.key_at, path, message);
        }
    }

    fn unused_secrets(&mut self, connectors: &[ConnectorConfig]) {
        let unused =
            self.sources.secrets.iter().filter(|secret| connectors.iter().all(|it| it.name != secret.connector));
        let warning = |name: &str| Problem {
            at: Position::default(),
            path: String::new(),
            message: format!("EVENTHIVE_SECRET names the connector `{name}`, which is not configured"),
        };
        self.warnings.extend(unused.map(|secret| warning(&secret.connector)));
    }

    fn check(&mut self, path: &str, node: &Node, table: &[Key]) -> Option<Settings> {
        Settings::check(path, node, table).map_err(|problems| self.problems.extend(problems)).ok()
    }

    pub(super) fn note(&mut self, at: Position, path: &str, message: String) {
        self.problems.push(Problem { at, path: path.to_owned(), message });
    }
}

fn overflow(settings: &Settings) -> Option<Overflow> {
    settings.text("overflow").and_then(|word| word.parse().ok())
}

/// Which table of a kind is meant.
type Side = fn(&Kind) -> Option<&'static [Key]>;

impl Kind {
    const fn connector_side(&self) -> Option<&'static [Key]> {
        self.connector
    }

    const fn door_side(&self) -> Option<&'static [Key]> {
        self.door
    }
}
