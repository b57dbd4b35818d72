//! The connection that writes. What waits while it writes is written in one transaction, because it is the end of a
//! transaction that takes its time.

use std::sync::Arc;

use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot, watch};

use super::values::{self, Failures};
use crate::store::StoreError;
use crate::store::sql::{Care, Done, Statement};

/// How many jobs share a transaction. Each waits for those before it.
const TOGETHER: usize = 64;

/// What is asked of the writer. One without statements ends it.
pub(super) struct Job {
    pub(super) statements: Vec<Statement>,
    pub(super) care: Care,
    /// Whether it changes nothing.
    pub(super) reads: bool,
    pub(super) answer: oneshot::Sender<Result<Vec<Done>, StoreError>>,
}

pub(super) struct Writer {
    connection: SqliteConnection,
    failures: Failures,
    news: Arc<watch::Sender<u64>>,
    /// What the connection is set to.
    care: Care,
}

/// What waits has waited as long as those who were refused, while the file was locked. Returns the job that ends the writer,
/// if it is among them.
fn refuse(waiting: &mut mpsc::Receiver<Job>, error: &StoreError) -> Option<Job> {
    while let Ok(job) = waiting.try_recv() {
        if job.statements.is_empty() {
            return Some(job);
        }
        let _ = job.answer.send(Err(error.clone()));
    }
    None
}

impl Writer {
    pub(super) fn new(connection: SqliteConnection, failures: Failures, news: Arc<watch::Sender<u64>>) -> Self {
        Self { connection, failures, news, care: Care::Durable }
    }

    /// Until it is told to end, or nobody can ask it any more.
    pub(super) async fn run(mut self, mut waiting: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(TOGETHER);
        while waiting.recv_many(&mut jobs, TOGETHER).await > 0 {
            let end = jobs.iter().position(|job| job.statements.is_empty());
            let mut last = end.map(|end| jobs.split_off(end)).unwrap_or_default();
            if !jobs.is_empty()
                && let Err(error) = self.write(std::mem::take(&mut jobs)).await
                && last.is_empty()
            {
                last.extend(refuse(&mut waiting, &error));
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

    /// Fails if the transaction could not be begun.
    async fn write(&mut self, jobs: Vec<Job>) -> Result<(), StoreError> {
        let is_alone = jobs.len() == 1;
        let changes = jobs.iter().any(|job| !job.reads);
        let mut answers = Vec::with_capacity(jobs.len());
        let begun = self.begin(&jobs).await;
        for job in jobs {
            let result = match &begun {
                Ok(()) => self.one(job.statements, is_alone).await,
                Err(error) => Err(error.clone()),
            };
            answers.push((job.answer, result));
        }
        let ended = match begun {
            Ok(()) => self.end(answers.iter().any(|(_, result)| result.is_ok())).await,
            Err(_) => Ok(()),
        };
        if changes && begun.is_ok() && ended.is_ok() {
            self.news.send_modify(|count| *count = count.wrapping_add(1));
        }
        for (answer, result) in answers {
            // Whoever has asked may have gone.
            let _ = answer.send(ended.clone().and(result));
        }
        begun
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

    /// One job. If others are in the transaction, its failure undoes what it has done and no more.
    async fn one(&mut self, statements: Vec<Statement>, is_alone: bool) -> Result<Vec<Done>, StoreError> {
        let guarded = !is_alone && statements.len() > 1;
        if guarded {
            self.execute("SAVEPOINT job").await?;
        }
        let result = self.all(statements).await;
        if guarded {
            if result.is_err() {
                self.execute("ROLLBACK TO job").await?;
            }
            self.execute("RELEASE job").await?;
        }
        result
    }

    async fn all(&mut self, statements: Vec<Statement>) -> Result<Vec<Done>, StoreError> {
        let mut done = Vec::with_capacity(statements.len());
        for statement in statements {
            let one = values::run(&mut self.connection, statement).await;
            done.push(one.map_err(|error| self.failures.of(error))?);
        }
        Ok(done)
    }

    async fn end(&mut self, worth: bool) -> Result<(), StoreError> {
        let ended = self.execute(if worth { "COMMIT" } else { "ROLLBACK" }).await;
        if ended.is_err() && worth {
            // A full disk has ended it already, and says so here again.
            let _ = self.execute("ROLLBACK").await;
        }
        ended
    }

    async fn execute(&mut self, text: &'static str) -> Result<(), StoreError> {
        let done = sqlx::query(text).execute(&mut self.connection).await;
        done.map(drop).map_err(|error| self.failures.of(error))
    }
}
