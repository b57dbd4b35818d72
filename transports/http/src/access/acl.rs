//! The access list: users, what they may see, what they may publish. PyPubSub's file, unchanged.
//!
//! ```yaml
//! testuser:
//!   password: foobar
//!   acl:
//!     segment1: [git, privaterepo.git]
//!     segment2: []
//!   topics: [bread]
//! ```
//!
//! A user whose `acl` is not a mapping of lists has no rights at all, as in the original; a warning says so. A password
//! that is no text, such as a number without quotes, never fits.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use eventhive_transport::settings::{Entry, Node, Value};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Credentials;
use crate::wire::topics::topics_of;

/// Why an access list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AclError {
    /// The file cannot be read.
    #[error("cannot read the access list `{}`: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what it should be; the text says where.
    #[error("the access list `{}` is wrong: {what}", path.display())]
    Wrong {
        /// Which file.
        path: PathBuf,
        /// What is wrong and where.
        what: String,
    },
}

/// One user's rights.
#[derive(Clone)]
pub struct User {
    password: Option<Zeroizing<String>>,
    segments: Vec<Vec<String>>,
    topics: Vec<String>,
}

impl User {
    /// Whether a private event of this topic is for the user: for some segment all its topics are among the event's.
    #[must_use]
    pub fn may_see(&self, topic: &str) -> bool {
        let has = |wanted: &String| topics_of(topic).any(|topic| topic == wanted);
        self.segments.iter().any(|segment| segment.iter().all(has))
    }

    /// Whether the user may publish on this secured topic.
    #[must_use]
    pub fn may_publish(&self, topic: &str) -> bool {
        self.topics.iter().any(|own| own == topic)
    }

    /// Takes as long whatever the password, so that its beginning cannot be found out by the clock.
    fn is_proven_by(&self, password: &str) -> bool {
        self.password.as_ref().is_some_and(|own| bool::from(own.as_bytes().ct_eq(password.as_bytes())))
    }
}

type Users = HashMap<String, User>;

/// An access list that follows its file.
pub struct AclFile {
    path: PathBuf,
    users: ArcSwap<Users>,
    watched: Mutex<Watched>,
}

/// The file as it was when it was last looked at.
#[derive(Debug, Default)]
struct Watched {
    read: Option<Version>,
    /// Seen, and when; read when it is still the same a while later, so that nobody is still writing it.
    changed: Option<(Version, Instant)>,
}

type Version = (SystemTime, u64);

/// How long a changed file must have been left alone before it is read.
const SETTLED: Duration = Duration::from_millis(500);

impl fmt::Debug for AclFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Passwords are in it.
        f.debug_struct("AclFile").field("path", &self.path).field("users", &self.users.load().len()).finish()
    }
}

impl AclFile {
    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, or is no access list.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, AclError> {
        let path = path.into();
        let read = version(&path);
        let users = ArcSwap::from_pointee(load(&path)?);
        Ok(Self { path, users, watched: Mutex::new(Watched { read, changed: None }) })
    }

    /// Reads the file again. When something is wrong with it the old list stays in use.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn reload(&self) -> Result<(), AclError> {
        self.users.store(std::sync::Arc::new(load(&self.path)?));
        tracing::info!(file = %self.path.display(), "the access list was read again");
        Ok(())
    }

    /// Reads the file again if it has changed and is no longer being written. Costs one look at the file system.
    pub fn follow(&self, now: Instant) {
        if self.is_to_be_read(version(&self.path), now)
            && let Err(error) = self.reload()
        {
            tracing::error!(%error, "the access list was not replaced; the old one stays in use");
        }
    }

    fn is_to_be_read(&self, seen: Option<Version>, now: Instant) -> bool {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(version) = seen.filter(|version| watched.read != Some(*version)) else { return false };
        match watched.changed {
            Some((known, since)) if known == version => {
                let settled = now.duration_since(since) >= SETTLED;
                if settled {
                    *watched = Watched { read: seen, changed: None };
                }
                settled
            }
            _ => {
                watched.changed = Some((version, now));
                false
            }
        }
    }

    /// Asks the user whose credentials these are; nobody is asked if there is none, or the password is wrong.
    pub fn user(&self, credentials: &Credentials, ask: impl FnOnce(&User) -> bool) -> bool {
        let users = self.users.load();
        users.get(&credentials.user).filter(|user| user.is_proven_by(&credentials.password)).is_some_and(ask)
    }
}

fn version(path: &Path) -> Option<Version> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn load(path: &Path) -> Result<Users, AclError> {
    let text = std::fs::read_to_string(path).map_err(|source| AclError::File { path: path.to_owned(), source })?;
    let text = Zeroizing::new(text);
    parse(&text).map_err(|what| AclError::Wrong { path: path.to_owned(), what })
}

fn parse(text: &str) -> Result<Users, String> {
    let tree = eventhive_yaml::read(0, text).map_err(|problems| {
        let placed = problems.iter().map(|problem| format!("line {}: {}", problem.at.line, problem.message));
        placed.collect::<Vec<_>>().join("; ")
    })?;
    match tree.map(|node| node.value) {
        None => Ok(Users::new()),
        Some(Value::Map(entries)) => Ok(entries.iter().filter_map(user).collect()),
        Some(other) => Err(format!("it has to be a mapping of user names, and is {}", other.describe())),
    }
}

fn user(entry: &Entry) -> Option<(String, User)> {
    let Some(segments) = get(&entry.node, "acl").and_then(segments) else {
        let line = entry.key_at.line;
        tracing::warn!(user = entry.key, line, "`acl` is not a mapping of lists: the user has no rights");
        return None;
    };
    let password = match get(&entry.node, "password").map(|node| &node.value) {
        Some(Value::Text(text)) if !text.is_empty() => Some(Zeroizing::new(text.clone())),
        _ => None,
    };
    let topics = get(&entry.node, "topics").and_then(texts).unwrap_or_default();
    Some((entry.key.clone(), User { password, segments, topics }))
}

/// `None` if it is anything but a mapping of lists. A segment with something other than text in it fits no event.
fn segments(node: &Node) -> Option<Vec<Vec<String>>> {
    let Value::Map(entries) = &node.value else { return None };
    if !entries.iter().all(|entry| matches!(entry.node.value, Value::List(_))) {
        return None;
    }
    Some(entries.iter().filter_map(|entry| texts(&entry.node)).collect())
}

fn texts(node: &Node) -> Option<Vec<String>> {
    let Value::List(items) = &node.value else { return None };
    let text = |item: &Node| if let Value::Text(text) = &item.value { Some(text.clone()) } else { None };
    items.iter().map(text).collect()
}

fn get<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|entry| entry.key == name).map(|entry| &entry.node)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Access, Payloaders};
    use super::*;
    use crate::wire::target;
    use crate::wire::topics::{self, EventPath};

    fn vectors() -> serde_json::Value {
        serde_json::from_str(include_str!("../../tests/vectors/pypubsub.json")).unwrap()
    }

    /// The list of the vectors, in a file that lives as long as what is returned first.
    fn list(text: &str) -> (tempfile::NamedTempFile, Arc<AclFile>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let acl = AclFile::open(file.path()).unwrap();
        (file, Arc::new(acl))
    }

    #[test]
    fn every_row_of_the_vectors_says_who_sees_which_private_event() {
        let all = vectors();
        let (_file, acl) = list(all["_about"]["acl_yaml"].as_str().unwrap());
        let rows = all["private_events"]["rows"].as_array().unwrap();
        assert!(rows.len() > 250);
        let as_testuser = |event: &serde_json::Value, subscription: &serde_json::Value| {
            rows.iter().find(|row| row[0] == "testuser" && row[2] == *subscription && row[3] == *event).unwrap()[4]
                .clone()
        };
        for row in rows {
            let text = |at: usize| row[at].as_str().unwrap();
            let path = target::path_of(text(3)).into_owned();
            let event = EventPath::new(&path);
            let topic = event.topic();
            let credentials = row[1].as_str().and_then(Credentials::read);
            let seen = !event.private
                || credentials.is_some_and(|who| acl.user(&who, |user| user.may_see(topic.as_str().unwrap())));
            let delivered = seen && topics::subscription(&target::path_of(text(2))).matches(&topic);
            // The original knows no `basic`; accepting it takes nothing from anyone.
            let expected = if row[0] == "lower-case scheme" { as_testuser(&row[3], &row[2]) } else { row[4].clone() };
            assert_eq!(expected, delivered, "{row}");
        }
    }

    #[test]
    fn secured_topics_are_for_users_who_have_them_all_and_not_for_payloaders() {
        let (_file, acl) = list(vectors()["_about"]["acl_yaml"].as_str().unwrap());
        let access = Access {
            payloaders: Payloaders::parse(["127.0.0.1"]).unwrap(),
            secure_topics: vec!["bread".into(), "syrup".into()],
            acl: Some(acl),
        };
        let who = |user: &str, password: &str| {
            Some(Credentials { user: user.into(), password: Zeroizing::new(password.into()) })
        };
        let (local, far) = (Some("127.0.0.1".parse().unwrap()), Some("10.0.0.1".parse().unwrap()));
        for (peer, path, credentials, allowed) in [
            (local, "/fruits", None, true),
            (far, "/fruits", who("both", "p:w"), false),
            (None, "/fruits", None, false),
            (local, "/bread/x", None, false),
            (far, "/bread/x", who("testuser", "foobar"), true),
            (far, "/bread/syrup", who("testuser", "foobar"), false),
            (far, "/bread/syrup", who("both", "p:w"), true),
            (local, "/bread", who("both", "nope"), false),
            (local, "/private/bread", None, false),
            (local, "/bread,x", None, true),
        ] {
            assert_eq!(access.may_publish(peer, path, credentials.as_ref()), allowed, "{path} {credentials:?}");
        }
    }

    #[test]
    fn a_changed_file_is_taken_when_it_is_whole_and_a_broken_one_never() {
        let (file, acl) = list("u: {password: one, acl: {}}");
        let who = |password: &str| Credentials { user: "u".into(), password: Zeroizing::new(password.into()) };
        let write = |text: &str, age: u64| {
            std::fs::write(file.path(), text).unwrap();
            let then = SystemTime::now() - std::time::Duration::from_secs(age);
            std::fs::File::options().write(true).open(file.path()).unwrap().set_modified(then).unwrap();
        };
        let start = Instant::now();
        write("u: {password: two, acl: {}}", 100);
        acl.follow(start);
        acl.follow(start + SETTLED / 2);
        assert!(acl.user(&who("one"), |_| true), "it may still be being written");
        acl.follow(start + SETTLED);
        assert!(acl.user(&who("two"), |_| true) && !acl.user(&who("one"), |_| true));
        write("u: {password: [", 50);
        acl.follow(start);
        acl.follow(start + SETTLED);
        assert!(acl.user(&who("two"), |_| true));
    }

    #[test]
    fn a_file_that_is_no_list_says_where_and_an_empty_one_has_no_users() {
        assert!(parse("").unwrap().is_empty());
        assert!(parse("- a").err().unwrap().contains("a list"));
        assert!(parse("a: [").err().unwrap().starts_with("line "));
        assert!(matches!(AclFile::open("/no/such/file"), Err(AclError::File { .. })));
    }
}
