//! What a connector subscribes to: one pattern where the wire and its server know patterns, else each event by name.
//!
//! By name, a hook on a pattern receives only events that are defined. Which of the two it is is decided by the first
//! server that the link reaches, and holds while the hive runs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use eventhive_transport::{Backoff, Filter, Glob, Link, LinkError, Sink, Subscription, Topic};
use futures_util::future::join_all;
use tokio::sync::watch;

use super::incoming::{Gate, Inbox};
use crate::registry::Registry;

/// Between attempts at a subscription that the broker did not take.
const RETRY: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

/// How the subscriptions stand that were wanted last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not all of them yet.
    Waiting,
    /// All of them.
    Complete,
    /// The broker took some not; they are asked for again. The text says why.
    Refused(Arc<str>),
}

/// Keeps the right subscriptions standing while [`run`](Self::run) runs; dropping that future ends them.
pub(super) struct Topics {
    pub(super) link: Arc<dyn Link>,
    pub(super) gate: Arc<Gate>,
    pub(super) sink: Arc<Inbox>,
    pub(super) registry: Arc<Registry>,
    pub(super) standing: watch::Sender<Standing>,
}

impl Topics {
    /// Subscribes the input channel: by pattern, or by name if the wire or its peer knows no patterns.
    pub(super) async fn run(self, patterns: bool) {
        if patterns && self.by_pattern().await {
            return;
        }
        self.by_name().await;
    }

    /// False if the peer knows no patterns; otherwise it ends with the link.
    async fn by_pattern(&self) -> bool {
        let Ok(glob) = Glob::escape(self.gate.prefix()).and_then(|prefix| Glob::new(&format!("{prefix}*"))) else {
            return false;
        };
        let mut backoff = RETRY;
        loop {
            match self.link.subscribe(Filter::Glob(glob.clone()), self.sink()).await {
                Ok(_standing) => {
                    self.standing.send_replace(Standing::Complete);
                    return std::future::pending().await;
                }
                Err(LinkError::Closed) => return true,
                Err(LinkError::Unsupported(why)) => {
                    tracing::debug!(channel = self.gate.prefix(), "subscribing by name: {why}");
                    return false;
                }
                Err(error) => self.refused(&error.to_string()),
            }
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }

    /// Subscribes each event that is defined below the input channel, and those defined later.
    async fn by_name(&self) {
        let mut changes = self.registry.changes();
        let mut standing: HashMap<Topic, Subscription> = HashMap::new();
        let mut backoff = RETRY;
        loop {
            changes.mark_unchanged();
            let names = self.registry.names();
            let wanted: HashSet<Topic> = names.iter().filter_map(|name| self.gate.topic_of(name)).collect();
            standing.retain(|topic, _| wanted.contains(topic));
            let missing = wanted.into_iter().filter(|topic| !standing.contains_key(topic));
            let mut refusal = None;
            for (topic, made) in join_all(missing.map(|topic| self.subscribe(topic))).await {
                match made {
                    Ok(subscription) => drop(standing.insert(topic, subscription)),
                    Err(LinkError::Closed) => return,
                    Err(error) => refusal = Some(format!("`{topic}`: {error}")),
                }
            }
            let retry = refusal.is_some();
            match refusal {
                Some(refusal) => self.refused(&refusal),
                None => drop(self.standing.send_replace(Standing::Complete)),
            }
            if !retry {
                backoff.reset();
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(backoff.next_wait()), if retry => {}
            }
        }
    }

    async fn subscribe(&self, topic: Topic) -> (Topic, Result<Subscription, LinkError>) {
        let made = self.link.subscribe(Filter::Exact(topic.clone()), self.sink()).await;
        (topic, made)
    }

    fn refused(&self, reason: &str) {
        tracing::error!(channel = self.gate.prefix(), "not subscribed, will be tried again: {reason}");
        self.standing.send_replace(Standing::Refused(reason.into()));
    }

    fn sink(&self) -> Arc<dyn Sink> {
        Arc::clone(&self.sink) as Arc<dyn Sink>
    }
}
