//! Who gets the messages of a topic, worker by worker.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::lane::Lane;
use crate::{Relay, SessionId};

/// One session that gets a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) session: SessionId,
    /// Where it is in its worker's table.
    pub(crate) slot: u32,
    /// How many of its subscriptions match.
    pub(crate) copies: u32,
}

/// A whole match: for each worker concerned its targets, by session id.
#[derive(Default)]
pub(crate) struct Matched {
    pub(crate) groups: SmallVec<[Group; 2]>,
    /// Of the sessions, those that stand for others.
    pub(crate) relays: SmallVec<[(SessionId, Arc<dyn Relay>); 1]>,
}

/// The targets of one worker.
pub(crate) struct Group {
    pub(crate) lane: Arc<Lane>,
    pub(crate) targets: Arc<[Target]>,
    found: Vec<Target>,
}

impl Matched {
    /// Adds a session; says where it went.
    pub(super) fn add(&mut self, lane: &Arc<Lane>, session: SessionId, slot: u32) -> (u32, u32) {
        // As many groups as workers at most.
        let known = self.groups.iter().position(|group| Arc::ptr_eq(&group.lane, lane));
        let group = known.unwrap_or_else(|| {
            self.groups.push(Group { lane: Arc::clone(lane), targets: Arc::default(), found: Vec::new() });
            self.groups.len() - 1
        });
        let found = &mut self.groups[group].found;
        found.push(Target { session, slot, copies: 1 });
        (group as u32, (found.len() - 1) as u32)
    }

    /// One more match of a session that was added before.
    pub(super) fn one_more(&mut self, group: u32, target: u32) {
        if let Some(target) = self.groups.get_mut(group as usize).and_then(|group| group.found.get_mut(target as usize))
        {
            target.copies += 1;
        }
    }

    /// Sorts the targets by session, for [`holds`](Self::holds), and makes them ready to be shared.
    pub(super) fn finish(mut self) -> Self {
        for group in &mut self.groups {
            group.found.sort_unstable_by_key(|target| target.session);
            group.targets = std::mem::take(&mut group.found).into();
        }
        self
    }

    /// How many sessions.
    pub(crate) fn sessions(&self) -> usize {
        self.groups.iter().map(|group| group.targets.len()).sum()
    }

    /// Whether `session` is among them.
    pub(crate) fn holds(&self, session: SessionId) -> bool {
        self.groups.iter().any(|group| group.targets.binary_search_by_key(&session, |target| target.session).is_ok())
    }
}
