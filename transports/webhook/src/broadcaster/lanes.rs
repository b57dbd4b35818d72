//! Where events of other doors wait for their urls.
//!
//! Each url has a lane, in which one event is under way and the others wait in order: what one publisher sends at another door
//! reaches a url in that order, and a slow url delays no other. All lanes together have a bound in bytes, and one lane an eighth
//! of it. What does not fit is dropped by the policy, and counted; with [`Overflow::Block`] nothing is taken from the hub until there is room, and the hub's
//! publishers wait.

use std::collections::VecDeque;
use std::sync::Arc;

use eventhive_hub::Tracker;
use eventhive_transport::Overflow;
use foldhash::{HashMap, HashMapExt as _};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

use super::Broadcaster;
use crate::index::Target;
use crate::message::Message;

/// What a delivery is charged beside its message.
const ENTRY_BYTES: usize = 192;

/// Urls that are called at a time; while there are as many, nothing is taken from the hub.
const MOST_LANES: usize = 4096;

pub(super) struct Lanes<'b> {
    broadcaster: &'b Arc<Broadcaster>,
    lanes: HashMap<Box<str>, Lane>,
    under_way: FuturesUnordered<BoxFuture<'b, Box<str>>>,
    bytes: usize,
    most: usize,
    overflow: Overflow,
}

/// What waits for a url; one more is under way.
#[derive(Default)]
struct Lane {
    waiting: VecDeque<Delivery>,
    bytes: usize,
}

struct Delivery {
    target: Target,
    message: Message,
    tracker: Option<Tracker>,
}

impl Delivery {
    fn weight(&self) -> usize {
        // Events of a hub are in memory.
        let body = self.message.body.as_bytes().map_or(0, |body| body.len());
        ENTRY_BYTES + self.message.topic.len() + body
    }
}

impl<'b> Lanes<'b> {
    pub(super) fn new(broadcaster: &'b Arc<Broadcaster>, most: usize, overflow: Overflow) -> Self {
        let (lanes, under_way) = (HashMap::new(), FuturesUnordered::new());
        Self { broadcaster, lanes, under_way, bytes: 0, most, overflow }
    }

    /// Whether more may be taken from the hub.
    pub(super) fn have_room(&self) -> bool {
        self.under_way.len() < MOST_LANES && (self.overflow != Overflow::Block || self.bytes < self.most)
    }

    pub(super) fn are_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Sends a message to a url, or lets it wait for those before it.
    pub(super) fn push(&mut self, target: Target, message: Message, tracker: Option<Tracker>) {
        let delivery = Delivery { target, message, tracker };
        let url: &str = &delivery.target.urls.receive;
        if !self.lanes.contains_key(url) {
            let url: Box<str> = url.into();
            self.lanes.insert(url.clone(), Lane::default());
            self.send(url, delivery);
            return;
        }
        if self.make_room(&delivery) {
            self.wait(delivery);
        } else {
            self.broadcaster.counters.dropped.add(1);
        }
    }

    /// Resolves when a delivery is done, and has begun the next of its lane.
    pub(super) async fn step(&mut self) {
        let Some(url) = self.under_way.next().await else { return };
        let next = self.lanes.get_mut(&url).and_then(Lane::pop);
        match next {
            Some(delivery) => {
                self.bytes -= delivery.weight();
                self.send(url, delivery);
            }
            None => drop(self.lanes.remove(&url)),
        }
    }

    fn send(&mut self, url: Box<str>, delivery: Delivery) {
        let broadcaster = self.broadcaster;
        self.under_way.push(Box::pin(async move {
            let Delivery { target, message, tracker } = delivery;
            let delivered = broadcaster.to_url(&target, &message).await;
            if let Some(tracker) = tracker {
                tracker.confirm(delivered.count.into());
            }
            url
        }));
    }

    fn wait(&mut self, delivery: Delivery) {
        let weight = delivery.weight();
        if let Some(lane) = self.lanes.get_mut(&delivery.target.urls.receive) {
            self.bytes += weight;
            lane.bytes += weight;
            lane.waiting.push_back(delivery);
        }
    }

    /// Whether there is room for a delivery, perhaps because others were dropped.
    fn make_room(&mut self, delivery: &Delivery) -> bool {
        if self.overflow == Overflow::Block {
            return true;
        }
        let (weight, most_each) = (delivery.weight(), self.most / 8);
        let Some(lane) = self.lanes.get_mut(&delivery.target.urls.receive) else { return false };
        let fits = |lane: &Lane, bytes: usize| lane.bytes + weight <= most_each && bytes + weight <= self.most;
        while !fits(lane, self.bytes) {
            let oldest = if self.overflow == Overflow::DropOldest { lane.pop() } else { None };
            let Some(oldest) = oldest else { return false };
            self.bytes -= oldest.weight();
            self.broadcaster.counters.dropped.add(1);
        }
        true
    }
}

impl Lane {
    fn pop(&mut self) -> Option<Delivery> {
        let delivery = self.waiting.pop_front()?;
        self.bytes -= delivery.weight();
        Some(delivery)
    }
}
