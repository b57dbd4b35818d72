//! A link with the patience of its fixture: every wait is bounded, every failure a text.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use eventhive_transport::{
    Delivery, Filter, Link, LinkError, LinkState, Receipt, Refused, RefusedReason, Sink, Subscription, Topic,
};

use crate::case::{Check, Stop, ensure};
use crate::collector::{Collector, Tap};
use crate::context::within;

#[derive(Clone)]
pub(crate) struct Client {
    link: Arc<dyn Link>,
    patience: Duration,
}

impl Client {
    pub(crate) fn new(link: Arc<dyn Link>, patience: Duration) -> Self {
        Self { link, patience }
    }

    /// The bare publish, with its refusal.
    pub(crate) fn try_publish(&self, topic: &Topic, payload: impl Into<Bytes>) -> Result<Receipt, Refused> {
        self.link.publish(topic.clone(), payload.into())
    }

    /// Publishes, waiting for room where the queue is full, and for the receipt.
    pub(crate) async fn publish(&self, topic: &Topic, payload: impl Into<Bytes>) -> Check<Delivery> {
        let receipt = self.accepted(topic, payload.into(), &mut VecDeque::new()).await?;
        self.settled(receipt).await?.map_err(|error| Stop::Failed(format!("the receipt for {topic:?} says: {error}")))
    }

    /// Publishes the numbers as text, pipelined, and waits for all receipts.
    pub(crate) async fn publish_numbers(&self, topic: &Topic, numbers: Range<u64>) -> Check {
        self.publish_many(numbers.map(|number| (topic.clone(), Bytes::from(number.to_string()))).collect()).await
    }

    /// Publishes all, pipelined, and waits for all receipts.
    pub(crate) async fn publish_many(&self, messages: Vec<(Topic, Bytes)>) -> Check {
        let mut pending = VecDeque::new();
        for (topic, payload) in messages {
            let receipt = self.accepted(&topic, payload, &mut pending).await?;
            pending.push_back(receipt);
        }
        while let Some(receipt) = pending.pop_front() {
            self.settled(receipt).await?.map_err(|error| Stop::Failed(format!("a receipt says: {error}")))?;
        }
        Ok(())
    }

    /// Publishes once; while the queue is full, awaits receipts (or yields, where there is none) and tries again.
    async fn accepted(&self, topic: &Topic, payload: Bytes, pending: &mut VecDeque<Receipt>) -> Check<Receipt> {
        let mut message = (topic.clone(), payload);
        within(self.patience, "waiting for room in the send queue", async {
            loop {
                match self.link.publish(message.0, message.1) {
                    Ok(receipt) => return Ok(receipt),
                    Err(Refused { topic, payload, reason: RefusedReason::Full }) => message = (topic, payload),
                    Err(refused) => return Err(Stop::Failed(refused.to_string())),
                }
                match pending.pop_front() {
                    Some(receipt) => drop(receipt.await),
                    None => tokio::task::yield_now().await,
                }
            }
        })
        .await?
    }

    /// What the receipt says; fails the case only if it never does.
    pub(crate) async fn settled(&self, receipt: Receipt) -> Check<Result<Delivery, LinkError>> {
        within(self.patience, "waiting for a receipt", receipt).await
    }

    /// Subscribes all filters, and collects what arrives in one queue.
    pub(crate) async fn collect<const N: usize>(&self, filters: [Filter; N]) -> Check<Collector> {
        let (tap, mut collector) = Collector::new(self.patience);
        for filter in filters {
            let subscription = self.subscribe(filter, tap.clone()).await?;
            collector.hold(subscription);
        }
        Ok(collector)
    }

    /// Subscribes one exact topic.
    pub(crate) async fn listen(&self, topic: &Topic) -> Check<Collector> {
        self.collect([Filter::Exact(topic.clone())]).await
    }

    pub(crate) async fn subscribe(&self, filter: Filter, tap: Tap) -> Check<Subscription> {
        let told = format!("{filter:?}");
        let made = self.try_subscribe(filter, Arc::new(tap)).await?;
        made.map_err(|error| Stop::Failed(format!("subscribing {told}: {error}")))
    }

    /// The bare subscribe, with its error.
    pub(crate) async fn try_subscribe(
        &self,
        filter: Filter,
        sink: Arc<dyn Sink>,
    ) -> Check<Result<Subscription, LinkError>> {
        within(self.patience, "subscribing", self.link.subscribe(filter, sink)).await
    }

    pub(crate) fn state_now(&self) -> LinkState {
        self.link.state().borrow().clone()
    }

    pub(crate) async fn until_up(&self) -> Check {
        self.until("up", LinkState::is_up).await
    }

    pub(crate) async fn until_down(&self) -> Check {
        self.until("down", |state| matches!(state, LinkState::Down { .. })).await
    }

    pub(crate) async fn until_not_up(&self) -> Check {
        self.until("no longer up", |state| !state.is_up()).await
    }

    /// Waits for a state. A link that gave up fails the case, unless that is what is waited for.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&LinkState) -> bool) -> Check {
        let mut state = self.link.state();
        let arrived = state.wait_for(|state| wanted(state) || matches!(state, LinkState::Down { gave_up: true, .. }));
        let seen = tokio::time::timeout(self.patience, arrived).await;
        let seen = match seen {
            Ok(Ok(state)) => state.clone(),
            Ok(Err(_)) => return Err(Stop::Failed(format!("the link was never {what}: it is gone"))),
            Err(_) => return Err(Stop::Failed(format!("the link was never {what}: it is {}", self.state_now()))),
        };
        ensure!(wanted(&seen), "the link was never {what}: it gave up: {seen}");
        Ok(())
    }

    /// Waits until the link, which is down, has tried once more and is down again.
    pub(crate) async fn until_down_once_more(&self) -> Check {
        let mut state = self.link.state();
        // Told of at least one change, because the two of a quick attempt may be seen as one.
        state.mark_unchanged();
        let changed = within(self.patience, "another attempt to connect", state.changed()).await?;
        changed.map_err(|_| Stop::Failed("the link is gone".into()))?;
        self.until_down().await
    }

    pub(crate) async fn close(&self) -> Check {
        within(self.patience, "closing a link", self.link.close()).await
    }
}
