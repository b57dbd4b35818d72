//! A sink that keeps what arrives for the case to look at.

use std::time::Duration;

use bytes::Bytes;
use eventhive_transport::{Gap, Incoming, Sink, Subscription, Topic};
use tokio::sync::mpsc;

use crate::case::{Check, Stop, ensure};
use crate::context::within;

/// The sink's end. Several subscriptions may share it; unbounded, because a case sends a known amount.
#[derive(Clone)]
pub(crate) struct Tap(mpsc::UnboundedSender<Heard>);

/// What a sink is told; `None` is a gap.
type Heard = Option<Incoming>;

impl Sink for Tap {
    fn deliver(&self, incoming: Incoming) {
        // The case may have ended, and nobody looks any more.
        let _ = self.0.send(Some(incoming));
    }

    fn gap(&self, _: Gap) {
        let _ = self.0.send(None);
    }
}

/// The case's end.
pub(crate) struct Collector {
    incoming: mpsc::UnboundedReceiver<Heard>,
    /// Gaps that were told before the last message that was looked at.
    gaps: usize,
    subscriptions: Vec<Subscription>,
    patience: Duration,
}

impl Collector {
    pub(crate) fn new(patience: Duration) -> (Tap, Self) {
        let (sender, incoming) = mpsc::unbounded_channel();
        (Tap(sender), Self { incoming, gaps: 0, subscriptions: Vec::new(), patience })
    }

    pub(crate) fn hold(&mut self, subscription: Subscription) {
        self.subscriptions.push(subscription);
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Check<Incoming> {
        let dropped = || Stop::Failed("the link dropped the sink of a subscription that stands".into());
        within(self.patience, "waiting for a message", async {
            loop {
                match self.incoming.recv().await.ok_or_else(dropped)? {
                    Some(incoming) => return Ok(incoming),
                    None => self.gaps += 1,
                }
            }
        })
        .await?
    }

    /// How often it was told, before the last message that was looked at, that messages may be lost.
    pub(crate) const fn gaps(&self) -> usize {
        self.gaps
    }

    /// The next message must be this one.
    pub(crate) async fn expect(&mut self, topic: &Topic, payload: impl Into<Bytes>) -> Check {
        let (next, payload) = (self.next().await?, payload.into());
        ensure!(next.topic == *topic, "expected topic {topic:?}, got {:?}", next.topic);
        ensure!(next.payload == payload, "on {topic:?} expected {}, got {}", brief(&payload), brief(&next.payload));
        Ok(())
    }

    /// The next message's number.
    pub(crate) async fn number(&mut self) -> Check<u64> {
        let next = self.next().await?;
        let text = std::str::from_utf8(&next.payload).ok();
        let number = text.and_then(|text| text.parse().ok());
        number.ok_or_else(|| Stop::Failed(format!("expected a number, got {}", brief(&next.payload))))
    }

    /// The next numbers must be these, in this order.
    pub(crate) async fn expect_numbers(&mut self, numbers: std::ops::Range<u64>) -> Check {
        for expected in numbers {
            let got = self.number().await?;
            ensure!(got == expected, "expected message {expected}, got {got}");
        }
        Ok(())
    }

    /// All numbers up to and without `last`, in whatever order.
    pub(crate) async fn numbers_until(&mut self, last: u64) -> Check<Vec<u64>> {
        let mut numbers = Vec::new();
        loop {
            match self.number().await? {
                number if number == last => return Ok(numbers),
                number => numbers.push(number),
            }
        }
    }

    /// What is there now, without waiting.
    pub(crate) fn here(&mut self) -> Vec<Incoming> {
        std::iter::from_fn(|| self.incoming.try_recv().ok()).flatten().collect()
    }

    /// Ends the subscriptions and waits for the broker; what was collected stays.
    pub(crate) async fn cancel(&mut self) -> Check {
        for subscription in self.subscriptions.drain(..) {
            within(self.patience, "unsubscribing", subscription.cancel()).await?;
        }
        Ok(())
    }

    /// Drops the subscriptions; what was collected stays.
    pub(crate) fn drop_subscriptions(&mut self) {
        self.subscriptions.clear();
    }
}

/// A payload for a message: its start and its length.
fn brief(payload: &Bytes) -> String {
    let start = payload.get(..payload.len().min(40)).unwrap_or_default();
    format!("{:?} ({} bytes)", String::from_utf8_lossy(start), payload.len())
}
