//! What the hub's lock guards, and what is done under it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use eventhive_transport::Filter;
use eventhive_transport::filter::SegmentSet;
use slab::Slab;
use smallvec::SmallVec;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::backlog::{AHEAD, RECENT_MESSAGES};
use crate::index::{Group, Index, Matched, NewSession};
use crate::lane::{Gate, Lane, Parcel};
use crate::veil::Veil;
use crate::{
    Access, Backlog, Cursor, Draft, Ended, HubSettings, HubStats, Message, PublishError, PublishRefused, Published,
    Relay, SessionId, SessionSettings, SubscribeError, SubscriptionId, Tracker, lock,
};

/// The hub's inside.
pub(crate) struct Core {
    pub(crate) settings: HubSettings,
    pub(crate) backlog: Arc<dyn Backlog>,
    pub(crate) gate: Arc<Gate>,
    /// Told when the last session has gone.
    pub(crate) deserted: Notify,
    /// Told when the hub begins to close.
    pub(crate) closing: Notify,
    /// Covers the cursors that clients have.
    pub(crate) veil: Veil,
    order: Mutex<Order>,
}

/// Guarded by one lock, held for microseconds and never over an await: it makes the one order of the hub.
struct Order {
    index: Index,
    lanes: Slab<Arc<Lane>>,
    newest: Cursor,
    time: SystemTime,
    closing: bool,
    published: u64,
    /// The counts of workers that have gone.
    past: HubStats,
}

type Messages = Vec<Arc<Message>>;

type Lanes = SmallVec<[Arc<Lane>; 4]>;

/// What a publish leaves to be done without the lock.
pub(crate) struct Stamped {
    pub(crate) published: Published,
    pub(crate) wake: Lanes,
    /// Who is to be asked for more receivers.
    pub(crate) relays: SmallVec<[Arc<dyn Relay>; 1]>,
    pub(crate) message: Arc<Message>,
    /// Its drop may resolve a future, which is no business of the lock's.
    _tracker: Option<Tracker>,
}

impl Core {
    pub(crate) fn new(settings: HubSettings, backlog: Arc<dyn Backlog>) -> Self {
        let order = Order {
            index: Index::default(),
            lanes: Slab::new(),
            newest: backlog.extent().newest,
            time: backlog.newest_time(),
            closing: false,
            published: 0,
            past: HubStats::default(),
        };
        let gate = Arc::new(Gate::new(settings.worker_inbox_bytes));
        let veil = Veil::new(&backlog.cursor_key());
        let (deserted, closing) = (Notify::new(), Notify::new());
        Self { settings, backlog, gate, deserted, closing, veil, order: Mutex::new(order) }
    }

    /// Stamps a draft, keeps it, and hands it to the workers concerned.
    pub(crate) fn publish(&self, mut draft: Draft, id: Uuid) -> Result<Stamped, PublishError> {
        let mut order = lock(&self.order);
        let order = &mut *order;
        if order.closing {
            return Err(PublishError::new(draft, PublishRefused::Closed));
        }
        let mut matched = order.index.matched(&draft.topic);
        if matched.groups.iter().any(|group| group.lane.bytes() > self.settings.worker_inbox_max_bytes) {
            return Err(PublishError::new(draft, PublishRefused::Busy));
        }
        let (cursor, time) = (order.newest.next(), stamp(SystemTime::now(), order.time));
        let (tracker, private) = (draft.tracker.take(), draft.private);
        let message = Arc::new(Message::stamped(draft, id, time, cursor));
        if private {
            matched = Arc::new(order.index.matched_private(&message));
        }
        if let Err(error) = self.backlog.append(&message) {
            return Err(PublishError::new(message.to_draft(tracker), error.into()));
        }
        (order.newest, order.time) = (cursor, time);
        order.published += 1;
        let (receivers, relays) = receivers(&matched, message.excluded());
        let (wake, fallen) = hand_over(&matched, &message, tracker.as_ref());
        order.past.drops.ended += fallen;
        let published = Published { id, cursor, private, receivers };
        Ok(Stamped { published, wake, relays, message, _tracker: tracker })
    }

    pub(crate) fn add_lane(&self) -> (usize, Arc<Lane>) {
        let lane = Arc::new(Lane::new(Arc::clone(&self.gate)));
        (lock(&self.order).lanes.insert(Arc::clone(&lane)), lane)
    }

    pub(crate) fn remove_lane(&self, key: usize) {
        let mut order = lock(&self.order);
        if let Some(lane) = order.lanes.try_remove(key) {
            lane.counters.add_to(&mut order.past);
        }
    }

    /// Gives a session its id, and its place in the index; none on a closing hub, and when all numbers are taken.
    pub(crate) fn open(&self, lane: Arc<Lane>, slot: usize, settings: &SessionSettings) -> (SessionId, Option<u32>) {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = SessionId(NEXT.fetch_add(1, Ordering::Relaxed));
        let Ok(slot) = u32::try_from(slot) else { return (id, None) };
        let session = NewSession {
            id,
            lane,
            slot,
            max_subscriptions: settings.max_subscriptions,
            max_patterns: settings.max_patterns,
            deduplicate: settings.deduplicate,
            access: settings.access.clone(),
            relay: settings.relay.clone(),
        };
        let mut order = lock(&self.order);
        let key = if order.closing { None } else { order.index.add(session) };
        (id, key)
    }

    /// Ends the subscriptions of a session.
    pub(crate) fn silence(&self, session: u32) {
        while lock(&self.order).index.silence_some(session) {}
    }

    /// Forgets a session.
    pub(crate) fn remove(&self, session: u32) {
        self.silence(session);
        let mut order = lock(&self.order);
        order.index.remove(session);
        let deserted = order.closing && order.index.sessions() == 0;
        drop(order);
        if deserted {
            self.deserted.notify_waiters();
        }
    }

    /// Refuses a filter that asks for longer topics than there can be. Globs have a limit of their own.
    pub(crate) fn check(&self, filter: &Filter) -> Result<(), SubscribeError> {
        let largest = self.settings.max_topic_bytes;
        let needed = |set: &SegmentSet| set.iter().map(|segment| segment.as_bytes().len() + 1).sum::<usize>();
        let size = match filter {
            Filter::Exact(topic) => topic.as_bytes().len(),
            Filter::Segments(sets) => sets.iter().map(needed).max().unwrap_or_default().saturating_sub(1),
            _ => 0,
        };
        if size > largest { Err(SubscribeError::TopicTooLong { size, largest }) } else { Ok(()) }
    }

    pub(crate) fn subscribe(&self, session: u32, filter: Filter) -> Result<SubscriptionId, SubscribeError> {
        let mut order = lock(&self.order);
        if order.closing {
            return Err(SubscribeError::Ended(Ended::HubClosing));
        }
        order.index.subscribe(session, filter)
    }

    pub(crate) fn unsubscribe(&self, session: u32, subscription: SubscriptionId) -> bool {
        lock(&self.order).index.unsubscribe(session, subscription)
    }

    /// The last step of a replay: if what is left after `place` can be had at once and is `fitting`, subscribes in the same
    /// moment, and gives what `fitting` left of it. Every message is then either left of that moment, in the rest, or right of it, and live.
    pub(crate) fn go_live(
        &self,
        session: u32,
        filter: &Filter,
        place: Cursor,
        fitting: impl FnOnce(Messages) -> Option<Messages>,
    ) -> Result<Option<(SubscriptionId, Messages)>, SubscribeError> {
        let mut order = lock(&self.order);
        if order.closing {
            return Err(SubscribeError::Ended(Ended::HubClosing));
        }
        let Some(rest) = self.backlog.recent(place, RECENT_MESSAGES).and_then(fitting) else { return Ok(None) };
        Ok(Some((order.index.subscribe(session, filter.clone())?, rest)))
    }

    /// What a session may see.
    pub(crate) fn access(&self, session: u32) -> Option<Arc<dyn Access>> {
        lock(&self.order).index.access(session)
    }

    /// Refuses what comes from now on. The lanes that are to be told to finish, the first time.
    pub(crate) fn shut(&self) -> Vec<Arc<Lane>> {
        let mut order = lock(&self.order);
        if std::mem::replace(&mut order.closing, true) {
            return Vec::new();
        }
        for (_, lane) in &order.lanes {
            // A closed lane has no session to tell.
            let _ = lane.push(Parcel::Finish);
        }
        let lanes = order.lanes.iter().map(|(_, lane)| Arc::clone(lane)).collect();
        drop(order);
        self.closing.notify_waiters();
        lanes
    }

    pub(crate) fn lanes(&self) -> Vec<Arc<Lane>> {
        lock(&self.order).lanes.iter().map(|(_, lane)| Arc::clone(lane)).collect()
    }

    pub(crate) fn is_closing(&self) -> bool {
        lock(&self.order).closing
    }

    pub(crate) fn is_deserted(&self) -> bool {
        lock(&self.order).index.sessions() == 0
    }

    pub(crate) fn stats(&self) -> HubStats {
        let order = lock(&self.order);
        let (subscriptions, filters, cached_topics) = order.index.counts();
        let mut stats = HubStats {
            workers: order.lanes.len(),
            sessions: order.index.sessions(),
            subscriptions,
            filters,
            cached_topics,
            published: order.published,
            ..order.past
        };
        for (_, lane) in &order.lanes {
            lane.counters.add_to(&mut stats);
            stats.inbox_bytes += lane.bytes() as u64;
        }
        stats
    }
}

/// A message's time, where the newest message has `newest`. The clock is often set back a little, and then time stands still.
/// When it is set back by more it was wrong before: messages must not bear that time until it comes. The order of the
/// messages is that of their cursors.
fn stamp(now: SystemTime, newest: SystemTime) -> SystemTime {
    match newest.duration_since(now) {
        Ok(ahead) if ahead > AHEAD => {
            tracing::warn!(
                seconds = ahead.as_secs(),
                "the clock was set back, and so is the time of events from here on"
            );
            now
        }
        _ => now.max(newest),
    }
}

/// The sessions that are receivers themselves, and who knows of others.
fn receivers(matched: &Matched, excluded: Option<SessionId>) -> (u64, SmallVec<[Arc<dyn Relay>; 1]>) {
    let skipped = excluded.is_some_and(|session| matched.holds(session));
    let meant = matched.relays.iter().filter(|(session, _)| excluded != Some(*session));
    let relays: SmallVec<_> = meant.map(|(_, relay)| Arc::clone(relay)).collect();
    (matched.sessions() as u64 - u64::from(skipped) - relays.len() as u64, relays)
}

/// Gives the lanes to wake, and how many deliveries fell because their thread is gone.
fn hand_over(matched: &Matched, message: &Arc<Message>, tracker: Option<&Tracker>) -> (Lanes, u64) {
    let (mut wake, mut fallen) = (Lanes::new(), 0);
    for Group { lane, targets, .. } in &matched.groups {
        let (message, targets, tracker) = (Arc::clone(message), Arc::clone(targets), tracker.cloned());
        match lane.push(Parcel::Event { message, targets, tracker }) {
            Ok(()) => wake.push(Arc::clone(lane)),
            Err(parcel) => fallen += parcel.deliveries(),
        }
    }
    (wake, fallen)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn time_stands_still_when_the_clock_is_set_back_a_little_and_follows_it_when_it_is_far() {
        let now = SystemTime::now();
        let second = Duration::from_secs(1);
        assert_eq!(stamp(now, now - second), now);
        assert_eq!(stamp(now, now + second), now + second);
        assert_eq!(stamp(now, now + AHEAD), now + AHEAD);
        assert_eq!(stamp(now, now + AHEAD + second), now);
        assert_eq!(stamp(now, SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000)), now);
    }
}
