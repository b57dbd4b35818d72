//! Subscriptions in PostgreSQL, which several broadcasters share.
//!
//! # How to read it
//! - Here: opening, and the [`Engine`]: connections in a pool, a transaction each.
//! - `feed`: changes, by LISTEN. `schema`: the tables. `values`: rows and errors.

mod feed;
mod schema;
mod values;

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::time::timeout;

use self::feed::{Source, follow};
use self::values::Failures;
use super::sql::home::Home;
use super::sql::text::Dialect;
use super::sql::{Care, Done, Engine, Statement, Tables, late};
use super::{Answer, Changes, Options, Store, StoreError};

/// Connections at most, beside one for each who follows changes.
const CONNECTIONS: u32 = 8;

struct Postgres {
    home: Home,
    pool: PgPool,
    source: Source,
    /// Whether it changes nothing.
    looks: bool,
}

/// Opens a database, and makes the tables in the first schema of the user's search path.
pub(super) async fn open(name: &Arc<str>, address: &str, options: &Options) -> Result<Arc<dyn Store>, StoreError> {
    let connect = PgConnectOptions::from_str(address).map_err(|error| StoreError::Address {
        store: Arc::clone(name),
        problem: format!("{error}: write `postgres://user:password@host:5432/database`"),
    })?;
    let connect = connect.application_name("eventhive").disable_statement_logging();
    let looks = options.read_only;
    let failures = Failures { store: Arc::clone(name) };
    let source = Source { connect, failures, patience: options.patience };
    let home =
        Home::start().map_err(|error| StoreError::Unavailable { store: Arc::clone(name), source: Arc::new(error) })?;
    let opening = source.clone();
    let pool = home.run(async move { connect_pool(&opening, looks).await }).await?;
    let engine = Arc::new(Postgres { home, pool, source, looks });
    Ok(Arc::new(Tables::new(engine, Dialect::Postgres)))
}

async fn connect_pool(source: &Source, looks: bool) -> Result<PgPool, StoreError> {
    let mut first =
        in_time(source, async { source.connect.connect().await.map_err(|error| source.failures.open(error)) }).await?;
    match looks {
        true => in_time(source, values::check(&mut first, &source.failures)).await?,
        false => values::migrate(&mut first, &source.failures, source.patience).await?,
    }
    drop(first);
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(source.patience);
    Ok(pool.connect_lazy_with(source.connect.clone()))
}

async fn in_time<T>(source: &Source, asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let answer = timeout(source.patience, asked).await;
    answer.unwrap_or_else(|_| Err(late(&source.failures.store, "no answer in time")))
}

impl Postgres {
    async fn run(&self, statements: Vec<Statement>, is_transaction: bool) -> Result<Vec<Done>, StoreError> {
        let (pool, source, looks) = (self.pool.clone(), self.source.clone(), self.looks);
        let run = async move {
            let asked = async {
                let done = match is_transaction || looks {
                    true => transaction(&pool, statements, looks).await,
                    false => each(&pool, statements).await,
                };
                done.map_err(|error| source.failures.of(error))
            };
            in_time(&source, asked).await
        };
        self.home.run(run).await
    }
}

async fn each(pool: &PgPool, statements: Vec<Statement>) -> Result<Vec<Done>, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let mut done = Vec::with_capacity(statements.len());
    for statement in statements {
        done.push(values::run(&mut connection, statement).await?);
    }
    Ok(done)
}

/// With `looks` the server refuses what would change anything. Each transaction says so, and not the connection: PgBouncer takes
/// no such option at its start, and may give a connection that was set so to others.
async fn transaction(pool: &PgPool, statements: Vec<Statement>, looks: bool) -> Result<Vec<Done>, sqlx::Error> {
    let mut transaction = if looks { pool.begin_with("BEGIN READ ONLY").await? } else { pool.begin().await? };
    let mut done = Vec::with_capacity(statements.len());
    for statement in statements {
        done.push(values::run(&mut transaction, statement).await?);
    }
    transaction.commit().await?;
    Ok(done)
}

impl Engine for Postgres {
    fn read(&self, statements: Vec<Statement>) -> Answer<'_, Vec<Done>> {
        self.run(statements, false).boxed()
    }

    fn write(&self, statements: Vec<Statement>, _: Care) -> Answer<'_, Vec<Done>> {
        // A statement alone is a transaction.
        let several = statements.len() > 1;
        self.run(statements, several).boxed()
    }

    fn changes(self: Arc<Self>) -> Answer<'static, Box<dyn Changes>> {
        async move {
            let source = self.source.clone();
            let listening = source.clone();
            let listener = self.home.run(async move { listening.listen().await }).await?;
            let (feed, follow) = follow(source, listener);
            self.home.keep(follow);
            Ok(Box::new(feed) as Box<dyn Changes>)
        }
        .boxed()
    }

    fn keep(&self, future: BoxFuture<'static, ()>) {
        self.home.keep(future);
    }

    fn name(&self) -> &Arc<str> {
        &self.source.failures.store
    }

    fn patience(&self) -> Duration {
        self.source.patience
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        // It waits for what is under way, as long as that may take.
        let closing = async { _ = timeout(self.source.patience, self.pool.close()).await };
        self.home.close(closing).boxed()
    }
}
