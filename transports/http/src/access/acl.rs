//! The access list: users, what they may see, what they may publish. PyPubSub's format, unchanged.
//!
//! ```yaml
//! testuser:
//!   password: foobar
//!   acl:
//!     segment1: [git, privaterepo.git]
//!     segment2: []
//!   topics: [bread]
//!   tokens: ['sha256:b5a2...']
//! ```
//!
//! The password may be a hash of argon2id or bcrypt, which `hive-cli hash-password` makes; one that is plain is warned
//! about.
//!
//! Not in the original: `tokens`, a list of bearer tokens that stand for the user, with or without a password beside them. Each
//! is a SHA-256, which `hive-cli hash-password --token` makes, or the token itself, which is warned about and has to have at
//! least 16 characters.
//!
//! A file that is written in place is half a list for a moment. It is read when it has been left alone for half a second;
//! to be safe, write another file and rename it.
//!
//! What is wrong with one user is a [warning](super::Users::warnings) and keeps the others from nothing. A user whose `acl` is not a
//! mapping of lists has no rights at all, as in the original. A password that is no text, such as a number without quotes,
//! or that begins like a hash and is none, never fits.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use eventhive_transport::settings::{Entry, Node, Value, nearest};

use super::Rights;
use super::fold::folded;
use super::password::Secret;
use super::token::Token;

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

/// The users of a list.
#[derive(Debug, Default)]
pub(super) struct List {
    users: HashMap<String, User>,
    /// Their names as a directory compares them.
    folded: HashSet<String>,
    /// What each token gives; `None` if that is nothing, or the token is not one user's alone.
    tokens: HashMap<Token, Option<Arc<Rights>>>,
    /// The hashes. Whoever is not in the list takes as long as a wrong password of whoever has one of them.
    decoys: Vec<Arc<Secret>>,
    warnings: Vec<String>,
}

/// One user.
#[derive(Debug, Clone)]
pub(super) struct User {
    /// Without one, nobody is the user.
    pub(super) secret: Option<Arc<Secret>>,
    /// `None` if what the list says of them is of no use: none, not even those of the directory.
    pub(super) rights: Option<Arc<Rights>>,
}

impl List {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let tree = eventhive_yaml::read(0, text).map_err(|problems| {
            let placed = problems.iter().map(|problem| format!("line {}: {}", problem.at.line, problem.message));
            placed.collect::<Vec<_>>().join("; ")
        })?;
        match tree.map(|node| node.value) {
            None => Ok(Self::default()),
            Some(Value::Map(entries)) => Ok(Self::of(&entries)),
            Some(other) => Err(format!("it has to be a mapping of user names, and is {}", other.describe())),
        }
    }

    fn of(entries: &[Entry]) -> Self {
        let mut list = Self::default();
        let mut plain = Vec::new();
        for entry in entries {
            let mut warn = |what: String| {
                list.warnings.push(format!("line {}: user `{}`: {what}", entry.key_at.line, entry.key));
            };
            let secret = secret(entry).map_err(&mut warn).ok().flatten().map(Arc::new);
            let rights = rights(entry).map_err(&mut warn).ok().map(Arc::new);
            let tokens = tokens(entry).map_err(&mut warn).unwrap_or_default();
            if rights.is_some() {
                ineffective(&entry.node).into_iter().for_each(&mut warn);
            }
            unknown(&entry.node).into_iter().for_each(&mut warn);
            if secret.as_ref().is_some_and(|it| it.is_plain()) || tokens.iter().any(|(_, is_plain)| *is_plain) {
                plain.push(entry.key_at.line);
            }
            if let Some(hash) = secret.as_ref().filter(|it| !it.is_plain()) {
                list.decoys.push(Arc::clone(hash));
            }
            for (token, _) in tokens {
                if list.tokens.insert(token, rights.clone()).is_some() {
                    warn("has a token that was there before, which now is nobody's: give each its own".to_owned());
                    list.tokens.insert(token, None);
                }
            }
            list.folded.insert(folded(&entry.key));
            list.users.insert(entry.key.clone(), User { secret, rights });
        }
        list.warnings.extend(warning_of_plain(&plain));
        list
    }

    /// What whoever has this token may.
    pub(super) fn of_token(&self, token: &Token) -> Option<Arc<Rights>> {
        self.tokens.get(token).cloned().flatten()
    }

    pub(super) fn get(&self, user: &str) -> Option<&User> {
        self.users.get(user)
    }

    /// Whether a directory might take this name for that of a user of the list.
    pub(super) fn has_alike(&self, user: &str) -> bool {
        self.users.contains_key(user) || self.folded.contains(&folded(user))
    }

    pub(super) fn len(&self) -> usize {
        self.users.len()
    }

    /// What is compared when there is nothing to compare.
    pub(super) fn decoys(&self) -> &[Arc<Secret>] {
        &self.decoys
    }

    /// What is wrong with single users, each with its line. No password is in it.
    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// So many lines are named.
const NAMED: usize = 10;

fn warning_of_plain(lines: &[u32]) -> Option<String> {
    let named: Vec<String> = lines.iter().take(NAMED).map(ToString::to_string).collect();
    let more = if lines.len() > NAMED { format!(" and {} more", lines.len() - NAMED) } else { String::new() };
    (!lines.is_empty()).then(|| {
        format!(
            "line {}{more}: a password or token is plain text: put its hash there, which `hive-cli hash-password` makes",
            named.join(", ")
        )
    })
}

fn secret(entry: &Entry) -> Result<Option<Secret>, String> {
    match get(&entry.node, "password").map(|node| &node.value) {
        Some(Value::Text(text)) if !text.is_empty() => Secret::read(text).map(Some).map_err(|why| {
            format!("`password` begins like a hash and is none ({why}), so nothing fits: `hive-cli hash-password` makes one; between braces it needs quotes")
        }),
        None | Some(Value::Text(_) | Value::Null) if get(&entry.node, "tokens").is_some() => Ok(None),
        None | Some(Value::Text(_) | Value::Null) => {
            Err("has neither a `password` nor `tokens`, so nobody is this user: give one".to_owned())
        }
        Some(other) => Err(format!("`password` is {}, so none fits: put it in quotes", other.describe())),
    }
}

/// Each with whether it is plain.
fn tokens(entry: &Entry) -> Result<Vec<(Token, bool)>, String> {
    let Some(node) = get(&entry.node, "tokens") else { return Ok(Vec::new()) };
    let texts = match &node.value {
        Value::Text(text) => Some(vec![text.clone()]),
        _ => texts(node),
    };
    let texts = texts.filter(|texts| texts.iter().all(|text| !text.is_empty()));
    let texts =
        texts.ok_or("`tokens` is no list of texts, so none fits: write it as `tokens: [TOKEN]`, numbers in quotes")?;
    let listed: Result<_, String> = texts.iter().map(|text| Token::listed(text)).collect();
    listed.map_err(|why| format!("no token fits, since one of `tokens` is none: {why}"))
}

fn rights(entry: &Entry) -> Result<Rights, String> {
    let segments = get(&entry.node, "acl").and_then(segments);
    let segments = segments
        .ok_or("`acl` is not a mapping of lists, so the user has no rights: write it as `acl: {name: [topic]}`")?;
    let topics = get(&entry.node, "topics").and_then(texts).unwrap_or_default();
    Ok(Rights { segments, topics })
}

/// What a user is given and gets nothing from. The rest holds.
fn ineffective(user: &Node) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(Node { value: Value::Map(segments), .. }) = get(user, "acl") {
        let wrong = segments.iter().filter(|segment| texts(&segment.node).is_none());
        found.extend(wrong.map(|segment| {
            format!(
                "segment `{}` in line {} has something other than text, so it fits no event: put numbers in quotes",
                segment.key, segment.key_at.line
            )
        }));
    }
    let topics = get(user, "topics").filter(|node| node.value != Value::Null && texts(node).is_none());
    found.extend(topics.map(|node| {
        format!(
            "`topics` in line {} is no list of texts, so the user has none: write it as `topics: [name]`, numbers in quotes",
            node.at.line
        )
    }));
    found
}

/// What a user of the list may have.
const KEYS: [&str; 4] = ["password", "acl", "topics", "tokens"];

fn unknown(user: &Node) -> Vec<String> {
    let Value::Map(entries) = &user.value else { return Vec::new() };
    let unknown = entries.iter().filter(|entry| !KEYS.contains(&entry.key.as_str()));
    let what = |entry: &Entry| {
        let fix = match nearest(&entry.key, KEYS.into_iter()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here are {}", KEYS.join(", ")),
        };
        format!("unknown key `{}` in line {}: {fix}", entry.key, entry.key_at.line)
    };
    unknown.map(what).collect()
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
    use super::*;

    #[test]
    fn a_file_that_is_no_list_says_where_and_an_empty_one_has_no_users() {
        assert_eq!(List::parse("").unwrap().len(), 0);
        assert!(List::parse("- a").err().unwrap().contains("a list"));
        assert!(List::parse("a: [").err().unwrap().starts_with("line "));
    }

    #[test]
    fn a_user_whose_rights_are_no_mapping_of_lists_has_none() {
        for acl in ["", "acl: [a]", "acl: null", "acl: {one: a}"] {
            let list = List::parse(&format!("u:\n  password: p\n  topics: [a]\n  {acl}\n")).unwrap();
            assert!(list.get("u").unwrap().rights.is_none(), "{acl}");
            assert!(list.warnings()[0].starts_with("line 1: user `u`: `acl` is not"), "{:?}", list.warnings());
        }
    }

    #[test]
    fn what_a_user_gets_nothing_from_is_said_with_its_line_and_takes_nothing_else() {
        let text = "u:\n  password: $2y$04$L0aLw9W2e4Xs6aRjCcLn9udsmdaT.wgoUeDiRw6fM3wZEuJdbq7g6\n  acl:\n    one: [1]\n    two: [a]\n\
                    \x20 topics: bread\n  acll: {three: []}\n  frobnicate: 1\n";
        let list = List::parse(text).unwrap();
        assert_eq!(
            list.warnings(),
            [
                "line 1: user `u`: segment `one` in line 4 has something other than text, so it fits no event: put \
                 numbers in quotes",
                "line 1: user `u`: `topics` in line 6 is no list of texts, so the user has none: write it as `topics: \
                 [name]`, numbers in quotes",
                "line 1: user `u`: unknown key `acll` in line 7: did you mean `acl`?",
                "line 1: user `u`: unknown key `frobnicate` in line 8: known here are password, acl, topics, tokens",
            ]
        );
        let rights = list.get("u").unwrap().rights.clone().unwrap();
        assert_eq!(*rights, Rights { segments: vec![vec!["a".into()]], topics: vec![] });
        let list = List::parse("u: {tokens: [], topics: , acl: {one: []}}").unwrap();
        assert!(list.warnings().is_empty(), "{:?}", list.warnings());
    }

    #[test]
    fn a_token_that_could_be_guessed_is_refused_with_its_line_and_the_fix() {
        let list =
            List::parse("a: {password: p, acl: {}}\nrobot: {tokens: [a, hive-0123456789abcdef], acl: {}}").unwrap();
        assert_eq!(
            list.warnings()[0],
            "line 2: user `robot`: no token fits, since one of `tokens` is none: it has fewer than 16 characters, and \
             could be guessed: `hive-cli keygen` makes one"
        );
        assert!(["a", "hive-0123456789abcdef"].iter().all(|token| list.of_token(&Token::new(token)).is_none()));
    }

    #[test]
    fn what_is_wrong_with_a_user_is_said_with_the_line_and_without_the_password() {
        let hash = "$2y$04$L0aLw9W2e4Xs6aRjCcLn9udsmdaT.wgoUeDiRw6fM3wZEuJdbq7g6";
        let text = format!(
            "fine: {{password: {hash}, acl: {{}}}}\n\
             plain: {{password: hunter2, acl: {{}}}}\n\
             number: {{password: 1234567, acl: {{}}}}\n\
             none: {{acl: {{}}}}\n\
             broken: {{password: $2b$99$nonsense, acl: {{}}}}\n\
             plain2: {{password: hunter2, acl: {{}}}}\n"
        );
        let list = List::parse(&text).unwrap();
        assert_eq!(
            list.warnings(),
            [
                "line 3: user `number`: `password` is a whole number, so none fits: put it in quotes",
                "line 4: user `none`: has neither a `password` nor `tokens`, so nobody is this user: give one",
                "line 5: user `broken`: `password` begins like a hash and is none (Invalid hash: the hash format is \
                 malformed; expected 60 ASCII bytes), so nothing fits: `hive-cli hash-password` makes one; between braces \
                 it needs quotes",
                "line 2, 6: a password or token is plain text: put its hash there, which `hive-cli hash-password` makes",
            ]
        );
        assert_eq!(list.decoys().iter().map(|decoy| decoy.text()).collect::<Vec<_>>(), [hash]);
        let has_secret = |user: &str| list.get(user).unwrap().secret.is_some();
        assert!(has_secret("plain") && has_secret("fine") && !has_secret("broken") && !has_secret("number"));
    }
}
