//! The backlog in a configuration: a `backlog:` block under a server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use eventhive_transport::settings::Value;
use eventhive_transport::{Key, KeyKind, Problem, Settings};

use crate::disk::{self, OpenError};
use crate::{Backlog, BacklogBounds, DiskBacklog, DiskSettings, MemoryBacklog};

const COUNT: KeyKind = KeyKind::Integer { min: 0, max: i64::MAX };

/// The keys of a `backlog:` block.
pub const BACKLOG_KEYS: &[Key] = &[
    Key::optional(
        "path",
        KeyKind::Text,
        "Folder of the backlog on disk, which survives a restart; each server needs its own. Without it the backlog is in memory.",
    ),
    Key::with_default(
        "durable",
        KeyKind::Bool,
        "false",
        "Answer a publish only when it is safe on the disk, so that not even a power failure loses what was answered. Needs \
         `path`.",
    ),
    Key::optional(
        "max_messages",
        COUNT,
        "Messages that are kept; 0 keeps none. Without it, as many as the other bounds let; in memory 10000.",
    ),
    Key::optional("max_bytes", COUNT, "Bytes that are kept; without it 1 GiB on disk, 16 MiB in memory."),
    Key::optional(
        "max_age",
        KeyKind::Any,
        "Age that is kept: a number with a unit, such as `45s`, `30m`, `12h` or `7d`, or a number of seconds; 0 is no \
         bound. Without it, no bound on disk, an hour in memory.",
    ),
    Key::optional(
        "import_pypubsub",
        KeyKind::Text,
        "The backlog file of a PyPubSub (its `storage`), taken over once: when the backlog has never had an event. Needs \
         `path`.",
    ),
];

/// A `backlog:` block that passed its table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BacklogSettings {
    /// The folder; `None` is in memory.
    pub path: Option<PathBuf>,
    /// Whether publishers are answered only when their message is safe.
    pub durable: bool,
    /// Messages that are kept; `None` is the default of the kind.
    pub max_messages: Option<u64>,
    /// Bytes that are kept; `None` is the default of the kind.
    pub max_bytes: Option<u64>,
    /// Age that is kept: `None` is the default of the kind, `Some(None)` no bound.
    pub max_age: Option<Option<Duration>>,
    /// A backlog file of PyPubSub, for a log that is new.
    pub import_pypubsub: Option<PathBuf>,
}

impl BacklogSettings {
    /// From settings that passed [`BACKLOG_KEYS`].
    ///
    /// # Errors
    /// Every problem that the table cannot see.
    pub fn from_settings(settings: &Settings) -> Result<Self, Vec<Problem>> {
        let place = |name| settings.text(name).map(PathBuf::from);
        let number = |name| settings.integer(name).and_then(|number| u64::try_from(number).ok());
        let (path, import_pypubsub) = (place("path"), place("import_pypubsub"));
        let mut problems = misplaced(settings);
        let max_age = settings.get("max_age").map(|node| match &node.value {
            Value::Null => Ok(None),
            Value::Text(text) => parse_age(text),
            _ => settings.seconds("max_age").map(bound).ok_or_else(age_problem),
        });
        let max_age = max_age.transpose().unwrap_or_else(|message| {
            problems.push(settings.problem("max_age", message));
            None
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        let (max_messages, max_bytes) = (number("max_messages"), number("max_bytes"));
        let durable = settings.flag("durable");
        Ok(Self { path, durable, max_messages, max_bytes, max_age, import_pypubsub })
    }

    /// The backlog. Blocks for a backlog on disk, while its newest file is read or another backlog is taken over.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self) -> Result<Arc<dyn Backlog>, OpenError> {
        Ok(match (self.disk(), &self.import_pypubsub) {
            (Some(disk), Some(file)) => Arc::new(DiskBacklog::open_with_pypubsub(disk, file)?),
            (Some(disk), None) => Arc::new(DiskBacklog::open(disk)?),
            (None, _) => Arc::new(MemoryBacklog::new(self.memory())),
        })
    }

    /// What would keep it from being opened, as far as that can be seen without doing so: the key, and what is wrong. A file
    /// may be made and removed in the folder, or in the one in which that would be made.
    #[must_use]
    pub fn check(&self) -> Vec<(&'static str, String)> {
        let Some(folder) = &self.path else { return Vec::new() };
        let unwritable = disk::check_folder(folder).map_err(|error| (error.key(), error.to_string()));
        let unreadable = match &self.import_pypubsub {
            Some(file) if unwritable.is_ok() => disk::check_import(folder, file),
            _ => Ok(()),
        };
        let unreadable = unreadable.map_err(|error| (error.key(), error.to_string()));
        unwritable.err().into_iter().chain(unreadable.err()).collect()
    }

    /// What a backlog on disk is opened with; `None` if it is in memory.
    #[must_use]
    pub fn disk(&self) -> Option<DiskSettings> {
        let standard = DiskSettings::new(self.path.clone()?);
        Some(DiskSettings {
            durable: self.durable,
            max_messages: self.max_messages.unwrap_or(standard.max_messages),
            max_bytes: self.max_bytes.unwrap_or(standard.max_bytes),
            max_age: self.max_age.unwrap_or(standard.max_age),
            ..standard
        })
    }

    /// The bounds of a backlog in memory.
    #[must_use]
    pub fn memory(&self) -> BacklogBounds {
        let standard = BacklogBounds::default();
        let size = |given: Option<u64>, or| given.map_or(or, |given| usize::try_from(given).unwrap_or(usize::MAX));
        BacklogBounds {
            messages: size(self.max_messages, standard.messages),
            bytes: size(self.max_bytes, standard.bytes),
            age: self.max_age.unwrap_or(standard.age),
        }
    }
}

/// What only a backlog on disk can have, and paths that are none.
fn misplaced(settings: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    if settings.text("path").is_none() {
        if settings.flag("durable") {
            let message = "a backlog in memory cannot be durable: give it a `path` on a disk";
            problems.push(settings.problem("durable", message));
        }
        if settings.text("import_pypubsub").is_some() {
            let message = "a backlog in memory takes no file over: give it a `path` on a disk";
            problems.push(settings.problem("import_pypubsub", message));
        }
    }
    for (name, what) in [("path", "folder"), ("import_pypubsub", "file")] {
        if settings.text(name).is_some_and(|path| path.trim().is_empty()) {
            problems.push(settings.problem(name, format!("the path is empty: name a {what}, or leave `{name}` out")));
        }
    }
    problems
}

/// An age in PyPubSub's form: a whole number and `s`, `m`, `h` or `d` in either case, blanks tolerated; a number alone is
/// seconds. 0 is no bound, which is `None`.
///
/// # Errors
/// What is expected, for people.
pub fn parse_age(text: &str) -> Result<Option<Duration>, String> {
    let text: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    let digits = text.trim_end_matches(|character: char| !character.is_ascii_digit());
    let unit = match text.get(digits.len()..).unwrap_or_default() {
        "" | "s" | "S" => 1,
        "m" | "M" => 60,
        "h" | "H" => 3600,
        "d" | "D" => 86_400,
        _ => return Err(age_problem()),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(age_problem());
    }
    let seconds = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(age_problem)?;
    Ok(bound(Duration::from_secs(seconds)))
}

fn bound(age: Duration) -> Option<Duration> {
    (!age.is_zero()).then_some(age)
}

fn age_problem() -> String {
    "expected an age: a whole number with `s`, `m`, `h` or `d`, such as `12h`, or a number of seconds".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use eventhive_transport::settings::{Entry, Node, Position};

    fn read(entries: &[(&str, Value)]) -> Result<BacklogSettings, Vec<String>> {
        let at = Position::default();
        let entry = |(key, value): &(&str, Value)| Entry {
            key: (*key).to_owned(),
            key_at: at,
            node: Node { value: value.clone(), at },
        };
        let node = Node { value: Value::Map(entries.iter().map(entry).collect()), at };
        let words = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
        let settings = Settings::check("servers.x.backlog", &node, BACKLOG_KEYS).map_err(words)?;
        BacklogSettings::from_settings(&settings).map_err(words)
    }

    /// PyPubSub's readings (`backlog_max_age` of its vectors), but for those by which it would fail later.
    #[test]
    fn an_age_is_read_as_pypubsub_reads_it_and_what_it_cannot_use_is_refused() {
        let fine =
            [("45s", 45), ("30m", 1800), ("12h", 43_200), ("7d", 604_800), ("48H", 172_800), (" 5 m", 300), ("45", 45)];
        for (text, seconds) in fine {
            assert_eq!(parse_age(text), Ok(Some(Duration::from_secs(seconds))), "{text}");
        }
        for none in ["0", "0d"] {
            assert_eq!(parse_age(none), Ok(None), "{none}");
        }
        for bad in ["", "h", "1.5h", "10ms", "1h30m", "-5s", "5w", "99999999999999999999d", "9999999999999999999d"] {
            assert!(parse_age(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_block_without_a_path_is_in_memory_and_one_with_a_path_on_disk() {
        let nothing = read(&[]).unwrap();
        assert_eq!((nothing.disk(), nothing.memory()), (None, BacklogBounds::default()));
        let given = read(&[
            ("path", Value::Text("log".to_owned())),
            ("durable", Value::Bool(true)),
            ("max_messages", Value::Integer(5)),
            ("max_bytes", Value::Integer(6)),
            ("max_age", Value::Text("7d".to_owned())),
            ("import_pypubsub", Value::Text("/old/backlog".to_owned())),
        ])
        .unwrap();
        assert_eq!(given.import_pypubsub, Some(PathBuf::from("/old/backlog")));
        let age = Some(Duration::from_secs(604_800));
        let path = PathBuf::from("log");
        let disk = DiskSettings { path, durable: true, max_messages: 5, max_bytes: 6, max_age: age };
        assert_eq!(given.disk(), Some(disk));
        let memory = read(&[("max_age", Value::Integer(0)), ("max_messages", Value::Integer(0))]).unwrap().memory();
        assert_eq!((memory.age, memory.messages), (None, 0));
        assert_eq!(read(&[("max_age", Value::Float(2.5))]).unwrap().memory().age, Some(Duration::from_millis(2500)));
    }

    #[test]
    fn every_problem_is_told_with_its_place_and_the_fix() {
        let problems =
            read(&[("durable", Value::Bool(true)), ("max_age", Value::Text("1h30m".to_owned()))]).unwrap_err();
        assert!(
            problems[0].starts_with("servers.x.backlog.durable: a backlog in memory cannot be durable"),
            "{problems:?}"
        );
        assert!(problems[1].starts_with("servers.x.backlog.max_age: expected an age"), "{problems:?}");
        assert!(read(&[("max_age", Value::Integer(-5))]).is_err());
        assert!(read(&[("max_age", Value::Bool(true))]).is_err());
        assert!(read(&[("size", Value::Integer(1))]).unwrap_err()[0].contains("unknown key `size`"));
    }
}
