//! Events on their way in: what may come in, and the task that gives it to the hooks.

use std::sync::Arc;

use eventhive_transport::{EventName, Gap, Incoming, NameError, Sink, Topic};

use super::counters::Counters;
use super::desk::Desk;
use super::queue::{ByteQueue, Pushed};
use super::seen::Seen;
use crate::envelope::{Envelope, OpenError};
use crate::event::{Event, Metadata};
use crate::payload::{Payload, PayloadError};

/// Decides what may come in, and under which name.
pub(super) struct Gate {
    network: Arc<str>,
    /// `network/`: taken off the topic.
    strip: String,
    /// `network/input_channel/`: what every topic must start with.
    prefix: String,
    envelope: Arc<Envelope>,
}

/// Why a received message is no event for this hive.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the topic is not on this connector's input channel, `{0}...`")]
    Channel(String),
    #[error("the topic is no event name: {0}")]
    Name(#[from] NameError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the payload cannot be read: {0}")]
    Payload(#[from] PayloadError),
}

impl Gate {
    pub(super) fn new(network: Arc<str>, input_channel: &str, separator: &str, envelope: Arc<Envelope>) -> Self {
        let strip = format!("{network}{separator}");
        let prefix = format!("{strip}{input_channel}{separator}");
        Self { network, strip, prefix, envelope }
    }

    /// The prefix of all topics that may come in.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The topic on which an event of this process comes in; `None` if it is not below the input channel.
    pub(super) fn topic_of(&self, name: &EventName) -> Option<Topic> {
        let topic = format!("{}{name}", self.strip);
        topic.starts_with(&self.prefix).then(|| topic.into())
    }

    /// The event in a message, under the name that it has in this process, and its metadata's id.
    pub(super) fn admit(&self, incoming: &Incoming) -> Result<(Event, Option<String>), Refusal> {
        let topic = incoming.topic.as_str().filter(|topic| topic.starts_with(&self.prefix));
        let topic = topic.ok_or_else(|| Refusal::Channel(self.prefix.clone()))?;
        let name = EventName::new(topic.strip_prefix(&self.strip).unwrap_or(topic))?;
        let opened = self.envelope.open(topic, &incoming.payload)?;
        let payload = Payload::raw(opened.payload)?;
        let id = opened.metadata.as_ref().map(|metadata: &Metadata| metadata.id.clone());
        Ok((Event::received(name, payload, opened.metadata, Arc::clone(&self.network)), id))
    }
}

/// Where the link delivers: a queue that never blocks it.
pub(super) struct Inbox {
    pub(super) network: Arc<str>,
    pub(super) queue: Arc<ByteQueue<Incoming>>,
    pub(super) counters: Arc<Counters>,
}

impl Sink for Inbox {
    fn deliver(&self, incoming: Incoming) {
        let bytes = incoming.topic.as_bytes().len() + incoming.payload.len();
        match self.queue.push(incoming, bytes) {
            Pushed::Queued { dropped: 0 } | Pushed::Closed(_) => {}
            Pushed::Queued { dropped } => self.dropped(dropped),
            Pushed::Full(_) => self.dropped(1),
        }
    }

    fn gap(&self, gap: Gap) {
        Counters::add(&self.counters.gaps, 1);
        match gap.lost {
            Some(lost) => tracing::warn!(connector = %self.network, lost, "messages were lost while the link was down"),
            None => tracing::warn!(connector = %self.network, "what was published while the link was down is lost"),
        }
    }
}

impl Inbox {
    fn dropped(&self, count: usize) {
        // One line for each time that the count doubles: an inbox that overflows does so many times a second.
        let before = Counters::add(&self.counters.inbox_dropped, count);
        if before.checked_ilog2() != (before + count as u64).checked_ilog2() {
            let dropped = before + count as u64;
            tracing::warn!(connector = %self.network, dropped, "the inbox is full: received messages are dropped");
        }
    }
}

/// Gives what arrives to the hooks, in order, until the inbox is closed and empty. It waits for no hook: the mailbox of
/// each has a bound and a policy of its own, so that one that stalls holds up no other.
pub(super) async fn dispatch(
    gate: Arc<Gate>,
    inbox: Arc<ByteQueue<Incoming>>,
    desk: Arc<Desk>,
    counters: Arc<Counters>,
    mut seen: Seen,
) {
    while let Some(incoming) = inbox.next().await {
        match gate.admit(&incoming) {
            Ok((_, Some(id))) if !seen.note(&id) => {
                Counters::add(&counters.repeated, 1);
                tracing::debug!(connector = %gate.network, topic = %incoming.topic, id, "received before, dropped");
            }
            Ok((event, id)) => {
                Counters::add(&counters.received, 1);
                tracing::debug!(connector = %gate.network, event = %event.name(), id = id.as_deref().unwrap_or("N/A"), "received");
                desk.take(event);
            }
            // Mostly what a sender or a broker sent again after a lost connection.
            Err(Refusal::Open(OpenError::Replayed)) => {
                Counters::add(&counters.repeated, 1);
                tracing::debug!(connector = %gate.network, topic = %incoming.topic, "sealed message received before, dropped");
            }
            Err(refusal) => refuse(&gate, &incoming.topic, &refusal, &counters),
        }
    }
}

fn refuse(gate: &Gate, topic: &Topic, refusal: &Refusal, counters: &Counters) {
    Counters::add(&counters.refused, 1);
    tracing::warn!(connector = %gate.network, %topic, "message dropped: {refusal}");
}
