//! Publishes that carry an `Idempotency-Key` are done once.
//!
//! A key is one of its path. It is remembered by number and by time; forgotten, it publishes again. The same key with
//! another body is an error of the publisher. They are in memory, and of one door: after a restart, or by another door of the
//! same hub, a key publishes again.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use eventhive_hub::{Cursor, Published};

/// The longest key, in bytes.
pub(super) const MAX_KEY: usize = 255;

pub(super) struct Keys {
    most: usize,
    time: Duration,
    hasher: RandomState,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    done: HashMap<u128, Done>,
    /// In the order in which they are forgotten.
    order: VecDeque<(Instant, u128)>,
}

struct Done {
    body: u64,
    published: Published,
}

/// What became of a publish with a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Once<E> {
    Published(Published),
    /// It had been published before, as this.
    Repeated(Published),
    /// It had come before with another body.
    Differs,
    Failed(E),
}

impl Keys {
    pub(super) fn new(most: usize, time: Duration) -> Self {
        Self { most, time, hasher: RandomState::new(), known: Mutex::default() }
    }

    /// Runs `publish` unless the key is known. It runs under the lock of the keys, so that two requests with one key that
    /// come at once publish once; it must not wait.
    pub(super) fn once<E>(
        &self,
        key: &str,
        path: &str,
        body: &[u8],
        publish: impl FnOnce() -> Result<Published, E>,
    ) -> Once<E> {
        let name = self.name(key, path);
        let body = self.hasher.hash_one(body);
        let now = Instant::now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.forget(|since, count| now - since > self.time || count > self.most);
        match known.done.get(&name) {
            Some(done) if done.body != body => return Once::Differs,
            Some(done) => return Once::Repeated(done.published),
            None => {}
        }
        match publish() {
            Ok(published) => {
                known.done.insert(name, Done { body, published });
                known.order.push_back((now, name));
                known.forget(|_, count| count > self.most);
                Once::Published(published)
            }
            Err(error) => Once::Failed(error),
        }
    }

    /// What was published by this key at this place has been lost since: it is to be published when it comes again.
    pub(super) fn forget(&self, key: &str, path: &str, cursor: Cursor) {
        let name = self.name(key, path);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.done.get(&name).is_some_and(|done| done.published.cursor == cursor) {
            known.done.remove(&name);
            known.order.retain(|(_, other)| *other != name);
        }
    }

    /// Two hashes with a key of this process each: nobody outside can find a pair that meets.
    fn name(&self, key: &str, path: &str) -> u128 {
        u128::from(self.hasher.hash_one((key, path))) << 64 | u128::from(self.hasher.hash_one((path, key, 1)))
    }
}

impl Known {
    fn forget(&mut self, is_over: impl Fn(Instant, usize) -> bool) {
        while let Some((since, name)) = self.order.front()
            && is_over(*since, self.order.len())
        {
            self.done.remove(name);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn at(number: u64) -> Published {
        Published { id: Uuid::nil(), cursor: Cursor::new(1, number), private: false, receivers: 0 }
    }

    fn publish(keys: &Keys, key: &str, body: &str, published: Published) -> Once<()> {
        keys.once(key, "/a", body.as_bytes(), || Ok(published))
    }

    #[test]
    fn a_key_publishes_once_until_it_is_forgotten() {
        let keys = Keys::new(2, Duration::from_secs(1000));
        assert_eq!(publish(&keys, "k", "x", at(1)), Once::Published(at(1)));
        assert_eq!(publish(&keys, "k", "x", at(2)), Once::Repeated(at(1)));
        assert_eq!(publish(&keys, "k", "y", at(2)), Once::Differs);
        assert_eq!(keys.once("k", "/b", b"x", || Ok::<_, ()>(at(3))), Once::Published(at(3)));
        assert_eq!(publish(&keys, "l", "x", at(4)), Once::Published(at(4)));
        assert_eq!(publish(&keys, "k", "x", at(5)), Once::Published(at(5)));
        let brief = Keys::new(2, Duration::ZERO);
        assert_eq!(publish(&brief, "k", "x", at(1)), Once::Published(at(1)));
        while publish(&brief, "k", "x", at(2)) == Once::Repeated(at(1)) {}
    }

    #[test]
    fn what_was_lost_is_forgotten_and_what_came_after_it_is_not() {
        let keys = Keys::new(2, Duration::from_secs(1000));
        assert_eq!(publish(&keys, "k", "x", at(1)), Once::Published(at(1)));
        keys.forget("k", "/a", at(1).cursor);
        assert_eq!(publish(&keys, "k", "x", at(2)), Once::Published(at(2)));
        keys.forget("k", "/a", at(1).cursor);
        assert_eq!(publish(&keys, "k", "x", at(3)), Once::Repeated(at(2)));
        assert_eq!(publish(&keys, "l", "x", at(4)), Once::Published(at(4)));
        assert_eq!(publish(&keys, "k", "x", at(5)), Once::Repeated(at(2)), "it is remembered once, not twice");
    }

    #[test]
    fn what_failed_is_not_remembered() {
        let keys = Keys::new(2, Duration::from_secs(1000));
        assert_eq!(keys.once("k", "/", b"", || Err("busy")), Once::Failed("busy"));
        assert_eq!(keys.once("k", "/", b"", || Ok::<_, ()>(at(1))), Once::Published(at(1)));
    }
}
