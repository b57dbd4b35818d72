//! What a connector subscribes to: one pattern where the wire and its server know patterns, else each event by name.
//!
//! By name, a hook on a pattern receives only events that are defined. Which of the two it is is decided by the first
//! server that the link reaches, and holds while the hive runs.

use std::collections::HashMap;
use std::sync::Arc;

use eventhive_transport::{Filter, Glob, Link, LinkError, Sink, Subscription, Topic};
use futures_util::future::join_all;
use tokio::sync::watch;

use super::incoming::{Gate, Inbox};
use crate::registry::Registry;

/// Keeps the right subscriptions standing while [`run`](Self::run) runs; dropping that future ends them.
pub(super) struct Topics {
    pub(super) link: Arc<dyn Link>,
    pub(super) gate: Arc<Gate>,
    pub(super) sink: Arc<Inbox>,
    pub(super) registry: Arc<Registry>,
    /// Told true once everything that was known at the start stands.
    pub(super) standing: watch::Sender<bool>,
}

impl Topics {
    /// Subscribes the input channel: by pattern, or by name if the wire or its peer knows no patterns.
    pub(super) async fn run(self, patterns: bool) {
        if patterns {
            match self.by_pattern().await {
                Ok(_standing) => {
                    self.standing.send_replace(true);
                    return std::future::pending().await;
                }
                Err(LinkError::Unsupported(why)) => tracing::debug!("subscribing by name: {why}"),
                Err(error) => return tracing::error!(channel = self.gate.prefix(), "not subscribed: {error}"),
            }
        }
        self.by_name().await;
    }

    async fn by_pattern(&self) -> Result<Subscription, LinkError> {
        let unsupported = |error: eventhive_transport::NameError| LinkError::Unsupported(error.to_string());
        let prefix = Glob::escape(self.gate.prefix()).map_err(unsupported)?;
        let glob = Glob::new(&format!("{prefix}*")).map_err(unsupported)?;
        self.link.subscribe(Filter::Glob(glob), self.sink()).await
    }

    /// Subscribes each event that is defined below the input channel, and those defined later.
    async fn by_name(&self) {
        let mut changes = self.registry.changes();
        let mut standing: HashMap<Topic, Subscription> = HashMap::new();
        loop {
            changes.mark_unchanged();
            let wanted: Vec<Topic> = self.registry.names().iter().filter_map(|name| self.gate.topic_of(name)).collect();
            standing.retain(|topic, _| wanted.contains(topic));
            let missing = wanted.into_iter().filter(|topic| !standing.contains_key(topic));
            let made: Vec<_> = join_all(missing.map(|topic| self.subscribe(topic))).await;
            standing.extend(made.into_iter().flatten());
            self.standing.send_replace(true);
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    async fn subscribe(&self, topic: Topic) -> Option<(Topic, Subscription)> {
        match self.link.subscribe(Filter::Exact(topic.clone()), self.sink()).await {
            Ok(subscription) => Some((topic, subscription)),
            Err(LinkError::Closed) => None,
            Err(error) => {
                tracing::error!(%topic, "not subscribed: {error}");
                None
            }
        }
    }

    fn sink(&self) -> Arc<dyn Sink> {
        Arc::clone(&self.sink) as Arc<dyn Sink>
    }
}
