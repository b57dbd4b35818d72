//! Rows, errors, and the migrations.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnection, PgQueryResult, PgRow};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _, TypeInfo as _, ValueRef as _};
use tokio::time::timeout;

use super::schema::MIGRATIONS;
use crate::store::StoreError;
use crate::store::sql::{Done, Record, Statement, Value, driver, late, migrations};

/// Of the advisory lock under which tables are brought up to date. It means nothing.
const MIGRATION_LOCK: i64 = 5_284_016_731_190_227;

/// Runs a statement.
pub(super) async fn run(connection: &mut PgConnection, statement: Statement) -> Result<Done, sqlx::Error> {
    let arguments: PgArguments = driver::arguments(statement.arguments)?;
    // The text is made of constants; values are arguments.
    let answers = connection.fetch_many(sqlx::query_with(AssertSqlSafe(statement.text), arguments));
    driver::done(answers, PgQueryResult::rows_affected, record).await
}

fn record(row: &PgRow) -> Result<Record, sqlx::Error> {
    let value = |column: usize| {
        let raw = row.try_get_raw(column)?;
        let name = raw.type_info().name().to_owned();
        Ok::<_, sqlx::Error>(match (raw.is_null(), name.as_str()) {
            (true, _) => Value::Null,
            (_, "INT8") => Value::Integer(row.try_get(column)?),
            (_, "INT4") => Value::Integer(row.try_get::<i32, _>(column)?.into()),
            (_, "TEXT") => Value::Text(row.try_get(column)?),
            (_, "BYTEA") => Value::Bytes(row.try_get(column)?),
            // That of a lock, which is nothing.
            _ => Value::Null,
        })
    };
    Ok(Record::new((0..row.len()).map(value).collect::<Result<_, _>>()?))
}

/// Makes errors of the database those of a store.
#[derive(Debug, Clone)]
pub(super) struct Failures {
    pub(super) store: Arc<str>,
}

impl Failures {
    /// What has failed while the database was opened.
    pub(super) fn open(&self, error: sqlx::Error) -> StoreError {
        let class = code(&error);
        let store = Arc::clone(&self.store);
        match (&error, class.as_deref()) {
            // Its user, password or database is wrong.
            (_, Some("28000" | "28P01" | "3D000" | "42501")) => {
                StoreError::Address { store, problem: error.to_string() }
            }
            (sqlx::Error::Tls(_), _) => StoreError::Address {
                store,
                problem: format!(
                    "{error}: the parameters `sslmode` and `sslrootcert` of the address say how TLS is used"
                ),
            },
            _ => self.of(error),
        }
    }

    /// Another brings the tables up to date, and does not end.
    fn locked(&self) -> StoreError {
        let problem = format!(
            "another broadcaster has brought its tables up to date for too long: `pg_locks` says who has the advisory lock \
             {MIGRATION_LOCK}"
        );
        late(&self.store, &problem)
    }

    pub(super) fn of(&self, error: sqlx::Error) -> StoreError {
        let store = Arc::clone(&self.store);
        let code = code(&error);
        match (&error, code.as_deref()) {
            (sqlx::Error::PoolClosed, _) => StoreError::Closed,
            // U+0000 in a text, or as an escape in JSON.
            (_, Some("22021" | "22P05")) => StoreError::Unfit { store, problem: error.to_string() },
            (_, Some(code)) if !PASSING.iter().any(|class| code.starts_with(class)) => StoreError::Damaged {
                store,
                problem: format!(
                    "{error}: its tables are not those that a broadcaster makes, or not this user's to use"
                ),
            },
            (sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_), _) => StoreError::Damaged {
                store,
                problem: format!("{error}: a column has another type than a broadcaster gives it"),
            },
            _ => StoreError::Unavailable { store, source: Arc::new(error) },
        }
    }
}

/// Classes of errors that say nothing of the tables: connections, resources, limits, serialization, the operator, the system,
/// authorization, and a server that only reads.
const PASSING: &[&str] = &["08", "53", "54", "40", "55", "57", "58", "28", "25", "3D", "XX"];

/// Takes the lock of those who bring the tables up to date. `false` if another has it for too long.
async fn lock(connection: &mut PgConnection, patience: Duration) -> Result<bool, sqlx::Error> {
    let bound = sqlx::query("SELECT set_config('lock_timeout', $1, true)").bind(format!("{}ms", patience.as_millis()));
    bound.execute(&mut *connection).await?;
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(MIGRATION_LOCK);
    match lock.execute(connection).await {
        Ok(_) => Ok(true),
        Err(error) if code(&error).as_deref() == Some("55P03") => Ok(false),
        Err(error) => Err(error),
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// Whether the tables are those of this program, for who changes nothing.
pub(super) async fn check(connection: &mut PgConnection, failures: &Failures) -> Result<(), StoreError> {
    let failed = |error| failures.open(error);
    let there = "SELECT to_regclass('webhook_migrations') IS NOT NULL";
    let there: bool = sqlx::query_scalar(there).fetch_one(&mut *connection).await.map_err(failed)?;
    let version: Option<i64> = match there {
        true => sqlx::query_scalar(VERSION).fetch_one(connection).await.map_err(failed)?,
        false => None,
    };
    migrations::check(&failures.store, version, MIGRATIONS)
}

const VERSION: &str = "SELECT max(version) FROM webhook_migrations";

/// Brings the tables up to date, as one transaction, while all others wait. No lock is waited for longer than the patience.
pub(super) async fn migrate(
    connection: &mut PgConnection,
    failures: &Failures,
    patience: Duration,
) -> Result<(), StoreError> {
    let failed = |error| failures.open(error);
    let mut transaction = connection.begin().await.map_err(failed)?;
    if !timeout(patience, lock(&mut transaction, patience)).await.unwrap_or(Ok(false)).map_err(failed)? {
        return Err(failures.locked());
    }
    let recorded =
        "CREATE TABLE IF NOT EXISTS webhook_migrations (version bigint PRIMARY KEY, applied_at timestamptz NOT NULL)";
    sqlx::query(recorded).execute(&mut *transaction).await.map_err(failed)?;
    let version: Option<i64> = sqlx::query_scalar(VERSION).fetch_one(&mut *transaction).await.map_err(failed)?;
    for (version, statements) in migrations::missing(&failures.store, version, MIGRATIONS)? {
        for statement in *statements {
            sqlx::raw_sql(*statement).execute(&mut *transaction).await.map_err(failed)?;
        }
        let record =
            sqlx::query("INSERT INTO webhook_migrations (version, applied_at) VALUES ($1, now())").bind(version);
        record.execute(&mut *transaction).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}
