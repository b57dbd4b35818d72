//! The access list: users, what they may see, what they may publish. PyPubSub's format, unchanged.
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
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use eventhive_transport::settings::{Entry, Node, Value};

use super::Rights;
use super::password::Secret;

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
pub(super) struct List(HashMap<String, User>);

/// One user.
#[derive(Debug, Clone)]
pub(super) struct User {
    /// Without one, nobody is the user.
    pub(super) secret: Option<Secret>,
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
            Some(Value::Map(entries)) => Ok(Self(entries.iter().map(user).collect())),
            Some(other) => Err(format!("it has to be a mapping of user names, and is {}", other.describe())),
        }
    }

    pub(super) fn get(&self, user: &str) -> Option<&User> {
        self.0.get(user)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn user(entry: &Entry) -> (String, User) {
    let secret = match get(&entry.node, "password").map(|node| &node.value) {
        Some(Value::Text(text)) if !text.is_empty() => Some(Secret::new(text)),
        _ => None,
    };
    (entry.key.clone(), User { secret, rights: rights(entry).map(Arc::new) })
}

fn rights(entry: &Entry) -> Option<Rights> {
    let Some(segments) = get(&entry.node, "acl").and_then(segments) else {
        let line = entry.key_at.line;
        tracing::warn!(user = entry.key, line, "`acl` is not a mapping of lists: the user has no rights");
        return None;
    };
    let topics = get(&entry.node, "topics").and_then(texts).unwrap_or_default();
    Some(Rights { segments, topics })
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
        }
    }
}
