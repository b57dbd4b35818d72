//! Settings: a located tree of values, and the tables of keys that check it.
//!
//! A configuration is read into a [`Node`], where each value knows its line and column. A component declares its keys
//! as a table of [`Key`]; [`Settings::check`] reports every problem at once, with the place and the fix, and fills in the
//! defaults. The same table makes the JSON Schema and the reference.

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

/// Where a value stands. Lines and columns count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// Which of the documents that were read; 0 is the first.
    pub document: u32,
    /// Line, from 1; 0 means that the value stands in no file (a default, an environment variable, a test).
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it stands.
    pub at: Position,
}

/// A value as YAML 1.1 reads it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`, `~`, or nothing.
    Null,
    /// `true`, `yes`, `on` and their opposites.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping with text keys, in the order of the file.
    Map(Vec<Entry>),
}

/// One key of a mapping with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_at: Position,
    /// What it has.
    pub node: Node,
}

/// Something wrong with a configuration: what, where, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub at: Position,
    /// The key's path, such as `connectors.my-hive.init.port`.
    pub path: String,
    /// What is wrong, and the fix. Never has a secret's text.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

/// One key of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Key {
    /// The key's name. Units are in it: `_secs`, `_bytes`.
    pub name: &'static str,
    /// What it takes.
    pub kind: KeyKind,
    /// Its default as YAML, for the schema and the reference; `None` if there is none.
    pub default: Option<&'static str>,
    /// Whether it must be there.
    pub required: bool,
    /// One sentence for people.
    pub help: &'static str,
}

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum KeyKind {
    /// Text. A number or boolean must be quoted.
    Text,
    /// Text that is a secret: never printed.
    Secret,
    /// One secret or a list of them; see [`Settings::secrets`].
    Secrets,
    /// `true`, `yes`, `on` and their opposites.
    Bool,
    /// A whole number in this range. Digits in quotes are taken too, as the original takes them.
    Integer {
        /// The least.
        min: i64,
        /// The most.
        max: i64,
    },
    /// A time in seconds, whole or not, from `min` on.
    Seconds {
        /// The least.
        min: f64,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A mapping that the component checks itself.
    Map,
    /// A mapping with keys of its own; see [`Settings::table`].
    Table(&'static [Key]),
    /// A mapping from names of the user's choice to mappings with the keys of this table; see [`Settings::named`].
    Named(&'static [Key]),
    /// Anything; kept as it is.
    Any,
}

/// A TCP or UDP port to listen on; 0 is a free one.
pub const PORT: KeyKind = KeyKind::Integer { min: 0, max: 65_535 };

/// A TCP or UDP port to connect to.
pub const REMOTE_PORT: KeyKind = KeyKind::Integer { min: 1, max: 65_535 };

impl Key {
    /// A key that may be left out and has no default.
    #[must_use]
    pub const fn optional(name: &'static str, kind: KeyKind, help: &'static str) -> Self {
        Self { name, kind, default: None, required: false, help }
    }

    /// A key that must be there.
    #[must_use]
    pub const fn required(name: &'static str, kind: KeyKind, help: &'static str) -> Self {
        Self { name, kind, default: None, required: true, help }
    }

    /// A key with a default, given as it would stand in YAML.
    #[must_use]
    pub const fn with_default(name: &'static str, kind: KeyKind, default: &'static str, help: &'static str) -> Self {
        Self { name, kind, default: Some(default), required: false, help }
    }
}

/// Settings that passed their table: every key known, every value of the kind it should be, defaults filled in.
///
/// Its `Debug` shows the path and the keys, not the values: some are secrets, and some have secrets inside.
#[derive(Clone)]
pub struct Settings {
    path: String,
    at: Position,
    entries: Vec<Entry>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.entries.iter().map(|entry| entry.key.as_str()).collect();
        f.debug_struct("Settings").field("path", &self.path).field("keys", &keys).finish_non_exhaustive()
    }
}

impl Settings {
    /// Checks `node`, which stands at `path`, against `table`. A null node counts as an empty mapping.
    ///
    /// # Errors
    /// Every problem found; none is left for a second run.
    pub fn check(path: &str, node: &Node, table: &[Key]) -> Result<Self, Vec<Problem>> {
        let given = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null => &[],
            other => {
                let message = format!("expected a mapping, found {}", other.describe());
                return Err(vec![Problem { at: node.at, path: path.to_owned(), message }]);
            }
        };
        let mut problems = Vec::new();
        let mut entries = Vec::new();
        for entry in given {
            let place = format!("{path}.{}", entry.key);
            match table.iter().find(|key| key.name == entry.key) {
                None => problems.push(unknown_key(entry.key_at, place, &entry.key, table.iter().map(|key| key.name))),
                Some(key) => match read(&entry.node, key.kind, place) {
                    Ok(value) => entries.push(Entry { node: Node { value, at: entry.node.at }, ..entry.clone() }),
                    Err(found) => problems.extend(found),
                },
            }
        }
        for key in table {
            if given.iter().any(|entry| entry.key == key.name) {
                continue;
            }
            if key.required {
                let message = format!("`{}` is missing: {}", key.name, key.help);
                problems.push(Problem { at: node.at, path: path.to_owned(), message });
            } else if let Some(value) = key.default.and_then(|text| default_value(text, key.kind)) {
                let node = Node { value, at: Position::default() };
                entries.push(Entry { key: key.name.to_owned(), key_at: Position::default(), node });
            }
        }
        if problems.is_empty() { Ok(Self { path: path.to_owned(), at: node.at, entries }) } else { Err(problems) }
    }

    /// Settings with nothing but the table's defaults, for embedded use and tests.
    ///
    /// # Errors
    /// If a key is required.
    pub fn defaults(path: &str, table: &[Key]) -> Result<Self, Vec<Problem>> {
        Self::check(path, &Node { value: Value::Null, at: Position::default() }, table)
    }

    /// The path of these settings in the configuration.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The value of a key: given, or its default.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entries.iter().find(|entry| entry.key == name).map(|entry| &entry.node)
    }

    /// A text key's value.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match &self.get(name)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A boolean key's value; `false` if there is none.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Node { value: Value::Bool(true), .. }))
    }

    /// A whole number.
    #[must_use]
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.get(name)?.value {
            Value::Integer(number) => Some(number),
            _ => None,
        }
    }

    /// A whole number of things or bytes; `None` also if it is negative.
    #[must_use]
    pub fn size(&self, name: &str) -> Option<usize> {
        self.integer(name).and_then(|number| usize::try_from(number).ok())
    }

    /// A time.
    #[must_use]
    pub fn seconds(&self, name: &str) -> Option<Duration> {
        let seconds = match self.get(name)?.value {
            #[expect(clippy::cast_precision_loss, reason = "a time of more than 2^53 seconds is as good as for ever")]
            Value::Integer(number) => number as f64,
            Value::Float(number) => number,
            _ => return None,
        };
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// A list of texts; empty if there is none.
    #[must_use]
    pub fn texts(&self, name: &str) -> Vec<&str> {
        let Some(Node { value: Value::List(items), .. }) = self.get(name) else { return Vec::new() };
        items
            .iter()
            .filter_map(|item| if let Value::Text(text) = &item.value { Some(text.as_str()) } else { None })
            .collect()
    }

    /// The settings of a [`KeyKind::Table`] key; `None` if it is not there.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<Self> {
        let Node { value: Value::Map(entries), at } = self.get(name)? else { return None };
        Some(Self { path: format!("{}.{name}", self.path), at: *at, entries: entries.clone() })
    }

    /// The secrets of a [`KeyKind::Secrets`] key, fetched from where they are kept; empty if the key is not there. Their
    /// memory is zeroed when they go.
    ///
    /// # Errors
    /// As [`secrets`](crate::secret::secrets).
    pub fn secrets(&self, name: &str) -> Result<Vec<Zeroizing<String>>, Vec<Problem>> {
        let path = format!("{}.{name}", self.path);
        self.get(name).map_or_else(|| Ok(Vec::new()), |node| crate::secret::secrets(node, &path))
    }

    /// The settings of a [`KeyKind::Named`] key with their names, in the order of the file; none if the key is not there.
    pub fn named(&self, name: &str) -> impl Iterator<Item = (&str, Self)> {
        let entries: &[Entry] = match self.get(name) {
            Some(Node { value: Value::Map(entries), .. }) => entries,
            _ => &[],
        };
        entries.iter().filter_map(move |entry| {
            let Value::Map(own) = &entry.node.value else { return None };
            let path = format!("{}.{name}.{}", self.path, entry.key);
            Some((entry.key.as_str(), Self { path, at: entry.node.at, entries: own.clone() }))
        })
    }

    /// A problem with the value of `name`, placed where it stands.
    #[must_use]
    pub fn problem(&self, name: &str, message: impl Into<String>) -> Problem {
        let at = self.get(name).map_or(self.at, |node| node.at);
        Problem { at, path: format!("{}.{name}", self.path), message: message.into() }
    }

    /// A problem with these settings as a whole.
    #[must_use]
    pub fn problem_here(&self, message: impl Into<String>) -> Problem {
        Problem { at: self.at, path: self.path.clone(), message: message.into() }
    }
}

/// The problem of a key that nothing knows, with the nearest that is known.
#[must_use]
pub fn unknown_key<'a>(at: Position, path: String, key: &str, known: impl Iterator<Item = &'a str> + Clone) -> Problem {
    let message = match nearest(key, known.clone()) {
        Some(near) => format!("unknown key `{key}`: did you mean `{near}`?"),
        None => format!("unknown key `{key}`: known here are {}", known.collect::<Vec<_>>().join(", ")),
    };
    Problem { at, path, message }
}

/// The word nearest to `wanted`, if any is near enough to be a slip.
#[must_use]
pub fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|word| (strsim::jaro_winkler(wanted, word), word))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, word)| word)
}

impl Value {
    /// What kind of value it is, for messages. Never the value: it may be a secret.
    #[must_use]
    pub const fn describe(&self) -> &'static str {
        match self {
            Self::Null => "nothing (null)",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// The value of a key at `path`, as its kind says.
fn read(node: &Node, kind: KeyKind, path: String) -> Result<Value, Vec<Problem>> {
    let problem = |message| vec![Problem { at: node.at, path: path.clone(), message }];
    let table = match kind {
        KeyKind::Table(keys) => return Settings::check(&path, node, keys).map(|inner| Value::Map(inner.entries)),
        KeyKind::Named(keys) => keys,
        _ => return coerce(node, kind).map_err(problem),
    };
    let Value::Map(given) = &node.value else {
        return Err(problem(format!("expected a mapping of names, found {}", node.value.describe())));
    };
    let (mut entries, mut problems) = (Vec::with_capacity(given.len()), Vec::new());
    for entry in given {
        match Settings::check(&format!("{path}.{}", entry.key), &entry.node, table) {
            Ok(Settings { at, entries: own, .. }) => {
                entries.push(Entry { node: Node { value: Value::Map(own), at }, ..entry.clone() });
            }
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(Value::Map(entries)) } else { Err(problems) }
}

fn coerce(node: &Node, kind: KeyKind) -> Result<Value, String> {
    let value = &node.value;
    let found = value.describe();
    match (kind, value) {
        (KeyKind::Any, _)
        | (KeyKind::Text | KeyKind::Secret, Value::Text(_))
        | (KeyKind::Bool, Value::Bool(_))
        | (KeyKind::Map, Value::Map(_)) => Ok(value.clone()),
        (KeyKind::Text | KeyKind::Secret, Value::Bool(_) | Value::Integer(_) | Value::Float(_)) => {
            Err(format!("expected text, found {found}: put it in quotes"))
        }
        (KeyKind::Text | KeyKind::Secret, _) => Err(format!("expected text, found {found}")),
        (KeyKind::Bool, _) => Err(format!("expected true or false, found {found}")),
        (KeyKind::Integer { min, max }, _) => whole_number(value, min, max),
        (KeyKind::Seconds { min }, _) => seconds(value, min),
        (KeyKind::Choice(words), Value::Text(word)) if words.contains(&word.as_str()) => Ok(value.clone()),
        (KeyKind::Choice(words), Value::Text(word)) => Err(match nearest(word, words.iter().copied()) {
            Some(near) => format!("`{word}` is not one of {}: did you mean `{near}`?", words.join(", ")),
            None => format!("`{word}` is not one of {}", words.join(", ")),
        }),
        (KeyKind::Choice(words), _) => Err(format!("expected one of {}, found {found}", words.join(", "))),
        (KeyKind::Texts | KeyKind::Secrets, Value::List(items))
            if items.iter().all(|item| matches!(item.value, Value::Text(_))) =>
        {
            Ok(value.clone())
        }
        (KeyKind::Texts | KeyKind::Secrets, Value::Text(_)) => Ok(Value::List(vec![node.clone()])),
        (KeyKind::Texts | KeyKind::Secrets, _) => Err(format!("expected a list of texts, found {found}")),
        // Tables are checked key by key before this.
        (KeyKind::Map | KeyKind::Table(_) | KeyKind::Named(_), _) => Err(format!("expected a mapping, found {found}")),
    }
}

fn whole_number(value: &Value, min: i64, max: i64) -> Result<Value, String> {
    let number = match value {
        Value::Integer(number) => Some(*number),
        Value::Text(digits) => digits.parse().ok(),
        _ => None,
    };
    match number {
        Some(number) if (min..=max).contains(&number) => Ok(Value::Integer(number)),
        Some(number) => Err(format!("{number} is out of range: use {min} to {max}")),
        None => Err(format!("expected a whole number from {min} to {max}, found {}", value.describe())),
    }
}

fn seconds(value: &Value, min: f64) -> Result<Value, String> {
    #[expect(clippy::cast_precision_loss, reason = "a time of more than 2^53 seconds is as good as for ever")]
    let number = match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    };
    match number {
        Some(number) if number >= min && number.is_finite() => Ok(value.clone()),
        Some(number) => Err(format!("{number} seconds is out of range: use {min} or more")),
        None => Err(format!("expected a number of seconds, found {}", value.describe())),
    }
}

/// A table's default, read as its kind says.
fn default_value(text: &str, kind: KeyKind) -> Option<Value> {
    match kind {
        KeyKind::Bool => text.parse().ok().map(Value::Bool),
        KeyKind::Integer { .. } => text.parse().ok().map(Value::Integer),
        KeyKind::Seconds { .. } => text.parse().ok().map(Value::Float),
        KeyKind::Text | KeyKind::Secret | KeyKind::Choice(_) => Some(Value::Text(text.to_owned())),
        KeyKind::Texts | KeyKind::Secrets | KeyKind::Map | KeyKind::Table(_) | KeyKind::Named(_) | KeyKind::Any => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Key] = &[
        Key::required("host", KeyKind::Text, "the address to listen on"),
        Key::with_default("port", PORT, "8085", "the port"),
        Key::with_default("overflow", KeyKind::Choice(crate::Overflow::WORDS), "disconnect", "what a full queue does"),
        Key::with_default("idle_secs", KeyKind::Seconds { min: 0.0 }, "20", "how long"),
    ];

    fn map(entries: Vec<(&str, Value)>) -> Node {
        let entry = |(key, value): (&str, Value)| Entry {
            key: key.to_owned(),
            key_at: Position::default(),
            node: Node { value, at: Position::default() },
        };
        Node { value: Value::Map(entries.into_iter().map(entry).collect()), at: Position::default() }
    }

    #[test]
    fn debug_shows_the_keys_and_no_value() {
        let table = [Key::optional("token", KeyKind::Secrets, "who we are")];
        let given = vec![("token", Value::Text("hunter2".into()))];
        let settings = Settings::check("connectors.hive.init", &map(given), &table).unwrap();
        let shown = format!("{settings:?} {settings:#?}");
        assert!(shown.contains("connectors.hive.init") && shown.contains("token"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn all_problems_are_reported_at_once_with_the_fix() {
        let node = map(vec![
            ("prot", Value::Integer(1)),
            ("overflow", Value::Text("disconect".into())),
            ("idle_secs", Value::Float(-1.0)),
        ]);
        let texts: Vec<String> =
            Settings::check("servers.a.init", &node, TABLE).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "servers.a.init.prot: unknown key `prot`: did you mean `port`?",
                "servers.a.init.overflow: `disconect` is not one of block, drop_oldest, drop_newest, disconnect: did you mean `disconnect`?",
                "servers.a.init.idle_secs: -1 seconds is out of range: use 0 or more",
                "servers.a.init: `host` is missing: the address to listen on",
            ]
        );
    }

    #[test]
    fn a_table_within_a_table_is_checked_in_its_place_and_has_its_own_defaults() {
        let outer = [Key::optional("inner", KeyKind::Table(TABLE), "a table")];
        let given = |entries| map(vec![("inner", map(entries).value)]);
        let problems = Settings::check("servers.a", &given(vec![("prot", Value::Integer(1))]), &outer).unwrap_err();
        assert_eq!(problems[0].path, "servers.a.inner.prot");
        assert_eq!(problems[1].to_string(), "servers.a.inner: `host` is missing: the address to listen on");
        let settings = Settings::check("servers.a", &given(vec![("host", Value::Text("x".into()))]), &outer).unwrap();
        let inner = settings.table("inner").unwrap();
        assert_eq!(
            (inner.path(), inner.text("host"), inner.integer("port")),
            ("servers.a.inner", Some("x"), Some(8085))
        );
        assert!(Settings::defaults("servers.a", &outer).unwrap().table("inner").is_none());
    }

    #[test]
    fn named_settings_are_checked_each_by_their_table_and_problems_tell_the_name() {
        let outer = [Key::optional("listeners", KeyKind::Named(TABLE), "where to listen")];
        let host = |text: &str| map(vec![("host", Value::Text(text.into()))]).value;
        let check = |inner| Settings::check("x", &map(vec![("listeners", inner)]), &outer);

        let settings = check(map(vec![("one", host("::1")), ("two", host("::2"))]).value).unwrap();
        let read: Vec<_> = settings
            .named("listeners")
            .map(|(name, own)| (name, own.path().to_owned(), own.text("host").map(str::to_owned), own.integer("port")))
            .collect();
        let expected = |name, host: &str| (name, format!("x.listeners.{name}"), Some(host.to_owned()), Some(8085));
        assert_eq!(read, [expected("one", "::1"), expected("two", "::2")]);
        assert_eq!(settings.named("others").count(), 0);

        let wrong = map(vec![("one", Value::Null), ("two", Value::Text("::".into()))]);
        let texts = |inner| check(inner).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>();
        let missing = "x.listeners.one: `host` is missing: the address to listen on";
        assert_eq!(texts(wrong.value), [missing, "x.listeners.two: expected a mapping, found text"]);
        assert_eq!(texts(Value::Bool(true)), ["x.listeners: expected a mapping of names, found a boolean"]);
    }

    #[test]
    fn defaults_are_filled_in_and_digits_in_quotes_are_a_number() {
        let settings = Settings::check(
            "x",
            &map(vec![("host", Value::Text("::".into())), ("port", Value::Text("81".into()))]),
            TABLE,
        )
        .unwrap();
        assert_eq!(settings.integer("port"), Some(81));
        assert_eq!(settings.text("overflow"), Some("disconnect"));
        assert_eq!(settings.seconds("idle_secs"), Some(Duration::from_secs(20)));
    }
}
