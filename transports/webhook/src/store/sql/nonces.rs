//! Nonces, which are many: those that come while a transaction is under way share the next.

use std::sync::Arc;

use foldhash::{HashSet, HashSetExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::text::Dialect;
use super::{Care, Done, Engine, Statement, Strange, damaged, hex, late};
use crate::store::StoreError;

const TABLE: &str = "httppubsub_hmacs";
/// How many share a transaction, and how many may wait for the next. 64 bytes each and a few more; in a request to rqlite,
/// 100 KiB together.
const TOGETHER: usize = 512;

pub(super) struct Nonces {
    engine: Arc<dyn Engine>,
    forget: Arc<str>,
    codes: mpsc::Sender<Code>,
}

struct Code {
    code: [u8; 64],
    forget_at: u64,
    /// When it is too late to begin with it.
    until: Instant,
    answer: oneshot::Sender<Result<bool, StoreError>>,
}

impl Nonces {
    pub(super) fn new(engine: Arc<dyn Engine>, dialect: Dialect) -> Self {
        let (codes, waiting) = mpsc::channel(TOGETHER);
        let writer = Writer { engine: Arc::clone(&engine), insert: Insert::new(dialect) };
        engine.keep(Box::pin(writer.run(waiting)));
        Self { engine, forget: dialect.text(format!("DELETE FROM {TABLE} WHERE expires_at < $1")), codes }
    }

    pub(super) async fn accept(&self, code: &[u8; 64], forget_at: u64) -> Result<bool, StoreError> {
        let late = |_| late(self.engine.name(), "no answer in time");
        let patience = self.engine.patience();
        let until = Instant::now() + patience;
        let place = timeout_at(until, self.codes.reserve()).await.map_err(late)?.map_err(|_| StoreError::Closed)?;
        let (answer, answered) = oneshot::channel();
        place.send(Code { code: *code, forget_at, until, answer });
        // It is refused when it has waited for too long; else its own transaction takes as long again at most.
        timeout_at(until + patience, answered).await.map_err(late)?.unwrap_or(Err(StoreError::Closed))
    }

    pub(super) async fn forget(&self, now: u64) -> Result<u64, StoreError> {
        let done = self.engine.write(vec![Statement::new(&self.forget, vec![now.into()])], Care::Loose).await?;
        Ok(done.iter().map(|done| done.affected).sum())
    }
}

/// How many codes are inserted, and which of them were new.
enum Insert {
    /// By a statement for each, which tells how many rows it has added.
    Each(Arc<str>),
    /// By one for all, which returns those that it has added.
    All(Arc<str>),
}

impl Insert {
    fn new(dialect: Dialect) -> Self {
        let insert = format!("INSERT INTO {TABLE} (code, expires_at)");
        match dialect.code("item.value ->> 0") {
            Some(code) => Self::All(dialect.text(format!(
                "{insert} SELECT {code}, CAST(item.value ->> 1 AS BIGINT) FROM {} WHERE true \
                 ON CONFLICT DO NOTHING RETURNING code",
                dialect.list("$1")
            ))),
            None => Self::Each(dialect.text(format!("{insert} VALUES ($1, $2) ON CONFLICT DO NOTHING"))),
        }
    }

    fn statements(&self, codes: &[Code]) -> Vec<Statement> {
        match self {
            Self::Each(text) => {
                let each = |code: &Code| Statement::new(text, vec![code.code.as_slice().into(), code.forget_at.into()]);
                codes.iter().map(each).collect()
            }
            Self::All(text) => {
                let most = i64::MAX.unsigned_abs();
                let mut list: Vec<_> = codes.iter().map(|code| (hex(&code.code), code.forget_at.min(most))).collect();
                // Two transactions that have the same codes in another order would wait for each other.
                list.sort_unstable();
                // Text and numbers can always be written.
                vec![Statement::new(text, vec![serde_json::to_string(&list).unwrap_or_default().into()])]
            }
        }
    }

    /// For each code, whether it is new. Of equal ones the first is.
    fn read(&self, codes: &[Code], done: Vec<Done>) -> Result<Vec<bool>, Strange> {
        match self {
            Self::Each(_) => Ok(done.iter().map(|done| done.affected > 0).collect()),
            Self::All(_) => {
                let mut new = HashSet::with_capacity(codes.len());
                for mut record in done.into_iter().flat_map(|done| done.rows) {
                    new.insert(record.bytes()?);
                }
                Ok(codes.iter().map(|code| new.remove(code.code.as_slice())).collect())
            }
        }
    }
}

struct Writer {
    engine: Arc<dyn Engine>,
    insert: Insert,
}

impl Writer {
    /// Until nobody can ask any more.
    async fn run(self, mut waiting: mpsc::Receiver<Code>) {
        let mut codes = Vec::with_capacity(TOGETHER);
        let mut failed = None;
        while waiting.recv_many(&mut codes, TOGETHER).await > 0 {
            self.refuse_late(&mut codes, failed.as_ref());
            if codes.is_empty() {
                continue;
            }
            let new = self.write(&codes).await;
            failed = new.as_ref().err().cloned();
            for (number, code) in codes.drain(..).enumerate() {
                let is_new = new.as_ref().map(|new| new.get(number).copied().unwrap_or_default());
                // Whoever has asked may have gone; the code counts as used.
                let _ = code.answer.send(is_new.map_err(StoreError::clone));
            }
        }
    }

    /// Refuses what has waited too long for those before it, with what those have failed with.
    fn refuse_late(&self, codes: &mut Vec<Code>, failed: Option<&StoreError>) {
        let now = Instant::now();
        for code in codes.extract_if(.., |code| code.until <= now) {
            let late = || late(self.engine.name(), "too many came before it");
            let _ = code.answer.send(Err(failed.cloned().unwrap_or_else(late)));
        }
    }

    async fn write(&self, codes: &[Code]) -> Result<Vec<bool>, StoreError> {
        let done = self.engine.write(self.insert.statements(codes), Care::Loose).await?;
        self.insert.read(codes, done).map_err(|Strange| damaged(self.engine.name(), TABLE, 0))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::{BoxFuture, FutureExt as _, join_all};
    use tokio::time::sleep;

    use super::*;
    use crate::store::{Answer, Changes};

    const PATIENCE: Duration = Duration::from_secs(5);

    /// A database that says nothing.
    struct Silent(Arc<str>);

    impl Engine for Silent {
        fn read(&self, statements: Vec<Statement>) -> Answer<'_, Vec<Done>> {
            self.write(statements, Care::Loose)
        }

        fn write(&self, _: Vec<Statement>, _: Care) -> Answer<'_, Vec<Done>> {
            async {
                sleep(PATIENCE).await;
                Err(late(&self.0, "no answer in time"))
            }
            .boxed()
        }

        fn changes(self: Arc<Self>) -> Answer<'static, Box<dyn Changes>> {
            std::future::ready(Err(StoreError::Closed)).boxed()
        }

        fn keep(&self, future: BoxFuture<'static, ()>) {
            tokio::spawn(future);
        }

        fn name(&self) -> &Arc<str> {
            &self.0
        }

        fn patience(&self) -> Duration {
            PATIENCE
        }

        fn close(&self) -> BoxFuture<'_, ()> {
            std::future::ready(()).boxed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_all_who_came_before_while_the_store_is_away() {
        let nonces = Nonces::new(Arc::new(Silent("silent".into())), Dialect::Postgres);
        let began = Instant::now();
        let answers = join_all((0..20 * TOGETHER).map(|_| nonces.accept(&[0; 64], 1))).await;
        assert!(answers.iter().all(|answer| matches!(answer, Err(StoreError::Unavailable { .. }))));
        // This clock moves only when all wait.
        assert!(began.elapsed() <= 2 * PATIENCE, "{:?}", began.elapsed());
    }
}
