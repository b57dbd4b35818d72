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
    not_newer(store, version, migrations.len())?;
    Ok((1..).zip(migrations).skip(usize::try_from(version).unwrap_or_default()))
}

/// Whether a database has the tables of this version, for who does not bring them up to date. `None`: it has none.
pub(in crate::store) fn check<M>(store: &Arc<str>, version: Option<i64>, migrations: &[M]) -> Result<(), StoreError> {
    let wrong = |problem: String| Err(StoreError::Address { store: Arc::clone(store), problem });
    let Some(version) = version else {
        return wrong("it has no tables of webhooks yet: `hive-cli serve` makes them when it starts".to_owned());
    };
    not_newer(store, version, migrations.len())?;
    if usize::try_from(version) == Ok(migrations.len()) {
        return Ok(());
    }
    wrong(format!(
        "its tables have version {version}, which is older than this program's: `hive-cli serve` brings them up to date \
         when it starts"
    ))
}

fn not_newer(store: &Arc<str>, version: i64, known: usize) -> Result<(), StoreError> {
    let newest = i64::try_from(known).unwrap_or(i64::MAX);
    if version <= newest {
        return Ok(());
    }
    Err(StoreError::Address {
        store: Arc::clone(store),
        problem: format!(
            "its tables have version {version}, and this program knows version {newest} and older: run the newer program, or \
             name another store"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_only_looks_is_told_what_brings_the_tables_up_to_date() {
        let store: Arc<str> = "sqlite:here.db".into();
        let told = |version| check(&store, version, &[1, 2]).map_err(|error| error.to_string());
        assert!(told(None).unwrap_err().contains("`hive-cli serve` makes them"));
        assert!(told(Some(1)).unwrap_err().contains("`hive-cli serve` brings them up to date"));
        assert_eq!(told(Some(2)), Ok(()));
        assert!(told(Some(3)).unwrap_err().contains("run the newer program"));
    }
}
