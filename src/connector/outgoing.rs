//! Events on their way out: the task that seals what waits in the outbox and hands it to the link.
//!
//! Sealing comes last because a seal has a time, and receivers refuse one that is too old: an event that waited for an hour
//! is sealed after that hour, and sealed anew each time it is sent. Its id, inside, stays the same.
//!
//! An event stays with the connector until the broker has answered for it. When the connection is lost before that, or the
//! broker does not answer in time, the event goes back to the front of the outbox and is sent again: it arrives at least
//! once, and receivers know it again by its id. A broker that is there and does not answer is asked ever more seldom.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use eventhive_transport::{Backoff, Delivery, Link, LinkError, LinkState, Receipt, RefusedReason};
use tokio::sync::watch;
use tokio::time::Instant;

use super::counters::Counters;
use super::outbox::{Next, Outbox, Outgoing};
use crate::envelope::Envelope;

/// Empties the outbox into the link, in order, for as long as the outbox is open. Owned by one task.
pub(super) struct Pump {
    name: Arc<str>,
    outbox: Arc<Outbox>,
    envelope: Arc<Envelope>,
    link: Arc<dyn Link>,
    state: watch::Receiver<LinkState>,
    unconfirmed: VecDeque<(Receipt, Outgoing)>,
    /// The number and sealed form of the event that the full link did not take.
    sealed: Option<(u64, Bytes)>,
    /// What the broker has not answered for, oldest first. Nothing is sent until all that was unconfirmed with it has
    /// settled: only then is their order known.
    lost: Vec<Outgoing>,
    /// Until when nothing is sent, because the link is up and its broker did not answer.
    pause: Option<Instant>,
    backoff: Backoff,
    counters: Arc<Counters>,
}

/// A link is seldom full without an answer under way that would wake the pump; then this does.
const FULL_LINK_PAUSE: Duration = Duration::from_millis(10);

/// Between two attempts to send what a broker that is there did not answer for: the first is hardly felt, and the longest
/// costs such a broker two messages a minute, once they are all that is left.
const UNANSWERED_PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(30));

/// Whether the link takes more right now.
#[derive(PartialEq, Eq)]
enum Flow {
    Open,
    /// Its queue is full: an answer, or a short pause, makes room.
    Full,
    /// Its state will change.
    Down,
    /// It does, and the next event has to be read from the disk.
    OnDisk,
}

impl Pump {
    pub(super) fn new(
        name: Arc<str>,
        outbox: Arc<Outbox>,
        envelope: Arc<Envelope>,
        link: Arc<dyn Link>,
        counters: Arc<Counters>,
    ) -> Self {
        let state = link.state();
        let (unconfirmed, lost) = (VecDeque::new(), Vec::new());
        let backoff = Backoff::new(UNANSWERED_PAUSE.0, UNANSWERED_PAUSE.1);
        Self { name, outbox, envelope, link, state, unconfirmed, sealed: None, lost, pause: None, backoff, counters }
    }

    pub(super) async fn run(mut self) {
        loop {
            if self.state.has_changed().unwrap_or(true) {
                self.forget_connection();
            }
            // Marked as seen before it is acted on: a change that comes while events are sent wakes the wait below.
            if *self.state.borrow_and_update() == LinkState::Closed {
                return self.end();
            }
            let holds = !self.lost.is_empty() || self.pause.is_some();
            let flow = if holds { Flow::Down } else { self.send_waiting() };
            if flow == Flow::OnDisk {
                Counters::add(&self.counters.rejected, self.outbox.load().await);
                continue;
            }
            tokio::select! {
                first = front_answer(&mut self.unconfirmed) => self.settle(first),
                changed = self.state.changed() => match changed {
                    Ok(()) => self.forget_connection(),
                    Err(_) => return self.end(),
                },
                () = self.outbox.filled(), if flow == Flow::Open => {}
                () = tokio::time::sleep(FULL_LINK_PAUSE), if flow == Flow::Full => {}
                () = over(self.pause), if self.pause.is_some() => self.pause = None,
            }
            self.settle_ready();
        }
    }

    /// What the next connection brings may be hours away, and may be another broker.
    fn forget_connection(&mut self) {
        (self.sealed, self.pause) = (None, None);
    }

    /// The link is closed: what it has not answered for goes back, to be counted, or to be sent after the next start.
    fn end(mut self) {
        while let Some((mut receipt, outgoing)) = self.unconfirmed.pop_front() {
            let answer = settled_now(&mut receipt).unwrap_or(Err(LinkError::Closed));
            self.settle((outgoing, answer));
        }
        self.outbox.put_back(self.lost.into_iter());
    }

    fn send_waiting(&mut self) -> Flow {
        while self.state.borrow().is_up() {
            let outgoing = match self.outbox.pop() {
                Next::Event(outgoing) => outgoing,
                Next::OnDisk => return Flow::OnDisk,
                Next::Nothing => return Flow::Open,
            };
            if let Some(flow) = self.send(outgoing) {
                return flow;
            }
        }
        Flow::Down
    }

    /// What is in the way of the next event, if anything is.
    fn send(&mut self, mut outgoing: Outgoing) -> Option<Flow> {
        if let Some(fate) = outgoing.fate.as_mut().filter(|fate| fate.is_moot()) {
            fate.expire();
            Counters::add(&self.counters.requests_expired, 1);
            self.outbox.finish(outgoing.number);
            return None;
        }
        let sealed = match self.sealed.take() {
            Some((number, sealed)) if number == outgoing.number => Ok(sealed),
            _ => self.envelope.seal_message(&outgoing.topic, &outgoing.message),
        };
        let sealed = match sealed {
            Ok(sealed) => sealed,
            Err(error) => {
                self.give_up(&mut outgoing, &error.to_string());
                return None;
            }
        };
        let refused = match self.link.publish(outgoing.topic.clone(), sealed) {
            Ok(receipt) => {
                self.unconfirmed.push_back((receipt, outgoing));
                return None;
            }
            Err(refused) => refused,
        };
        let flow = match refused.reason {
            RefusedReason::Full => Flow::Full,
            RefusedReason::Down | RefusedReason::Closed => Flow::Down,
            reason => {
                self.give_up(&mut outgoing, &reason.to_string());
                return None;
            }
        };
        // A full link takes it in a moment; one that is down may take it when the seal is too old.
        self.sealed = (flow == Flow::Full).then_some((outgoing.number, refused.payload));
        self.outbox.put_back(std::iter::once(outgoing));
        Some(flow)
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
        tracing::info!(connector = %self.name, events = lost.len(), "the broker did not answer, or the connection was lost before: sending again");
        Counters::add(&self.counters.resent, lost.len());
        self.outbox.put_back(lost.into_iter());
        if self.state.borrow().is_up() {
            self.pause = Some(Instant::now() + self.backoff.next_wait());
        }
    }

    /// Gives the event back if it must be sent again.
    fn count(&mut self, mut outgoing: Outgoing, answer: Result<Delivery, LinkError>) -> Option<Outgoing> {
        match answer {
            Ok(delivery) => {
                self.backoff.reset();
                Counters::add(&self.counters.published, 1);
                if let Some(fate) = &mut outgoing.fate {
                    fate.published(delivery);
                }
                self.outbox.finish(outgoing.number);
            }
            Err(LinkError::Unconfirmed | LinkError::TimedOut | LinkError::Closed) => return Some(outgoing),
            Err(error) => self.give_up(&mut outgoing, &error.to_string()),
        }
        None
    }

    fn give_up(&self, outgoing: &mut Outgoing, reason: &str) {
        Counters::add(&self.counters.rejected, 1);
        self.outbox.finish(outgoing.number);
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

/// Resolves at that time; never without one.
async fn over(pause: Option<Instant>) {
    match pause {
        Some(pause) => tokio::time::sleep_until(pause).await,
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
