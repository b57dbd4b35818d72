//! Changes, by LISTEN on a connection of its own.

use std::io;
use std::time::Duration;

use futures_util::FutureExt as _;
use sqlx::postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::values::Failures;
use crate::store::sql::feed::back_off;
use crate::store::sql::late;
use crate::store::{Answer, Change, Changes, RowId, StoreError};
use crate::wire::InterestKind;

const CHANNEL: &str = "webhook_changes";
/// How many rows are told at once.
const AT_ONCE: usize = 1000;
/// After so long without any the server is asked whether it is there: a connection that was cut silently says nothing.
const IDLE: Duration = Duration::from_secs(20);

/// The changes of one who follows them.
pub(super) struct Feed {
    changes: mpsc::Receiver<Result<Change, StoreError>>,
}

impl Changes for Feed {
    fn next(&mut self) -> Answer<'_, Change> {
        async { self.changes.recv().await.unwrap_or(Err(StoreError::Closed)) }.boxed()
    }
}

/// What a feed needs to connect.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) connect: PgConnectOptions,
    pub(super) failures: Failures,
    pub(super) patience: Duration,
}

impl Source {
    /// A connection that listens.
    pub(super) async fn listen(&self) -> Result<PgListener, StoreError> {
        let failed = |error| self.failures.of(error);
        // A pool of one, because a listener takes a connection from a pool.
        let pool = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        let pool = pool.acquire_timeout(self.patience).connect_lazy_with(self.connect.clone());
        let mut listener = PgListener::connect_with(&pool).await.map_err(failed)?;
        // Its end is told, and then a new one is made here.
        listener.eager_reconnect(false);
        self.in_time(listener.listen(CHANNEL)).await?;
        Ok(listener)
    }

    async fn in_time<T>(&self, asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
        match timeout(self.patience, asked).await {
            Ok(answer) => answer.map_err(|error| self.failures.of(error)),
            Err(_) => Err(late(&self.failures.store, "no answer in time")),
        }
    }

    /// What the listener hears next; an error if its connection is lost.
    async fn hear(&self, listener: &mut PgListener) -> Result<Change, StoreError> {
        loop {
            match timeout(IDLE, listener.try_recv()).await {
                Ok(heard) => {
                    let first = self.heard(heard)?;
                    return self.gather(listener, &first);
                }
                Err(_) => self.in_time(sqlx::query("SELECT 1").execute(&mut *listener)).await.map(drop)?,
            }
        }
    }

    fn heard(&self, heard: Result<Option<PgNotification>, sqlx::Error>) -> Result<PgNotification, StoreError> {
        let lost = || sqlx::Error::from(io::Error::new(io::ErrorKind::ConnectionReset, "the connection was lost"));
        heard.and_then(|heard| heard.ok_or_else(lost)).map_err(|error| self.failures.of(error))
    }

    /// This one and those that are there already. An end that comes with them is told now, and they with it, because
    /// everything is read again: the listener tells an end once, and then connects anew by itself.
    fn gather(&self, listener: &mut PgListener, first: &PgNotification) -> Result<Change, StoreError> {
        let mut rows = Vec::new();
        let mut all = !read(first.payload(), &mut rows);
        while rows.len() < AT_ONCE {
            let Some(heard) = listener.try_recv().now_or_never() else { break };
            all |= !read(self.heard(heard)?.payload(), &mut rows);
        }
        Ok(if all { Change::Everything } else { Change::Rows(rows) })
    }
}

/// Follows the changes of a listener, and of those that take its place, until nobody wants them any more.
pub(super) fn follow(source: Source, listener: PgListener) -> (Feed, impl Future<Output = ()>) {
    // What is not taken waits in the connection, and then in the server.
    let (sender, changes) = mpsc::channel(1);
    (Feed { changes }, tell(source, listener, sender))
}

async fn tell(source: Source, mut listener: PgListener, sender: mpsc::Sender<Result<Change, StoreError>>) {
    loop {
        let heard = tokio::select! {
            heard = source.hear(&mut listener) => heard,
            () = sender.closed() => return,
        };
        let lost = heard.is_err();
        if sender.send(heard).await.is_err() {
            return;
        }
        if lost {
            listener = tokio::select! {
                listener = again(&source) => listener,
                () = sender.closed() => return,
            };
            if sender.send(Ok(Change::Everything)).await.is_err() {
                return;
            }
        }
    }
}

/// Listens again as soon as that is possible.
async fn again(source: &Source) -> PgListener {
    let mut failures = 1;
    loop {
        sleep(back_off(failures)).await;
        match source.listen().await {
            Ok(listener) => return listener,
            Err(_) => failures = failures.saturating_add(1),
        }
    }
}

/// Takes down a row. `false` if it tells none: then anything may have changed.
fn read(payload: &str, rows: &mut Vec<RowId>) -> bool {
    let row = payload.split_once(':').and_then(|(kind, number)| {
        let kind = match kind {
            "0" => InterestKind::Exact,
            "1" => InterestKind::Glob,
            _ => return None,
        };
        Some(RowId { kind, number: number.parse().ok()? })
    });
    rows.extend(row);
    row.is_some()
}
