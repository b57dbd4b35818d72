//! Rows, errors, and the migrations.

use std::sync::Arc;

use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteQueryResult, SqliteRow};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _, TypeInfo as _, ValueRef as _};

use super::schema::MIGRATIONS;
use crate::store::StoreError;
use crate::store::sql::{Done, Record, Statement, Value, driver, migrations};

/// Runs a statement.
pub(super) async fn run(connection: &mut SqliteConnection, statement: Statement) -> Result<Done, sqlx::Error> {
    let arguments: SqliteArguments = driver::arguments(statement.arguments)?;
    // The text is made of constants; values are arguments.
    let answers = connection.fetch_many(sqlx::query_with(AssertSqlSafe(statement.text), arguments));
    driver::done(answers, SqliteQueryResult::rows_affected, record).await
}

fn record(row: &SqliteRow) -> Result<Record, sqlx::Error> {
    let value = |column: usize| {
        let raw = row.try_get_raw(column)?;
        let name = raw.type_info().name().to_owned();
        Ok::<_, sqlx::Error>(match (raw.is_null(), name.as_str()) {
            (true, _) => Value::Null,
            (_, "INTEGER" | "BOOLEAN") => Value::Integer(row.try_get_unchecked(column)?),
            // A text that is not UTF-8 is no text.
            (_, "TEXT") => match String::from_utf8(row.try_get_unchecked::<Vec<u8>, _>(column)?) {
                Ok(text) => Value::Text(text),
                Err(bytes) => Value::Bytes(bytes.into_bytes()),
            },
            _ => Value::Bytes(row.try_get_unchecked(column)?),
        })
    };
    Ok(Record::new((0..row.len()).map(value).collect::<Result<_, _>>()?))
}

/// Makes errors of the database those of a store.
#[derive(Debug, Clone)]
pub(super) struct Failures {
    pub(super) store: Arc<str>,
}

/// Its result codes, without what extends them.
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const NO_MEMORY: i32 = 7;
const READ_ONLY: i32 = 8;
const INTERRUPTED: i32 = 9;
const IO: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANNOT_OPEN: i32 = 14;
const NOT_A_DATABASE: i32 = 26;

impl Failures {
    pub(super) fn new(store: &Arc<str>) -> Self {
        Self { store: Arc::clone(store) }
    }

    /// What has failed while the file was opened.
    pub(super) fn open(&self, error: sqlx::Error) -> StoreError {
        match code(&error) {
            Some(CANNOT_OPEN) => StoreError::Address {
                store: Arc::clone(&self.store),
                problem: format!(
                    "{error}: its folder must be there, and this user must be allowed to read and write it and the file"
                ),
            },
            _ => self.of(error),
        }
    }

    pub(super) fn of(&self, error: sqlx::Error) -> StoreError {
        let store = Arc::clone(&self.store);
        match (&error, code(&error)) {
            (sqlx::Error::PoolClosed, _) => StoreError::Closed,
            (_, Some(CORRUPT | NOT_A_DATABASE)) => StoreError::Damaged {
                store,
                problem: format!(
                    "{error}: it is no database of SQLite, or a broken one; name another file, or bring a copy back"
                ),
            },
            (_, Some(BUSY | LOCKED | NO_MEMORY | READ_ONLY | INTERRUPTED | IO | FULL | CANNOT_OPEN)) | (_, None) => {
                StoreError::Unavailable { store, source: Arc::new(error) }
            }
            (_, Some(_)) => StoreError::Damaged {
                store,
                problem: format!("{error}: its tables are not those that a broadcaster makes"),
            },
        }
    }
}

fn code(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?;
    code.parse::<i32>().ok().map(|code| code & 0xff)
}

/// Whether the tables are those of this program, for who changes nothing.
pub(super) async fn check(connection: &mut SqliteConnection, failures: &Failures) -> Result<(), StoreError> {
    let failed = |error| failures.of(error);
    let there = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'webhook_migrations')";
    let there: bool = sqlx::query_scalar(there).fetch_one(&mut *connection).await.map_err(failed)?;
    let version: Option<i64> = match there {
        true => sqlx::query_scalar(VERSION).fetch_one(connection).await.map_err(failed)?,
        false => None,
    };
    migrations::check(&failures.store, version, MIGRATIONS)
}

const VERSION: &str = "SELECT max(version) FROM webhook_migrations";

/// Brings the tables up to date, as one transaction.
pub(super) async fn migrate(connection: &mut SqliteConnection, failures: &Failures) -> Result<(), StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(|error| failures.of(error))?;
    let failed = |error| failures.of(error);
    let recorded =
        "CREATE TABLE IF NOT EXISTS webhook_migrations (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL)";
    sqlx::query(recorded).execute(&mut *transaction).await.map_err(failed)?;
    let version: Option<i64> = sqlx::query_scalar(VERSION).fetch_one(&mut *transaction).await.map_err(failed)?;
    for (version, statements) in migrations::missing(&failures.store, version, MIGRATIONS)? {
        for statement in *statements {
            sqlx::query(*statement).execute(&mut *transaction).await.map_err(failed)?;
        }
        let record = "INSERT INTO webhook_migrations (version, applied_at) VALUES ($1, datetime('now'))";
        sqlx::query(record).bind(version).execute(&mut *transaction).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}
