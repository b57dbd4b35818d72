//! MISSED messages that are due later.

use std::io;
use std::sync::Arc;

use futures_util::FutureExt as _;

use super::{Care, Statement, Strange, Tables, nth};
use crate::store::sql::damaged;
use crate::store::sql::text::LOCK_SECS;
use crate::store::{Answer, Due, Pending, RowId, Settled, StoreError};
use crate::wire::InterestKind;

impl Pending for Tables {
    fn miss<'a>(&'a self, id: RowId, topic: &'a [u8], attempts: u32, retry_at: u64) -> Answer<'a, bool> {
        async move {
            let mut arguments = vec![id.number.into(), u64::from(attempts).into(), retry_at.into()];
            if id.kind == InterestKind::Glob {
                arguments.push(topic.into());
            }
            Ok(self.change(&self.texts(id.kind).missed.miss, arguments, Care::Durable).await? > 0)
        }
        .boxed()
    }

    fn due(&self, now: u64) -> Answer<'_, Option<Due>> {
        async move {
            for kind in [InterestKind::Exact, InterestKind::Glob] {
                // Asked first, because nothing is due most of the time, and to lock is to write.
                let is_due = !self.ask(&self.texts(kind).missed.is_due, vec![now.into()]).await?.is_empty();
                // If nothing can be had, all that is due is in the hands of others: asking again would find it again.
                if is_due && let Some(due) = self.lock(kind, now).await? {
                    return Ok(Some(due));
                }
            }
            Ok(None)
        }
        .boxed()
    }

    fn settle(&self, lock: i64, settled: Settled) -> Answer<'_, ()> {
        async move {
            let texts = &self.texts(kind_of(lock)).missed;
            let (text, arguments) = match settled {
                Settled::Done => (&texts.done, vec![lock.into()]),
                Settled::Later { attempts, retry_at } => {
                    (&texts.later, vec![lock.into(), u64::from(attempts).into(), retry_at.into()])
                }
            };
            self.change(text, arguments, Care::Durable).await?;
            Ok(())
        }
        .boxed()
    }
}

impl Tables {
    async fn lock(&self, kind: InterestKind, now: u64) -> Result<Option<Due>, StoreError> {
        let lock = self.new_lock(kind)?;
        let texts = self.texts(kind);
        let until = now.saturating_add(LOCK_SECS);
        let statements = vec![
            Statement::new(&texts.missed.lock, vec![now.into(), lock.into(), until.into()]),
            Statement::new(&texts.missed.locked, vec![lock.into()]),
        ];
        let mut done = self.engine.write(statements, Care::Loose).await?;
        let Some((row, mut more)) = self.first_subscription(kind, nth(&mut done, 1).rows)? else { return Ok(None) };
        let pending = more.bytes().and_then(|topic| Ok((topic, more.unsigned()?)));
        let (topic, attempts) = pending.map_err(|Strange| damaged(self.engine.name(), texts.table, row.id.number))?;
        Ok(Some(Due { row, topic, attempts, lock }))
    }

    /// A number that nobody else has. Its lowest bit says which table has the row.
    fn new_lock(&self, kind: InterestKind) -> Result<i64, StoreError> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(|error| StoreError::Unavailable {
            store: Arc::clone(self.engine.name()),
            source: Arc::new(io::Error::other(format!("the system gives no random bytes: {error}"))),
        })?;
        Ok(i64::from_ne_bytes(bytes) & !1 | i64::from(kind == InterestKind::Glob))
    }
}

fn kind_of(lock: i64) -> InterestKind {
    if lock & 1 == 0 { InterestKind::Exact } else { InterestKind::Glob }
}
