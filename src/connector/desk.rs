//! Requests on their way in, and the answers to them.
//!
//! A request goes into the mailboxes of its hooks from the same task and in the same order as every other event. The hook
//! that settles the answer seals it and puts it into the outbox, on its own thread: nobody waits for anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use eventhive_transport::EventName;
use tokio::sync::Notify;
use uuid::Uuid;

use super::asker::INBOX;
use super::counters::Counters;
use super::pending::Fate;
use super::{Outlet, Unsent};
use crate::event::{Event, Exchange, Metadata};
use crate::registry::{Registry, RouteError};
use crate::request::answer::{Answer, Answerer};
use crate::request::{RemoteError, RemoteErrorKind, body, overdue};

/// Requests of one connector whose hooks are at work; more are answered `busy`. Each keeps its event and about 500 bytes, so
/// 8 MiB beside the payloads, and those count in the hooks' mailboxes.
const MOST_UNDER_WAY: usize = 16_384;

/// Answers the requests that come in on one network.
pub(super) struct Desk {
    outlet: Arc<Outlet>,
    registry: Arc<Registry>,
    counters: Arc<Counters>,
    /// `network/inbox-`: what the name to answer to must start with.
    inboxes: String,
    separator: String,
    /// What answers say of where they come from.
    id: String,
    under_way: AtomicUsize,
    closing: AtomicBool,
    /// Told when nothing is under way.
    idle: Notify,
}

impl Desk {
    pub(super) fn new(outlet: Arc<Outlet>, registry: Arc<Registry>, separator: &str) -> Self {
        Self {
            inboxes: format!("{}{separator}{INBOX}", outlet.network),
            separator: separator.to_owned(),
            counters: Arc::clone(&outlet.counters),
            outlet,
            registry,
            id: Uuid::new_v4().to_string(),
            under_way: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            idle: Notify::new(),
        }
    }

    /// Gives a received event to its hooks, and sees to the answer if there is to be one. Never waits.
    pub(super) fn take(self: &Arc<Self>, event: Event) {
        let Some(reply_to) = event.reply_to() else { return self.fire(event) };
        let Some(reply_to) = self.address(reply_to) else {
            tracing::debug!(event = %event.name(), reply_to, "not answered: that is no inbox of this network");
            return self.fire(event);
        };
        Counters::add(&self.counters.requests_received, 1);
        let place = Place::take(self);
        let refusal = self.refusal(&event);
        let desk = Arc::clone(self);
        let asked = event.clone();
        let answerer: Answerer = Box::new(move |answer| {
            desk.answer(&reply_to, &asked, answer);
            drop(place);
        });
        match refusal {
            Some(refusal) => answerer(Err(refusal)),
            None => self.registry.ask(event, answerer),
        }
    }

    fn fire(&self, event: Event) {
        if let Err(error) = self.registry.fire(event) {
            tracing::debug!(connector = %self.outlet.network, "{error}");
        }
    }

    /// The name to answer to, if it is in somebody's inbox: a request must not make us call what it likes.
    fn address(&self, reply_to: &str) -> Option<EventName> {
        let rest = reply_to.strip_prefix(&self.inboxes)?;
        let (inbox, request) = rest.split_once(&self.separator)?;
        let fits = !inbox.is_empty() && !request.is_empty();
        fits.then(|| EventName::new(reply_to).ok()).flatten()
    }

    /// Why a request does not even get to its hooks.
    fn refusal(&self, event: &Event) -> Option<RemoteError> {
        if self.closing.load(Ordering::Acquire) {
            return Some(RemoteError::new(RemoteErrorKind::Stopping, "the hive is stopping"));
        }
        if self.under_way.load(Ordering::Relaxed) > MOST_UNDER_WAY {
            let message = format_args!("{MOST_UNDER_WAY} requests are under way");
            return Some(RemoteError::new(RemoteErrorKind::Busy, message));
        }
        let late = overdue(event)?;
        let message = format_args!(
            "the deadline was over {:.1} s ago by this hive's clock: it came too late, or the clocks of the two machines differ",
            late.as_secs_f64()
        );
        Some(RemoteError::new(RemoteErrorKind::Expired, message))
    }

    fn answer(&self, reply_to: &EventName, asked: &Event, answer: Answer) {
        if matches!(&answer, Err(error) if *error.kind() == RemoteErrorKind::Expired) {
            Counters::add(&self.counters.requests_expired, 1);
        }
        let sent = self.send(reply_to, asked, &answer).or_else(|unsent| {
            let kind = match &unsent {
                Unsent::Unfit(_) => RemoteErrorKind::TooLarge,
                // The error is small: there may be room for that.
                Unsent::Full(_) => RemoteErrorKind::Busy,
                Unsent::Other(_) => return Err(unsent),
            };
            let error = RemoteError::new(kind, RouteError::from(unsent).reason);
            self.send(reply_to, asked, &Err(error))
        });
        match sent.map_err(RouteError::from) {
            Ok(()) => drop(Counters::add(&self.counters.requests_answered, 1)),
            Err(error) => tracing::debug!(event = %asked.name(), "not answered: {error}"),
        }
    }

    fn send(&self, reply_to: &EventName, asked: &Event, answer: &Answer) -> Result<(), Unsent> {
        let mut metadata = Metadata::made_now(Uuid::new_v4(), reply_to.as_str());
        let in_reply_to = asked.metadata().id.clone();
        let exchange = Exchange::Reply { in_reply_to, from: Some(self.id.clone()), is_error: answer.is_err() };
        metadata.exchange = Some(Box::new(exchange));
        let fate = Fate::of_answer(asked.deadline());
        self.outlet.send(reply_to, &body::write(answer), &metadata, Some(fate)).map(|_| ())
    }

    /// Answers what is under way, for at most `within`, and what still comes with a refusal.
    pub(super) async fn close(&self, within: Duration) {
        self.closing.store(true, Ordering::Release);
        let idle = async {
            loop {
                // Made before the look, so that a word in between is heard.
                let idle = self.idle.notified();
                if self.under_way.load(Ordering::Acquire) == 0 {
                    return;
                }
                idle.await;
            }
        };
        if tokio::time::timeout(within, idle).await.is_err() {
            let requests = self.under_way.load(Ordering::Relaxed);
            tracing::warn!(connector = %self.outlet.network, requests, "stopped with requests unanswered");
        }
    }
}

/// One request under way.
struct Place(Arc<Desk>);

impl Place {
    fn take(desk: &Arc<Desk>) -> Self {
        desk.under_way.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(desk))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.0.under_way.fetch_sub(1, Ordering::AcqRel) == 1 && self.0.closing.load(Ordering::Acquire) {
            self.0.idle.notify_waiters();
        }
    }
}
