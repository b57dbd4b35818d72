//! Where a configuration comes from, and how the parts become one.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;

use eventhive_transport::settings::{Entry, Node, Position, Problem, Value};
use zeroize::{Zeroize, Zeroizing};

use super::merge::{entries, merge};
use super::report::{ConfigError, Documents};
use super::{Config, Kinds, mask, resolve, tables};

/// The file that is looked for in the working directory.
pub const DEFAULT_FILE: &str = "eventhive.yaml";

/// The parts of a configuration, merged in the order in which they are read.
///
/// Built-in defaults come first, then what [`read_environment`](Self::read_environment),
/// [`read_file`](Self::read_file) and [`read_string`](Self::read_string) bring. The merge is the original's: mappings
/// key by key, all else replaced; and **each document resets the three keys of `eventhive:` to their defaults unless it
/// sets them itself**, while connectors and servers accumulate. An empty document changes nothing.
///
/// Nothing fails on reading: what is wrong is kept, so that [`resolve`](Self::resolve) can report all of it at once.
///
/// The texts are wiped from memory when the sources are dropped, secrets in them included.
pub struct Sources {
    pub(super) tree: Node,
    pub(super) documents: Documents,
    pub(super) problems: Vec<Problem>,
    /// What is doubtful and not wrong.
    pub(super) warnings: Vec<Problem>,
    pub(super) secrets: Vec<EnvironmentSecret>,
    env: Environment,
}

/// Looks an environment variable up.
type Environment = Box<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

/// One item of `EVENTHIVE_SECRET`.
pub(super) struct EnvironmentSecret {
    pub(super) connector: String,
    pub(super) secret: Zeroizing<String>,
    /// How many documents were read before it: later ones that have a secret for the connector win.
    pub(super) documents: u32,
}

impl Sources {
    /// The built-in defaults alone.
    #[must_use]
    pub fn new() -> Self {
        Self::with_variables(|name| std::env::var_os(name))
    }

    /// The same, with `EVENTHIVE_CONFIG` and `EVENTHIVE_SECRET` looked up by `lookup`.
    pub fn with_variables(lookup: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static) -> Self {
        Self {
            tree: merge(defaults(), empty_sections()),
            documents: Documents::default(),
            problems: Vec::new(),
            warnings: Vec::new(),
            secrets: Vec::new(),
            env: Box::new(lookup),
        }
    }

    /// Reads what the original reads when it is imported: the file, then `EVENTHIVE_SECRET`.
    ///
    /// The file is the one named by `EVENTHIVE_CONFIG` (empty: none), or else `eventhive.yaml` in the working directory
    /// if there is one. Unlike the original, a file that the variable names and that is not there is an error: whoever
    /// sets the variable wants that file.
    ///
    /// `EVENTHIVE_SECRET` is a list of `CONNECTOR:SECRET`, separated by spaces and split at the first colon. A secret
    /// of it holds for connectors that are configured before and after; one that a later document sets replaces it.
    pub fn read_environment(&mut self) -> &mut Self {
        match (self.env)("EVENTHIVE_CONFIG") {
            Some(name) if name.is_empty() => {}
            Some(name) => {
                self.read_file_as(Path::new(&name), " (named by EVENTHIVE_CONFIG)");
            }
            None if Path::new(DEFAULT_FILE).exists() => {
                self.read_file(DEFAULT_FILE);
            }
            None => {}
        }
        self.read_environment_secrets()
    }

    /// Reads `EVENTHIVE_SECRET` alone, for those who name their files themselves.
    pub fn read_environment_secrets(&mut self) -> &mut Self {
        if let Some(list) = (self.env)("EVENTHIVE_SECRET") {
            self.read_secrets(&list);
        }
        self
    }

    /// Reads a file of YAML.
    pub fn read_file(&mut self, path: impl AsRef<Path>) -> &mut Self {
        self.read_file_as(path.as_ref(), "")
    }

    fn read_file_as(&mut self, path: &Path, why: &str) -> &mut Self {
        match text_of(path, why) {
            Ok(text) => self.read_named(path.display().to_string(), &text),
            Err(message) => self.refuse(message),
        }
    }

    /// Reads the configuration of a PyPubSub server, and makes it a server of ours by the name `pypubsub`. Its access list is
    /// only named here: the server reads it when it starts. Relative files are taken from the working directory, as PyPubSub
    /// does.
    #[cfg(feature = "http")]
    pub fn read_pypubsub(&mut self, path: &Path, acl: Option<&Path>) -> &mut Self {
        let text = match text_of(path, "") {
            Ok(text) => text,
            Err(message) => return self.refuse(message),
        };
        let document = self.documents.add(path.display().to_string(), &text);
        let node = match eventhive_yaml::read(document, &text) {
            Ok(node) => node.unwrap_or_else(empty),
            Err(problems) => {
                self.problems.extend(problems);
                return self;
            }
        };
        let translated = super::pypubsub::translate(&node, acl);
        self.problems.extend(translated.problems);
        self.warnings.extend(translated.warnings);
        if let Some(tree) = translated.tree {
            let base = std::mem::replace(&mut self.tree, empty());
            self.tree = merge(base, tree);
        }
        self
    }

    /// Reads text; messages call it `<text>`.
    pub fn read_string(&mut self, text: &str) -> &mut Self {
        self.read_named("<text>", text)
    }

    /// Reads text that messages call `name`.
    pub fn read_named(&mut self, name: impl Into<String>, text: &str) -> &mut Self {
        let document = self.documents.add(name, text);
        match eventhive_yaml::read(document, text) {
            Ok(None) => {}
            Ok(Some(node)) if matches!(node.value, Value::Map(_)) => {
                let base = std::mem::replace(&mut self.tree, empty());
                self.tree = merge(merge(base, defaults()), node);
            }
            Ok(Some(node)) => {
                let message =
                    format!("expected a mapping with `connectors:` or `servers:`, found {}", node.value.describe());
                self.problems.push(Problem { at: node.at, path: String::new(), message });
            }
            Err(problems) => self.problems.extend(problems),
        }
        self
    }

    fn read_secrets(&mut self, list: &OsStr) {
        let Some(list) = list.to_str() else {
            self.refuse("EVENTHIVE_SECRET is not UTF-8".to_owned());
            return;
        };
        for (number, item) in list.split_whitespace().enumerate() {
            match item.split_once(':') {
                Some((connector, secret)) => self.secrets.push(EnvironmentSecret {
                    connector: connector.to_owned(),
                    secret: Zeroizing::new(secret.to_owned()),
                    documents: self.documents.count(),
                }),
                None => {
                    let number = number + 1;
                    self.refuse(format!("EVENTHIVE_SECRET: item {number} has no colon: write CONNECTOR:SECRET"));
                }
            }
        }
    }

    fn refuse(&mut self, message: String) -> &mut Self {
        self.problems.push(Problem { at: Position::default(), path: String::new(), message });
        self
    }

    /// Whether nothing has been read, with or without success, apart from `EVENTHIVE_SECRET`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.documents.count() == 0 && self.problems.is_empty()
    }

    /// The names of the files and texts that were read, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.documents.names()
    }

    /// The merged tree as it stands, secrets included.
    #[must_use]
    pub const fn tree(&self) -> &Node {
        &self.tree
    }

    /// Checks everything, and makes it typed.
    ///
    /// # Errors
    /// Every problem of reading and of meaning, each with its place and the fix.
    pub fn resolve(&self, kinds: &Kinds) -> Result<Config, ConfigError> {
        resolve::resolve(self, kinds)
    }
}

impl Default for Sources {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("problems", &self.problems).finish_non_exhaustive()
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        wipe(&mut self.tree, false);
    }
}

/// A file's text, or why there is none.
fn text_of(path: &Path, why: &str) -> Result<Zeroizing<String>, String> {
    let name = path.display();
    match std::fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => Ok(Zeroizing::new(text)),
        Ok(Err(_)) => Err(format!("`{name}`{why} is not UTF-8: save it as UTF-8")),
        Err(error) => Err(format!("cannot read `{name}`{why}: {error}")),
    }
}

/// Overwrites the texts below every key that sounds like a secret.
fn wipe(node: &mut Node, secret: bool) {
    match &mut node.value {
        Value::Text(text) if secret => text.zeroize(),
        Value::List(items) => items.iter_mut().for_each(|item| wipe(item, secret)),
        Value::Map(entries) => {
            for entry in entries {
                let secret = secret || mask::sounds_secret(&entry.key);
                wipe(&mut entry.node, secret);
            }
        }
        _ => {}
    }
}

fn empty() -> Node {
    Node { value: Value::Map(Vec::new()), at: Position::default() }
}

fn map(entries: impl Iterator<Item = (&'static str, Value)>) -> Node {
    let at = Position::default();
    let entry = |(key, value): (&str, Value)| Entry { key: key.to_owned(), key_at: at, node: Node { value, at } };
    Node { value: Value::Map(entries.map(entry).collect()), at }
}

/// The keys of `eventhive` that every document resets, as in the original. Those that are ours stay.
const RESET: &[&str] = &["metadata_key", "remove_metadata", "channel_separator"];

fn defaults() -> Node {
    let settings = eventhive_transport::Settings::defaults("eventhive", tables::HIVE);
    let value = |name: &str| settings.as_ref().ok()?.get(name).map(|node| node.value.clone());
    let hive = map(RESET.iter().filter_map(|name| Some((*name, value(name)?))));
    map([("eventhive", hive.value)].into_iter())
}

fn empty_sections() -> Node {
    let sections = tables::TOP.iter().map(|(name, _)| *name);
    map(sections
        .filter(|name| entries(&defaults()).iter().all(|entry| entry.key != *name))
        .map(|name| (name, empty().value)))
}
