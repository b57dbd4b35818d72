//! The backlog in memory.

use std::collections::VecDeque;
use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::{Backlog, BacklogBounds, BacklogError, Cursor, Extent, Message, Start, lock};

/// A backlog in memory, bounded by count, bytes and age. It is gone with the process: a new one has a new epoch, so that
/// cursors of the old one are unknown to it.
#[derive(Debug)]
pub struct MemoryBacklog {
    bounds: BacklogBounds,
    log: Mutex<Log>,
}

#[derive(Debug)]
struct Log {
    messages: VecDeque<Arc<Message>>,
    bytes: usize,
    newest: Cursor,
}

impl MemoryBacklog {
    /// An empty one.
    #[must_use]
    pub fn new(bounds: BacklogBounds) -> Self {
        Self { bounds, log: Mutex::new(Log { messages: VecDeque::new(), bytes: 0, newest: Cursor::origin() }) }
    }

    /// Messages and bytes kept now.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let log = self.current();
        (log.messages.len(), log.bytes)
    }

    /// The log without what has grown too old: age is looked at whenever anybody looks at the log.
    fn current(&self) -> std::sync::MutexGuard<'_, Log> {
        let mut log = lock(&self.log);
        if let Some(age) = self.bounds.age {
            let now = SystemTime::now();
            while log
                .messages
                .front()
                .is_some_and(|oldest| now.duration_since(oldest.time()).is_ok_and(|old| old > age))
            {
                log.drop_oldest();
            }
        }
        log
    }

    fn place(&self, start: Start) -> Result<Cursor, BacklogError> {
        let log = self.current();
        let first_after = |at: usize| log.messages.get(at).map_or(log.newest, |message| message.cursor().previous());
        match start {
            Start::Now => Ok(log.newest),
            Start::After(cursor) => Ok(log.extent().check(cursor).map(|()| cursor)?),
            Start::Since(time) => Ok(first_after(log.messages.partition_point(|message| message.time() < time))),
            Start::Oldest => Ok(first_after(0)),
        }
    }

    fn page(&self, place: Cursor, most: usize) -> Result<Vec<Arc<Message>>, BacklogError> {
        let log = self.current();
        log.extent().check(place)?;
        Ok(log.after(place).take(most).cloned().collect())
    }
}

impl Log {
    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.messages.pop_front() {
            self.bytes -= oldest.weight();
        }
    }

    fn extent(&self) -> Extent {
        Extent { oldest: self.messages.front().map(|message| message.cursor()), newest: self.newest }
    }

    fn after(&self, place: Cursor) -> impl ExactSizeIterator<Item = &Arc<Message>> {
        self.messages.range(self.messages.partition_point(|message| message.cursor() <= place)..)
    }
}

impl Backlog for MemoryBacklog {
    fn extent(&self) -> Extent {
        self.current().extent()
    }

    fn append(&self, message: &Arc<Message>) -> Result<(), BacklogError> {
        let mut log = self.current();
        log.newest = message.cursor();
        log.bytes += message.weight();
        log.messages.push_back(Arc::clone(message));
        while log.messages.len() > self.bounds.messages || log.bytes > self.bounds.bytes {
            log.drop_oldest();
        }
        Ok(())
    }

    fn locate(&self, start: Start) -> BoxFuture<'_, Result<Cursor, BacklogError>> {
        ready(self.place(start)).boxed()
    }

    fn read(&self, place: Cursor, most: usize) -> BoxFuture<'_, Result<Vec<Arc<Message>>, BacklogError>> {
        ready(self.page(place, most)).boxed()
    }

    fn recent(&self, place: Cursor, most: usize) -> Option<Vec<Arc<Message>>> {
        let log = self.current();
        log.extent().check(place).ok()?;
        let rest = log.after(place);
        (rest.len() <= most).then(|| rest.cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CursorError, Draft};
    use proptest::prelude::*;
    use std::time::Duration;
    use uuid::Uuid;

    const UNBOUNDED: BacklogBounds = BacklogBounds { messages: usize::MAX, bytes: usize::MAX, age: None };

    fn add(backlog: &MemoryBacklog, payload: usize, time: SystemTime) -> Cursor {
        let cursor = backlog.extent().newest.next();
        let draft = Draft::bytes("t", vec![0; payload]);
        backlog.append(&Arc::new(Message::stamped(draft, Uuid::now_v7(), time, cursor))).unwrap();
        cursor
    }

    fn unknown<T: std::fmt::Debug>(result: Result<T, BacklogError>) -> Option<Cursor> {
        match result {
            Err(BacklogError::Cursor(CursorError::Unknown { oldest })) => oldest,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_cursor_is_known_while_everything_after_it_is_kept() {
        let backlog = MemoryBacklog::new(BacklogBounds { messages: 2, ..UNBOUNDED });
        let cursors: Vec<Cursor> = (0..4).map(|_| add(&backlog, 1, SystemTime::now())).collect();
        assert_eq!(backlog.place(Start::After(cursors[1])).unwrap(), cursors[1], "the next one is kept");
        assert_eq!(unknown(backlog.place(Start::After(cursors[0]))), Some(cursors[2]));
        assert_eq!(unknown(backlog.place(Start::After(cursors[3].next()))), Some(cursors[2]), "of the future");
        assert_eq!(unknown(backlog.place(Start::After(Cursor::origin()))), Some(cursors[2]), "of another log");
        assert_eq!(unknown(backlog.page(cursors[0], 9)), Some(cursors[2]));
        assert_eq!(backlog.page(cursors[1], 9).unwrap().len(), 2);
        assert_eq!(backlog.place(Start::Oldest).unwrap(), cursors[1]);
        assert_eq!(backlog.place(Start::Now).unwrap(), cursors[3]);
    }

    #[test]
    fn a_backlog_that_is_off_knows_only_the_newest_cursor() {
        let backlog = MemoryBacklog::new(BacklogBounds { messages: 0, ..UNBOUNDED });
        let first = add(&backlog, 1, SystemTime::now());
        let second = add(&backlog, 1, SystemTime::now());
        assert_eq!(backlog.size(), (0, 0));
        assert_eq!(unknown(backlog.place(Start::After(first))), None);
        assert_eq!(backlog.recent(second, 64).map(|rest| rest.len()), Some(0));
        assert_eq!(backlog.recent(first, 64).map(|rest| rest.len()), None);
    }

    #[test]
    fn age_is_a_bound_and_a_time_is_a_place() {
        let age = Duration::from_secs(60);
        let backlog = MemoryBacklog::new(BacklogBounds { age: Some(age), ..UNBOUNDED });
        let now = SystemTime::now();
        add(&backlog, 1, now - 2 * age);
        let kept = add(&backlog, 1, now - age / 2);
        let late = add(&backlog, 1, now);
        assert_eq!(backlog.extent(), Extent { oldest: Some(kept), newest: late });
        assert_eq!(backlog.place(Start::Since(now - age)).unwrap(), kept.previous());
        assert_eq!(backlog.place(Start::Since(now)).unwrap(), kept);
        assert_eq!(backlog.place(Start::Since(now + age)).unwrap(), late);
    }

    proptest! {
        #[test]
        fn the_bounds_hold_and_the_newest_messages_are_kept(
            sizes in prop::collection::vec(0_usize..200, 1..60), messages in 0_usize..20, bytes in 0_usize..3000,
        ) {
            let backlog = MemoryBacklog::new(BacklogBounds { messages, bytes, age: None });
            let origin = backlog.extent().newest;
            for size in &sizes {
                add(&backlog, *size, SystemTime::now());
                let (kept, held) = backlog.size();
                prop_assert!(kept <= messages && held <= bytes);
            }
            let weights = || sizes.iter().rev().map(|size| size + 1 + crate::message::ENTRY_BYTES);
            let fit = weights().scan(0, |sum, weight| { *sum += weight; Some(*sum) }).take_while(|sum| *sum <= bytes).count();
            let (kept, held) = backlog.size();
            prop_assert_eq!(kept, fit.min(messages));
            prop_assert_eq!(held, weights().take(kept).sum::<usize>());
            let first = Cursor::new(origin.epoch(), (sizes.len() - kept) as u64);
            prop_assert_eq!(backlog.page(first, usize::MAX).unwrap().len(), kept);
        }
    }
}
