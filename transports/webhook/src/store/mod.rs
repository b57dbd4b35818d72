//! Where subscriptions live, and with them all that a broadcaster must not forget.
//!
//! Several broadcasters may share a store. Each keeps an index of all subscriptions in memory, filled by
//! [`Subscriptions::page`] and kept up to date by [`Subscriptions::changes`], so that a notify asks no database.
//! The tables are plain: an operator may read and change them with SQL, and every broadcaster takes note.
//!
//! [`open`] opens one, by its address.
//!
//! # Tables
//! They are named alike in SQLite, PostgreSQL and rqlite. The first three are those of the original broadcaster, lonelypss,
//! whose SQLite file is opened as it is, and which may go on using it at the same time.
//!
//! | table | a row is | columns |
//! |---|---|---|
//! | `httppubsub_subscription_exacts` | a subscription to a topic | `id`, `url`, `exact` (the topic), `missed_url` (the recovery url); of a pending MISSED `missed_attempts`, `missed_next_retry_at`, and of the broadcaster that sends it now `missed_lock_id`, `missed_lock_expires_at` |
//! | `httppubsub_subscription_globs` | a subscription to a pattern | as above, with `glob` for `exact`, and `missed_topic` |
//! | `httppubsub_hmacs` | an authorization that was used | `code`, `expires_at` |
//! | `webhook_attempts` | a request to a url | `number`, `at_ms`, `call` (`receive` or `missed`), `url`, `topic`, `identifier`, `outcome` (a word of [`Outcome`]), `detail`, `status`, `took_us`, `bytes` |
//! | `webhook_dead_letters` | a message that was not delivered | `number`, `at_ms`, `url`, `topic`, `outcome`, `detail`, `sha512`, `bytes`, `body` |
//! | `webhook_endpoints` | what is remembered of a url | `url`, `failing_since`, `failures`, `disabled_at`, `reason`, `verified_at`, `allowed_rate` (requests a minute) |
//! | `webhook_migrations` | a change of these tables | `version`, `applied_at` |
//! | `webhook_changes` (not in PostgreSQL) | a change of a subscription | `seq`, `kind` (0 of a topic, 1 of a pattern), `row_id`; the last 65,536 |
//! | `webhook_row_ids` (SQLite) | the largest number that a subscription had which is gone | `kind`, `last` |
//!
//! Times are seconds since the epoch; those named `.._ms` are milliseconds. Topics, digests and bodies are bytes (`BLOB`,
//! `bytea`); in rqlite they are text, in lower-case hex. Who wants the topic `news` in SQLite (in PostgreSQL `'news'::bytea`, in
//! rqlite `'6e657773'`), and the urls that failed most in the last hour:
//!
//! ```sql
//! SELECT url, missed_url FROM httppubsub_subscription_exacts WHERE exact = CAST('news' AS BLOB);
//!
//! SELECT url, outcome, count(*) AS times FROM webhook_attempts
//!     WHERE outcome <> 'confirmed' AND at_ms > (unixepoch() - 3600) * 1000
//!     GROUP BY url, outcome ORDER BY times DESC LIMIT 10;
//! ```
//!
//! Rows of subscriptions may be inserted, updated and deleted with SQL; in SQLite a topic may be written as text, which is stored
//! as its bytes. Triggers tell every broadcaster: at once in PostgreSQL, within 0.1 s in a file of SQLite, within 0.5 s in rqlite.
//!
//! # Calls
//! All calls may be made from any thread and at the same time. None of them panics; what fails is a [`StoreError`], and
//! has not happened, unless the error says that this is not known.
//!
//! # How to read it
//! - [`Store`]: all of it. [`Subscriptions`]: who wants what. [`Pending`]: MISSED messages that are due later.
//!   [`Nonces`]: authorizations that count once. [`Journal`]: what was tried, and what could not be delivered.
//!   [`Endpoints`]: urls that do not answer, or have shown that they want to be called.
//! - `row`: what is stored. `error`: what can go wrong. `open`: from an address to a store.
//! - `sqlite`, `postgres`, `rqlite`: the databases. `sql`: what they have in common.

mod error;
mod open;
#[cfg(feature = "postgres")]
mod postgres;
mod row;
mod rqlite;
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;

use futures_util::future::BoxFuture;

pub use error::StoreError;
pub use open::{Options, open, sqlite_file};
pub use row::{
    Attempt, AttemptFilter, Buried, Change, DeadLetter, Due, Endpoint, EndpointFilter, LettersOfUrl, Outcome, Row,
    RowId, Settled, Wanted,
};

use crate::wire::{Interest, InterestKind};

/// What a call of a store comes to.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// A store. See the [module](self).
pub trait Store: Subscriptions + Pending + Nonces + Journal + Endpoints {
    /// Ends what the store does by itself, and writes what it has not written. Calls after it fail as
    /// [`StoreError::Closed`].
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// Who wants what.
pub trait Subscriptions: Send + Sync {
    /// Adds a subscription. `None` if this url has it already; its recovery url is not changed then.
    fn insert<'a>(
        &'a self,
        url: &'a str,
        interest: Interest<'a>,
        recovery: Option<&'a str>,
    ) -> Answer<'a, Option<RowId>>;

    /// Removes a subscription. `None` if there is none.
    fn remove<'a>(&'a self, url: &'a str, interest: Interest<'a>) -> Answer<'a, Option<RowId>>;

    /// Removes this row, and no later one of the same url and interest. `false` if there is none.
    fn remove_row(&self, id: RowId) -> Answer<'_, bool>;

    /// Makes the subscriptions of a url these, at once: adds what is missing, removes what is too much, and changes recovery
    /// urls that differ. `wanted` is sorted as [`of_url`](Self::of_url) sorts, without repetitions. Rows that stay keep their
    /// [`RowId`]. Returns the rows that were added, removed or changed.
    fn replace<'a>(&'a self, url: &'a str, wanted: &'a [Wanted<'a>]) -> Answer<'a, Vec<RowId>>;

    /// The next subscriptions of a url after one of them: topics, then patterns, each sorted bytewise. At most `limit`;
    /// fewer only at the end.
    fn of_url<'a>(&'a self, url: &'a str, after: Option<Interest<'a>>, limit: usize) -> Answer<'a, Vec<Row>>;

    /// The next subscriptions of all urls after this one, in the order of their ids. At most `limit`; fewer only at the end.
    fn page(&self, after: Option<RowId>, limit: usize) -> Answer<'_, Vec<Row>>;

    /// These rows, as far as there are such, in any order.
    fn rows<'a>(&'a self, ids: &'a [RowId]) -> Answer<'a, Vec<Row>>;

    /// Changes from now on, by anybody: this broadcaster, another, a person. Begin it before reading the pages.
    fn changes(&self) -> Answer<'_, Box<dyn Changes>>;

    /// How many subscriptions of a kind there are.
    fn count(&self, kind: InterestKind) -> Answer<'_, u64>;
}

/// The changes of a store, as they come. Dropping it ends it.
pub trait Changes: Send {
    /// Waits for the next. It may tell of a row more than once, and of one that has not changed in the end. Cancelling it
    /// loses nothing.
    ///
    /// Where the store cannot be reached it tells so; the next call waits, with growing intervals, until it can, and
    /// then says [`Change::Everything`].
    fn next(&mut self) -> Answer<'_, Change>;
}

/// MISSED messages that are due later. Each row has at most one.
pub trait Pending: Send + Sync {
    /// Notes that a message of this topic was missed, and when to tell. `retry_at` is seconds since the epoch. `false` if the
    /// row is gone.
    ///
    /// While one is pending, a later miss changes its topic, and neither its time nor how often it was tried: whoever fails
    /// under steady traffic is told all the same. While one is being told, the later one is due at `retry_at`, as another.
    fn miss<'a>(&'a self, id: RowId, topic: &'a [u8], attempts: u32, retry_at: u64) -> Answer<'a, bool>;

    /// Takes one that is due, if there is any: nobody else gets it until it is settled, or for 30 seconds.
    fn due(&self, now: u64) -> Answer<'_, Option<Due>>;

    /// Gives back what [`due`](Self::due) has given. Does nothing if its time was over and another has it. If another message
    /// was missed meanwhile, that stays pending: as one that was never tried, or as the one that is tried again.
    fn settle(&self, lock: i64, settled: Settled) -> Answer<'_, ()>;
}

/// Authorizations that count once.
pub trait Nonces: Send + Sync {
    /// Notes a code until `forget_at`, in seconds since the epoch; `false` if it is there already. Of several calls with one
    /// code, at any broadcaster, one gets `true`.
    fn accept<'a>(&'a self, code: &'a [u8; 64], forget_at: u64) -> Answer<'a, bool>;

    /// Forgets what has outlived its time.
    fn forget(&self, now: u64) -> Answer<'_, u64>;
}

/// What was tried, and what could not be delivered.
pub trait Journal: Send + Sync {
    /// Adds attempts to the log. A store that cannot keep U+0000 in a text keeps U+FFFD in its place, here and in letters.
    fn log<'a>(&'a self, attempts: &'a [Attempt]) -> Answer<'a, ()>;

    /// The newest attempts that the filter lets through, newest first.
    fn attempts<'a>(&'a self, filter: &'a AttemptFilter) -> Answer<'a, Vec<Attempt>>;

    /// Keeps a message that could not be delivered, and forgets the oldest of its url beyond `keep`. Where several do so at
    /// once, some more may be there until the next.
    fn bury<'a>(&'a self, letter: &'a DeadLetter, keep: LettersOfUrl) -> Answer<'a, Buried>;

    /// The newest dead letters before this number, newest first; without their bodies.
    fn dead_letters<'a>(
        &'a self,
        url: Option<&'a str>,
        before: Option<i64>,
        limit: usize,
    ) -> Answer<'a, Vec<DeadLetter>>;

    /// A dead letter with its body.
    fn dead_letter(&self, number: i64) -> Answer<'_, Option<DeadLetter>>;

    /// Forgets a dead letter, because it was delivered or is not wanted any more.
    fn unbury(&self, number: i64) -> Answer<'_, bool>;

    /// Forgets attempts and dead letters from before this time, in seconds since the epoch, and the oldest attempts beyond
    /// `keep_attempts` and dead letters beyond `keep_letters`.
    fn trim(&self, before: u64, keep_attempts: u64, keep_letters: u64) -> Answer<'_, u64>;
}

/// What is remembered of a url beside its subscriptions.
pub trait Endpoints: Send + Sync {
    /// One of them; `None` if there is nothing to remember.
    fn endpoint<'a>(&'a self, url: &'a str) -> Answer<'a, Option<Endpoint>>;

    /// Some of them, by url.
    fn endpoints<'a>(&'a self, filter: &'a EndpointFilter) -> Answer<'a, Vec<Endpoint>>;

    /// Adds this to what is remembered of the url, at once, so that nothing is lost if two do so: the earliest time since
    /// which it fails and at which it was disabled, and the most failures; the reason, if this says that it fails; when it was
    /// verified and its rate, if this says so.
    fn remember<'a>(&'a self, endpoint: &'a Endpoint) -> Answer<'a, ()>;

    /// Forgets that a url has failed and was disabled, and no more. `false` if nothing is remembered of it.
    fn enable<'a>(&'a self, url: &'a str) -> Answer<'a, bool>;

    /// Forgets all of a url.
    fn dismiss<'a>(&'a self, url: &'a str) -> Answer<'a, bool>;
}
