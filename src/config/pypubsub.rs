//! The configuration of a PyPubSub server, made one of ours.
//!
//! `pypubsub.yaml` and `pypubsub_acl.yaml` of PyPubSub 0.7.4 are taken as they are. Values keep their place in the file, so
//! that whatever is wrong with one later is told with its line there.

use std::path::Path;

use eventhive_http::Http;
use eventhive_listener::DoorTransport;
use eventhive_transport::settings::{Entry, Node, Position, Problem, Settings, Value, unknown_key};
use eventhive_transport::{Key, KeyKind, settings::PORT};

use super::merge::{entries, get};

/// The file that PyPubSub reads when none is named.
pub const CONFIG_FILE: &str = "pypubsub.yaml";

/// The access list that PyPubSub reads when none is named.
pub const ACL_FILE: &str = "pypubsub_acl.yaml";

/// What the server is called.
const NAME: &str = "pypubsub";

const SECTIONS: &[Key] = &[
    Key::required("server", KeyKind::Map, "where and how to listen"),
    Key::required("clients", KeyKind::Map, "who may do what"),
];

const SERVER: &[Key] = &[
    Key::with_default("bind", KeyKind::Text, "0.0.0.0", "the address to listen on"),
    Key::with_default("port", PORT, "2069", "the port to listen on"),
    Key::with_default("max_payload_size", KeyKind::Integer { min: 1, max: 1 << 30 }, "102400", "bytes of a payload"),
    Key::optional("backlog", KeyKind::Map, "what is kept for those who come later"),
    Key::optional("tls", KeyKind::Map, "another address to listen on, with TLS"),
];

const BACKLOG: &[Key] = &[
    Key::with_default("size", KeyKind::Integer { min: 0, max: i64::MAX }, "0", "how many events are kept"),
    Key::optional("max_age", KeyKind::Any, "how long"),
    Key::optional("storage", KeyKind::Text, "the file they are kept in"),
];

const TLS: &[Key] = &[
    Key::required("port", PORT, "the port to listen on"),
    Key::required("cert", KeyKind::Text, "the file of the certificate"),
    Key::required("key", KeyKind::Text, "the file of its private key"),
    Key::optional("chain", KeyKind::Text, "the file of the certificates that lead to its issuer"),
];

const CLIENTS: &[Key] = &[
    Key::optional("payloaders", KeyKind::Texts, "the networks that may publish"),
    Key::optional("oldschoolers", KeyKind::Texts, "clients that want a NUL behind each line"),
    Key::optional("secure_topics", KeyKind::Texts, "topics that only some users publish on"),
    Key::optional("ldap", KeyKind::Map, "users beside those of the access list"),
    Key::optional("sqs", KeyKind::Map, "queues to read from"),
];

/// A translation, as far as it goes.
pub(super) struct Translated {
    pub(super) tree: Option<Node>,
    pub(super) problems: Vec<Problem>,
    /// Keys that mean nothing to PyPubSub either.
    pub(super) warnings: Vec<Problem>,
}

/// Makes `servers: {pypubsub: ..}` of what PyPubSub reads.
pub(super) fn translate(pypubsub: &Node, acl: Option<&Path>) -> Translated {
    let mut run = Translation { problems: Vec::new(), warnings: Vec::new() };
    let tree = run.tree(pypubsub, acl);
    Translated { tree: tree.filter(|_| run.problems.is_empty()), problems: run.problems, warnings: run.warnings }
}

struct Translation {
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Translation {
    fn tree(&mut self, pypubsub: &Node, acl: Option<&Path>) -> Option<Node> {
        self.check("", pypubsub, SECTIONS)?;
        let (server, clients) = (get(pypubsub, "server")?, get(pypubsub, "clients")?);
        let (listen, rights) = (self.check("server", server, SERVER), self.check("clients", clients, CLIENTS));
        let backlog = get(server, "backlog").map(|node| (node.at, self.check("server.backlog", node, BACKLOG)));
        let tls = get(server, "tls").filter(|node| node.value != Value::Null);
        let tls = tls.map(|node| self.check("server.tls", node, TLS));
        let (listen, rights) = (listen?, rights?);
        let ldap = rights.get("ldap").map(|node| self.known("clients.ldap", node, door_table("ldap")));
        let sqs = rights.get("sqs").map(|node| self.queues(node));
        let common = common(&listen, &rights, ldap.as_ref(), acl);
        let mut doors = vec![door(server.at, plain(&listen, sqs.as_ref()), &common)];
        if let Some(tls) = tls {
            doors.push(door(server.at, encrypted(&listen, &tls?), &common));
        }
        let largest = listen.integer("max_payload_size").unwrap_or_default();
        let backlog = match backlog {
            Some((at, backlog)) => map(at, kept(&backlog?, largest)),
            None => map(server.at, kept(&Settings::defaults("server.backlog", BACKLOG).ok()?, largest)),
        };
        let server = map(
            server.at,
            [
                entry("create", text(server.at, "always")),
                entry("backlog", backlog),
                entry("doors", Node { value: Value::List(doors), at: server.at }),
            ],
        );
        Some(map(pypubsub.at, [entry("servers", map(pypubsub.at, [entry(NAME, server)]))]))
    }

    /// A mapping without what is not in the table, each with a warning.
    fn known(&mut self, path: &str, node: &Node, table: &[Key]) -> Node {
        if !matches!(node.value, Value::Map(_)) {
            return node.clone();
        }
        let is_known = |entry: &&Entry| table.iter().any(|key| key.name == entry.key);
        let (known, unknown): (Vec<_>, Vec<_>) = entries(node).iter().partition(is_known);
        for entry in unknown {
            let place = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
            self.warnings.push(unknown_key(entry.key_at, place, &entry.key, table.iter().map(|key| key.name)));
        }
        map(node.at, known.into_iter().cloned())
    }

    /// As [`known`](Self::known), of each queue.
    fn queues(&mut self, node: &Node) -> Node {
        if !matches!(node.value, Value::Map(_)) {
            return node.clone();
        }
        let keys = door_table("sqs");
        let queue = |entry: &Entry| {
            let path = format!("clients.sqs.{}", entry.key);
            Entry { node: self.known(&path, &entry.node, keys), ..entry.clone() }
        };
        map(node.at, entries(node).iter().map(queue))
    }

    /// What is left out, or nothing, has its default. What PyPubSub does not look at is only doubtful.
    fn check(&mut self, path: &str, node: &Node, table: &[Key]) -> Option<Settings> {
        let mut node = self.known(path, node, table);
        if let Value::Map(entries) = &mut node.value {
            entries.retain(|entry| entry.node.value != Value::Null || !may_be_nothing(&entry.key));
        }
        let at_top = |problem: Problem| Problem { path: problem.path.trim_start_matches('.').to_owned(), ..problem };
        let checked = Settings::check(path, &node, table);
        checked.map_err(|problems| self.problems.extend(problems.into_iter().map(at_top))).ok()
    }
}

/// The keys of a block that a door has under the same name.
fn door_table(name: &str) -> &'static [Key] {
    let kind = DoorTransport::keys(&Http).iter().find(|key| key.name == name).map(|key| key.kind);
    match kind {
        Some(KeyKind::Table(keys) | KeyKind::Named(keys)) => keys,
        _ => &[],
    }
}

/// Nobody may publish when `payloaders` is nothing, and that is too easily meant otherwise.
fn may_be_nothing(key: &str) -> bool {
    matches!(key, "tls" | "secure_topics" | "oldschoolers" | "ldap" | "sqs" | "chain" | "storage" | "backlog")
}

/// What both doors have.
fn common(listen: &Settings, rights: &Settings, ldap: Option<&Node>, acl: Option<&Path>) -> Vec<Entry> {
    let payloaders =
        rights.get("payloaders").cloned().unwrap_or(Node { value: Value::List(Vec::new()), at: Position::default() });
    let acl = acl.map(|file| text(Position::default(), &file.to_string_lossy()));
    [
        renamed("max_payload_bytes", listen.get("max_payload_size")),
        Some(entry("payloaders", payloaders)),
        renamed("secure_topics", rights.get("secure_topics")),
        acl.map(|file| entry("acl_file", file)),
        renamed("oldschoolers", rights.get("oldschoolers")),
        renamed("ldap", ldap),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What the door without TLS has for itself. A queue is read once, so it is of this door alone.
fn plain(listen: &Settings, sqs: Option<&Node>) -> Vec<Entry> {
    [renamed("host", listen.get("bind")), renamed("port", listen.get("port")), renamed("sqs", sqs)]
        .into_iter()
        .flatten()
        .collect()
}

fn encrypted(listen: &Settings, tls: &Settings) -> Vec<Entry> {
    let (host, port) = (renamed("host", listen.get("bind")), renamed("port", tls.get("port")));
    let files = ["cert", "key", "chain"].map(|file| renamed(&format!("tls_{file}"), tls.get(file)));
    [host, port].into_iter().chain(files).flatten().collect()
}

fn door(at: Position, own: Vec<Entry>, common: &[Entry]) -> Node {
    let init = map(at, own.into_iter().chain(common.iter().cloned()));
    map(at, [entry("pubsub_type", text(at, "http")), entry("init", init)])
}

/// A backlog that PyPubSub keeps in a file becomes a log in a folder beside it, which begins with what is in the file, if
/// PyPubSub has written one.
fn kept(backlog: &Settings, max_payload_size: i64) -> Vec<Entry> {
    let storage = backlog.get("storage");
    let is_there = backlog.text("storage").is_some_and(|file| Path::new(file).exists());
    let folder = storage.zip(backlog.text("storage")).map(|(node, file)| text(node.at, &format!("{file}.log")));
    [
        renamed("max_messages", backlog.get("size")),
        Some(entry("max_bytes", integer(room(backlog.integer("size").unwrap_or_default(), max_payload_size)))),
        // Without one there is no bound; our own default is one.
        Some(entry("max_age", backlog.get("max_age").cloned().unwrap_or_else(never))),
        folder.map(|folder| entry("path", folder)),
        renamed("import_pypubsub", storage.filter(|_| is_there)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Bytes for so many events, whatever their size: PyPubSub has no such bound, and our own default is one. An event has its
/// payload, a path and what a file needs beside that; a log on disk also has files of which a part is done with.
const fn room(size: i64, max_payload_size: i64) -> i64 {
    const BESIDE: i64 = 16 << 10;
    const FILES: i64 = 1 << 20;
    max_payload_size.saturating_mul(2).saturating_add(BESIDE).saturating_mul(size).saturating_add(FILES)
}

fn never() -> Node {
    integer(0)
}

fn integer(number: i64) -> Node {
    Node { value: Value::Integer(number), at: Position::default() }
}

fn renamed(key: &str, node: Option<&Node>) -> Option<Entry> {
    node.map(|node| entry(key, node.clone()))
}

fn entry(key: &str, node: Node) -> Entry {
    Entry { key: key.to_owned(), key_at: node.at, node }
}

fn text(at: Position, text: &str) -> Node {
    Node { value: Value::Text(text.to_owned()), at }
}

fn map(at: Position, entries: impl IntoIterator<Item = Entry>) -> Node {
    Node { value: Value::Map(entries.into_iter().collect()), at }
}
