//! Sessions that stand for others.

use eventhive_transport::Topic;

/// Whom a session stands for that passes events on, such as one for all urls of a door that calls urls.
///
/// Such a session subscribes more than anybody behind it wants, so it is no receiver itself: those behind it are, in
/// [`Published::receivers`](crate::Published::receivers).
///
/// Asked for each event that the session gets, by the publishing thread and without the hub's lock: it must be quick.
pub trait Relay: Send + Sync {
    /// How many stand behind the session that want this topic.
    fn receivers(&self, topic: &Topic) -> u64;
}

impl<F: Fn(&Topic) -> u64 + Send + Sync> Relay for F {
    fn receivers(&self, topic: &Topic) -> u64 {
        self(topic)
    }
}
