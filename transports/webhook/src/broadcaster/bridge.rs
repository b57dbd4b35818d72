//! Events of other doors, and to them.
//!
//! | from | to | |
//! |---|---|---|
//! | a message published here | an event of the hub | its body is the payload, as bytes, as hives send; the topic is the topic |
//! | an event of the hub | a message | the payload is the body, to the letter: the JSON text that came by a websocket or HTTP door, the envelope of a hive, any bytes |
//!
//! So what is no JSON looks at other doors as what a hive sends does: a JSON string at the websocket door, wrapped at the HTTP
//! door; the text of a JSON object is that object at the HTTP door. A message whose topic or body is too large for the
//! hub stays with webhooks.
//!
//! Private events reach no url and no websocket: nobody here is known by a name that could have a right to them. On a hub where
//! the topic says that an event is private, that holds for messages that are published here, too.
//!
//! What came in here does not come back: the hub leaves out this session. For other doors it is no receiver; those are, whom a
//! topic concerns here.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use eventhive_hub::{Draft, Hub, PublishRefused, SessionId};
use eventhive_transport::{Overflow, Topic};
use tokio::sync::watch;
use tokio::time::timeout;

use super::NotifyError;
use super::lanes::{ENTRY_BYTES, SHARE};
use super::stats::Counters;
use crate::message::Message;

/// How long a message waits for a hub that has no room.
const ROOM: Duration = Duration::from_secs(5);

/// The longest topic that the protocol can tell, in bytes.
const LONGEST_TOPIC: usize = 65_535;

/// How a broadcaster joins a hub.
#[derive(Debug, Clone)]
pub struct BridgeSettings {
    /// The hub.
    pub hub: Hub,
    /// What may wait of its events for slow urls, in bytes.
    pub queue_bytes: usize,
    /// What happens when that is full.
    pub overflow: Overflow,
    /// With [`Overflow::Block`]: how long the hub's publishers wait for a url that takes nothing; then the oldest events for it
    /// are dropped.
    pub longest_block: Duration,
    /// Larger messages are not given to it, in bytes.
    pub max_message: usize,
}

impl BridgeSettings {
    /// The least `queue_bytes` with which an event that is as large as messages that are given to the hub finds room at each
    /// url, in bytes.
    #[must_use]
    pub const fn least_queue_bytes(max_message: usize) -> usize {
        max_message.saturating_add(LONGEST_TOPIC + ENTRY_BYTES).saturating_mul(SHARE)
    }
}

/// A broadcaster's place at a hub.
pub(super) struct Bridge {
    pub(super) settings: BridgeSettings,
    /// The number of its session, or of the last one that it had; 0 is none.
    pub(super) session: AtomicU64,
    /// Whether it has been said that the hub takes nothing.
    refusing: AtomicBool,
    /// Whether it is to take no more events, and end with those that it has.
    pub(super) settling: watch::Sender<bool>,
    /// Whether events are taken from the hub, or delivered.
    pub(super) carrying: watch::Sender<bool>,
}

/// What became of a message at the hub.
#[derive(Default)]
pub(super) struct Handed {
    pub(super) receivers: u64,
    published: Option<eventhive_hub::Published>,
    /// Why the hub did not take it, although it should have.
    refused: Option<String>,
}

impl Handed {
    fn refused(reason: impl ToString) -> Self {
        Self { refused: Some(reason.to_string()), ..Self::default() }
    }
}

impl Bridge {
    pub(super) fn new(settings: BridgeSettings) -> Self {
        let (settling, carrying) = (watch::Sender::new(false), watch::Sender::new(false));
        Self { settings, session: AtomicU64::new(0), refusing: AtomicBool::new(false), settling, carrying }
    }

    /// Takes no more events, and resolves when those that it has were delivered.
    pub(super) async fn settle(&self) {
        self.settling.send_replace(true);
        // Its sender is `self`, which is there.
        let _ = self.carrying.subscribe().wait_for(|carrying| !carrying).await;
    }

    pub(super) fn is_private(&self, topic: &[u8]) -> bool {
        self.settings.hub.is_private(topic)
    }

    /// Gives a message to the hub, if it fits.
    pub(super) async fn publish(&self, message: &Message, counters: &Counters) -> Handed {
        let length = usize::try_from(message.body.len()).ok().filter(|length| *length <= self.settings.max_message);
        let Some(length) = length else {
            counters.too_large_for_hub.add(1);
            return Handed::default();
        };
        // Small ones are in files, too, when memory is short.
        let body = match message.body.piece(0, length).await {
            Ok(body) => body,
            Err(error) => {
                counters.refused_by_hub.add(1);
                tracing::warn!(%error, "a message was not given to other doors: its file cannot be read");
                return Handed::refused(&error);
            }
        };
        let topic = Topic::new(message.topic.to_vec());
        let draft = if is_json(&body) { Draft::json(topic, body) } else { Draft::bytes(topic, body) };
        match timeout(ROOM, self.hand_in(draft)).await {
            Ok(Ok(published)) => {
                self.refusing.store(false, Ordering::Relaxed);
                Handed { receivers: published.receivers, published: Some(published), refused: None }
            }
            Ok(Err(PublishRefused::TopicTooLong { .. })) => {
                counters.too_large_for_hub.add(1);
                Handed::default()
            }
            Ok(Err(reason)) => self.refused(counters, &reason),
            Err(_) => self.refused(counters, &"it had no room"),
        }
    }

    /// Said once, until the hub takes a message again.
    fn refused(&self, counters: &Counters, reason: &dyn fmt::Display) -> Handed {
        counters.refused_by_hub.add(1);
        if !self.refusing.swap(true, Ordering::Relaxed) {
            tracing::warn!(%reason, "messages are not given to other doors: the hub does not take them");
        }
        Handed::refused(reason)
    }

    async fn hand_in(&self, mut draft: Draft) -> Result<eventhive_hub::Published, PublishRefused> {
        loop {
            self.settings.hub.ready().await;
            // Not before: while it waited, the session may have been replaced, and would bring the message back.
            let session = Some(self.session.load(Ordering::Acquire)).filter(|number| *number != 0);
            match self.settings.hub.publish(draft.exclude(session.map(SessionId::from))) {
                Ok(published) => return Ok(published),
                Err(error) if matches!(error.reason, PublishRefused::Busy) => draft = *error.draft,
                Err(error) => return Err(error.reason),
            }
        }
    }

    /// Waits until the hub has stored what it was given, if it is durable.
    pub(super) async fn stored(&self, handed: &Handed) -> Result<(), NotifyError> {
        if !self.settings.hub.is_durable() {
            return Ok(());
        }
        match (&handed.published, &handed.refused) {
            (Some(published), _) => {
                let stored = self.settings.hub.stored(published.cursor).await;
                stored.map_err(|error| NotifyError::NotStored(error.to_string()))
            }
            (None, Some(reason)) => Err(NotifyError::NotStored(reason.clone())),
            (None, None) => Ok(()),
        }
    }
}

/// Doors that speak JSON hand on a JSON value as it is, and anything else as text, so it has to be known what a message is.
/// What begins with neither a brace nor a bracket is not looked at further: a number or a word may as well be text.
fn is_json(body: &[u8]) -> bool {
    matches!(body.first(), Some(b'{' | b'[')) && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}
