//! Nonces, which are many: those that come while a transaction is under way share the next.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::text::Dialect;
use super::{Care, Engine, Statement};
use crate::store::StoreError;

/// How many share a transaction, and how many may wait for the next. 64 bytes each and a few more; in a request to rqlite,
/// 100 KiB together.
const TOGETHER: usize = 512;

pub(super) struct Nonces {
    engine: Arc<dyn Engine>,
    insert: Arc<str>,
    forget: Arc<str>,
    codes: mpsc::Sender<Code>,
}

struct Code {
    statement: Statement,
    answer: oneshot::Sender<Result<bool, StoreError>>,
}

impl Nonces {
    pub(super) fn new(engine: Arc<dyn Engine>, dialect: Dialect) -> Self {
        let insert = "INSERT INTO httppubsub_hmacs (code, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        let (codes, waiting) = mpsc::channel(TOGETHER);
        engine.keep(Box::pin(write(Arc::clone(&engine), waiting)));
        Self {
            engine,
            insert: dialect.text(insert),
            forget: dialect.text("DELETE FROM httppubsub_hmacs WHERE expires_at < $1"),
            codes,
        }
    }

    pub(super) async fn accept(&self, code: &[u8; 64], forget_at: u64) -> Result<bool, StoreError> {
        let statement = Statement::new(&self.insert, vec![code.as_slice().into(), forget_at.into()]);
        let (answer, answered) = oneshot::channel();
        self.codes.send(Code { statement, answer }).await.map_err(|_| StoreError::Closed)?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    pub(super) async fn forget(&self, now: u64) -> Result<u64, StoreError> {
        let done = self.engine.write(vec![Statement::new(&self.forget, vec![now.into()])], Care::Loose).await?;
        Ok(done.iter().map(|done| done.affected).sum())
    }
}

/// Writes until nobody can ask any more.
async fn write(engine: Arc<dyn Engine>, mut waiting: mpsc::Receiver<Code>) {
    let mut codes = Vec::with_capacity(TOGETHER);
    while waiting.recv_many(&mut codes, TOGETHER).await > 0 {
        let (statements, answers): (Vec<_>, Vec<_>) = codes.drain(..).map(|code| (code.statement, code.answer)).unzip();
        let done = engine.write(statements, Care::Loose).await;
        for (number, answer) in answers.into_iter().enumerate() {
            let is_new = match &done {
                Ok(done) => Ok(done.get(number).is_some_and(|done| done.affected > 0)),
                Err(error) => Err(error.clone()),
            };
            // Whoever has asked may have gone; the code counts as used.
            let _ = answer.send(is_new);
        }
    }
}
