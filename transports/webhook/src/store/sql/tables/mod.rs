//! The store, by an engine and its statements.

mod endpoints;
mod journal;
mod pending;
mod subscriptions;

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::nonces::Nonces;
use super::text::{Dialect, Texts};
use super::{Argument, Care, Done, Engine, Record, Statement, Strange, damaged};
use crate::store::{self, Answer, Row, RowId, StoreError};
use crate::wire::InterestKind;

/// A store in the tables of a database.
pub(in crate::store) struct Tables {
    engine: Arc<dyn Engine>,
    dialect: Dialect,
    exacts: Texts,
    globs: Texts,
    nonces: Nonces,
}

impl Tables {
    /// On an engine whose tables are there.
    pub(in crate::store) fn new(engine: Arc<dyn Engine>, dialect: Dialect) -> Self {
        Self {
            dialect,
            exacts: Texts::new(dialect, InterestKind::Exact),
            globs: Texts::new(dialect, InterestKind::Glob),
            nonces: Nonces::new(Arc::clone(&engine), dialect),
            engine,
        }
    }

    fn texts(&self, kind: InterestKind) -> &Texts {
        match kind {
            InterestKind::Exact => &self.exacts,
            InterestKind::Glob => &self.globs,
        }
    }

    /// One statement that reads.
    async fn ask(&self, text: &Arc<str>, arguments: Vec<Argument>) -> Result<Vec<Record>, StoreError> {
        let done = self.engine.read(vec![Statement::new(text, arguments)]).await?;
        Ok(done.into_iter().next().unwrap_or_default().rows)
    }

    /// One statement that writes: how many rows it has changed.
    async fn change(&self, text: &Arc<str>, arguments: Vec<Argument>, care: Care) -> Result<u64, StoreError> {
        let done = self.engine.write(vec![Statement::new(text, arguments)], care).await?;
        Ok(done.into_iter().next().unwrap_or_default().affected)
    }

    /// The rows of a table that was read, each by its number.
    fn read<T>(
        &self,
        table: &str,
        records: Vec<Record>,
        read: impl Fn(i64, &mut Record) -> Result<T, Strange>,
    ) -> Result<Vec<T>, StoreError> {
        let one = |mut record: Record| {
            let number = record.integer().unwrap_or_default();
            read(number, &mut record).map_err(|Strange| damaged(self.engine.name(), table, number))
        };
        records.into_iter().map(one).collect()
    }

    fn subscriptions(&self, kind: InterestKind, records: Vec<Record>) -> Result<Vec<Row>, StoreError> {
        self.read(self.texts(kind).table, records, |number, record| subscription(kind, number, record))
    }
}

impl store::Store for Tables {
    fn close(&self) -> BoxFuture<'_, ()> {
        self.engine.close()
    }
}

impl store::Nonces for Tables {
    fn accept<'a>(&'a self, code: &'a [u8; 64], forget_at: u64) -> Answer<'a, bool> {
        self.nonces.accept(code, forget_at).boxed()
    }

    fn forget(&self, now: u64) -> Answer<'_, u64> {
        self.nonces.forget(now).boxed()
    }
}

/// The rest of a row of subscriptions after its number. A row that a person has written, and nobody can use, is told as it is:
/// an error would take all others with it.
fn subscription(kind: InterestKind, number: i64, record: &mut Record) -> Result<Row, Strange> {
    let (url, interest) = (record.loose_text()?, record.bytes()?);
    Ok(Row { id: RowId { kind, number }, url, interest, recovery: record.maybe_loose_text()? })
}

/// The answer to the nth statement. Engines give as many as there were statements.
fn nth(done: &mut [Done], number: usize) -> Done {
    done.get_mut(number).map(std::mem::take).unwrap_or_default()
}

/// A limit that a database can count to.
fn limit(limit: usize) -> Argument {
    Argument::Integer(Some(i64::try_from(limit).unwrap_or(i64::MAX)))
}
