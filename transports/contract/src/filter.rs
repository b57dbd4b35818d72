//! What a subscription asks for.

use smallvec::SmallVec;

use crate::{Glob, Topic};

/// Which topics a subscription wants.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Filter {
    /// Every topic.
    All,
    /// This topic, byte for byte.
    Exact(Topic),
    /// Topics that match the pattern; topics that are not UTF-8, or too long for a name, never do.
    Glob(Glob),
    /// Topics that have, among their `/`-separated segments, all members of at least one of these sets, in any order.
    /// An empty set matches every topic; no set at all matches none.
    Segments(Vec<SegmentSet>),
}

/// Segments that must all be present in a topic.
pub type SegmentSet = SmallVec<[Topic; 4]>;

impl Filter {
    /// A filter for this topic alone.
    #[must_use]
    pub fn exact(topic: impl Into<Topic>) -> Self {
        Self::Exact(topic.into())
    }

    /// Whether `topic` passes. This is the definition that every index must agree with; it is not the quick way.
    #[must_use]
    pub fn matches(&self, topic: &Topic) -> bool {
        match self {
            Self::All => true,
            Self::Exact(wanted) => wanted == topic,
            Self::Glob(glob) => topic.as_str().is_some_and(|text| glob.matches(text)),
            Self::Segments(sets) => sets.iter().any(|set| has_all(topic, set)),
        }
    }
}

fn has_all(topic: &Topic, set: &SegmentSet) -> bool {
    set.iter().all(|wanted| topic.as_bytes().split(|byte| *byte == b'/').any(|segment| segment == wanted.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_sets_match_in_any_order_and_any_set_suffices() {
        let set = |names: &[&str]| names.iter().map(|name| Topic::from(*name)).collect::<SegmentSet>();
        let filter = Filter::Segments(vec![set(&["b", "a"]), set(&["x"])]);
        assert!(filter.matches(&"a/c/b".into()));
        assert!(filter.matches(&"x".into()));
        assert!(!filter.matches(&"a/c".into()));
        assert!(!Filter::Segments(vec![]).matches(&"a".into()));
        assert!(Filter::Segments(vec![set(&[])]).matches(&"a".into()));
    }
}
