//! Subscriptions in rqlite, by its HTTP API.
//!
//! Bytes are text there, in hex, and a transaction is one request with all of its statements. Statements need no `RETURNING`,
//! which not every version answers. It has not been run against a real cluster: its requests and answers have the shapes that
//! <https://rqlite.io/docs/api/> documents, and the tests answer them as documented, from a real SQLite.
//!
//! # How to read it
//! - Here: opening, and the [`Engine`].
//! - `client`: requests to whichever node answers. `node`: one of them. `address`: where they are. `json`: what is said.
//! - `schema`: the tables.

mod address;
mod client;
mod json;
mod node;
mod schema;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use self::address::Address;
use self::client::Client;
use self::schema::MIGRATIONS;
use super::sql::feed::{Feed, NEWEST, Source};
use super::sql::home::Home;
use super::sql::text::Dialect;
use super::sql::{Care, Done, Engine, Record, Statement, Strange, Tables, migrations};
use super::{Answer, Changes, Options, Store, StoreError};

/// How long it takes until a change by another broadcaster is seen. The leader answers the question from memory.
const POLL: Duration = Duration::from_millis(500);

struct Rqlite {
    home: Home,
    client: Arc<Client>,
    news: Arc<watch::Sender<u64>>,
    /// See [`Options::read_only`].
    looks: bool,
}

/// Opens a cluster by its nodes.
pub(super) async fn open(
    name: &Arc<str>,
    tls: bool,
    address: &str,
    options: &Options,
) -> Result<Arc<dyn Store>, StoreError> {
    let wrong = |problem| StoreError::Address { store: Arc::clone(name), problem };
    let address = Address::read(tls, address).map_err(wrong)?;
    let client = Arc::new(Client::new(name, address, options.patience).map_err(wrong)?);
    let home =
        Home::start().map_err(|error| StoreError::Unavailable { store: Arc::clone(name), source: Arc::new(error) })?;
    let opening = Arc::clone(&client);
    let looks = options.read_only;
    home.run(async move { if looks { check(&opening).await } else { migrate(&opening).await } }).await?;
    let news = Arc::new(watch::Sender::new(0));
    home.keep(watch_cluster(Arc::clone(&client), Arc::clone(&news)));
    let engine = Arc::new(Rqlite { home, client, news, looks });
    Ok(Arc::new(Tables::new(engine, Dialect::Rqlite)))
}

/// Whether the tables are those of this program, for who changes nothing.
async fn check(client: &Client) -> Result<(), StoreError> {
    let there = "SELECT count(*) FROM sqlite_master WHERE name = 'webhook_migrations'".into();
    let mut done = client.query(&[Statement::new(&there, Vec::new())]).await?;
    let version = match first_integer(&mut done) {
        None | Some(0) => None,
        Some(_) => version(client).await?,
    };
    migrations::check(&client.name, version, MIGRATIONS)
}

/// Brings the tables up to date. Each migration is one transaction, which fails if another broadcaster has been quicker.
async fn migrate(client: &Client) -> Result<(), StoreError> {
    let statement = |text: &str| Statement::new(&text.into(), Vec::new());
    let recorded =
        "CREATE TABLE IF NOT EXISTS webhook_migrations (version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL)";
    client.request(&[statement(recorded)]).await?;
    let found = version(client).await?;
    for (number, statements) in migrations::missing(&client.name, found, MIGRATIONS)? {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let record = Dialect::Rqlite.text("INSERT INTO webhook_migrations (version, applied_at) VALUES ($1, $2)");
        let mut all: Vec<Statement> = statements.iter().copied().map(statement).collect();
        all.push(Statement::new(&record, vec![number.into(), now.into()]));
        if let Err(error) = client.request(&all).await {
            let others = version(client).await?;
            if others.is_none_or(|version| version < number) {
                return Err(error);
            }
        }
    }
    Ok(())
}

async fn version(client: &Client) -> Result<Option<i64>, StoreError> {
    let text = "SELECT max(version) FROM webhook_migrations".into();
    let mut done = client.query(&[Statement::new(&text, Vec::new())]).await?;
    Ok(first_integer(&mut done))
}

fn first_integer(done: &mut Vec<Done>) -> Option<i64> {
    let record: Option<Record> = done.pop().and_then(|mut done| done.rows.pop());
    record.ok_or(Strange).and_then(|mut record| record.maybe_integer()).ok().flatten()
}

/// Tells when another broadcaster has changed subscriptions.
async fn watch_cluster(client: Arc<Client>, news: Arc<watch::Sender<u64>>) {
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let question = Statement::new(&Dialect::Rqlite.text(NEWEST), Vec::new());
    let mut last = None;
    loop {
        ticks.tick().await;
        if news.receiver_count() == 0 {
            continue;
        }
        let newest = match client.query(std::slice::from_ref(&question)).await {
            Ok(mut done) => first_integer(&mut done),
            Err(_) => None,
        };
        // If it cannot be asked, those who follow find out why by themselves.
        if newest.is_none() || newest != last {
            news.send_modify(|count| *count = count.wrapping_add(1));
        }
        last = newest;
    }
}

impl Rqlite {
    async fn query(&self, statements: Vec<Statement>) -> Result<Vec<Done>, StoreError> {
        let client = Arc::clone(&self.client);
        self.home.run(async move { client.query(&statements).await }).await
    }

    async fn request(&self, statements: Vec<Statement>) -> Result<Vec<Done>, StoreError> {
        if self.looks {
            let problem = "it was opened to be looked at, and is not changed".to_owned();
            return Err(StoreError::Address { store: Arc::clone(&self.client.name), problem });
        }
        let (client, news) = (Arc::clone(&self.client), Arc::clone(&self.news));
        let request = async move {
            let done = client.request(&statements).await;
            // Also if it has failed: nobody may know whether it was done.
            news.send_modify(|count| *count = count.wrapping_add(1));
            done
        };
        self.home.run(request).await
    }
}

impl Engine for Rqlite {
    fn read(&self, statements: Vec<Statement>) -> Answer<'_, Vec<Done>> {
        self.query(statements).boxed()
    }

    fn write(&self, statements: Vec<Statement>, _: Care) -> Answer<'_, Vec<Done>> {
        self.request(statements).boxed()
    }

    fn changes(self: Arc<Self>) -> Answer<'static, Box<dyn Changes>> {
        async move {
            let news = self.news.subscribe();
            Ok(Box::new(Feed::begin(self, news, Dialect::Rqlite).await?) as Box<dyn Changes>)
        }
        .boxed()
    }

    fn keep(&self, future: BoxFuture<'static, ()>) {
        self.home.keep(future);
    }

    fn name(&self) -> &Arc<str> {
        &self.client.name
    }

    fn patience(&self) -> Duration {
        self.client.patience
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        let closing = async { self.news.send_modify(|count| *count = count.wrapping_add(1)) };
        self.home.close(closing).boxed()
    }
}

impl Source for Rqlite {
    fn read(&self, statements: Vec<Statement>) -> BoxFuture<'_, Result<Vec<Done>, StoreError>> {
        self.query(statements).boxed()
    }

    fn name(&self) -> &Arc<str> {
        &self.client.name
    }
}
