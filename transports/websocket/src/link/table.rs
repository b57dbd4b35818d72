//! Who wants what, and how it stands at the server.

use std::collections::HashMap;
use std::sync::Arc;

use eventhive_transport::{Glob, LinkError, Sink, Topic};
use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::wish::Wish;
use crate::wire::ALL_TOPICS;

/// An entry for each topic and each pattern.
#[derive(Default)]
pub(super) struct Table {
    /// Everything among them, under the protocol's own name for it.
    topics: HashMap<Topic, Entry, foldhash::fast::RandomState>,
    /// Every one is held against every event: a hive asks for one, other programs for few.
    patterns: HashMap<Glob, Entry, foldhash::fast::RandomState>,
}

#[derive(Default)]
pub(super) struct Entry {
    pub(super) sinks: SmallVec<[(u64, Arc<dyn Sink>); 1]>,
    /// Subscribers that wait for the server's answer.
    pub(super) waiters: Vec<(u64, Waiter)>,
    pub(super) wire: Wire,
    /// It stood, or may have, on a connection that is gone, and its subscribers were not told yet.
    pub(super) missed: bool,
}

pub(super) type Sinks = SmallVec<[Arc<dyn Sink>; 4]>;

pub(super) type Waiter = oneshot::Sender<Result<(), LinkError>>;

/// How something stands at the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Wire {
    #[default]
    Absent,
    /// Asked for by the call of this number.
    Asked(u64),
    Standing,
}

impl Entry {
    /// Takes out the subscriber of this number, whether it waits or not.
    pub(super) fn forget(&mut self, id: u64) {
        self.sinks.retain(|(of, _)| *of != id);
        self.waiters.retain(|(of, _)| *of != id);
    }

    /// Takes out all who wait, so that those are left who were told that it stands.
    pub(super) fn turn_away(&mut self) -> Vec<(u64, Waiter)> {
        let waiters = std::mem::take(&mut self.waiters);
        self.sinks.retain(|(id, _)| !waiters.iter().any(|(waiting, _)| waiting == id));
        waiters
    }
}

impl Table {
    pub(super) fn get(&self, wish: &Wish) -> Option<&Entry> {
        match wish {
            Wish::Topic(topic) => self.topics.get(topic),
            Wish::Pattern(glob) => self.patterns.get(glob),
        }
    }

    pub(super) fn get_mut(&mut self, wish: &Wish) -> Option<&mut Entry> {
        match wish {
            Wish::Topic(topic) => self.topics.get_mut(topic),
            Wish::Pattern(glob) => self.patterns.get_mut(glob),
        }
    }

    pub(super) fn entry(&mut self, wish: &Wish) -> &mut Entry {
        match wish {
            Wish::Topic(topic) => self.topics.entry(topic.clone()).or_default(),
            Wish::Pattern(glob) => self.patterns.entry(glob.clone()).or_default(),
        }
    }

    pub(super) fn remove(&mut self, wish: &Wish) -> Option<Entry> {
        match wish {
            Wish::Topic(topic) => self.topics.remove(topic),
            Wish::Pattern(glob) => self.patterns.remove(glob),
        }
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(&mut Entry) -> bool) {
        self.topics.retain(|_, entry| keep(entry));
        self.patterns.retain(|_, entry| keep(entry));
    }

    /// What there is, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Wish, &Entry)> {
        let topics = self.topics.iter().map(|(topic, entry)| (Wish::Topic(topic.clone()), entry));
        topics.chain(self.patterns.iter().map(|(glob, entry)| (Wish::Pattern(glob.clone()), entry)))
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.topics.values_mut().chain(self.patterns.values_mut())
    }

    pub(super) fn into_values(self) -> impl Iterator<Item = Entry> {
        self.topics.into_values().chain(self.patterns.into_values())
    }

    pub(super) fn patterns(&self) -> usize {
        self.patterns.len()
    }

    /// Turns away who waits for a pattern, forgets the patterns that nobody else has, and gives the waiters.
    pub(super) fn turn_patterns_away(&mut self) -> Vec<(Waiter, Result<(), LinkError>)> {
        let mut told = Vec::new();
        self.patterns.retain(|glob, entry| {
            let why = || Err(Wish::Pattern(glob.clone()).unsupported());
            told.extend(entry.turn_away().into_iter().map(|(_, waiter)| (waiter, why())));
            !entry.sinks.is_empty()
        });
        told
    }

    /// The sinks that have missed events since they were last asked for; who still waits for its subscription has not.
    pub(super) fn take_missed(&mut self) -> Sinks {
        let mut missed = Sinks::new();
        for entry in self.values_mut().filter(|entry| entry.missed) {
            entry.missed = false;
            let waits = |id: u64| entry.waiters.iter().any(|(waiting, _)| *waiting == id);
            missed.extend(entry.sinks.iter().filter(|(id, _)| !waits(*id)).map(|(_, sink)| Arc::clone(sink)));
        }
        missed
    }

    /// The sinks that an event goes to, each once a subscription, and the topic if the table has it.
    pub(super) fn concerned(&self, topic: &str) -> (Option<&Topic>, Sinks) {
        let exact = self.topics.get_key_value(topic.as_bytes());
        let everything = self.topics.get(ALL_TOPICS.as_bytes());
        let patterns = self.patterns.iter().filter(|(glob, _)| glob.matches(topic)).map(|(_, entry)| entry);
        let entries = exact.map(|(_, entry)| entry).into_iter().chain(everything).chain(patterns);
        let sinks = entries.flat_map(|entry| &entry.sinks).map(|(_, sink)| Arc::clone(sink)).collect();
        (exact.map(|(topic, _)| topic), sinks)
    }
}
