//! Taking events of other doors from the hub, for as long as a broadcaster runs.
//!
//! | | |
//! |---|---|
//! | before the subscriptions were read | events wait in the session's queue, so that nobody is left out |
//! | the session's queue has no room | what it drops is counted, and told in the log, and to websockets |
//! | publishers have waited too long for a url | the oldest events for that one are dropped, and told as missed |
//! | the hub has ended the session | it is opened again at once, and what the hub's backlog still has of the time between comes first. What it has not is told in the log, and to websockets |
//! | the broadcaster is to settle | what was published before is taken, hardly anything after, and all of it is delivered |
//! | the broadcaster closes | what is under way, or waits in lanes or the session's queue, is given up, and told as missed. That something has not come so far is told in the log, and to websockets |

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use eventhive_hub::{
    Cursor, Drops, Ended, Outbound, Outgoing, Relay, ReplayError, Session, SessionId, SessionSettings, Start,
    SubscribeError, Tracker,
};
use eventhive_transport::{Filter, Topic};
use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep, sleep_until};

use super::Broadcaster;
use super::bridge::Bridge;
use super::lanes::{Event, Lanes, To};
use super::losses::Losses;
use crate::message::Message;

/// The wait after a session that could not be had, as when the hub is full: little beside what its backlog keeps, and much
/// beside the work of trying.
const AGAIN: Duration = Duration::from_millis(500);

/// Between looks whether the hub has handed out what was published, of which nothing tells. A stop takes longer by so much at
/// most.
const HANDING_OUT: Duration = Duration::from_millis(5);

/// Sessions that are known to have been ours. An event that one of them was not to get is of this broadcaster. One that is cut
/// off has stood still for 10 s by default, so these go back for minutes at least; each event is compared with all of them.
const OURS: usize = 16;

/// Takes events from the hub until the broadcaster or the hub closes, or the broadcaster settles.
pub(super) async fn carry(broadcaster: &Arc<Broadcaster>) {
    let Some(bridge) = &broadcaster.bridge else { return };
    bridge.carrying.send_replace(true);
    let _carrying = Carrying(bridge);
    let mut carrier = Carrier::new(broadcaster, bridge);
    tokio::select! {
        () = carrier.run() => carrier.is_through = true,
        () = broadcaster.closed() => {}
    }
}

/// Whoever waits for the end hears of it, whatever ends it.
struct Carrying<'b>(&'b Bridge);

impl Drop for Carrying<'_> {
    fn drop(&mut self) {
        self.0.carrying.send_replace(false);
    }
}

struct Carrier<'b> {
    broadcaster: &'b Arc<Broadcaster>,
    bridge: &'b Bridge,
    lanes: Lanes<'b>,
    outgoing: Option<Outgoing>,
    /// Taken, and not yet in a lane.
    in_hand: Option<Taken>,
    /// The newest event that was taken.
    newest: Cursor,
    ours: VecDeque<SessionId>,
    /// While there is no room: when publishers have waited long enough.
    late_at: Option<Instant>,
    /// Whether the session gets what is published.
    is_subscribed: bool,
    /// Whether nothing more is to be taken.
    is_through: bool,
    /// What the session's queue has dropped, as far as that was counted.
    dropped: u64,
    losses: Losses,
}

struct Taken {
    message: Arc<eventhive_hub::Message>,
    tracker: Option<Tracker>,
}

impl<'b> Carrier<'b> {
    fn new(broadcaster: &'b Arc<Broadcaster>, bridge: &'b Bridge) -> Self {
        let settings = &bridge.settings;
        Self {
            broadcaster,
            bridge,
            lanes: Lanes::new(broadcaster, settings.queue_bytes, settings.overflow),
            outgoing: None,
            in_hand: None,
            newest: settings.hub.newest(),
            ours: VecDeque::with_capacity(OURS),
            late_at: None,
            is_subscribed: false,
            is_through: false,
            dropped: 0,
            losses: Losses::new(
                "events of other doors were lost for webhooks: `hub_queue_bytes` has no room for so many",
            ),
        }
    }

    async fn run(&mut self) {
        let (hub, settings) = (&self.bridge.settings.hub, session_settings(self.broadcaster, self.bridge));
        let worker = hub.worker();
        let mut start = Start::Now;
        while !hub.is_closing() {
            let (session, outgoing) = worker.open(settings.clone());
            (self.outgoing, self.is_subscribed, self.dropped) = (Some(outgoing), false, 0);
            if self.ours.is_empty() {
                // What is published here from the moment on that it gets all is not to come back.
                self.is_ours(session.id());
            }
            if self.take_all(&session, start).await {
                break;
            }
            if self.ended() != Some(Ended::SlowConsumer) && !hub.is_closing() {
                // The hub has no room for a session.
                self.pause(AGAIN).await;
            }
            start = Start::After(self.newest);
        }
        while let Some(place) = self.lanes.done().await {
            self.go_on(place).await;
        }
    }

    /// Notes a session. Those that never got anything are not noted: they would push out those in whose time something was
    /// published here.
    fn is_ours(&mut self, session: SessionId) {
        if self.ours.contains(&session) {
            return;
        }
        if self.ours.len() == OURS {
            self.ours.pop_front();
        }
        self.ours.push_back(session);
        self.bridge.session.store(session.into(), Ordering::Release);
    }

    fn ended(&self) -> Option<Ended> {
        self.outgoing.as_ref().and_then(Outgoing::ended)
    }

    /// Takes nothing for a while. Lanes go on.
    async fn pause(&mut self, time: Duration) {
        let end = Instant::now() + time;
        loop {
            tokio::select! {
                () = sleep_until(end) => return,
                Some(place) = self.lanes.done() => self.go_on(place).await,
            }
        }
    }

    /// Takes what comes by a session, to its end. Whether it was ended here, to settle.
    async fn take_all(&mut self, session: &Session, start: Start) -> bool {
        let (broadcaster, bridge) = (self.broadcaster, self.bridge);
        let mut subscribing = pin!(subscribe(broadcaster, session, start));
        let mut settling = pin!(bridge.settling());
        let mut ready = pin!(broadcaster.ready());
        let (mut is_tried, mut is_ready, mut is_ending, mut last) = (false, false, false, None);
        loop {
            if !is_ending && last.is_some_and(|last| self.has_come(last)) {
                is_ending = true;
                session.close();
            }
            let late_at = self.late_at();
            let Some(outgoing) = &mut self.outgoing else { return false };
            tokio::select! {
                is_subscribed = &mut subscribing, if !is_tried => {
                    (is_tried, self.is_subscribed) = (true, is_subscribed);
                    if is_subscribed {
                        self.is_ours(session.id());
                    }
                }
                () = &mut ready, if !is_ready => {
                    is_ready = true;
                    self.count_drops(session);
                }
                item = outgoing.next(), if is_ready && self.lanes.have_room() => match item {
                    Some(item) => {
                        self.take(item).await;
                        self.count_drops(session);
                    }
                    None => return is_ending && self.ended() == Some(Ended::Closed),
                },
                Some(place) = self.lanes.done() => self.go_on(place).await,
                () = sleep_until(late_at.unwrap_or_else(Instant::now)), if is_ready && late_at.is_some() => {
                    self.lanes.relieve(bridge.settings.longest_block);
                    self.late_at = None;
                }
                () = &mut settling, if self.is_subscribed && last.is_none() => last = Some(bridge.settings.hub.newest()),
                () = sleep(HANDING_OUT), if last.is_some() && !is_ending => {}
            }
        }
    }

    /// Whether this event has come into the session's queue, with all before it. It may be one that is not for this session:
    /// then the one after it has, or none is on its way any more.
    fn has_come(&self, last: Cursor) -> bool {
        self.newest >= last || self.bridge.settings.hub.stats().inbox_bytes == 0
    }

    /// Counts what the session's queue had no room for since the last time. Nobody knows whom it was for.
    fn count_drops(&mut self, session: &Session) {
        let Drops { oldest, newest, .. } = session.drops();
        let more = oldest + newest - mem::replace(&mut self.dropped, oldest + newest);
        if more > 0 {
            self.broadcaster.counters.dropped.add(more);
            self.losses.add(more);
            self.broadcaster.gap();
        }
    }

    /// When publishers will have waited long enough; `None` if they do not wait.
    fn late_at(&mut self) -> Option<Instant> {
        if self.lanes.have_room() {
            self.late_at = None;
        } else if self.late_at.is_none() {
            self.late_at = Some(self.lanes.late_at(self.bridge.settings.longest_block));
        }
        self.late_at
    }

    async fn take(&mut self, item: Outbound) {
        let Outbound::Event { message, tracker } = item else { return };
        self.in_hand = Some(Taken { message, tracker });
        let _handing = self.broadcaster.handing.read().await;
        self.file_in_hand();
    }

    async fn go_on(&mut self, place: usize) {
        let _handing = self.broadcaster.handing.read().await;
        self.lanes.go_on(place);
    }

    /// Brings an event to those who want it.
    fn file_in_hand(&mut self) {
        let Some(taken) = self.in_hand.take() else { return };
        if let Some((event, to)) = self.concerned(taken) {
            to.for_each(|to| self.lanes.hand(to, &event));
        }
    }

    /// Whether something was published that has not come into the session's queue, and should have.
    fn is_behind(&self) -> bool {
        let hub = &self.bridge.settings.hub;
        let is_live = self.is_subscribed && self.ended() != Some(Ended::SlowConsumer);
        hub.stats().inbox_bytes > 0 || (!is_live && hub.newest() != self.newest)
    }

    fn give_up(&mut self, taken: Taken) {
        if let Some((event, to)) = self.concerned(taken) {
            self.lanes.give_up(to, &event);
        }
    }

    /// Whom an event concerns; `None` is nobody.
    fn concerned(
        &mut self,
        Taken { message, tracker }: Taken,
    ) -> Option<(Rc<Event>, impl Iterator<Item = To> + use<>)> {
        self.newest = message.cursor();
        if message.excluded().is_some_and(|session| self.ours.contains(&session)) {
            return None;
        }
        self.broadcaster.counters.from_hub.add(1);
        let found = self.broadcaster.index.find(message.topic().as_bytes());
        let targets = self.broadcaster.to_call(found.targets);
        if targets.is_empty() && found.peers.is_empty() {
            return None;
        }
        // Hashed only if somebody wants it.
        let event = Event::new(Message::new(message.topic().as_bytes(), message.payload().clone()), tracker);
        let peers = found.keys.into_iter().zip(found.peers).map(|(key, peer)| To::Peer(key, peer));
        Some((event, peers.chain(targets.into_iter().map(To::Url))))
    }
}

/// What was taken, or waits in the session's queue, will not be delivered. What is in lanes is told when these are dropped.
impl Drop for Carrier<'_> {
    fn drop(&mut self) {
        if let Some(taken) = self.in_hand.take() {
            self.give_up(taken);
        }
        while let Some(Outbound::Event { message, tracker }) = self.outgoing.as_mut().and_then(Outgoing::try_next) {
            self.give_up(Taken { message, tracker });
        }
        if !self.is_through && self.is_behind() {
            self.broadcaster.tell_gap(&"the broadcaster closes, and they had not come so far");
        }
    }
}

fn session_settings(broadcaster: &Arc<Broadcaster>, bridge: &Bridge) -> SessionSettings {
    let (index, rows_of_peers) = (Arc::clone(&broadcaster.index), broadcaster.own.is_some());
    let relay: Arc<dyn Relay> = Arc::new(move |topic: &Topic| index.count(topic.as_bytes(), rows_of_peers) as u64);
    let settings = &bridge.settings;
    SessionSettings {
        queue_bytes: settings.queue_bytes,
        overflow: settings.overflow,
        // What waits is taken before: only where the subscriptions cannot be read, or the thread stands still, it is ended.
        longest_block: settings.longest_block * 2,
        deduplicate: true,
        relay: Some(relay),
        ..SessionSettings::default()
    }
}

/// Subscribes everything, from a place in the past if it can be had. If that is not possible at all, ends the session. Whether
/// it was.
async fn subscribe(broadcaster: &Broadcaster, session: &Session, start: Start) -> bool {
    let mut gap = None;
    let subscribed = match start {
        Start::Now => session.subscribe(Filter::All),
        start => match session.subscribe_from(Filter::All, start).await {
            Ok(id) => Ok(id),
            // The next one goes on from the same place.
            Err(ReplayError::Subscribe(error)) => Err(error),
            Err(error) => {
                gap = Some(error);
                session.subscribe(Filter::All)
            }
        },
    };
    match &subscribed {
        // Not before: what is published until now is lost, too.
        Ok(_) => gap.iter().for_each(|error| broadcaster.tell_gap(error)),
        Err(SubscribeError::Ended(_)) => {}
        Err(error) => {
            tracing::warn!(%error, "webhooks get no events of other doors for now");
            session.close();
        }
    }
    subscribed.is_ok()
}

impl Bridge {
    /// Resolves when it is to settle.
    async fn settling(&self) {
        // Its sender is `self`, which is there.
        let _ = self.settling.subscribe().wait_for(|settling| *settling).await;
    }
}

impl Broadcaster {
    fn tell_gap(&self, why: &dyn fmt::Display) {
        tracing::warn!(%why, "events of other doors were lost for webhooks");
        self.gap();
    }

    /// What was lost of the hub's events is not known. Of whom it may concern, those who are here are told.
    fn gap(&self) {
        self.counters.gaps.add(1);
        for interest in self.index.wanted_by_peers() {
            self.missed_of(&interest);
        }
    }
}
