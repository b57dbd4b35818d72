//! From the store's changes to the index.
//!
//! One task writes rows into the index, so that what was read first is never put over what was read later: also a change of
//! this broadcaster's own goes through it, by its number, and is read again. Changes that wait are read together.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eventhive_transport::Backoff;
use foldhash::{HashSet, HashSetExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::Broadcaster;
use crate::store::{Change, Changes, Row, RowId, StoreError};

/// Rows that are read at a time: some hundred KB, filed in less than a millisecond.
const PAGE: usize = 1000;

/// Requests that wait for the follower; who comes then waits before the queue.
const WAITING: usize = 1024;

/// The wait after a failure: between the first and twice that, doubled up to the second.
const AFTER_FAILURE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Rows to be read again.
struct Request {
    ids: Vec<RowId>,
    done: oneshot::Sender<Result<(), StoreError>>,
}

/// The way to the follower.
pub(super) struct Follower {
    requests: mpsc::Sender<Request>,
    /// Until the follower takes it.
    incoming: Mutex<Option<mpsc::Receiver<Request>>>,
}

impl Follower {
    pub(super) fn new() -> Self {
        let (requests, incoming) = mpsc::channel(WAITING);
        Self { requests, incoming: Mutex::new(Some(incoming)) }
    }

    /// Resolves when the index has these rows as the store has them.
    pub(super) async fn refresh(&self, ids: Vec<RowId>) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let (done, answer) = oneshot::channel();
        self.requests.send(Request { ids, done }).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

/// Follows until the broadcaster closes.
pub(super) async fn follow(broadcaster: &Arc<Broadcaster>) {
    let incoming = broadcaster.follower.incoming.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut requests) = incoming else { return };
    let mut following = Following { broadcaster, stale: true, away: false, backoff: backoff() };
    tokio::select! {
        () = following.run(&mut requests) => {}
        () = broadcaster.closed() => {}
    }
}

fn backoff() -> Backoff {
    Backoff::new(AFTER_FAILURE.0, AFTER_FAILURE.1)
}

struct Following<'b> {
    broadcaster: &'b Arc<Broadcaster>,
    /// Whether the index may differ from the store in any row.
    stale: bool,
    /// Whether it has been said that the store is away.
    away: bool,
    backoff: Backoff,
}

impl Following<'_> {
    async fn run(&mut self, requests: &mut mpsc::Receiver<Request>) {
        let mut changes = loop {
            match self.broadcaster.store.changes().await {
                Ok(changes) => break changes,
                Err(error) => self.failed(&error, requests).await,
            }
        };
        loop {
            if self.stale {
                // What is written while the rows are read may fail to be read back, and makes it stale again.
                self.stale = false;
                match self.load(requests).await {
                    Ok(()) => self.loaded(),
                    Err(error) => {
                        self.stale = true;
                        self.failed(&error, requests).await;
                        continue;
                    }
                }
            }
            if self.step(&mut *changes, requests).await.is_break() {
                return;
            }
        }
    }

    async fn step(&mut self, changes: &mut dyn Changes, requests: &mut mpsc::Receiver<Request>) -> ControlFlow<()> {
        tokio::select! {
            change = changes.next() => match change {
                Ok(Change::Rows(ids)) => {
                    if let Err(error) = self.refresh(&ids).await {
                        self.say_away(&error);
                        self.stale = true;
                    }
                }
                Ok(Change::Everything) => self.stale = true,
                Err(StoreError::Closed) => return ControlFlow::Break(()),
                Err(error) => self.say_away(&error),
            },
            Some(request) = requests.recv() => self.serve(request, requests).await,
        }
        ControlFlow::Continue(())
    }

    /// Reads all rows. What waits is served between the pages.
    async fn load(&mut self, requests: &mut mpsc::Receiver<Request>) -> Result<(), StoreError> {
        let index = Arc::clone(&self.broadcaster.index);
        let reload = index.reload();
        let mut after = None;
        loop {
            let rows = self.broadcaster.store.page(after, PAGE).await?;
            self.insert(&rows);
            match rows.last() {
                Some(last) if rows.len() == PAGE => after = Some(last.id),
                _ => break,
            }
            if let Ok(request) = requests.try_recv() {
                self.serve(request, requests).await;
            }
        }
        reload.finish().iter().for_each(|removed| self.broadcaster.row_is_gone(removed));
        Ok(())
    }

    fn loaded(&mut self) {
        self.away = false;
        self.backoff = backoff();
        let rows = self.broadcaster.index.stats().rows;
        let first = !self.broadcaster.ready.send_replace(true);
        tracing::info!(subscriptions = rows, first, "the subscriptions were read from the store");
    }

    /// Serves a request, and those that came with it.
    async fn serve(&mut self, request: Request, requests: &mut mpsc::Receiver<Request>) {
        let Request { mut ids, done } = request;
        let mut waiting = vec![done];
        while ids.len() < PAGE
            && let Ok(more) = requests.try_recv()
        {
            ids.extend(more.ids);
            waiting.push(more.done);
        }
        let result = self.refresh(&ids).await;
        if result.is_err() {
            // What was written is not known here: the next reading finds it.
            self.stale = true;
        }
        for done in waiting {
            // Whoever asked may have gone.
            let _ = done.send(result.clone());
        }
    }

    /// Reads rows again, and files what there is.
    async fn refresh(&self, ids: &[RowId]) -> Result<(), StoreError> {
        for ids in ids.chunks(PAGE) {
            let rows = self.broadcaster.store.rows(ids).await?;
            self.insert(&rows);
            let mut there = HashSet::with_capacity(rows.len());
            there.extend(rows.iter().map(|row| row.id));
            for id in ids.iter().filter(|id| !there.contains(id)) {
                let removed = self.broadcaster.index.remove(*id);
                removed.iter().for_each(|removed| self.broadcaster.row_is_gone(removed));
            }
        }
        Ok(())
    }

    fn insert(&self, rows: &[Row]) {
        for (id, error) in self.broadcaster.index.insert(rows) {
            tracing::warn!(row = id.number, kind = ?id.kind, %error, "a subscription of the store cannot be used: remove it");
        }
    }

    /// Says so, and waits; what is asked meanwhile fails at once.
    async fn failed(&mut self, error: &StoreError, requests: &mut mpsc::Receiver<Request>) {
        self.say_away(error);
        let wait = sleep(self.backoff.next_wait());
        tokio::pin!(wait);
        loop {
            tokio::select! {
                () = &mut wait => return,
                Some(request) = requests.recv() => self.serve(request, requests).await,
            }
        }
    }

    fn say_away(&mut self, error: &StoreError) {
        if !std::mem::replace(&mut self.away, true) {
            tracing::warn!(%error, "the store is away; notifies go on with the subscriptions that are known");
        }
    }
}
