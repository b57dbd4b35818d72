//! Changes from a table of them, `webhook_changes`, which triggers write: SQLite's and rqlite's.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::{Record, Statement, Strange, damaged};
use crate::store::{Answer, Change, Changes, RowId, StoreError};
use crate::wire::InterestKind;

/// How many are read at once.
const AT_ONCE: usize = 1000;
/// How long it waits after the first failure in a row, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The statement that reads changes: after `$1`, with the newest there is or was in each row.
const READ: &str = "SELECT seq, kind, row_id FROM webhook_changes WHERE seq > $1 ORDER BY seq LIMIT $2";
/// The number of the newest there is or was.
pub(in crate::store) const NEWEST: &str =
    "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'webhook_changes'), 0)";

/// What a feed needs of its engine: it reads, and tells when there may be something to read.
pub(in crate::store) trait Source: Send + Sync + 'static {
    /// See [`Engine::read`](super::Engine::read).
    fn read(&self, statements: Vec<Statement>) -> BoxFuture<'_, Result<Vec<super::Done>, StoreError>>;

    /// How it is named in errors.
    fn name(&self) -> &Arc<str>;
}

/// The changes of one who follows them.
pub(in crate::store) struct Feed<S> {
    source: Arc<S>,
    /// Counts up when there may be something to read, and ends with the store.
    news: watch::Receiver<u64>,
    read: Arc<str>,
    newest: Arc<str>,
    /// Whether to look without waiting for news: there may be more, or a look was not finished.
    look: bool,
    /// The last that was told.
    seq: i64,
    failures: u32,
    /// When to look again after a failure. It stands still, however often nobody waits for it any more.
    retry_at: Option<Instant>,
    /// Whether the last try to read has failed, so that nobody knows what was missed.
    lost: bool,
}

impl<S: Source> Feed<S> {
    /// From now on.
    pub(in crate::store) async fn begin(
        source: Arc<S>,
        news: watch::Receiver<u64>,
        dialect: super::text::Dialect,
    ) -> Result<Self, StoreError> {
        let (read, newest) = (dialect.text(READ), dialect.text(NEWEST));
        let mut feed =
            Self { source, news, read, newest, look: true, seq: 0, failures: 0, retry_at: None, lost: false };
        feed.seq = feed.newest().await?;
        Ok(feed)
    }

    async fn newest(&self) -> Result<i64, StoreError> {
        let mut done = self.source.read(vec![Statement::new(&self.newest, Vec::new())]).await?;
        let record = done.pop().and_then(|mut done| done.rows.pop());
        record.ok_or(Strange).and_then(|mut record| record.integer()).map_err(|Strange| self.strange())
    }

    fn strange(&self) -> StoreError {
        damaged(self.source.name(), "webhook_changes", 0)
    }

    async fn follow(&mut self) -> Result<Change, StoreError> {
        loop {
            if let Some(retry_at) = self.retry_at {
                sleep_until(retry_at).await;
            } else if !self.look && self.news.changed().await.is_err() {
                return Err(StoreError::Closed);
            }
            self.look = true;
            match self.look().await {
                Ok(change) => {
                    (self.failures, self.retry_at) = (0, None);
                    if let Some(change) = change {
                        return Ok(change);
                    }
                }
                Err(StoreError::Closed) => return Err(StoreError::Closed),
                Err(error) => {
                    self.failures = self.failures.saturating_add(1);
                    self.retry_at = Some(Instant::now() + back_off(self.failures));
                    let told = std::mem::replace(&mut self.lost, true);
                    if !told {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// What is new. Nothing is taken before it is complete, so that it may be cancelled anywhere.
    async fn look(&mut self) -> Result<Option<Change>, StoreError> {
        if self.lost {
            self.seq = self.newest().await?;
            self.lost = false;
            return Ok(Some(Change::Everything));
        }
        let limit = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
        // The newest first: what comes between the two is then read, and taken for no gap.
        let statements = vec![
            Statement::new(&self.newest, Vec::new()),
            Statement::new(&self.read, vec![self.seq.into(), limit.into()]),
        ];
        let mut done = self.source.read(statements).await?;
        let records = done.pop().unwrap_or_default().rows;
        let newest = done.pop().and_then(|mut done| done.rows.pop()).map(|mut record| record.integer());
        let newest = newest.unwrap_or(Err(Strange)).map_err(|Strange| self.strange())?;
        let changes =
            records.into_iter().map(change).collect::<Result<Vec<_>, _>>().map_err(|Strange| self.strange())?;
        Ok(self.take(&changes, newest))
    }

    fn take(&mut self, changes: &[(i64, RowId)], newest: i64) -> Option<Change> {
        // Numbers follow each other: what is missing at the beginning was trimmed, or the store was put back to an older state.
        let first = changes.first().map_or(newest.saturating_add(1), |(seq, _)| *seq);
        let is_gap = newest < self.seq || first > self.seq.saturating_add(1);
        let last = changes.last().map_or(newest, |(seq, _)| *seq);
        self.seq = if is_gap { newest } else { last };
        self.look = changes.len() >= AT_ONCE;
        match changes {
            _ if is_gap => Some(Change::Everything),
            [] => None,
            _ => Some(Change::Rows(changes.iter().map(|(_, id)| *id).collect())),
        }
    }
}

impl<S: Source> Changes for Feed<S> {
    fn next(&mut self) -> Answer<'_, Change> {
        self.follow().boxed()
    }
}

fn change(mut record: Record) -> Result<(i64, RowId), Strange> {
    let seq = record.integer()?;
    let kind = match record.integer()? {
        0 => InterestKind::Exact,
        1 => InterestKind::Glob,
        _ => return Err(Strange),
    };
    Ok((seq, RowId { kind, number: record.integer()? }))
}

/// How long to wait after so many failures in a row.
pub(in crate::store) fn back_off(failures: u32) -> Duration {
    let (first, most) = BACK_OFF;
    let most = most.min(first.saturating_mul(1 << failures.saturating_sub(1).min(10)));
    most.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::time::timeout;

    use super::super::text::Dialect;
    use super::super::{Done, Value, late};
    use super::*;

    /// A table without changes, which may be away.
    struct Table(Arc<str>, AtomicBool);

    impl Source for Table {
        fn read(&self, statements: Vec<Statement>) -> BoxFuture<'_, Result<Vec<Done>, StoreError>> {
            let newest = || Done { rows: vec![Record::new(vec![Value::Integer(0)])], affected: 0 };
            let answers = match (self.1.load(Ordering::SeqCst), statements.len()) {
                (true, _) => Err(late(&self.0, "away")),
                (false, 1) => Ok(vec![newest()]),
                (false, _) => Ok(vec![newest(), Done::default()]),
            };
            std::future::ready(answers).boxed()
        }

        fn name(&self) -> &Arc<str> {
            &self.0
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_often_stops_waiting_is_told_when_the_store_is_back() {
        let table = Arc::new(Table("table".into(), AtomicBool::new(false)));
        let (news, heard) = watch::channel(0);
        let mut feed = Feed::begin(Arc::clone(&table), heard, Dialect::Sqlite).await.unwrap();
        table.1.store(true, Ordering::SeqCst);
        news.send_replace(1);
        assert!(matches!(feed.next().await, Err(StoreError::Unavailable { .. })));
        let hasty = Duration::from_millis(20);
        for _ in 0..1000 {
            assert!(timeout(hasty, feed.next()).await.is_err());
        }
        table.1.store(false, Ordering::SeqCst);
        let back = async {
            loop {
                if let Ok(told) = timeout(hasty, feed.next()).await {
                    return told;
                }
            }
        };
        let told = timeout(2 * BACK_OFF.1, back).await.expect("it has looked again");
        assert_eq!(told.unwrap(), Change::Everything);
    }
}
