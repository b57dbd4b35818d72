//! Requests on their way out, and the answers to them.
//!
//! The inbox is subscribed when the first request is made, and before it is published: by one pattern for all requests
//! where the wire and its server know patterns, else by the exact name of each request, which ends with it.

use std::collections::HashSet;
use std::future::poll_fn;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use eventhive_transport::{EventName, Filter, Glob, Incoming, Link, LinkError, Sink, Subscription, Topic};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::Outlet;
use super::counters::Counters;
use super::pending::{Offered, Pending, Step, Ticket, Told};
use crate::envelope::{Envelope, OpenError};
use crate::event::{Event, Exchange, Metadata};
use crate::payload::{Payload, PayloadError};
use crate::registry::RouteError;
use crate::request::RequestError;
use crate::request::answer::Answer;
use crate::request::body;

/// What the second segment of every inbox begins with. A hive answers to no other name.
pub(super) const INBOX: &str = "inbox-";

/// Asks on one network. All methods may be called from any thread.
pub(crate) struct Asker {
    pub(super) link: Arc<dyn Link>,
    pub(super) outlet: Arc<Outlet>,
    pub(super) inbox: Arc<ReplyInbox>,
    /// Whether the wire knows patterns; a server on it may still not.
    pub(super) patterns: bool,
    pub(super) listening: OnceCell<Listening>,
    /// Where subscriptions are made and ended: an asker may have no runtime of its own.
    pub(super) runtime: Handle,
}

/// How the inbox is subscribed.
pub(super) enum Listening {
    /// For all requests at once, for as long as this is kept.
    Whole(#[expect(dead_code, reason = "held for its drop, which ends it")] Subscription),
    /// Each request by itself.
    ByName,
}

impl Asker {
    /// An event that asks, with the name to answer to in it.
    pub(crate) fn event(&self, name: EventName, payload: Payload, deadline: f64) -> Event {
        let id = Uuid::new_v4();
        let reply_to = Some(format!("{}{id}", self.inbox.prefix));
        Event::asking(name, payload, id, Exchange::Request { reply_to, deadline: Some(deadline) })
    }

    /// Publishes an event that [asks](Self::event), once its answers can be heard. Waits while the link is down.
    pub(crate) async fn ask(self: Arc<Self>, event: &Event) -> Result<Conversation, RequestError> {
        let id = event.metadata().id.clone();
        let number = Uuid::try_parse(&id).unwrap_or_default().as_u128();
        let ticket = self.inbox.pending.open(number).ok_or(RequestError::Stopped)?;
        let reply_to = event.reply_to().unwrap_or_default().to_owned();
        let subscription = self.listen(&reply_to).await?;
        let name = event.name();
        // It hears itself without the broker's help, which does not count it.
        let uncounted = u64::from(self.outlet.echoes(name.as_str()));
        let sent = self.outlet.send(name, event.payload().as_bytes(), event.metadata(), Some(ticket.fate()));
        sent.map_err(RouteError::from)?;
        Counters::add(&self.inbox.counters.requests, 1);
        Ok(Conversation {
            asker: self,
            ticket,
            id,
            reply_to,
            uncounted,
            known: Known::default(),
            receivers: None,
            budget: BUDGET,
            _subscription: subscription,
        })
    }

    /// Makes sure that answers to `reply_to` are heard.
    async fn listen(&self, reply_to: &str) -> Result<Option<Subscription>, RequestError> {
        let refused = |error: LinkError| match error {
            LinkError::Closed => RequestError::Stopped,
            other => self.refused(&format!("its answer cannot be heard: {other}")),
        };
        if self.patterns
            && let Listening::Whole(_) = self.listening.get_or_try_init(|| self.whole()).await.map_err(refused)?
        {
            return Ok(None);
        }
        self.subscribe(Filter::exact(reply_to)).await.map(Some).map_err(refused)
    }

    async fn whole(&self) -> Result<Listening, LinkError> {
        let glob = Glob::escape(&self.inbox.prefix).and_then(|prefix| Glob::new(&format!("{prefix}*")));
        let Ok(glob) = glob else { return Ok(Listening::ByName) };
        match self.subscribe(Filter::Glob(glob)).await {
            Ok(subscription) => Ok(Listening::Whole(subscription)),
            Err(LinkError::Unsupported(why)) => {
                tracing::debug!(connector = %self.inbox.network, "each request is subscribed by itself: {why}");
                Ok(Listening::ByName)
            }
            Err(error) => Err(error),
        }
    }

    async fn subscribe(&self, filter: Filter) -> Result<Subscription, LinkError> {
        let mut made = self.link.subscribe(filter, Arc::clone(&self.inbox) as Arc<dyn Sink>);
        poll_fn(|context| {
            let _runtime = self.runtime.enter();
            made.as_mut().poll(context)
        })
        .await
    }

    fn refused(&self, reason: &str) -> RequestError {
        RouteError { network: self.inbox.network.to_string(), reason: reason.to_owned() }.into()
    }
}

/// Where the link delivers answers.
pub(super) struct ReplyInbox {
    pub(super) network: Arc<str>,
    /// `network/inbox-.../`: what every answer's name starts with.
    pub(super) prefix: String,
    pub(super) pending: Arc<Pending>,
    pub(super) counters: Arc<Counters>,
    pub(super) envelope: Arc<Envelope>,
}

impl ReplyInbox {
    /// An inbox under a name that nobody can guess.
    pub(super) fn prefix(network: &str, separator: &str) -> String {
        format!("{network}{separator}{INBOX}{}{separator}", Uuid::new_v4().simple())
    }
}

impl Sink for ReplyInbox {
    fn deliver(&self, incoming: Incoming) {
        let id = incoming.topic.as_bytes().strip_prefix(self.prefix.as_bytes());
        let id = id.and_then(|id| Uuid::try_parse_ascii(id).ok());
        match id.map_or(Offered::Late, |id| self.pending.offer(id.as_u128(), incoming.payload)) {
            Offered::Taken => {}
            Offered::Late => drop(Counters::add(&self.counters.replies_late, 1)),
            Offered::Full => drop(Counters::add(&self.counters.inbox_dropped, 1)),
        }
    }
}

/// A request that was published, and its answers so far. Dropping it frees everything.
pub(crate) struct Conversation {
    asker: Arc<Asker>,
    ticket: Ticket,
    id: String,
    reply_to: String,
    /// Receivers that the broker does not count.
    uncounted: u64,
    known: Known,
    receivers: Option<u64>,
    /// Steps until the asker must look at its deadline.
    budget: u32,
    _subscription: Option<Subscription>,
}

/// The longest id of a hive, in bytes, that is taken. A UUID has 36.
const MOST_FROM: usize = 64;

/// Hives whose answers to one request are told apart; what more of them say is dropped. 16,384 cost some 400 KiB.
const MOST_KNOWN: usize = 16_384;

/// Who has answered, to know a second answer: by 128 bits of a keyed hash, since what others send has any length. Nearly
/// always there is one, which costs no table.
#[derive(Default)]
struct Known {
    keys: [RandomState; 2],
    first: Option<u128>,
    others: HashSet<u128>,
}

/// Whether an answer is the first of its hive.
#[derive(Debug, PartialEq, Eq)]
enum Note {
    New,
    Repeated,
    /// There are too many to tell.
    Full,
}

impl Known {
    fn note(&mut self, key: &str) -> Note {
        let [high, low] = self.keys.each_ref().map(|state| state.hash_one(key));
        let hash = u128::from(high) << 64 | u128::from(low);
        match self.first {
            None => self.first = Some(hash),
            Some(first) if first == hash || self.others.contains(&hash) => return Note::Repeated,
            Some(_) if self.others.len() + 1 >= MOST_KNOWN => return Note::Full,
            Some(_) => drop(self.others.insert(hash)),
        }
        Note::New
    }
}

/// What is heard of a request at a stretch. A flood of answers would else keep the asker's thread, and it would never look at
/// its deadline: opening this many takes milliseconds.
const BUDGET: u32 = 1024;

/// What is heard of a request.
pub(crate) enum Heard {
    /// An answer, and who gave it.
    Answer { from: Option<Arc<str>>, answer: Answer<Payload> },
    /// The number of receivers is known now, or it is known that it never will be.
    Receivers,
    /// There will be no answer.
    Over(RequestError),
}

/// Why something in the inbox is no answer.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("it answers another request")]
    OfAnother,
    #[error("the id of its hive has {0} bytes, more than {MOST_FROM}")]
    LongFrom(usize),
    #[error("{MOST_KNOWN} hives have answered already")]
    TooMany,
    #[error("it is not of the form of an answer: {0}")]
    Form(#[from] serde_json::Error),
    #[error("the payload cannot be read: {0}")]
    Payload(#[from] PayloadError),
}

impl Conversation {
    /// How many hives the broker has given the request to, once it is known and where it counts.
    pub(crate) fn receivers(&self) -> Option<u64> {
        self.receivers
    }

    /// Whether the broker is known to have the request.
    pub(crate) fn is_published(&self) -> bool {
        self.ticket.is_published()
    }

    /// The next thing to hear. With `counts`, [`Heard::Receivers`] is told once when it is known. Once in a while it is pending
    /// though more is there, and wakes: then is the time to look at a deadline.
    pub(crate) fn poll(&mut self, context: &Context<'_>, counts: bool) -> Poll<Heard> {
        while self.budget > 0 {
            let Poll::Ready(step) = self.ticket.poll(context, counts) else {
                self.budget = BUDGET;
                return Poll::Pending;
            };
            self.budget -= 1;
            match step {
                Step::Answer(sealed) => match self.open(&sealed) {
                    Ok(Some(heard)) => return Poll::Ready(heard),
                    Ok(None) => {}
                    Err(error) => self.drop_answer(&error),
                },
                Step::Told(Told::Published(receivers)) => {
                    self.receivers = receivers.map(|receivers| receivers + self.uncounted);
                    return Poll::Ready(Heard::Receivers);
                }
                Step::Told(Told::Failed(reason)) => return Poll::Ready(Heard::Over(self.asker.refused(&reason))),
                Step::Closed => return Poll::Ready(Heard::Over(RequestError::Stopped)),
            }
        }
        self.budget = BUDGET;
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// An answer; `None` if it came before, or this hive has answered before.
    fn open(&mut self, sealed: &Bytes) -> Result<Option<Heard>, NoAnswer> {
        let opened = self.asker.inbox.envelope.open(&self.reply_to, sealed)?;
        let (id, exchange) = match opened.metadata {
            Some(Metadata { id, exchange, .. }) => (Some(id), exchange.map(|exchange| *exchange)),
            None => (None, None),
        };
        let (from, answer) = match exchange {
            Some(Exchange::Reply { in_reply_to, .. }) if in_reply_to != self.id => return Err(NoAnswer::OfAnother),
            Some(Exchange::Reply { from: Some(from), .. }) if from.len() > MOST_FROM => {
                return Err(NoAnswer::LongFrom(from.len()));
            }
            Some(Exchange::Reply { from, is_error, .. }) => (from, body::read(&opened.payload, is_error)?),
            _ => (None, Ok(Payload::raw(opened.payload)?)),
        };
        // A hive that says nothing of itself is known again by the id of its answer at least.
        match from.as_ref().or(id.as_ref()).map_or(Note::New, |key| self.known.note(key)) {
            Note::New => {}
            Note::Repeated => {
                Counters::add(&self.asker.inbox.counters.replies_repeated, 1);
                return Ok(None);
            }
            Note::Full => return Err(NoAnswer::TooMany),
        }
        Counters::add(&self.asker.inbox.counters.replies, 1);
        let from: Option<Arc<str>> = from.map(Into::into);
        let answer = answer.map_err(|error| error.with_from(from.clone()));
        Ok(Some(Heard::Answer { from, answer }))
    }

    fn drop_answer(&self, error: &NoAnswer) {
        let inbox = &self.asker.inbox;
        // Mostly what the hive that answered or a broker sent again after a lost connection.
        if let NoAnswer::Open(OpenError::Replayed) = error {
            Counters::add(&inbox.counters.replies_repeated, 1);
            tracing::debug!(connector = %inbox.network, topic = %Topic::from(self.reply_to.as_str()), "sealed answer received before, dropped");
            return;
        }
        Counters::add(&inbox.counters.refused, 1);
        tracing::warn!(connector = %inbox.network, topic = %Topic::from(self.reply_to.as_str()), "answer dropped: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_hives_takes_no_more_memory_than_is_said() {
        let mut known = Known::default();
        assert_eq!((known.note("one"), known.note("one")), (Note::New, Note::Repeated));
        let flood = |known: &mut Known| (1..MOST_KNOWN).map(|n| known.note(&n.to_string())).collect::<Vec<_>>();
        assert!(flood(&mut known).iter().all(|note| *note == Note::New));
        assert!(flood(&mut known).iter().all(|note| *note == Note::Repeated));
        assert_eq!(
            (known.note("more"), known.note("one"), known.others.len()),
            (Note::Full, Note::Repeated, MOST_KNOWN - 1)
        );
    }
}
