//! An LDAP directory behind the access list: who is not in the list is looked up there.
//!
//! A login is a simple bind as the user and then, as that user, a search with each pattern; the names of the entries found
//! are the user's groups, and `acl` says what each group may. It is PyPubSub's configuration, with this done better:
//!
//! | PyPubSub 0.7.4 | here |
//! |---|---|
//! | an empty password is an anonymous bind, which succeeds | refused before the server is asked |
//! | names go into searches and distinguished names as they are | escaped |
//! | of two groups with a segment of one name the last counts | both |
//! | a list in place of segments is refused | it is one segment |
//! | `topics`, for publishing on secured topics, is a segment | it works |
//! | names of groups are compared as text | as names: case, spaces and escapes do not matter |
//! | each request binds and searches on a connection of its own, polling | pooled, and remembered for a while |
//! | an open stream keeps its rights for ever | looked up anew every `recheck_secs` |
//! | a server that hangs holds the request up | bounded; after a failure nobody waits for the next |
//!
//! # How to read it
//! - `config`: the keys and what they mean. `template`, `name`: users' names in filters; names of groups.
//! - `wire`: messages. `connection`: one connection. `pool`: several. `error`: what can go wrong.
//! - `lookup`: one login; `directory`: all of them together, with `cache` and `gate`, which bound what they cost.

#[cfg(feature = "ldap")]
mod cache;
#[cfg(feature = "ldap")]
mod config;
#[cfg(feature = "ldap")]
mod connection;
#[cfg(feature = "ldap")]
mod directory;
#[cfg(feature = "ldap")]
mod error;
#[cfg(feature = "ldap")]
mod gate;
#[cfg(feature = "ldap")]
mod lookup;
#[cfg(feature = "ldap")]
mod name;
#[cfg(feature = "ldap")]
mod pool;
#[cfg(feature = "ldap")]
mod template;
#[cfg(feature = "ldap")]
mod throttle;
#[cfg(feature = "ldap")]
mod wire;

use std::sync::Arc;

use eventhive_transport::{Key, KeyKind, Problem, Settings};

#[cfg(feature = "ldap")]
pub use self::directory::{LdapDirectory, LdapStats};
use super::Directory;

const TIME: KeyKind = KeyKind::Seconds { min: 0.01 };
const TIME_OR_NONE: KeyKind = KeyKind::Seconds { min: 0.0 };

/// The keys of the `ldap` block.
pub const KEYS: &[Key] = &[
    Key::required(
        "uri",
        KeyKind::Texts,
        "The server, as `ldaps://ldap.example.org` or `ldap://10.0.0.1:389`. Of several, the next is asked when one cannot be reached.",
    ),
    Key::required(
        "user_dn",
        KeyKind::Text,
        "The name to bind as, with `%s` for the user: `uid=%s,ou=people,dc=example,dc=org`.",
    ),
    Key::required("base_scope", KeyKind::Text, "The entry below which groups are searched."),
    Key::optional(
        "membership_patterns",
        KeyKind::Any,
        "Search filters with `%s` for the user, such as `member=uid=%s,ou=people,dc=example,dc=org`. What they find are the user's groups.",
    ),
    Key::required(
        "acl",
        KeyKind::Map,
        "Names of groups, each with its segments of topics as in the access list; `topics` beside them are secured topics to publish on.",
    ),
    Key::with_default("starttls", KeyKind::Bool, "false", "Whether `ldap://` connections are encrypted by StartTLS."),
    Key::optional(
        "tls_ca",
        KeyKind::Text,
        "File with the certificates to trust, in PEM. Left out: those of the system. The server's name is always verified.",
    ),
    Key::with_default("connect_timeout_secs", TIME, "2", "How long one server may take to be connected to, with TLS."),
    Key::with_default(
        "timeout_secs",
        TIME,
        "5",
        "How long the server may take for a login. Waiting for a connection may take as long again.",
    ),
    Key::with_default(
        "retry_secs",
        TIME,
        "2",
        "After a server could not be asked: how long nobody tries. Logins of that time are refused at once.",
    ),
    Key::with_default(
        "connections",
        KeyKind::Integer { min: 1, max: 1000 },
        "4",
        "Connections at a time; further logins wait for one.",
    ),
    Key::with_default("idle_secs", TIME, "60", "How long an unused connection is kept."),
    Key::with_default(
        "cache_secs",
        TIME_OR_NONE,
        "30",
        "How long a login is remembered: so long a change in the directory may go unnoticed. 0 turns it off.",
    ),
    Key::with_default(
        "refusal_cache_secs",
        TIME_OR_NONE,
        "5",
        "How long a wrong password is remembered. 0 turns it off.",
    ),
    Key::with_default(
        "cache_entries",
        KeyKind::Integer { min: 1, max: 1_000_000 },
        "10000",
        "Logins that are remembered, and as many wrong ones; about 200 bytes each.",
    ),
    Key::with_default(
        "recheck_secs",
        KeyKind::Seconds { min: 1.0 },
        "60",
        "How often the rights of streams that stay open are looked up anew.",
    ),
];

/// The directory that `settings` describe. They passed [`KEYS`].
///
/// # Errors
/// What is wrong with them; or that this build has no LDAP.
#[cfg(feature = "ldap")]
pub(crate) fn open(settings: &Settings) -> Result<Arc<dyn Directory>, Vec<Problem>> {
    LdapDirectory::from_settings(settings).map(|directory| Arc::new(directory) as _)
}

#[cfg(not(feature = "ldap"))]
pub(crate) fn open(settings: &Settings) -> Result<Arc<dyn Directory>, Vec<Problem>> {
    Err(vec![settings.problem_here("this build has no LDAP: build it with the feature `ldap`")])
}

#[cfg(all(test, not(feature = "ldap")))]
mod tests {
    use super::*;

    #[test]
    fn without_the_feature_the_block_says_how_to_get_it() {
        let yaml = "uri: ldap://localhost\nuser_dn: '%s'\nbase_scope: ''\nacl: {}";
        let node = eventhive_yaml::read(0, yaml).unwrap().unwrap();
        let problems = open(&Settings::check("servers.a.init.ldap", &node, KEYS).unwrap()).err().unwrap();
        let told = "servers.a.init.ldap: this build has no LDAP: build it with the feature `ldap`";
        assert_eq!((problems[0].to_string().as_str(), problems[0].at.line), (told, 1));
    }
}
