//! Segment sets by their rarest segment.

use std::collections::{BTreeMap, HashMap};

use eventhive_transport::Topic;
use eventhive_transport::filter::SegmentSet;
use smallvec::SmallVec;

/// The segment that a set is filed under.
pub(super) type SetHome = Topic;

/// Sets of segments by one segment of each: of its segments the one that the fewest other filters are filed under. A filter
/// may have several of its sets in one place.
#[derive(Default)]
pub(super) struct Segments {
    filed: HashMap<Topic, BTreeMap<u32, SmallVec<[SegmentSet; 1]>>>,
}

impl Segments {
    /// Files each set of a filter; `None`, and nothing is filed, if one is empty and so matches everything.
    pub(super) fn insert(&mut self, sets: &[SegmentSet], key: u32) -> Option<SmallVec<[SetHome; 1]>> {
        if sets.iter().any(|set| set.is_empty()) {
            return None;
        }
        let mut homes = SmallVec::new();
        for set in sets {
            let rarest = set.iter().min_by_key(|segment| self.filed.get(*segment).map_or(0, BTreeMap::len))?.clone();
            self.filed.entry(rarest.clone()).or_default().entry(key).or_default().push(set.clone());
            homes.push(rarest);
        }
        Some(homes)
    }

    pub(super) fn remove(&mut self, homes: &[SetHome], key: u32) {
        for home in homes {
            let Some(filed) = self.filed.get_mut(home) else { continue };
            filed.remove(&key);
            if filed.is_empty() {
                self.filed.remove(home);
            }
        }
    }

    /// Calls `matching` with every filter that has a set whose segments the topic all has; repeatedly, if several do.
    pub(super) fn matching(&self, topic: &Topic, mut matching: impl FnMut(u32)) {
        if self.filed.is_empty() {
            return;
        }
        let segments: SmallVec<[&[u8]; 16]> = topic.as_bytes().split(|byte| *byte == b'/').collect();
        for filed in segments.iter().filter_map(|segment| self.filed.get(*segment)) {
            let fits = |set: &SegmentSet| set.iter().all(|wanted| segments.contains(&wanted.as_bytes()));
            filed.iter().filter(|(_, sets)| sets.iter().any(fits)).for_each(|(key, _)| matching(*key));
        }
    }
}
