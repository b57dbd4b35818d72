//! Migrations: numbered from one, recorded in `webhook_migrations`.

use std::sync::Arc;

use crate::store::StoreError;

/// The migrations that a database of this version lacks, with their numbers. An error if it is newer than this program.
pub(in crate::store) fn missing<'a, M>(
    store: &Arc<str>,
    version: Option<i64>,
    migrations: &'a [M],
) -> Result<impl Iterator<Item = (i64, &'a M)> + use<'a, M>, StoreError> {
    let version = version.unwrap_or_default();
    let newest = i64::try_from(migrations.len()).unwrap_or(i64::MAX);
    if version > newest {
        return Err(StoreError::Address {
            store: Arc::clone(store),
            problem: format!(
                "its tables have version {version}, and this program knows version {newest} and older: run the newer \
                 program, or name another store"
            ),
        });
    }
    Ok((1..).zip(migrations).skip(usize::try_from(version).unwrap_or_default()))
}
