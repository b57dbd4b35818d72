//! The connection that writes. What waits while it writes is written in one transaction, because it is the end of a
//! transaction that takes its time.

use std::sync::Arc;

use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::values::{self, Failures};
use crate::store::StoreError;
use crate::store::sql::{Care, Done, Statement, late};

/// How many jobs share a transaction. Each waits for those before it.
const TOGETHER: usize = 64;

/// What is asked of the writer. One without statements ends it.
pub(super) struct Job {
    pub(super) statements: Vec<Statement>,
    pub(super) care: Care,
    /// Whether it changes nothing.
    pub(super) reads: bool,
    /// When it is too late to begin with it.
    pub(super) until: Instant,
    pub(super) answer: oneshot::Sender<Result<Vec<Done>, StoreError>>,
}

/// How a job has failed.
enum Failed {
    /// The others stand.
    Alone(StoreError),
    /// And with it the transaction.
    Whole(StoreError),
}

impl From<Failed> for StoreError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Alone(error) | Failed::Whole(error) => error,
        }
    }
}

pub(super) struct Writer {
    connection: SqliteConnection,
    failures: Failures,
    news: Arc<watch::Sender<u64>>,
    /// What the connection is set to.
    care: Care,
    /// Why the last transaction has come to nothing, if it has.
    failed: Option<StoreError>,
}

impl Writer {
    pub(super) fn new(connection: SqliteConnection, failures: Failures, news: Arc<watch::Sender<u64>>) -> Self {
        Self { connection, failures, news, care: Care::Durable, failed: None }
    }

    /// Until it is told to end, or nobody can ask it any more.
    pub(super) async fn run(mut self, mut waiting: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(TOGETHER);
        while waiting.recv_many(&mut jobs, TOGETHER).await > 0 {
            let end = jobs.iter().position(|job| job.statements.is_empty());
            let last = end.map(|end| jobs.split_off(end)).unwrap_or_default();
            let in_time = self.refuse_late(std::mem::take(&mut jobs));
            if !in_time.is_empty() {
                self.write(in_time).await;
            }
            if !last.is_empty() {
                // It brings the file up to date, so that a copy of it alone is complete.
                let _ = self.connection.close().await;
                for job in last {
                    let _ = job.answer.send(if job.statements.is_empty() {
                        Ok(Vec::new())
                    } else {
                        Err(StoreError::Closed)
                    });
                }
                return;
            }
        }
        let _ = self.connection.close().await;
    }

    /// Refuses what has waited too long for those before it, and returns the rest.
    fn refuse_late(&self, jobs: Vec<Job>) -> Vec<Job> {
        let now = Instant::now();
        let (in_time, too_late): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| now < job.until);
        for job in too_late {
            let error =
                self.failed.clone().unwrap_or_else(|| late(&self.failures.store, "the writer had no time for it"));
            let _ = job.answer.send(Err(error));
        }
        in_time
    }

    async fn write(&mut self, jobs: Vec<Job>) {
        let is_alone = jobs.len() == 1;
        let changes = jobs.iter().any(|job| !job.reads);
        let mut answers = Vec::with_capacity(jobs.len());
        let mut whole = self.begin(&jobs).await;
        for job in jobs {
            let result = match &whole {
                Ok(()) => self.one(job.statements, is_alone).await,
                Err(error) => Err(Failed::Whole(error.clone())),
            };
            if let (Ok(()), Err(Failed::Whole(error))) = (&whole, &result) {
                whole = Err(error.clone());
            }
            answers.push((job.answer, result));
        }
        let worth = answers.iter().any(|(_, result)| result.is_ok());
        let ended = self.end(whole, worth).await;
        if changes && ended.is_ok() {
            self.news.send_modify(|count| *count = count.wrapping_add(1));
        }
        for (answer, result) in answers {
            // Whoever has asked may have gone.
            let _ = answer.send(ended.clone().and(result.map_err(Failed::into)));
        }
        self.failed = ended.err();
    }

    async fn begin(&mut self, jobs: &[Job]) -> Result<(), StoreError> {
        let care = if jobs.iter().any(|job| job.care == Care::Durable) { Care::Durable } else { Care::Loose };
        if care != self.care {
            self.execute(if care == Care::Durable {
                "PRAGMA synchronous = FULL"
            } else {
                "PRAGMA synchronous = NORMAL"
            })
            .await?;
            self.care = care;
        }
        self.execute("BEGIN IMMEDIATE").await
    }

    /// One job. If others are in the transaction, its failure undoes what it has done and no more, where that can be.
    async fn one(&mut self, statements: Vec<Statement>, is_alone: bool) -> Result<Vec<Done>, Failed> {
        let guarded = !is_alone && statements.len() > 1;
        if guarded {
            self.execute("SAVEPOINT job").await.map_err(Failed::Whole)?;
        }
        let result = self.all(statements).await;
        if let Err(error) = &result
            && self.is_undone().await
        {
            return Err(Failed::Whole(error.clone()));
        }
        if guarded {
            if result.is_err() {
                self.execute("ROLLBACK TO job").await.map_err(Failed::Whole)?;
            }
            self.execute("RELEASE job").await.map_err(Failed::Whole)?;
        }
        result.map_err(Failed::Alone)
    }

    /// Whether the transaction has ended by itself, as it does when the disk is full or broken. Only then another can begin.
    async fn is_undone(&mut self) -> bool {
        let is_undone = self.execute("BEGIN").await.is_ok();
        if is_undone {
            self.roll_back().await;
        }
        is_undone
    }

    async fn all(&mut self, statements: Vec<Statement>) -> Result<Vec<Done>, StoreError> {
        let mut done = Vec::with_capacity(statements.len());
        for statement in statements {
            let one = values::run(&mut self.connection, statement).await;
            done.push(one.map_err(|error| self.failures.of(error))?);
        }
        Ok(done)
    }

    /// Ends the transaction: what is not `worth` it, or has failed as a `whole`, is undone.
    async fn end(&mut self, whole: Result<(), StoreError>, worth: bool) -> Result<(), StoreError> {
        let ended = match whole {
            Ok(()) if worth => self.execute("COMMIT").await,
            whole => {
                self.roll_back().await;
                return whole;
            }
        };
        if ended.is_err() {
            self.roll_back().await;
        }
        ended
    }

    /// What was to be undone may be so already; that says nothing of why.
    async fn roll_back(&mut self) {
        let _ = self.execute("ROLLBACK").await;
    }

    async fn execute(&mut self, text: &'static str) -> Result<(), StoreError> {
        let done = sqlx::query(text).execute(&mut self.connection).await;
        done.map(drop).map_err(|error| self.failures.of(error))
    }
}

#[cfg(test)]
mod tests;
