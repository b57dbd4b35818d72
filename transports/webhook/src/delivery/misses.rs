//! MISSED messages that are to be written into the store.
//!
//! A subscription has one pending MISSED at most, so this is a table by subscription: a later miss takes the place of an
//! earlier one that was not written yet. One that is due here goes to the store once more, which knows whether it is still
//! pending, and then keeps its time: else a url that fails under steady traffic would never be told. A task writes;
//! whoever delivers waits for nothing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eventhive_listener::Count;
use futures_util::{StreamExt as _, stream};
use tokio::sync::Notify;

use super::backoff::BackOff;
use super::clock::Now;
use crate::index::{Target, Urls};
use crate::store::{RowId, Store, StoreError};

/// Subscriptions that are in the table at most: about 20 MB with short topics.
const MOST: usize = 100_000;

/// Bytes of their topics at most.
const MOST_BYTES: usize = 32 << 20;

/// Writes to the store at once.
const CONCURRENCY: usize = 8;

struct Miss {
    /// Numbers of subscriptions are given again; this tells them apart.
    urls: Arc<Urls>,
    topic: Arc<[u8]>,
    retry_at: u64,
    /// Until then nothing more is told.
    quiet_until: u64,
    written: bool,
}

/// The table.
#[derive(Default)]
pub(super) struct Misses {
    table: Mutex<Table>,
    /// There is something to write.
    pub(super) some: Notify,
}

#[derive(Default)]
struct Table {
    rows: HashMap<RowId, Miss>,
    /// Those that are not written.
    unwritten: Vec<RowId>,
    /// Those of the topics. One that several rows share counts for each: it stays as long as the last of them.
    bytes: usize,
}

/// What became of a miss that was noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// It will be told.
    Yes,
    /// It is told already by one that is pending, or by its quiet time.
    Already,
    /// There is nobody to tell, or it is never tried.
    Nobody,
    /// There is no room.
    NoRoom,
}

impl Misses {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a message was missed. Nothing more is told of this subscription for `quiet`.
    pub(super) fn note(
        &self,
        target: &Target,
        topic: &Arc<[u8]>,
        now: Now,
        quiet: Duration,
        back_off: &BackOff,
    ) -> Noted {
        let Some(retry_at) = target.urls.recovery.as_ref().and_then(|_| back_off.retry_at(0, now.epoch_ms)) else {
            return Noted::Nobody;
        };
        let quiet_until = now.epoch_secs().saturating_add(quiet.as_secs());
        let (urls, topic) = (Arc::clone(&target.urls), Arc::clone(topic));
        let noted = self.table().note(target.id, Miss { urls, topic, retry_at, quiet_until, written: false }, now);
        if noted == Noted::Yes {
            self.some.notify_one();
        }
        noted
    }

    /// Notes that a subscription is to be told now, unless it is to be told anyway, and nothing more for `quiet`.
    pub(super) fn note_now(&self, target: &Target, topic: &Arc<[u8]>, now: Now, quiet: Duration) -> Noted {
        if target.urls.recovery.is_none() {
            return Noted::Nobody;
        }
        let secs = now.epoch_secs();
        let quiet_until = secs.saturating_add(quiet.as_secs());
        let (urls, topic) = (Arc::clone(&target.urls), Arc::clone(topic));
        let mut table = self.table();
        if let Some(pending) = table.rows.get_mut(&target.id).filter(|miss| miss.urls == urls && secs < miss.retry_at) {
            pending.quiet_until = pending.quiet_until.max(quiet_until);
            return Noted::Already;
        }
        let noted = table.note(target.id, Miss { urls, topic, retry_at: secs, quiet_until, written: false }, now);
        drop(table);
        if noted == Noted::Yes {
            self.some.notify_one();
        }
        noted
    }

    /// Writes what is to be written, and counts it.
    ///
    /// # Errors
    /// The store failed; what was not written is kept for the next call.
    pub(super) async fn write(&self, store: &dyn Store, written: &Count) -> Result<(), StoreError> {
        let mut results = stream::iter(self.take())
            .map(async |(id, topic, retry_at)| (id, store.miss(id, &topic, 0, retry_at).await))
            .buffer_unordered(CONCURRENCY);
        let mut problem = None;
        while let Some((id, result)) = results.next().await {
            match result {
                Ok(true) => _ = written.add(1),
                Ok(false) => self.table().forget(id),
                Err(error) => {
                    self.table().again(id);
                    problem = Some(error);
                }
            }
        }
        problem.map_or(Ok(()), Err)
    }

    /// What is to be written.
    fn take(&self) -> Vec<(RowId, Arc<[u8]>, u64)> {
        let Table { rows, unwritten, .. } = &mut *self.table();
        let taken = unwritten.drain(..).filter_map(|id| {
            let miss = rows.get_mut(&id)?;
            miss.written = true;
            Some((id, Arc::clone(&miss.topic), miss.retry_at))
        });
        taken.collect()
    }

    /// Forgets what is over.
    pub(super) fn tidy(&self, now: Now) {
        let secs = now.epoch_secs();
        let Table { rows, bytes, .. } = &mut *self.table();
        rows.retain(|_, miss| {
            let keep = !miss.written || secs < miss.retry_at.max(miss.quiet_until);
            *bytes -= if keep { 0 } else { miss.topic.len() };
            keep
        });
    }

    /// How many are not written.
    pub(super) fn unwritten(&self) -> usize {
        self.table().unwritten.len()
    }
}

impl Table {
    fn note(&mut self, id: RowId, fresh: Miss, now: Now) -> Noted {
        let more = fresh.topic.len();
        let (secs, room) = (now.epoch_secs(), self.bytes.saturating_add(more) <= MOST_BYTES);
        let seats = self.rows.len() < MOST;
        match self.rows.entry(id) {
            Entry::Vacant(_) if !room || !seats => return Noted::NoRoom,
            Entry::Vacant(vacant) => {
                vacant.insert(fresh);
                self.unwritten.push(id);
            }
            Entry::Occupied(mut old) => {
                let old = old.get_mut();
                if !old.gives_way_to(&fresh, secs) {
                    return Noted::Already;
                }
                if !room {
                    return Noted::NoRoom;
                }
                self.bytes -= old.topic.len();
                if old.written {
                    self.unwritten.push(id);
                }
                let pending = old.urls == fresh.urls && secs < old.retry_at;
                let retry_at = if pending { old.retry_at } else { fresh.retry_at };
                *old = Miss { retry_at, ..fresh };
            }
        }
        self.bytes += more;
        Noted::Yes
    }

    fn forget(&mut self, id: RowId) {
        if let Some(miss) = self.rows.remove(&id) {
            self.bytes -= miss.topic.len();
        }
    }

    /// It was not written after all.
    fn again(&mut self, id: RowId) {
        if let Some(miss) = self.rows.get_mut(&id).filter(|miss| miss.written) {
            miss.written = false;
            self.unwritten.push(id);
        }
    }
}

impl Miss {
    fn gives_way_to(&self, later: &Self, secs: u64) -> bool {
        if self.urls != later.urls {
            return true;
        }
        if secs < self.retry_at {
            return self.topic != later.topic;
        }
        secs >= self.quiet_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::InterestKind;

    const BACK_OFF: BackOff =
        BackOff { expo_factor: 1.0, expo_base: 2.0, expo_max: 10, constant: 1.0, jitter: 0.0, max_retries: 20 };

    fn target(url: &str) -> Target {
        let id = RowId { kind: InterestKind::Glob, number: 7 };
        let urls = Urls { receive: url.into(), recovery: Some("http://a.test/recover".into()) };
        Target { id, urls: urls.into() }
    }

    fn at(secs: u64) -> Now {
        Now { elapsed: Duration::from_secs(secs), epoch_ms: secs * 1000 }
    }

    fn note(misses: &Misses, url: &str, topic: &str, secs: u64, quiet: u64) -> Noted {
        misses.note(&target(url), &topic.as_bytes().into(), at(secs), Duration::from_secs(quiet), &BACK_OFF)
    }

    fn taken(misses: &Misses) -> Vec<(String, u64)> {
        let text = |topic: &Arc<[u8]>| String::from_utf8(topic.to_vec()).unwrap();
        misses.take().iter().map(|(_, topic, retry_at)| (text(topic), *retry_at)).collect()
    }

    #[test]
    fn steady_failures_do_not_put_off_what_is_not_due_yet() {
        let misses = Misses::default();
        assert_eq!(note(&misses, "a", "one", 100, 0), Noted::Yes);
        assert_eq!(taken(&misses), [("one".into(), 102)]);
        assert_eq!(note(&misses, "a", "one", 101, 0), Noted::Already);
        assert_eq!(note(&misses, "a", "two", 101, 0), Noted::Yes);
        assert_eq!(taken(&misses), [("two".into(), 102)]);
        assert_eq!(note(&misses, "a", "two", 102, 0), Noted::Yes);
        assert_eq!(taken(&misses), [("two".into(), 104)]);
    }

    #[test]
    fn only_the_last_of_what_was_not_written_is() {
        let misses = Misses::default();
        note(&misses, "a", "one", 100, 0);
        note(&misses, "a", "two", 100, 0);
        assert_eq!(misses.unwritten(), 1);
        assert_eq!(taken(&misses), [("two".into(), 102)]);
        assert_eq!(misses.unwritten(), 0);
    }

    #[test]
    fn a_subscription_that_was_told_is_left_alone_for_its_quiet_time() {
        let misses = Misses::default();
        note(&misses, "a", "one", 100, 3600);
        taken(&misses);
        assert_eq!(note(&misses, "a", "two", 3699, 3600), Noted::Already);
        assert_eq!(note(&misses, "a", "two", 3700, 3600), Noted::Yes);
    }

    #[test]
    fn a_subscription_that_got_the_number_of_another_is_told_at_once() {
        let misses = Misses::default();
        note(&misses, "a", "one", 100, 3600);
        taken(&misses);
        assert_eq!(note(&misses, "b", "one", 101, 3600), Noted::Yes);
        assert_eq!(taken(&misses), [("one".into(), 103)]);
    }

    #[test]
    fn topics_take_no_more_memory_than_their_bound_and_what_is_over_gives_it_back() {
        let (misses, topic) = (Misses::default(), Arc::<[u8]>::from(vec![b'a'; 1 << 16]));
        let note = |number: i64, secs| {
            let target = target("a");
            let target = Target { id: RowId { number, ..target.id }, ..target };
            misses.note(&target, &topic, at(secs), Duration::ZERO, &BACK_OFF)
        };
        let most = i64::try_from(MOST_BYTES >> 16).unwrap();
        assert!((0..most).all(|number| note(number, 100) == Noted::Yes));
        assert_eq!(note(most, 100), Noted::NoRoom);
        taken(&misses);
        misses.tidy(at(1000));
        assert_eq!(misses.table().bytes, 0);
        assert_eq!(note(most, 1000), Noted::Yes);
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let misses = Misses::default();
        note(&misses, "a", "one", 100, 0);
        misses.tidy(at(1000));
        assert_eq!(misses.unwritten(), 1);
        taken(&misses);
        misses.tidy(at(101));
        assert_eq!(misses.table().rows.len(), 1);
        misses.tidy(at(102));
        assert!(misses.table().rows.is_empty());
    }

    #[test]
    fn who_has_no_recovery_url_is_not_told() {
        let misses = Misses::default();
        let urls = Urls { receive: "a".into(), recovery: None }.into();
        let target = Target { urls, ..target("a") };
        let noted = misses.note(&target, &b"one"[..].into(), at(0), Duration::ZERO, &BACK_OFF);
        assert_eq!(noted, Noted::Nobody);
    }
}
