//! From an address to a store.

use std::sync::Arc;
use std::time::Duration;

use super::{Store, StoreError};

/// How a store is used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// How long a call may wait for the store: for a lock of the file, a connection, an answer. Then it fails as
    /// [`StoreError::Unavailable`].
    pub patience: Duration,
    /// Whether it is only looked at: nothing is made or brought up to date, and calls that would change something fail. Tables
    /// that are not there, or not of this version, are an error.
    pub read_only: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { patience: Duration::from_secs(5), read_only: false }
    }
}

impl Options {
    /// These, with another patience.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// These, for who only looks.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }
}

/// Opens a store, and brings its tables up to date, unless it is only looked at.
///
/// | address | where | cargo feature |
/// |---|---|---|
/// | `sqlite:PATH`, `sqlite://PATH` | a file, made if it is not there, for its owner alone | `sqlite` |
/// | `sqlite::memory:` | memory of this process, gone with the store | `sqlite` |
/// | `postgres://user:password@host:5432/database`, `postgresql://..` | PostgreSQL 13 or newer (tests run 15), with the parameters of libpq, such as `?sslmode=verify-full` | `postgres` |
/// | `rqlite://user:password@host:4001,host2:4001` | rqlite 8 or newer; any of its nodes. `rqlites://..?ca=FILE` with TLS, and certificates to trust if they are not the system's | |
///
/// # Errors
/// [`StoreError::Address`] if the address is none of these, needs a feature that is not built in, or leads to tables of a
/// newer version; else as a call of the store. No error shows a password.
pub async fn open(address: &str, options: &Options) -> Result<Arc<dyn Store>, StoreError> {
    let address = address.trim();
    let name: Arc<str> = without_password(address).into();
    let (scheme, rest) = address.split_once(':').unwrap_or((address, ""));
    match scheme {
        "sqlite" => sqlite(&name, sqlite_path(rest), options).await,
        "postgres" | "postgresql" => postgres(&name, address, options).await,
        "rqlite" | "rqlites" => super::rqlite::open(&name, scheme == "rqlites", rest, options).await,
        _ => Err(StoreError::Address {
            store: name,
            problem: "write `sqlite:PATH`, `sqlite::memory:`, `postgres://user:password@host/database` or \
                      `rqlite://host:4001,host2:4001`"
                .to_owned(),
        }),
    }
}

/// The file of an address of SQLite; `None` for a store in memory, and for all others.
#[must_use]
pub fn sqlite_file(address: &str) -> Option<&str> {
    let path = sqlite_path(address.trim().strip_prefix("sqlite:")?);
    (!path.is_empty() && path != ":memory:").then_some(path)
}

/// Other programs write it with slashes.
fn sqlite_path(rest: &str) -> &str {
    rest.strip_prefix("//").unwrap_or(rest)
}

#[cfg(feature = "sqlite")]
async fn sqlite(name: &Arc<str>, path: &str, options: &Options) -> Result<Arc<dyn Store>, StoreError> {
    super::sqlite::open(name, path, options).await
}

#[cfg(not(feature = "sqlite"))]
async fn sqlite(name: &Arc<str>, _: &str, _: &Options) -> Result<Arc<dyn Store>, StoreError> {
    Err(not_built(name, "SQLite", "sqlite"))
}

#[cfg(feature = "postgres")]
async fn postgres(name: &Arc<str>, address: &str, options: &Options) -> Result<Arc<dyn Store>, StoreError> {
    super::postgres::open(name, address, options).await
}

#[cfg(not(feature = "postgres"))]
async fn postgres(name: &Arc<str>, _: &str, _: &Options) -> Result<Arc<dyn Store>, StoreError> {
    Err(not_built(name, "PostgreSQL", "postgres"))
}

#[cfg(not(all(feature = "sqlite", feature = "postgres")))]
fn not_built(name: &Arc<str>, what: &str, feature: &str) -> StoreError {
    StoreError::Address {
        store: Arc::clone(name),
        problem: format!("{what} is not built in: build with the cargo feature `{feature}`"),
    }
}

/// An address without what is secret in it: the password, and parameters.
fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once(':') else { return "an address without a scheme".to_owned() };
    if scheme == "sqlite" {
        return address.to_owned();
    }
    let Some(rest) = rest.strip_prefix("//") else { return format!("{scheme}:..") };
    match (rest.rsplit_once('@'), rest.split_once('?')) {
        // Which of them ends the password cannot be told.
        (Some((user, _)), _) if user.contains('?') => format!("{scheme}://.."),
        (Some((user, _)), Some((before, _))) => {
            format!("{scheme}://{}@{}", name(user), before.rsplit_once('@').map_or("", |(_, host)| host))
        }
        (Some((user, host)), None) => format!("{scheme}://{}@{host}", name(user)),
        // Somebody has forgotten the host.
        (None, _) if !has_only_ports(rest) => format!("{scheme}://.."),
        (None, Some((before, _))) => format!("{scheme}://{before}"),
        (None, None) => address.to_owned(),
    }
}

/// Whether what is behind a colon in `host:port,host:port/..` is a port, or the rest of an address in brackets.
fn has_only_ports(rest: &str) -> bool {
    let hosts = rest.split(['/', '?']).next().unwrap_or_default();
    hosts.split(',').all(|host| {
        let behind = host.rsplit(']').next().and_then(|host| host.split_once(':'));
        behind.is_none_or(|(_, port)| port.parse::<u16>().is_ok())
    })
}

fn name(user: &str) -> &str {
    user.split_once(':').map_or(user, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_an_address_is_the_same_with_slashes_and_without() {
        for (address, file) in [
            ("sqlite:here.db", Some("here.db")),
            ("sqlite://here.db", Some("here.db")),
            (" sqlite:///var/lib/w.db", Some("/var/lib/w.db")),
            ("sqlite::memory:", None),
            ("sqlite://:memory:", None),
            ("sqlite:", None),
            ("rqlite://db:4001", None),
        ] {
            assert_eq!(sqlite_file(address), file, "{address}");
        }
    }

    #[test]
    fn a_name_has_no_password_and_no_parameters() {
        for (address, name) in [
            ("sqlite:subscriptions.db", "sqlite:subscriptions.db"),
            ("postgres://me:s3:cr@et@db/hive?sslmode=require&password=x", "postgres://me@db/hive"),
            ("postgres://db/hive?password=x", "postgres://db/hive"),
            ("rqlite://me:secret@one:4001,two:4001", "rqlite://me@one:4001,two:4001"),
            ("rqlite://one:4001", "rqlite://one:4001"),
            ("rqlite://[::1]:4001,two", "rqlite://[::1]:4001,two"),
            ("rqlite://me:secret", "rqlite://.."),
            ("postgres://me:secret/hive?sslmode=require", "postgres://.."),
            ("rqlites://me:secret@one?ca=/a@b", "rqlites://.."),
            ("postgres://me:sec?ret@db/hive", "postgres://.."),
            ("postgres:me:secret@db", "postgres:.."),
            ("secret", "an address without a scheme"),
        ] {
            assert_eq!(without_password(address), name);
        }
    }
}
