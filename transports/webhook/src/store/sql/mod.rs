//! A store in tables, whatever database has them.
//!
//! # How to read it
//! - Here: a [`Statement`], what becomes of it, and [`Engine`]: a database that runs some of them as one. Nothing is read
//!   between the statements of one transaction, so that a database that is reached by single requests can do it too.
//! - `text`: the statements, and where databases differ. `tables`: the store, by an engine and its statements; a file for
//!   each trait. `nonces`: many of them in one transaction. `feed`: changes from a table of them. `migrations`: which of them
//!   a database lacks.
//! - `driver`: statements for sqlx, and its answers. `home`: the thread on which a database's connections live.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(super) mod driver;
pub(super) mod feed;
mod hex;
pub(super) mod home;
pub(super) mod migrations;
mod nonces;
mod tables;
pub(super) mod text;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

pub(super) use hex::hex;
pub(super) use hex::unhex;
pub(super) use tables::Tables;

use super::{Answer, Changes, StoreError};

/// A value for a statement. It has a type even where it is missing, because PostgreSQL asks for one.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Argument {
    Integer(Option<i64>),
    Text(Option<Box<str>>),
    Bytes(Option<Box<[u8]>>),
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A statement and its values.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub(super) text: Arc<str>,
    pub(super) arguments: Vec<Argument>,
}

/// What a statement came to.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) rows: Vec<Record>,
    /// How many rows it has changed. Nothing is said of a statement that reads.
    pub(super) affected: u64,
}

/// A row, whose values are taken one after another.
#[derive(Debug)]
pub(super) struct Record(pub(super) std::vec::IntoIter<Value>);

/// How much it matters that a transaction outlives a failure of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// It must.
    Durable,
    /// It may be lost with the last moments before the failure.
    Loose,
}

/// A database.
pub(super) trait Engine: Send + Sync + 'static {
    /// Runs statements that change nothing. They may see different states.
    fn read(&self, statements: Vec<Statement>) -> Answer<'_, Vec<Done>>;

    /// Runs statements as one transaction. It goes on if nobody waits for it any more.
    fn write(&self, statements: Vec<Statement>, care: Care) -> Answer<'_, Vec<Done>>;

    /// Changes from now on.
    fn changes(self: Arc<Self>) -> Answer<'static, Box<dyn Changes>>;

    /// Runs a future until it ends, or the store is closed.
    fn keep(&self, future: BoxFuture<'static, ()>);

    /// How it is named in errors.
    fn name(&self) -> &Arc<str>;

    /// See [`Options`](super::Options).
    fn patience(&self) -> Duration;

    /// See [`Store::close`](super::Store::close).
    fn close(&self) -> BoxFuture<'_, ()>;
}

impl Statement {
    pub(super) fn new(text: &Arc<str>, arguments: Vec<Argument>) -> Self {
        Self { text: Arc::clone(text), arguments }
    }
}

impl From<i64> for Argument {
    fn from(value: i64) -> Self {
        Self::Integer(Some(value))
    }
}

/// Numbers that no database has are as good as the largest it has.
impl From<u64> for Argument {
    fn from(value: u64) -> Self {
        Self::Integer(Some(i64::try_from(value).unwrap_or(i64::MAX)))
    }
}

impl From<Option<u64>> for Argument {
    fn from(value: Option<u64>) -> Self {
        value.map_or(Self::Integer(None), Self::from)
    }
}

impl From<&str> for Argument {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.into()))
    }
}

impl From<String> for Argument {
    fn from(value: String) -> Self {
        Self::Text(Some(value.into()))
    }
}

impl From<Option<&str>> for Argument {
    fn from(value: Option<&str>) -> Self {
        Self::Text(value.map(Into::into))
    }
}

impl From<&[u8]> for Argument {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(Some(value.into()))
    }
}

/// A value that is not what a broadcaster writes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Strange;

impl Record {
    pub(super) fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    fn next(&mut self) -> Value {
        self.0.next().unwrap_or(Value::Null)
    }

    pub(super) fn integer(&mut self) -> Result<i64, Strange> {
        self.maybe_integer()?.ok_or(Strange)
    }

    pub(super) fn maybe_integer(&mut self) -> Result<Option<i64>, Strange> {
        match self.next() {
            Value::Integer(number) => Ok(Some(number)),
            Value::Null => Ok(None),
            _ => Err(Strange),
        }
    }

    /// A number that is not negative.
    pub(super) fn unsigned<T: TryFrom<i64>>(&mut self) -> Result<T, Strange> {
        T::try_from(self.integer()?).map_err(|_| Strange)
    }

    pub(super) fn maybe_unsigned<T: TryFrom<i64>>(&mut self) -> Result<Option<T>, Strange> {
        self.maybe_integer()?.map(T::try_from).transpose().map_err(|_| Strange)
    }

    pub(super) fn text(&mut self) -> Result<Box<str>, Strange> {
        self.maybe_text()?.ok_or(Strange)
    }

    pub(super) fn maybe_text(&mut self) -> Result<Option<Box<str>>, Strange> {
        match self.next() {
            Value::Text(text) => Ok(Some(text.into())),
            Value::Null => Ok(None),
            _ => Err(Strange),
        }
    }

    /// A text, or bytes as one, whatever they are: a person may write either in a column of SQLite.
    pub(super) fn loose_text(&mut self) -> Result<Box<str>, Strange> {
        self.maybe_loose_text()?.ok_or(Strange)
    }

    pub(super) fn maybe_loose_text(&mut self) -> Result<Option<Box<str>>, Strange> {
        Ok(self.maybe_bytes()?.map(|bytes| String::from_utf8_lossy(&bytes).into()))
    }

    /// Bytes, or those of a text: SQLite lets a person write either in any column.
    pub(super) fn bytes(&mut self) -> Result<Box<[u8]>, Strange> {
        self.maybe_bytes()?.ok_or(Strange)
    }

    pub(super) fn maybe_bytes(&mut self) -> Result<Option<Box<[u8]>>, Strange> {
        match self.next() {
            Value::Bytes(bytes) => Ok(Some(bytes.into())),
            Value::Text(text) => Ok(Some(text.into_bytes().into())),
            Value::Null => Ok(None),
            Value::Integer(_) => Err(Strange),
        }
    }
}

/// The error for what has taken longer than the patience.
pub(super) fn late(store: &Arc<str>, what: &str) -> StoreError {
    let late = io::Error::new(io::ErrorKind::TimedOut, what);
    StoreError::Unavailable { store: Arc::clone(store), source: Arc::new(late) }
}

/// The error for a row that no broadcaster has written.
pub(super) fn damaged(store: &Arc<str>, table: &str, number: i64) -> StoreError {
    StoreError::Damaged {
        store: Arc::clone(store),
        problem: format!(
            "the row {number} of the table {table} has a value of another type than the column's, or a text that is not \
             UTF-8: correct or delete it"
        ),
    }
}
