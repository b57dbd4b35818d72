//! From a topic to the sessions that want it.
//!
//! Equal filters share a *bucket* of members. Finders lead from a topic to the buckets that match: exact topics by hash,
//! globs by a piece of their literal text ([`grams`](crate::grams)), segment sets by their rarest segment ([`segments`]); what has
//! nothing to go by is looked at each time. What was found is merged into one list of targets for each worker, and that
//! whole match is cached by topic ([`cache`]): an exact subscription that comes or goes throws out its own topic, any
//! other makes the cached matches stale, and each is found again when its topic is next published.
//!
//! Subscribing and unsubscribing to a topic cost the same however many there are: a member is removed by moving the last
//! one to its place, and the subscriptions of a session are a linked list through their table. With a pattern that nobody
//! else has it is the logarithm of how many patterns are filed in the same place.

mod bucket;
mod cache;
mod matched;
mod segments;
mod sessions;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use eventhive_transport::{Filter, Topic};
use slab::Slab;

use self::bucket::{Buckets, Member, is_pattern};
use self::cache::Cache;
pub(crate) use self::matched::{Group, Matched, Target};
pub(crate) use self::sessions::NewSession;
use self::sessions::{NONE, Record, Subscriber};
use crate::access::may_see;
use crate::{Access, Message, SubscribeError};

/// A subscription of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SubscriptionId {
    key: u32,
    /// Tells it from an earlier one of the same key.
    serial: u32,
}

/// All sessions and what they want.
#[derive(Default)]
pub(crate) struct Index {
    subscribers: Slab<Subscriber>,
    subscriptions: Slab<Record>,
    buckets: Buckets,
    cache: Cache,
    next_serial: u32,
    /// Counts merges, to see at once whether a session is in the current one.
    merges: u64,
}

impl Index {
    /// Adds a session; `None` if all numbers are taken.
    pub(crate) fn add(&mut self, session: NewSession) -> Option<u32> {
        let key = u32::try_from(self.subscribers.vacant_key()).ok().filter(|key| *key != NONE)?;
        self.subscribers.insert(Subscriber::new(session));
        Some(key)
    }

    /// Ends the next few subscriptions of a session; `false` when none is left. In steps, so that a session with very many
    /// does not hold the lock for long.
    pub(crate) fn silence_some(&mut self, key: u32) -> bool {
        const STEP: usize = 256;
        for _ in 0..STEP {
            match self.subscribers.get(key as usize) {
                Some(subscriber) if subscriber.first != NONE => self.drop_subscription(subscriber.first),
                _ => return false,
            }
        }
        true
    }

    /// Takes a session without subscriptions out.
    pub(crate) fn remove(&mut self, key: u32) {
        self.subscribers.try_remove(key as usize);
    }

    pub(crate) fn subscribe(&mut self, session: u32, filter: Filter) -> Result<SubscriptionId, SubscribeError> {
        let key = u32::try_from(self.subscriptions.vacant_key()).ok().filter(|key| *key != NONE);
        let (Some(key), Some(subscriber)) = (key, self.subscribers.get_mut(session as usize)) else {
            return Err(SubscribeError::HubFull);
        };
        let pattern = is_pattern(&filter);
        subscriber.admits(pattern)?;
        let serial = self.next_serial;
        self.next_serial = self.next_serial.wrapping_add(1);
        let (bucket, position) = self.buckets.join(filter, Member { session, subscription: key });
        self.buckets.invalidate(bucket, &mut self.cache);
        let next = std::mem::replace(&mut subscriber.first, key);
        subscriber.came(pattern);
        self.subscriptions.insert(Record { session, serial, pattern, bucket, position, previous: NONE, next });
        if let Some(next) = self.subscriptions.get_mut(next as usize) {
            next.previous = key;
        }
        Ok(SubscriptionId { key, serial })
    }

    /// Ends a session's subscription; `false` if it has none of that id.
    pub(crate) fn unsubscribe(&mut self, session: u32, id: SubscriptionId) -> bool {
        let known = self.subscriptions.get(id.key as usize);
        let own = known.is_some_and(|record| record.session == session && record.serial == id.serial);
        if own {
            self.drop_subscription(id.key);
        }
        own
    }

    fn drop_subscription(&mut self, key: u32) {
        let Some(record) = self.subscriptions.try_remove(key as usize) else { return };
        if let Some(previous) = self.subscriptions.get_mut(record.previous as usize) {
            previous.next = record.next;
        } else if let Some(subscriber) = self.subscribers.get_mut(record.session as usize) {
            subscriber.first = record.next;
        }
        if let Some(next) = self.subscriptions.get_mut(record.next as usize) {
            next.previous = record.previous;
        }
        if let Some(subscriber) = self.subscribers.get_mut(record.session as usize) {
            subscriber.went(record.pattern);
        }
        self.buckets.invalidate(record.bucket, &mut self.cache);
        let moved = self.buckets.leave(record.bucket, record.position);
        if let Some(moved) = moved.and_then(|member| self.subscriptions.get_mut(member.subscription as usize)) {
            moved.position = record.position;
        }
    }

    /// Who gets a public message of this topic.
    pub(crate) fn matched(&mut self, topic: &Topic) -> Arc<Matched> {
        if let Some(matched) = self.cache.get(topic) {
            return matched;
        }
        let matched = Arc::new(self.merge(topic, |_| true));
        self.cache.insert(topic, &matched);
        matched
    }

    /// Who gets this private message. Rights may change at any time: nothing of it is kept.
    pub(crate) fn matched_private(&mut self, message: &Message) -> Matched {
        self.merge(message.topic(), |subscriber| may_see(subscriber.access.as_deref(), message))
    }

    fn merge(&mut self, topic: &Topic, granted: impl Fn(&Subscriber) -> bool) -> Matched {
        self.merges += 1;
        let mut matched = Matched::default();
        for bucket in self.buckets.find(topic) {
            for member in self.buckets.members(bucket) {
                if let Some(subscriber) = self.subscribers.get_mut(member.session as usize) {
                    subscriber.merge_into(&mut matched, self.merges, &granted);
                }
            }
        }
        matched.finish()
    }

    /// What a session may see.
    pub(crate) fn access(&self, key: u32) -> Option<Arc<dyn Access>> {
        self.subscribers.get(key as usize).and_then(|subscriber| subscriber.access.clone())
    }

    pub(crate) fn sessions(&self) -> usize {
        self.subscribers.len()
    }

    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        (self.subscriptions.len(), self.buckets.len(), self.cache.len())
    }
}
