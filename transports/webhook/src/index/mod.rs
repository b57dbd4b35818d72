//! From a topic to whom it concerns: rows of the store, which are called by HTTP, and peers, which are websockets.
//!
//! All subscriptions are in memory: a notify asks no database, and its cost does not grow with the number of
//! subscriptions that do not match. A topic takes some 190 bytes and a pattern 500, with their own; a url takes 200 more, and
//! is kept once, however many subscriptions it has. (Measured with a million of each; topics and urls of 30 to 45 bytes.)
//!
//! Equal topics, and equal patterns, share a *bucket* of members. Topics lead to theirs by hash, patterns by a piece of
//! their text ([`eventhive_hub::grams`]); patterns without text, such as `*`, are looked at each time.
//!
//! There is one lock, held for as long as it takes to look, or to file a slice of a page of rows; nobody waits under it, and
//! patterns are compiled before it is taken.
//!
//! # How to read it
//! - [`Index`]: what a broadcaster calls; [`Found`]: what a look comes to; [`Reload`]: reading a store anew.
//! - `table`: what the lock guards. `buckets`: interests and their members. `rows`, `urls`: what is known of the store.
//!   `peers`: websockets and what each wants.

mod buckets;
mod peers;
mod rows;
mod table;
#[cfg(test)]
mod tests;
mod urls;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use self::buckets::Compiled;
use self::table::Table;
use crate::store::{Row, RowId};
use crate::wire::Interest;
use crate::wire::glob::GlobError;

/// How many bytes of topics and patterns are filed under one lock.
const SLICE: usize = 256 << 10;

/// What filing a row takes beside its topic or pattern, as bytes of these: a slice has at most 1,024 rows.
const SMALL_ROW: usize = 256;

/// The urls of a subscription. Subscriptions with the same urls share them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Urls {
    /// Who is called.
    pub receive: Box<str>,
    /// Who is told that a message was missed.
    pub recovery: Option<Box<str>>,
}

/// A row of the store, as far as delivery needs it. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its number.
    pub id: RowId,
    /// Who is called, and who is told.
    pub urls: Arc<Urls>,
}

/// A row that was taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Who was called.
    pub urls: Arc<Urls>,
    /// What it was for, if a peer wants that, too.
    pub of_peers: Option<OwnedInterest>,
}

/// Whom a topic concerns.
#[derive(Debug, Clone)]
pub struct Found<P> {
    /// Rows of the store. One url is there as often as it has subscriptions that match.
    pub targets: Vec<Target>,
    /// Peers, each once.
    pub peers: Vec<P>,
    /// Their numbers, in the same order.
    pub keys: Vec<PeerKey>,
}

/// The number of a peer, for as long as it is in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerKey(u32);

/// A pattern that was wanted or not, or a topic; owned.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OwnedInterest {
    /// A topic.
    Exact(Box<[u8]>),
    /// A pattern.
    Glob(Box<str>),
}

impl OwnedInterest {
    /// The same, borrowed.
    #[must_use]
    pub fn borrowed(&self) -> Interest<'_> {
        match self {
            Self::Exact(topic) => Interest::Exact(topic),
            Self::Glob(glob) => Interest::Glob(glob),
        }
    }
}

impl From<Interest<'_>> for OwnedInterest {
    fn from(interest: Interest<'_>) -> Self {
        match interest {
            Interest::Exact(topic) => Self::Exact(topic.into()),
            Interest::Glob(glob) => Self::Glob(glob.into()),
        }
    }
}

/// Why something is not in the index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The pattern cannot be used.
    #[error(transparent)]
    Glob(#[from] GlobError),
    /// The pattern of a row is not UTF-8.
    #[error("the glob of row {} is not UTF-8", .0.number)]
    NotText(RowId),
    /// It has as many as it can have.
    #[error("there are as many subscriptions as an index can have, which is 4,294,967,295")]
    Full,
    /// The peer has left.
    #[error("the websocket has left")]
    Gone,
}

/// The numbers of an index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IndexStats {
    /// Rows of the store.
    pub rows: usize,
    /// Different urls of theirs.
    pub urls: usize,
    /// Peers.
    pub peers: usize,
    /// Different topics and patterns, of rows and peers.
    pub interests: usize,
}

/// All subscriptions. `P` is the handle of a peer.
pub struct Index<P> {
    table: RwLock<Table<P>>,
}

impl<P: Clone> Index<P> {
    /// Without any.
    #[must_use]
    pub fn new() -> Self {
        Self { table: RwLock::new(Table::default()) }
    }

    /// Files rows, each in place of what has its number. Returns those that cannot be, and why; they match nothing.
    pub fn insert<'r>(&self, rows: impl IntoIterator<Item = &'r Row>) -> Vec<(RowId, IndexError)> {
        let (mut failed, mut slice, mut bytes) = (Vec::new(), Vec::new(), 0);
        for row in rows {
            bytes += SMALL_ROW + row.interest.len();
            slice.push(row);
            if bytes >= SLICE {
                self.insert_slice(&slice, &mut failed);
                slice.clear();
                bytes = 0;
            }
        }
        self.insert_slice(&slice, &mut failed);
        failed
    }

    fn insert_slice(&self, rows: &[&Row], failed: &mut Vec<(RowId, IndexError)>) {
        let patterns: Vec<Option<&str>> = {
            let table = self.read();
            rows.iter().map(|row| row.interest().and_then(|interest| table.lacks(interest))).collect()
        };
        let compile = |text| Compiled::new(text).map_err(IndexError::from);
        let compiled: Vec<_> = patterns.into_iter().map(|pattern| pattern.map(compile).transpose()).collect();
        let mut table = self.write();
        for (row, compiled) in rows.iter().zip(compiled) {
            let filed = match compiled {
                Ok(compiled) => table.insert(row, compiled),
                Err(error) => {
                    table.remove(row.id);
                    Err(error)
                }
            };
            failed.extend(filed.err().map(|error| (row.id, error)));
        }
    }

    /// Takes a row out, if it is there.
    pub fn remove(&self, id: RowId) -> Option<Removed> {
        self.write().remove(id)
    }

    /// Begins to read all rows anew, in the place of those that are here. It ends one that had begun before.
    pub fn reload(&self) -> Reload<'_, P> {
        Reload { generation: self.write().next_generation(), index: self }
    }

    /// Adds a peer, which wants nothing yet.
    ///
    /// # Errors
    /// [`IndexError::Full`].
    pub fn join(&self, peer: P) -> Result<PeerKey, IndexError> {
        self.write().join(peer).map(PeerKey)
    }

    /// Takes a peer out with all that it wants. Returns what no peer wants any more.
    pub fn leave(&self, peer: PeerKey) -> Vec<OwnedInterest> {
        self.write().leave(peer.0)
    }

    /// Adds what a peer wants; see [`Subscribed`].
    ///
    /// # Errors
    /// The pattern cannot be used, there is no room, or the peer has left.
    pub fn subscribe(&self, peer: PeerKey, interest: Interest<'_>) -> Result<Subscribed, IndexError> {
        let pattern = self.read().lacks(interest);
        let compiled = pattern.map(Compiled::new).transpose()?;
        self.write().subscribe(peer.0, interest, compiled)
    }

    /// Ends what a peer wants; see [`Unsubscribed`].
    pub fn unsubscribe(&self, peer: PeerKey, interest: Interest<'_>) -> Unsubscribed {
        self.write().unsubscribe(peer.0, interest)
    }

    /// Whom a topic concerns.
    #[must_use]
    pub fn find(&self, topic: &[u8]) -> Found<P> {
        self.read().find(topic)
    }

    /// How many a topic concerns: rows, and peers. With `rows_of_peers`, what peers want has a row too, which is not counted.
    #[must_use]
    pub fn count(&self, topic: &[u8], rows_of_peers: bool) -> usize {
        self.read().count(topic, rows_of_peers)
    }

    /// The peers that a topic concerns, each once.
    #[must_use]
    pub fn peers(&self, topic: &[u8]) -> Vec<P> {
        self.read().find_peers(topic)
    }

    /// A peer that a topic concerns; `None` if it does not, or has left.
    #[must_use]
    pub fn wants(&self, peer: PeerKey, topic: &[u8]) -> Option<P> {
        self.read().wants(peer, topic)
    }

    /// The peers that want just this, whatever else they want.
    #[must_use]
    pub fn peers_of(&self, interest: Interest<'_>) -> Vec<P> {
        self.read().peers_of(interest)
    }

    /// Whether a peer wants this.
    #[must_use]
    pub fn is_wanted_by_peers(&self, interest: Interest<'_>) -> bool {
        self.read().is_wanted_by_peers(interest)
    }

    /// What peers want, each once, in no order.
    #[must_use]
    pub fn wanted_by_peers(&self) -> Vec<OwnedInterest> {
        self.read().wanted_by_peers()
    }

    /// The numbers now.
    #[must_use]
    pub fn stats(&self) -> IndexStats {
        self.read().stats()
    }

    fn read(&self) -> RwLockReadGuard<'_, Table<P>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table<P>> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Clone> Default for Index<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Clone> fmt::Debug for Index<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("stats", &self.stats()).finish()
    }
}

/// Reads all rows anew. Rows that are found or inserted meanwhile stay, and until it is finished so do all others; dropped
/// before, it leaves them.
#[must_use = "rows that are gone stay until it is finished"]
pub struct Reload<'a, P> {
    index: &'a Index<P>,
    generation: u32,
}

impl<P: Clone> Reload<'_, P> {
    /// Takes the rows out that were not inserted since it began, and returns them. If another has begun meanwhile, none: what
    /// this one found may look old to that one.
    pub fn finish(self) -> Vec<Removed> {
        self.index.write().drop_older(self.generation)
    }
}

/// What came of a peer's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscribed {
    /// It is the first peer that wants this.
    First,
    /// It is one more.
    Another,
    /// It wanted this already.
    Already,
}

/// What came of a peer that wants something no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsubscribed {
    /// No peer wants this any more.
    Last,
    /// Other peers want it.
    OneOfMany,
    /// It did not want this.
    Unknown,
}
