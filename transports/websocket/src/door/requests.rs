//! The methods that clients may call.

use std::borrow::Cow;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use actix_web::rt;
use bytes::Bytes;
use eventhive_hub::{BacklogError, Cursor, Draft, Hub, PublishError, PublishRefused, Tracked, Tracker};
use eventhive_transport::{Filter, Glob};
use smallvec::SmallVec;
use tokio::time::{sleep, timeout};

use super::channel;
use super::closing::Close;
use super::live::Live;
use super::peer::Peer;
use crate::wire::data::{self, Payload};
use crate::wire::{ALL_TOPICS, Arguments, Request, Topics, encode};

/// Attributes of the Python server's method object that are no methods: asking for them is ignored there too.
const NOT_METHODS: &[&str] = &["channel", "logger", "event_notifier"];

/// `data` that is nested deeper than this is not taken: the subscribers' JSON readers give up at 200 (pydantic 2) or about
/// 1000 (pydantic 1), and some of those levels are the message's own.
const DEEPEST: usize = 128;

/// Topics of one publish. Each is an event of its own, and all of them are handed in before anyone else has a turn.
const MOST_TOPICS: usize = 256;

type TopicList<'a> = SmallVec<[Cow<'a, str>; 2]>;

impl Peer {
    /// Answers a request. Later requests do not wait for a publish that waits.
    pub(super) fn call(&mut self, request: Request<'_>) -> Result<(), Close> {
        let Request { method, arguments, call_id } = request;
        let call_id = call_id.as_deref();
        match &*method {
            "_ping_" | "ping" => {
                expect(&method, &arguments, &[])?;
                self.live.answer(|out| encode::text_result(out, "pong", call_id));
            }
            "_get_channel_id_" => {
                expect(&method, &arguments, &[])?;
                let mut id = String::with_capacity(32);
                encode::hex(&mut id, channel::id_of(self.live.session.id()));
                self.live.answer(|out| encode::text_result(out, &id, call_id));
            }
            "publish" => {
                expect(&method, &arguments, &["topics", "data", "sync", "notifier_id"])?;
                self.publish(&arguments, call_id);
            }
            "subscribe" => {
                expect(&method, &arguments, self.subscribable())?;
                let subscribed = self.subscribe(&arguments);
                self.live.answer_bool(subscribed, call_id);
            }
            "unsubscribe" => {
                expect(&method, &arguments, self.subscribable())?;
                let topics = listed(arguments.topics.as_ref()).ok_or_else(|| Close::policy("topics is not a list"))?;
                let filters = filters(&topics, arguments.patterns.as_ref());
                filters.iter().flatten().for_each(|filter| self.unsubscribe(filter));
                self.live.answer_bool(filters.is_some(), call_id);
            }
            // As the Python ends do: no answer ever.
            hidden if hidden.starts_with('_') || NOT_METHODS.contains(&hidden) => {}
            unknown => return Err(Close::policy(format!("unknown method {unknown}"))),
        }
        Ok(())
    }

    /// What this client may give `subscribe` and `unsubscribe`.
    const fn subscribable(&self) -> &'static [&'static str] {
        if self.is_ours { &["topics", "patterns"] } else { &["topics"] }
    }

    /// Subscribes to all that is asked for or, at the limit or if some of it makes no sense, to nothing.
    fn subscribe(&mut self, arguments: &Arguments<'_>) -> bool {
        let topics = listed(arguments.topics.as_ref());
        let Some(filters) = topics.and_then(|topics| filters(&topics, arguments.patterns.as_ref())) else {
            return false;
        };
        let mut made: SmallVec<[_; 2]> = SmallVec::new();
        for filter in &filters {
            match self.live.session.subscribe(filter.clone()) {
                Ok(subscription) => made.push(subscription),
                Err(error) => {
                    let filter = format!("{filter:?}");
                    tracing::debug!(session = %self.live.session.id(), filter = excerpt(&filter), %error, "not subscribed");
                    made.into_iter().for_each(|subscription| _ = self.live.session.unsubscribe(subscription));
                    return false;
                }
            }
        }
        for (filter, subscription) in filters.into_iter().zip(made) {
            self.subscriptions.entry(filter).or_default().push(subscription);
        }
        true
    }

    /// Ends all of this client's subscriptions to this; it is fine if there is none.
    fn unsubscribe(&mut self, filter: &Filter) {
        for subscription in self.subscriptions.remove(filter).into_iter().flatten() {
            self.live.session.unsubscribe(subscription);
        }
    }

    fn publish(&mut self, arguments: &Arguments<'_>, call_id: Option<&str>) {
        let (tracker, tracked) = Tracker::new();
        let sync = arguments.sync.unwrap_or(true);
        let drafts = self.drafts(arguments, sync.then_some(&tracker));
        drop(tracker);
        let Some(drafts) = drafts else { return self.live.answer_bool(false, call_id) };
        let mut publish = Publish {
            busy: None,
            rest: drafts.into_iter(),
            receivers: 0,
            unstored: SmallVec::new(),
            counts: self.is_ours,
        };
        let tracked = sync.then_some(tracked);
        match publish.hand_in(&self.live) {
            Poll::Ready(published) => publish.answer(&self.live, published, tracked, call_id),
            Poll::Pending => self.held = Some(Held { publish, tracked, call_id: call_id.map(str::to_owned) }),
        }
    }

    /// The events of a publish; `None` if they are none that can be taken.
    fn drafts(&self, arguments: &Arguments<'_>, tracker: Option<&Tracker>) -> Option<Drafts> {
        let topics = match &arguments.topics {
            None => &[],
            Some(Topics::Text(topic)) => std::slice::from_ref(topic),
            Some(Topics::List(topics)) => topics.as_slice(),
            Some(Topics::Null | Topics::Other) => return None,
        };
        let raw = arguments.data.map_or("null", |data| data.get());
        if topics.len() > MOST_TOPICS
            || data::is_deeper_than(raw, DEEPEST)
            || topics.iter().any(|topic| !self.fits(topic, raw))
        {
            return None;
        }
        let skipped = match &arguments.notifier_id {
            Some(Some(id)) => channel::session_of(id),
            _ => Some(self.live.session.id()),
        };
        let payload = Payload::of(raw);
        let drafts = topics.iter().map(|topic| {
            let draft = draft(topic, &payload).exclude(skipped);
            match tracker {
                Some(tracker) => draft.tracked(tracker.clone()),
                None => draft,
            }
        });
        Some(drafts.collect())
    }

    /// Whether subscribers would take the event: a larger message would disconnect each of them.
    fn fits(&self, topic: &str, raw: &str) -> bool {
        let size = NOTIFY_BYTES + topic.len() + raw.len();
        let fits = size <= self.live.shard.config().max_message;
        if !fits {
            let session = self.live.session.id();
            tracing::debug!(%session, topic = ?excerpt(topic), size, "not published: larger than clients take");
        }
        fits
    }
}

type Drafts = SmallVec<[Draft; 1]>;

/// The events of a publish on their way to the hub.
struct Publish {
    /// The one that the hub had no room for.
    busy: Option<Draft>,
    rest: smallvec::IntoIter<[Draft; 1]>,
    receivers: u64,
    /// Its events, where a durable backlog is to be waited for.
    unstored: SmallVec<[Cursor; 1]>,
    /// Whether the client wants to know the number of receivers.
    counts: bool,
}

impl Publish {
    /// Hands in what is left: the number of receivers, or `None` if it was refused. Pending while the hub has no room.
    fn hand_in(&mut self, live: &Live) -> Poll<Option<u64>> {
        while let Some(draft) = self.busy.take().or_else(|| self.rest.next()) {
            match live.shard.hub().publish(draft) {
                Ok(published) => {
                    self.receivers += published.receivers;
                    if live.shard.hub().is_durable() {
                        self.unstored.push(published.cursor);
                    }
                }
                Err(PublishError { draft, reason: PublishRefused::Busy }) => {
                    self.busy = Some(*draft);
                    return Poll::Pending;
                }
                Err(PublishError { draft, reason }) => {
                    let topic = draft.topic().to_string();
                    tracing::debug!(session = %live.session.id(), topic = ?excerpt(&topic), %reason, "not published");
                    return Poll::Ready(None);
                }
            }
        }
        Poll::Ready(Some(self.receivers))
    }

    /// Answers: now, or when a durable backlog has the events, or when the subscribers have answered.
    fn answer(self, live: &Rc<Live>, published: Option<u64>, tracked: Option<Tracked>, call_id: Option<&str>) {
        if self.unstored.is_empty() {
            return self.answer_now(live, published, tracked, call_id);
        }
        self.answer_when_stored(live, published, tracked, call_id);
    }

    fn answer_now(&self, live: &Rc<Live>, published: Option<u64>, tracked: Option<Tracked>, call_id: Option<&str>) {
        match (published, tracked) {
            (Some(1..), Some(tracked)) => answer_later(live, tracked, call_id),
            (published, tracked) => live.answer_publish(published, self.counts && tracked.is_none(), call_id),
        }
    }

    /// Answers when the backlog has all of it; `false` if it has lost any. The client is read on meanwhile, and
    /// many publishes share the work of storing.
    fn answer_when_stored(
        self,
        live: &Rc<Live>,
        published: Option<u64>,
        tracked: Option<Tracked>,
        call_id: Option<&str>,
    ) {
        live.waiting.set(live.waiting.get() + 1);
        // Weak, as below.
        let (live, hub) = (Rc::downgrade(live), live.shard.hub().clone());
        let call_id = call_id.map(str::to_owned);
        rt::spawn(async move {
            let stored = all_stored(&hub, &self.unstored).await;
            let Some(live) = live.upgrade() else { return };
            live.publish_is_answered();
            if let Err(error) = &stored {
                tracing::error!(session = %live.session.id(), %error, "a publish was not stored");
            }
            self.answer_now(&live, published.filter(|_| stored.is_ok()), tracked, call_id.as_deref());
        });
    }
}

async fn all_stored(hub: &Hub, cursors: &[Cursor]) -> Result<(), BacklogError> {
    for cursor in cursors {
        hub.stored(*cursor).await?;
    }
    Ok(())
}

/// A publish for which the hub has no room yet. Its client is read no further meanwhile.
pub(super) struct Held {
    publish: Publish,
    tracked: Option<Tracked>,
    call_id: Option<String>,
}

impl Held {
    /// Goes on until all of it has been published, then answers.
    pub(super) async fn finish(mut self, live: Rc<Live>) {
        loop {
            live.shard.hub().ready().await;
            if let Poll::Ready(published) = self.publish.hand_in(&live) {
                return self.publish.answer(&live, published, self.tracked, self.call_id.as_deref());
            }
            // The hub may be set to refuse before it asks for patience; then nothing tells when it has room again.
            sleep(BUSY_PAUSE).await;
        }
    }
}

const BUSY_PAUSE: Duration = Duration::from_millis(1);

/// Answers a publish when every subscriber has answered, or after a while. `true` even then: the event has been published,
/// and more than that the word has never meant.
fn answer_later(live: &Rc<Live>, tracked: Tracked, call_id: Option<&str>) {
    live.waiting.set(live.waiting.get() + 1);
    // Weak: a session that has ended meanwhile must not be kept, and its socket with it.
    let (live, shard) = (Rc::downgrade(live), Rc::clone(&live.shard));
    let call_id = call_id.map(str::to_owned);
    rt::spawn(async move {
        if timeout(shard.config().publish_timeout, tracked).await.is_err() {
            shard.counters().unanswered.add_one();
        }
        if let Some(live) = live.upgrade() {
            live.publish_is_answered();
            live.answer_bool(true, call_id.as_deref());
        }
    });
}

/// What of a client's text goes into a log.
fn excerpt(text: &str) -> &str {
    text.char_indices().nth(200).map_or(text, |(at, _)| &text[..at])
}

/// What a `notify` has beside topic and data, with a little to spare for escapes.
const NOTIFY_BYTES: usize = 288;

fn draft(topic: &str, payload: &Payload) -> Draft {
    let share = |bytes: &Bytes| bytes.clone();
    match payload {
        Payload::Json(text) => Draft::json(topic, share(text)),
        Payload::Opaque(bytes) => Draft::bytes(topic, share(bytes)),
    }
}

/// The topics of `subscribe` and `unsubscribe`. A bare text is the list of its characters, as in Python, unless it is the
/// name of all topics.
fn listed<'a>(topics: Option<&Topics<'a>>) -> Option<TopicList<'a>> {
    Some(match topics {
        None => TopicList::new(),
        Some(Topics::Text(text)) if text == ALL_TOPICS => TopicList::from_iter([text.clone()]),
        Some(Topics::Text(text)) => text.chars().map(|character| Cow::Owned(character.to_string())).collect(),
        Some(Topics::List(topics)) => topics.clone(),
        Some(Topics::Null | Topics::Other) => return None,
    })
}

/// What topics and patterns ask for; `None` if the patterns are no list of patterns.
fn filters(topics: &[Cow<'_, str>], patterns: Option<&Topics<'_>>) -> Option<SmallVec<[Filter; 2]>> {
    let patterns = match patterns {
        None => &[],
        Some(Topics::List(patterns)) => patterns.as_slice(),
        Some(Topics::Text(_) | Topics::Null | Topics::Other) => return None,
    };
    let topics = topics.iter().map(|topic| if topic == ALL_TOPICS { Filter::All } else { Filter::exact(&**topic) });
    topics.map(Some).chain(patterns.iter().map(|pattern| Glob::new(pattern).ok().map(Filter::Glob))).collect()
}

/// Refuses arguments that the method does not have, as Python does.
fn expect(method: &str, arguments: &Arguments<'_>, known: &[&str]) -> Result<(), Close> {
    let given = [
        ("topics", arguments.topics.is_some()),
        ("patterns", arguments.patterns.is_some()),
        ("data", arguments.data.is_some()),
        ("sync", arguments.sync.is_some()),
        ("notifier_id", arguments.notifier_id.is_some()),
        ("subscription", arguments.subscription.is_some()),
    ];
    let odd = given.iter().find(|(name, given)| *given && !known.contains(name)).map(|(name, _)| *name);
    match odd.or(arguments.unknown.as_deref()) {
        None => Ok(()),
        Some(odd) => Err(Close::policy(format!("{method} has no argument {odd}"))),
    }
}
