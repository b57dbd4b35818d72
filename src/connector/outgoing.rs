//! Events on their way out: the outbox, and the task that hands them to the link.
//!
//! An event stays with the connector until the broker has answered for it. When the connection is lost before that, the
//! event goes back to the front of the outbox and is sent again: it arrives at least once, and receivers know it again
//! by its id.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use eventhive_transport::{Delivery, Link, LinkError, LinkState, Receipt, RefusedReason, Topic};
use tokio::sync::watch;

use super::counters::Counters;
use super::pending::Fate;
use super::queue::ByteQueue;

/// A sealed event, ready for the wire.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) topic: Topic,
    pub(super) payload: Bytes,
    /// For a request of this hive: who waits for the answer, and is told what becomes of the event.
    pub(super) fate: Option<Fate>,
}

impl Outgoing {
    pub(super) fn bytes(&self) -> usize {
        self.topic.as_bytes().len() + self.payload.len()
    }
}

/// Empties the outbox into the link, in order, for as long as the outbox is open. Owned by one task.
pub(super) struct Pump {
    name: Arc<str>,
    outbox: Arc<ByteQueue<Outgoing>>,
    link: Arc<dyn Link>,
    state: watch::Receiver<LinkState>,
    unconfirmed: VecDeque<(Receipt, Outgoing)>,
    /// What was lost with a connection, oldest first. Nothing is sent until all that was unconfirmed with it has settled:
    /// only then is their order known.
    lost: Vec<Outgoing>,
    counters: Arc<Counters>,
}

/// A link is seldom full without an answer under way that would wake the pump; then this does.
const FULL_LINK_PAUSE: Duration = Duration::from_millis(10);

/// Whether the link takes more right now.
#[derive(PartialEq, Eq)]
enum Flow {
    Open,
    /// Its queue is full: an answer, or a short pause, makes room.
    Full,
    /// Its state will change.
    Down,
}

impl Pump {
    pub(super) fn new(
        name: Arc<str>,
        outbox: Arc<ByteQueue<Outgoing>>,
        link: Arc<dyn Link>,
        counters: Arc<Counters>,
    ) -> Self {
        let state = link.state();
        Self { name, outbox, link, state, unconfirmed: VecDeque::new(), lost: Vec::new(), counters }
    }

    pub(super) async fn run(mut self) {
        loop {
            // Marked as seen before it is acted on: a change that comes while events are sent wakes the wait below.
            if *self.state.borrow_and_update() == LinkState::Closed {
                return;
            }
            let flow = if self.lost.is_empty() { self.send_waiting() } else { Flow::Down };
            tokio::select! {
                first = front_answer(&mut self.unconfirmed) => self.settle(first),
                changed = self.state.changed() => if changed.is_err() { return },
                () = self.outbox.filled(), if flow == Flow::Open => {}
                () = tokio::time::sleep(FULL_LINK_PAUSE), if flow == Flow::Full => {}
            }
            self.settle_ready();
        }
    }

    fn send_waiting(&mut self) -> Flow {
        while self.state.borrow().is_up() {
            let Some(mut outgoing) = self.outbox.pop() else { return Flow::Open };
            if outgoing.fate.as_ref().is_some_and(Fate::is_moot) {
                Counters::add(&self.counters.requests_expired, 1);
                self.outbox.finish();
                continue;
            }
            match self.link.publish(outgoing.topic.clone(), outgoing.payload.clone()) {
                Ok(receipt) => self.unconfirmed.push_back((receipt, outgoing)),
                Err(refused) => match refused.reason {
                    RefusedReason::Down | RefusedReason::Full | RefusedReason::Closed => {
                        let bytes = outgoing.bytes();
                        self.outbox.put_back(std::iter::once((outgoing, bytes)));
                        return if refused.reason == RefusedReason::Full { Flow::Full } else { Flow::Down };
                    }
                    reason => self.give_up(&mut outgoing, &reason.to_string()),
                },
            }
        }
        Flow::Down
    }

    fn settle(&mut self, (outgoing, answer): Answered) {
        let lost = self.count(outgoing, answer);
        self.lost.extend(lost);
    }

    /// Takes the answers that are there, oldest first. What was lost goes back to the outbox in front of everything newer.
    fn settle_ready(&mut self) {
        while let Some(answer) = self.unconfirmed.front_mut().and_then(|(receipt, _)| settled_now(receipt)) {
            let Some((_, outgoing)) = self.unconfirmed.pop_front() else { break };
            self.settle((outgoing, answer));
        }
        if self.lost.is_empty() || !self.unconfirmed.is_empty() {
            return;
        }
        let lost = std::mem::take(&mut self.lost);
        tracing::info!(connector = %self.name, events = lost.len(), "the connection was lost before the broker answered: sending again");
        Counters::add(&self.counters.resent, lost.len());
        self.outbox.put_back(lost.into_iter().map(|outgoing| {
            let bytes = outgoing.bytes();
            (outgoing, bytes)
        }));
    }

    /// Gives the event back if it must be sent again.
    fn count(&self, mut outgoing: Outgoing, answer: Result<Delivery, LinkError>) -> Option<Outgoing> {
        match answer {
            Ok(delivery) => {
                Counters::add(&self.counters.published, 1);
                if let Some(fate) = &mut outgoing.fate {
                    fate.published(delivery);
                }
                self.outbox.finish();
            }
            Err(LinkError::Unconfirmed | LinkError::Closed) => return Some(outgoing),
            Err(error) => self.give_up(&mut outgoing, &error.to_string()),
        }
        None
    }

    fn give_up(&self, outgoing: &mut Outgoing, reason: &str) {
        Counters::add(&self.counters.rejected, 1);
        self.outbox.finish();
        if let Some(fate) = &mut outgoing.fate {
            fate.failed(reason);
        }
        tracing::error!(connector = %self.name, topic = %outgoing.topic, "the event was not published: {reason}");
    }
}

type Answered = (Outgoing, Result<Delivery, LinkError>);

/// The oldest unconfirmed event with its answer, once there is one; for ever pending when nothing is unconfirmed.
async fn front_answer(unconfirmed: &mut VecDeque<(Receipt, Outgoing)>) -> Answered {
    let answer = poll_fn(|context| match unconfirmed.front_mut() {
        Some((receipt, _)) => Pin::new(receipt).poll(context),
        None => Poll::Pending,
    })
    .await;
    match unconfirmed.pop_front() {
        Some((_, outgoing)) => (outgoing, answer),
        None => std::future::pending().await,
    }
}

/// The receipt's answer, if it is there. Leaves no waker: [`front_answer`] does.
fn settled_now(receipt: &mut Receipt) -> Option<Result<Delivery, LinkError>> {
    match Pin::new(receipt).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}
