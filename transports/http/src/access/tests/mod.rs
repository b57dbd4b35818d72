//! The rules, by the vectors of the original and beyond.

mod directory;
mod list;
mod passwords;
mod vectors;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use eventhive_hub::{Cursor, Message};
use futures_util::future::BoxFuture;
use zeroize::Zeroizing;

use super::file::{AclFile, SETTLED};
use super::logins::{MOST_OF_ADDRESS, MOST_WAIT};
use super::*;
use crate::wire::target;
use crate::wire::topics::{self, EventPath};

fn vectors() -> serde_json::Value {
    serde_json::from_str(include_str!("../../../tests/vectors/pypubsub.json")).unwrap()
}

/// The users of a list, and its file, which lives as long as what is returned first.
fn users(text: &str, directory: Option<Arc<dyn Directory>>) -> (tempfile::NamedTempFile, Arc<Users>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let users = Users::open(Some(file.path().to_owned()), directory).unwrap();
    (file, Arc::new(users))
}

fn who(user: &str, password: &str) -> Credentials {
    Credentials { user: user.into(), password: Zeroizing::new(password.into()) }
}
