//! What someone may do beyond what everyone may.

use crate::wire::topics::topics_of;

/// The rights of one user, wherever they come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// Sets of topics. A private event is for the user if for some set all its topics are among the event's; an empty set
    /// is for all private events.
    pub segments: Vec<Vec<String>>,
    /// The secured topics that the user may publish on.
    pub topics: Vec<String>,
}

impl Rights {
    /// Whether a private event of this topic is for the user.
    #[must_use]
    pub fn may_see(&self, topic: &str) -> bool {
        let has = |wanted: &String| topics_of(topic).any(|topic| topic == wanted);
        self.segments.iter().any(|segment| segment.iter().all(has))
    }

    /// Whether the user may publish on this secured topic.
    #[must_use]
    pub fn may_publish(&self, topic: &str) -> bool {
        self.topics.iter().any(|own| own == topic)
    }
}
