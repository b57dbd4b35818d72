//! Delivering a message to all who want it.

use std::collections::HashSet;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use eventhive_hub::Tracker;
use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use tokio::spawn;
use tokio::time::timeout;

use super::bridge::Handed;
use super::{Broadcaster, NotifyError, Peer, Tracer};
use crate::delivery::Delivered;
use crate::index::Target;
use crate::message::Message;
use crate::store::Outcome;
use crate::wire::InterestKind;
use crate::wire::endpoint::Endpoint;

/// How long another broadcaster waits for a crowded websocket here. It takes a url that says nothing for 5 s as failed.
const ROOM: Duration = Duration::from_secs(2);

impl Broadcaster {
    /// Delivers a message that was published here to all who want it, and says how many have it: of urls the sum of what they
    /// answer, each websocket, and each session of the hub. Done when all were tried.
    ///
    /// Dropping it gives up whom it has not reached.
    ///
    /// # Errors
    /// [`NotifyError`] says whether anybody was tried.
    pub async fn notify(&self, message: Message, tracer: &mut Tracer) -> Result<u32, NotifyError> {
        if self.is_closing() {
            return Err(NotifyError::Closed);
        }
        if !self.is_ready() {
            return Err(NotifyError::NotReady);
        }
        self.counters.notified.add(1);
        let handed = match &self.bridge {
            Some(bridge) => bridge.publish(&message, &self.counters).await,
            None => Handed::default(),
        };
        let count = if self.is_private(&message.topic) { 0 } else { self.fan_out(&message, tracer).await };
        tracer.add("no_more_subscribers", "{}", self.authority.now());
        if let Some(bridge) = &self.bridge {
            bridge.stored(&handed).await?;
        }
        Ok(count.saturating_add(u32::try_from(handed.receivers).unwrap_or(u32::MAX)))
    }

    /// Delivers a message that another broadcaster brought for websockets, and says how many have it. While one of them has
    /// too much waiting, that other one waits for a while, and so does not bring more than is taken.
    pub async fn receive(&self, message: &Message) -> u32 {
        self.counters.received.add(1);
        if self.is_private(&message.topic) {
            return 0;
        }
        let peers = self.index.peers(&message.topic);
        let count = self.to_peers(&peers, message);
        if peers.iter().any(|peer| peer.room().is_some()) {
            // In a task of its own: to its end each websocket has the time that its settings give it.
            let rooms = spawn(async move { drop(join_all(peers.iter().filter_map(|peer| peer.room())).await) });
            let _ = timeout(ROOM, rooms).await;
        }
        count
    }

    /// Whether a websocket wants this topic.
    #[must_use]
    pub fn is_wanted_by_peers(&self, topic: &[u8]) -> bool {
        !self.index.peers(topic).is_empty()
    }

    /// Tells websockets that want this topic that they may have missed something.
    pub fn missed(&self, topic: &Arc<[u8]>) {
        if !self.is_private(topic) {
            self.index.peers(topic).iter().for_each(|peer| peer.missed(topic));
        }
    }

    /// Whether only those may see it who have a right to it, whom no door of this protocol knows.
    fn is_private(&self, topic: &[u8]) -> bool {
        self.bridge.as_ref().is_some_and(|bridge| bridge.is_private(topic))
    }

    async fn fan_out(&self, message: &Message, tracer: &mut Tracer) -> u32 {
        let found = self.index.find(&message.topic);
        // First: it takes no time.
        let to_peers = self.to_peers(&found.peers, message);
        let room = join_all(found.peers.iter().filter_map(|peer| peer.room()));
        let mut count = to_peers;
        let targets = self.to_call(found.targets);
        let deliver = |target: Target| async move { (target.id.kind, self.to_url(&target, message).await) };
        let mut delivered = stream::iter(targets).map(deliver).buffer_unordered(self.max_deliveries);
        while let Some((kind, delivered)) = delivered.next().await {
            count = count.saturating_add(delivered.count);
            if tracer.is_on() {
                self.trace(kind, &delivered, tracer);
            }
        }
        room.await;
        count
    }

    /// The rows whose urls are called: not this broadcaster's own, and those of other broadcasters once each, since each of
    /// them gives a message to all its websockets that want it.
    pub(super) fn to_call(&self, mut targets: Vec<Target>) -> Vec<Target> {
        let own = self.own.as_ref().map(|own| &*own.advertised().receiver);
        // Anybody may subscribe urls that look like a broadcaster's, as many as there is room for.
        let mut broadcasters: HashSet<Box<str>> = HashSet::new();
        targets.retain(|target| {
            let url = &*target.urls.receive;
            let is_broadcaster = url.ends_with(Endpoint::ReceiveForWebsockets.path());
            own != Some(url) && (!is_broadcaster || broadcasters.insert(url.into()))
        });
        targets
    }

    pub(super) fn to_peers(&self, peers: &[Arc<dyn Peer>], message: &Message) -> u32 {
        let took = peers.iter().filter(|peer| peer.receive(message)).count();
        self.counters.to_peers.add(took as u64);
        self.counters.refused_by_peers.add((peers.len() - took) as u64);
        u32::try_from(took).unwrap_or(u32::MAX)
    }

    /// Gives an event of another door to a websocket.
    pub(super) fn give(&self, peer: &Arc<dyn Peer>, message: &Message, tracker: Option<&Tracker>) {
        let taken = self.to_peers(slice::from_ref(peer), message);
        if let Some(tracker) = tracker {
            tracker.confirm(taken.into());
        }
    }

    pub(super) async fn to_url(&self, target: &Target, message: &Message) -> Delivered {
        let delivered = self.deliver.deliver(target, message).await;
        match delivered.report.outcome {
            Outcome::Confirmed => self.counters.confirmed.add(1),
            _ => self.counters.failed.add(1),
        };
        if delivered.gone {
            self.remove_gone(target.id).await;
        }
        delivered
    }

    /// The names are Python's. Urls are left out: they are no business of who publishes.
    fn trace(&self, kind: InterestKind, delivered: &Delivered, tracer: &mut Tracer) {
        let now = self.authority.now();
        let found = match kind {
            InterestKind::Exact => "exact_subscriber_found",
            InterestKind::Glob => "glob_subscriber_found",
        };
        tracer.add(found, "{}", now);
        if let Some(status) = delivered.report.status {
            tracer.add("response_received", format!("{{\"status_code\": {status}}}"), now);
        }
        match delivered.report.outcome {
            Outcome::Confirmed => {
                tracer.add("receive_confirmed", format!("{{\"num_subscribers\": {}}}", delivered.count), now);
            }
            Outcome::Unsubscribed => tracer.add("unsubscribe_immediate_requested", "{}", now),
            Outcome::BadAnswer => tracer.add("bad_response", "{}", now),
            Outcome::BadAuthorization => tracer.add("bad_auth_result", "{}", now),
            other => tracer.add("network_error", format!("{{\"outcome\": \"{}\"}}", other.word()), now),
        }
    }
}
