//! Whole matches by topic, bounded.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use eventhive_transport::Topic;

use super::bucket::own;
use super::matched::Matched;

/// Topics in one half: with short topics about 1 MB.
const TOPICS: usize = 4096;

/// Targets in one half: 4 MB.
const TARGETS: usize = 262_144;

/// A cache in two halves. What is used is in the young one; when that is full it becomes the old one, and what the old one
/// had, unused since, is gone. So the topics in use stay, whatever else passes through.
#[derive(Default)]
pub(super) struct Cache {
    young: HashMap<Topic, Cached>,
    old: HashMap<Topic, Cached>,
    targets: usize,
    generation: u64,
}

struct Cached {
    generation: u64,
    matched: Arc<Matched>,
}

impl Cache {
    pub(super) fn get(&mut self, topic: &Topic) -> Option<Arc<Matched>> {
        if let Some(cached) = self.young.get(topic) {
            return (cached.generation == self.generation).then(|| Arc::clone(&cached.matched));
        }
        let (topic, cached) = self.old.remove_entry(topic)?;
        let current = cached.generation == self.generation;
        current.then(|| {
            let matched = Arc::clone(&cached.matched);
            self.keep(topic, cached);
            matched
        })
    }

    pub(super) fn insert(&mut self, topic: &Topic, matched: &Arc<Matched>) {
        self.keep(own(topic), Cached { generation: self.generation, matched: Arc::clone(matched) });
    }

    fn keep(&mut self, topic: Topic, cached: Cached) {
        let targets = cached.matched.sessions();
        if self.young.len() >= TOPICS || self.targets + targets > TARGETS {
            self.old = mem::take(&mut self.young);
            self.targets = 0;
        }
        self.targets += targets;
        if let Some(replaced) = self.young.insert(topic, cached) {
            self.targets -= replaced.matched.sessions().min(self.targets);
        }
    }

    /// This topic's match has changed.
    pub(super) fn forget(&mut self, topic: &Topic) {
        if let Some(cached) = self.young.remove(topic) {
            self.targets -= cached.matched.sessions().min(self.targets);
        }
        self.old.remove(topic);
    }

    /// Any topic's match may have changed.
    pub(super) const fn grow_stale(&mut self) {
        self.generation += 1;
    }

    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
