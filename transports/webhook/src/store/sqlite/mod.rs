//! Subscriptions in a SQLite file: the default. The original's file is opened as it is, and both may use it at once.
//!
//! # How to read it
//! - Here: opening, and the [`Engine`]: a few connections that read, in a pool, and one that writes.
//! - `writer`: the one that writes. `schema`: the tables. `values`: rows and errors.
//!
//! A store in memory has one connection, which writes and reads.

mod schema;
mod values;
mod writer;

use std::fs::OpenOptions;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};

use self::values::Failures;
use self::writer::{Job, Writer};
use super::sql::feed::{Feed, Source};
use super::sql::home::Home;
use super::sql::text::Dialect;
use super::sql::{Care, Done, Engine, Statement, Tables, late};
use super::{Answer, Changes, Options, Store, StoreError};

/// Connections that read at the same time.
const READERS: u32 = 4;
/// How many transactions may wait for the writer.
const WAITING: usize = 1024;
/// How long it takes until a change by another process is seen. The question costs some microseconds, and is not asked while
/// nobody follows.
const POLL: Duration = Duration::from_millis(100);

/// The engine of a file.
struct Sqlite {
    name: Arc<str>,
    home: Home,
    /// `None` in memory.
    readers: Option<SqlitePool>,
    jobs: mpsc::Sender<Job>,
    news: Arc<watch::Sender<u64>>,
    failures: Failures,
    patience: Duration,
}

/// Opens a file, or makes it. `:memory:` is a store that ends with this process.
pub(super) async fn open(name: &Arc<str>, path: &str, options: &Options) -> Result<Arc<dyn Store>, StoreError> {
    let in_memory = path == ":memory:";
    let connect = connect_options(name, path, in_memory, options)?;
    let home = Home::start().map_err(|error| unavailable(name, error))?;
    let (failures, patience, looks) = (Failures::new(name), options.patience, options.read_only);
    let made = (!in_memory && !looks).then(|| path.to_owned());
    let opening = (connect.clone(), failures.clone(), made);
    let (writer, readers) = home
        .run(async move {
            let (connect, failures, file) = opening;
            if let Some(file) = file {
                make(&file);
            }
            let mut writer = connect.connect().await.map_err(|error| failures.open(error))?;
            match looks {
                true => values::check(&mut writer, &failures).await?,
                false => values::migrate(&mut writer, &failures).await?,
            }
            let readers = (!in_memory).then(|| {
                let pool = SqlitePoolOptions::new().max_connections(READERS).acquire_timeout(patience);
                // Each only reads, which SQLite sees to itself.
                pool.connect_lazy_with(connect.pragma("query_only", "on"))
            });
            Ok((writer, readers))
        })
        .await?;
    let (jobs, waiting) = mpsc::channel(WAITING);
    let news = Arc::new(watch::Sender::new(0));
    home.keep_to_end(Writer::new(writer, failures.clone(), Arc::clone(&news)).run(waiting));
    if !in_memory {
        home.keep(watch_file(connect, Arc::clone(&news)));
    }
    let engine = Arc::new(Sqlite { name: Arc::clone(name), home, readers, jobs, news, failures, patience });
    Ok(Arc::new(Tables::new(engine, Dialect::Sqlite)))
}

/// Makes a file that is not there, for its owner alone: it has urls, and what could not be delivered. Those that SQLite puts
/// beside it get its mode. What does not work here, SQLite finds out, and says.
fn make(file: &str) {
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _ = options.open(file);
}

fn connect_options(
    name: &Arc<str>,
    path: &str,
    in_memory: bool,
    options: &Options,
) -> Result<SqliteConnectOptions, StoreError> {
    let address = |problem: String| StoreError::Address { store: Arc::clone(name), problem };
    if path.is_empty() {
        return Err(address("it names no file: write `sqlite:PATH`, or `sqlite::memory:`".to_owned()));
    }
    let connect = if in_memory {
        SqliteConnectOptions::from_str("sqlite::memory:").map_err(|error| address(error.to_string()))?
    } else if options.read_only {
        SqliteConnectOptions::new().filename(path).pragma("query_only", "on")
    } else {
        SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
    };
    Ok(connect.busy_timeout(options.patience).disable_statement_logging())
}

fn unavailable(name: &Arc<str>, error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable { store: Arc::clone(name), source: Arc::new(error) }
}

/// Tells when another process, or another store of this one, has changed the file.
async fn watch_file(connect: SqliteConnectOptions, news: Arc<watch::Sender<u64>>) {
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connection: Option<SqliteConnection> = None;
    let mut last: Option<i64> = None;
    loop {
        ticks.tick().await;
        if news.receiver_count() == 0 {
            continue;
        }
        let version = match &mut connection {
            Some(connection) => sqlx::query_scalar("PRAGMA data_version").fetch_one(connection).await.ok(),
            None => None,
        };
        if version.is_none() {
            connection = connect.connect().await.ok();
        }
        // If it cannot be asked, those who follow find out why by themselves.
        if version.is_none() || version != last {
            news.send_modify(|count| *count = count.wrapping_add(1));
        }
        last = version;
    }
}

impl Sqlite {
    async fn hand(&self, statements: Vec<Statement>, care: Care, reads: bool) -> Result<Vec<Done>, StoreError> {
        if self.home.is_closed() {
            return Err(StoreError::Closed);
        }
        let late = |_| late(&self.name, "no answer in time");
        let until = Instant::now() + self.patience;
        let place = timeout_at(until, self.jobs.reserve()).await.map_err(late)?.map_err(|_| StoreError::Closed)?;
        let (answer, answered) = oneshot::channel();
        place.send(Job { statements, care, reads, until, answer });
        // The writer refuses in time what it cannot begin with; then it may wait for a lock of the file as long again.
        timeout_at(until + self.patience, answered).await.map_err(late)?.unwrap_or(Err(StoreError::Closed))
    }

    async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Done>, StoreError> {
        let Some(readers) = self.readers.clone() else { return self.hand(statements, Care::Loose, true).await };
        let (failures, patience) = (self.failures.clone(), self.patience);
        let asked = async move {
            let all = async {
                let mut connection = readers.acquire().await?;
                let mut done = Vec::with_capacity(statements.len());
                for statement in statements {
                    done.push(values::run(&mut connection, statement).await?);
                }
                Ok(done)
            };
            let answer = timeout(patience, all).await.map_err(|_| late(&failures.store, "no answer in time"))?;
            answer.map_err(|error| failures.of(error))
        };
        self.home.run(asked).await
    }

    async fn shut(&self) {
        // The writer ends when it has written all that was before this.
        let (answer, answered) = oneshot::channel();
        let last = Job { statements: Vec::new(), care: Care::Durable, reads: false, until: Instant::now(), answer };
        if self.jobs.send(last).await.is_ok() {
            let _ = answered.await;
        }
        if let Some(readers) = &self.readers {
            readers.close().await;
        }
        self.news.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl Engine for Sqlite {
    fn read(&self, statements: Vec<Statement>) -> Answer<'_, Vec<Done>> {
        self.query(statements).boxed()
    }

    fn write(&self, statements: Vec<Statement>, care: Care) -> Answer<'_, Vec<Done>> {
        self.hand(statements, care, false).boxed()
    }

    fn changes(self: Arc<Self>) -> Answer<'static, Box<dyn Changes>> {
        async move {
            let news = self.news.subscribe();
            Ok(Box::new(Feed::begin(self, news, Dialect::Sqlite).await?) as Box<dyn Changes>)
        }
        .boxed()
    }

    fn keep(&self, future: BoxFuture<'static, ()>) {
        self.home.keep(future);
    }

    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn patience(&self) -> Duration {
        self.patience
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.home.close(self.shut()).boxed()
    }
}

impl Source for Sqlite {
    fn read(&self, statements: Vec<Statement>) -> BoxFuture<'_, Result<Vec<Done>, StoreError>> {
        self.query(statements).boxed()
    }

    fn name(&self) -> &Arc<str> {
        &self.name
    }
}
