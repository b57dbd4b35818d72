//! A store in memory that can be away.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use eventhive_webhook::store::{
    Answer, Attempt, AttemptFilter, Buried, Change, Changes, DeadLetter, Due, Endpoint, EndpointFilter, Endpoints,
    Journal, LettersOfUrl, Nonces, Pending, Row, RowId, Settled, Store, StoreError, Subscriptions, Wanted,
};
use eventhive_webhook::wire::{Interest, InterestKind};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::broadcast;

pub(crate) struct MemoryStore {
    rows: Mutex<BTreeMap<RowId, Row>>,
    codes: Mutex<HashSet<[u8; 64]>>,
    changes: broadcast::Sender<Change>,
    away: AtomicBool,
    last: Mutex<i64>,
}

impl MemoryStore {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            rows: Mutex::default(),
            codes: Mutex::default(),
            changes: broadcast::Sender::new(1024),
            away: AtomicBool::new(false),
            last: Mutex::new(0),
        })
    }

    pub(crate) fn be_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
        if !away {
            let _ = self.changes.send(Change::Everything);
        }
    }

    /// Adds a row as somebody else would, and tells of it.
    pub(crate) fn insert_elsewhere(&self, url: &str, interest: Interest<'_>) -> RowId {
        let id = self.add(url, interest, None).unwrap();
        self.tell(id);
        id
    }

    pub(crate) fn remove_elsewhere(&self, id: RowId) {
        self.rows().remove(&id);
        self.tell(id);
    }

    /// Tells of a change, whoever made it.
    fn tell(&self, id: RowId) {
        let _ = self.changes.send(Change::Rows(vec![id]));
    }

    pub(crate) fn of(&self, url: &str) -> Vec<Row> {
        let mut rows: Vec<Row> = self.rows().values().filter(|row| &*row.url == url).cloned().collect();
        rows.sort_by(|one, other| (one.id.kind, &one.interest).cmp(&(other.id.kind, &other.interest)));
        rows
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<RowId, Row>> {
        self.rows.lock().unwrap()
    }

    fn add(&self, url: &str, interest: Interest<'_>, recovery: Option<&str>) -> Option<RowId> {
        if self.find(url, interest).is_some() {
            return None;
        }
        let mut last = self.last.lock().unwrap();
        *last += 1;
        let id = RowId { kind: interest.kind(), number: *last };
        let row = Row { id, url: url.into(), interest: interest.as_bytes().into(), recovery: recovery.map(Into::into) };
        self.rows().insert(id, row);
        Some(id)
    }

    fn find(&self, url: &str, interest: Interest<'_>) -> Option<RowId> {
        self.of(url).into_iter().find(|row| row.interest() == Some(interest)).map(|row| row.id)
    }

    fn answer<'a, T: Send + 'a>(&'a self, answer: impl FnOnce() -> T + Send + 'a) -> Answer<'a, T> {
        async move { if self.away.load(Ordering::SeqCst) { Err(away()) } else { Ok(answer()) } }.boxed()
    }
}

fn away() -> StoreError {
    StoreError::Unavailable { store: "memory".into(), source: Arc::new(std::io::Error::other("away")) }
}

impl Subscriptions for MemoryStore {
    fn insert<'a>(
        &'a self,
        url: &'a str,
        interest: Interest<'a>,
        recovery: Option<&'a str>,
    ) -> Answer<'a, Option<RowId>> {
        self.answer(move || self.add(url, interest, recovery).inspect(|id| self.tell(*id)))
    }

    fn remove<'a>(&'a self, url: &'a str, interest: Interest<'a>) -> Answer<'a, Option<RowId>> {
        self.answer(move || {
            let id = self.find(url, interest)?;
            self.rows().remove(&id);
            self.tell(id);
            Some(id)
        })
    }

    fn remove_row(&self, id: RowId) -> Answer<'_, bool> {
        self.answer(move || self.rows().remove(&id).is_some())
    }

    fn replace<'a>(&'a self, url: &'a str, wanted: &'a [Wanted<'a>]) -> Answer<'a, Vec<RowId>> {
        self.answer(move || {
            let mut changed = Vec::new();
            for row in self.of(url) {
                if !wanted.iter().any(|one| Some(one.interest) == row.interest()) {
                    self.rows().remove(&row.id);
                    changed.push(row.id);
                }
            }
            for Wanted { interest, recovery } in wanted {
                match self.find(url, *interest) {
                    None => changed.extend(self.add(url, *interest, *recovery)),
                    Some(id) => {
                        let mut rows = self.rows();
                        let row = rows.get_mut(&id).unwrap();
                        if row.recovery.as_deref() != *recovery {
                            row.recovery = recovery.map(Into::into);
                            changed.push(id);
                        }
                    }
                }
            }
            changed
        })
    }

    fn of_url<'a>(&'a self, url: &'a str, after: Option<Interest<'a>>, limit: usize) -> Answer<'a, Vec<Row>> {
        self.answer(move || {
            let later = |row: &Row| after.is_none_or(|after| row.interest().unwrap() > after);
            self.of(url).into_iter().filter(later).take(limit).collect()
        })
    }

    fn page(&self, after: Option<RowId>, limit: usize) -> Answer<'_, Vec<Row>> {
        self.answer(move || {
            let rows = self.rows();
            let later = rows.values().filter(|row| after.is_none_or(|after| row.id > after));
            later.take(limit).cloned().collect()
        })
    }

    fn rows<'a>(&'a self, ids: &'a [RowId]) -> Answer<'a, Vec<Row>> {
        self.answer(move || ids.iter().filter_map(|id| self.rows().get(id).cloned()).collect())
    }

    fn changes(&self) -> Answer<'_, Box<dyn Changes>> {
        let changes = self.changes.subscribe();
        self.answer(move || Box::new(MemoryChanges(changes)) as Box<dyn Changes>)
    }

    fn count(&self, kind: InterestKind) -> Answer<'_, u64> {
        self.answer(move || self.rows().keys().filter(|id| id.kind == kind).count() as u64)
    }
}

struct MemoryChanges(broadcast::Receiver<Change>);

impl Changes for MemoryChanges {
    fn next(&mut self) -> Answer<'_, Change> {
        self.0.recv().map(|change| change.map_err(|_| StoreError::Closed)).boxed()
    }
}

impl Nonces for MemoryStore {
    fn accept<'a>(&'a self, code: &'a [u8; 64], _: u64) -> Answer<'a, bool> {
        self.answer(move || self.codes.lock().unwrap().insert(*code))
    }

    fn forget(&self, _: u64) -> Answer<'_, u64> {
        self.answer(|| 0)
    }
}

/// None of it is asked here: what calls urls is not the delivery.
impl Pending for MemoryStore {
    fn miss<'a>(&'a self, _: RowId, _: &'a [u8], _: u32, _: u64) -> Answer<'a, bool> {
        unused()
    }

    fn due(&self, _: u64) -> Answer<'_, Option<Due>> {
        unused()
    }

    fn settle(&self, _: i64, _: Settled) -> Answer<'_, ()> {
        unused()
    }
}

impl Journal for MemoryStore {
    fn log<'a>(&'a self, _: &'a [Attempt]) -> Answer<'a, ()> {
        unused()
    }

    fn attempts<'a>(&'a self, _: &'a AttemptFilter) -> Answer<'a, Vec<Attempt>> {
        unused()
    }

    fn bury<'a>(&'a self, _: &'a DeadLetter, _: LettersOfUrl) -> Answer<'a, Buried> {
        unused()
    }

    fn dead_letters<'a>(&'a self, _: Option<&'a str>, _: Option<i64>, _: usize) -> Answer<'a, Vec<DeadLetter>> {
        unused()
    }

    fn dead_letter(&self, _: i64) -> Answer<'_, Option<DeadLetter>> {
        unused()
    }

    fn unbury(&self, _: i64) -> Answer<'_, bool> {
        unused()
    }

    fn trim(&self, _: u64, _: u64, _: u64) -> Answer<'_, u64> {
        unused()
    }
}

impl Endpoints for MemoryStore {
    fn endpoint<'a>(&'a self, _: &'a str) -> Answer<'a, Option<Endpoint>> {
        unused()
    }

    fn endpoints<'a>(&'a self, _: &'a EndpointFilter) -> Answer<'a, Vec<Endpoint>> {
        unused()
    }

    fn remember<'a>(&'a self, _: &'a Endpoint) -> Answer<'a, ()> {
        unused()
    }

    fn enable<'a>(&'a self, _: &'a str) -> Answer<'a, bool> {
        unused()
    }

    fn dismiss<'a>(&'a self, _: &'a str) -> Answer<'a, bool> {
        unused()
    }
}

fn unused<'a, T>() -> Answer<'a, T> {
    panic!("no test asks for this")
}

impl Store for MemoryStore {
    fn close(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }
}
