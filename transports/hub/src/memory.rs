//! The backlog in memory.

use std::collections::VecDeque;
use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::backlog::AHEAD;
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
    /// The last message with an earlier time than the one before it.
    set_back: Option<Cursor>,
}

impl MemoryBacklog {
    /// An empty one.
    #[must_use]
    pub fn new(bounds: BacklogBounds) -> Self {
        Self {
            bounds,
            log: Mutex::new(Log { messages: VecDeque::new(), bytes: 0, newest: Cursor::origin(), set_back: None }),
        }
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
            log.drop_older(SystemTime::now(), age);
        }
        log
    }

    fn place(&self, start: Start) -> Result<Cursor, BacklogError> {
        let log = self.current();
        let first_after = |at: usize| log.messages.get(at).map_or(log.newest, |message| message.cursor().previous());
        match start {
            Start::Now => Ok(log.newest),
            Start::After(cursor) => Ok(log.extent().check(cursor).map(|()| cursor)?),
            Start::Since(time) => Ok(first_after(log.since(time))),
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

    /// Drops what is older than an age. What bears a time after `now` was stamped by a clock that was wrong: how old it is
    /// nobody knows, and it goes with the first after it that is too old.
    fn drop_older(&mut self, now: SystemTime, age: Duration) {
        let is_too_old = |time| now.duration_since(time).is_ok_and(|old| old > age);
        let is_known = |message: &Arc<Message>| message.time() <= now + AHEAD;
        while let Some(at) = self.messages.iter().position(is_known)
            && self.messages.get(at).is_some_and(|message| is_too_old(message.time()))
        {
            (0..=at).for_each(|_| self.drop_oldest());
        }
    }

    /// The first message of this time or later.
    fn since(&self, time: SystemTime) -> usize {
        let front = self.messages.front().map(|message| message.cursor());
        if self.set_back <= front {
            return self.messages.partition_point(|message| message.time() < time);
        }
        self.messages.iter().position(|message| message.time() >= time).unwrap_or(self.messages.len())
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
        if log.messages.back().is_some_and(|last| last.time() > message.time()) {
            log.set_back = Some(message.cursor());
        }
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

    #[test]
    fn messages_of_a_clock_that_was_wrong_go_with_the_first_after_them_that_is_too_old() {
        let (age, now) = (Duration::from_secs(60), SystemTime::now());
        let backlog = MemoryBacklog::new(BacklogBounds { age: Some(age), ..UNBOUNDED });
        let wrong = add(&backlog, 1, now + 1000 * age);
        let right = add(&backlog, 1, now - age / 2);
        assert_eq!(backlog.extent(), Extent { oldest: Some(wrong), newest: right });
        add(&backlog, 1, now - 2 * age);
        let kept = add(&backlog, 1, now);
        assert_eq!(backlog.extent().oldest, Some(wrong), "none of known age is too old before it");
        let mut log = lock(&backlog.log);
        log.drop_older(now + age, age);
        assert_eq!(log.extent().oldest, Some(kept));
    }

    proptest! {
        #[test]
        fn a_time_leads_to_the_first_message_at_or_after_it_also_where_the_clock_was_set_back(
            times in prop::collection::vec(0_u64..20, 1..40), messages in 1_usize..40,
        ) {
            let backlog = MemoryBacklog::new(BacklogBounds { messages, ..UNBOUNDED });
            let at = |second: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            let added: Vec<_> = times.iter().map(|second| (*second, add(&backlog, 1, at(*second)))).collect();
            let kept = &added[added.len().saturating_sub(messages)..];
            for second in 0..21 {
                let first = kept.iter().find(|(time, _)| *time >= second);
                let expected = first.map_or(backlog.extent().newest, |(_, cursor)| cursor.previous());
                prop_assert_eq!(backlog.place(Start::Since(at(second))).unwrap(), expected);
            }
        }

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
