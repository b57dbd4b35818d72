//! The numbers of a hub and of a session.

use std::sync::Arc;
use std::time::Duration;

use eventhive_transport::Overflow;

use crate::{Access, Relay};

/// How a hub is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubSettings {
    /// The network's name, for logs.
    pub name: String,
    /// What the in-memory backlog keeps.
    pub backlog: BacklogBounds,
    /// [`Hub::ready`](crate::Hub::ready) waits while a worker has more than this still to hand out.
    pub worker_inbox_bytes: usize,
    /// [`Hub::publish`](crate::Hub::publish) refuses while a worker that is concerned has more than this still to hand
    /// out. Publishers that await `ready` seldom meet it: each of them passes the other bound by one message at most.
    pub worker_inbox_max_bytes: usize,
    /// Longer topics are refused, in bytes: looking for the subscribers of a topic takes time by its length. The default is
    /// what PyPubSub takes.
    pub max_topic_bytes: usize,
    /// Whether what is published under a topic whose first segment is `private` is private, by whichever door it comes. The
    /// topic is what follows then. Protocols that say so by the topic have a door on the hub.
    pub private_topics: bool,
    /// How long [`Hub::close`](crate::Hub::close) waits for sessions to take what is queued for them, and then for the
    /// backlog to write what it has.
    pub close_deadline: Duration,
}

impl Default for HubSettings {
    fn default() -> Self {
        Self {
            name: "hub".to_owned(),
            backlog: BacklogBounds::default(),
            // Several thousand small messages: enough that a worker never starves, little enough to be felt at once.
            worker_inbox_bytes: 4 << 20,
            worker_inbox_max_bytes: 64 << 20,
            max_topic_bytes: 8190,
            private_topics: false,
            close_deadline: Duration::from_secs(10),
        }
    }
}

/// What a backlog keeps: whatever bound is reached first. The price of the defaults is at most 16 MiB, and about as much
/// again for each protocol in use, since a message keeps its encoded forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BacklogBounds {
    /// Messages; 0 turns the backlog off.
    pub messages: usize,
    /// Bytes, by [`Message::weight`](crate::Message::weight).
    pub bytes: usize,
    /// Age; `None` is no bound.
    pub age: Option<Duration>,
}

impl Default for BacklogBounds {
    fn default() -> Self {
        Self { messages: 10_000, bytes: 16 << 20, age: Some(Duration::from_secs(3600)) }
    }
}

/// How a session is treated.
#[derive(Clone)]
pub struct SessionSettings {
    /// What may wait for the socket: events up to this, and the door's own frames up to this once more. An item that is
    /// larger than all of it is taken when nothing else of its kind waits.
    pub queue_bytes: usize,
    /// What happens to an event that does not fit.
    pub overflow: Overflow,
    /// With [`Overflow::Block`]: after this long without room the session is disconnected.
    pub longest_block: Duration,
    /// Subscriptions it may have.
    pub max_subscriptions: usize,
    /// Of these, how many may be patterns: anything but one topic. A pattern costs more than a topic: when one comes or
    /// goes, every cached match is stale, and one without any literal text is looked at for each topic anew.
    pub max_patterns: usize,
    /// Whether an event that several subscriptions of the session match comes once. Otherwise it comes once for each.
    /// A replay beside other subscriptions still repeats what they have delivered.
    pub deduplicate: bool,
    /// Which private messages it may see; `None` is none.
    pub access: Option<Arc<dyn Access>>,
    /// Whom it stands for, if it passes events on; `None` is itself.
    pub relay: Option<Arc<dyn Relay>>,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            queue_bytes: 1 << 20,
            overflow: Overflow::Disconnect,
            longest_block: Duration::from_secs(5),
            max_subscriptions: 10_000,
            max_patterns: 1000,
            deduplicate: false,
            access: None,
            relay: None,
        }
    }
}
