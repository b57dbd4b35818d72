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
}

impl Default for Options {
    fn default() -> Self {
        Self { patience: Duration::from_secs(5) }
    }
}

impl Options {
    /// These, with another patience.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

/// Opens a store, and brings its tables up to date.
///
/// | address | where | cargo feature |
/// |---|---|---|
/// | `sqlite:PATH` | a file, made if it is not there | `sqlite` |
/// | `sqlite::memory:` | memory of this process, gone with the store | `sqlite` |
/// | `postgres://user:password@host:5432/database`, `postgresql://..` | PostgreSQL 13 or newer, with the parameters of libpq, such as `?sslmode=verify-full` | `postgres` |
/// | `rqlite://user:password@host:4001,host2:4001` | rqlite 8.10 or newer; any of its nodes. `rqlites://..` with TLS | |
///
/// # Errors
/// [`StoreError::Address`] if the address is none of these, needs a feature that is not built in, or leads to tables of a
/// newer version; else as a call of the store. No error shows a password.
pub async fn open(address: &str, options: &Options) -> Result<Arc<dyn Store>, StoreError> {
    let address = address.trim();
    let name: Arc<str> = without_password(address).into();
    let (scheme, rest) = address.split_once(':').unwrap_or((address, ""));
    match scheme {
        "sqlite" => sqlite(&name, rest, options).await,
        "postgres" | "postgresql" => postgres(&name, address, options).await,
        _ => Err(StoreError::Address {
            store: name,
            problem: "write `sqlite:PATH`, `sqlite::memory:`, `postgres://user:password@host/database` or \
                      `rqlite://host:4001,host2:4001`"
                .to_owned(),
        }),
    }
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
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    // A password may have an @, so the last one ends it.
    match rest.rsplit_once('@') {
        Some((user, rest)) => {
            let user = user.split_once(':').map_or(user, |(user, _)| user);
            format!("{scheme}://{user}@{rest}")
        }
        None => format!("{scheme}://{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_password_and_no_parameters() {
        for (address, name) in [
            ("sqlite:subscriptions.db", "sqlite:subscriptions.db"),
            ("postgres://me:s3:cr@et@db/hive?sslmode=require&password=x", "postgres://me@db/hive"),
            ("postgres://db/hive?password=x", "postgres://db/hive"),
            ("rqlite://me:secret@one:4001,two:4001", "rqlite://me@one:4001,two:4001"),
            ("rqlite://one:4001", "rqlite://one:4001"),
        ] {
            assert_eq!(without_password(address), name);
        }
    }
}
