//! What a path publishes under, and what it subscribes.

use eventhive_transport::filter::SegmentSet;
use eventhive_transport::{Filter, Topic};

/// The first topic of events that not everyone may see.
pub const PRIVATE: &str = "private";

/// What an event's decoded path says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPath<'a> {
    /// Only those with the right may see it. The topic that says so is none of the event's.
    pub private: bool,
    /// The path behind that, without its first slash.
    rest: &'a str,
}

impl<'a> EventPath<'a> {
    /// Reads a decoded path.
    #[must_use]
    pub fn new(path: &'a str) -> Self {
        let trimmed = path.trim_start_matches('/');
        match trimmed.strip_prefix(PRIVATE) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                Self { private: true, rest: rest.strip_prefix('/').unwrap_or(rest) }
            }
            _ => Self { private: false, rest: path.strip_prefix('/').unwrap_or(path) },
        }
    }

    /// The event's topics, in order, repeated ones kept.
    pub fn topics(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        topics_of(self.rest)
    }

    /// The topic of the hub: the topics joined by one slash each, so that other doors need not know of doubled ones.
    #[must_use]
    pub fn topic(&self) -> Topic {
        if !self.rest.ends_with('/') && !self.rest.starts_with('/') && !self.rest.contains("//") {
            return Topic::from(self.rest);
        }
        Topic::from(self.topics().collect::<Vec<_>>().join("/"))
    }

    /// The topic to the letter: what a link of ours published under.
    #[must_use]
    pub fn exact_topic(&self) -> Topic {
        Topic::from(self.rest)
    }
}

/// The parts of a topic or path between slashes that are not empty.
pub fn topics_of(text: &str) -> impl Iterator<Item = &str> {
    text.split('/').filter(|part| !part.is_empty())
}

/// The path of an event with this topic.
#[must_use]
pub fn path_of(topic: &str, private: bool) -> String {
    if private { format!("/{PRIVATE}/{topic}") } else { format!("/{topic}") }
}

/// Which events a stream of this decoded path receives: those that have, among their topics, all of at least one of the
/// batches that commas separate. No topic at all is everything.
///
/// An empty batch beside one with topics is left out. In the original it matches everything.
#[must_use]
pub fn subscription(path: &str) -> Filter {
    let batch = |batch: &str| topics_of(batch).map(Topic::from).collect::<SegmentSet>();
    let sets: Vec<SegmentSet> = path.split(',').map(batch).filter(|set| !set.is_empty()).collect();
    if sets.is_empty() { Filter::All } else { Filter::Segments(sets) }
}
