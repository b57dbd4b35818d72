//! What is subscribed on a moving link, and how it stands at the present server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use eventhive_transport::{Backoff, Filter, Gap, Incoming, Link, LinkError, Sink, Subscription};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::oneshot;

/// Between attempts at a subscription that the present server did not take, though the one before did.
const RETRY: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));

/// Tells a subscriber what became of its subscription.
type Answer = oneshot::Sender<Result<u64, LinkError>>;

/// Who asked for a subscription.
pub(super) struct Waiter {
    pub(super) answer: Answer,
    /// Ends without a word if the subscriber has gone before it had its subscription.
    pub(super) kept: oneshot::Receiver<()>,
}

/// A subscription that its owner has, or waits for.
struct Want {
    filter: Filter,
    sink: Arc<dyn Sink>,
    /// Until it was granted for the first time.
    answer: Option<Answer>,
    standing: Option<Subscription>,
    /// While it is being made: dropped, it ends that.
    making: Option<oneshot::Sender<()>>,
    backoff: Backoff,
}

/// The outcome of an attempt; `None` if it was ended.
pub(super) struct Made {
    id: u64,
    result: Option<Result<Subscription, LinkError>>,
}

/// What happens to subscriptions.
pub(super) enum Change {
    /// An attempt has come to an end.
    Made(Made),
    /// Who asked for this one has gone.
    Abandoned(u64),
}

/// See the module.
#[derive(Default)]
pub(super) struct Wants {
    all: BTreeMap<u64, Want>,
    last: u64,
    making: FuturesUnordered<BoxFuture<'static, Made>>,
    /// One for each that was asked for and not yet handed over: whether it was, in the end.
    waiting: FuturesUnordered<BoxFuture<'static, (u64, bool)>>,
    /// Cancelled while they were being made.
    cancelled: BTreeMap<u64, oneshot::Sender<()>>,
    /// What the present server says to a subscription that it did not take.
    pub(super) refusal: Option<Arc<str>>,
}

impl Wants {
    pub(super) fn add(&mut self, filter: Filter, sink: Arc<dyn Sink>, waiter: Waiter, link: Option<&Arc<dyn Link>>) {
        self.last += 1;
        let (id, Waiter { answer, kept }) = (self.last, waiter);
        let want = Want { filter, sink, answer: Some(answer), standing: None, making: None, backoff: RETRY };
        self.all.insert(id, want);
        self.waiting.push(Box::pin(async move { (id, kept.await.is_ok()) }));
        if let Some(link) = link {
            self.make(id, link, Duration::ZERO, false);
        }
    }

    /// Subscribes everything at a new server. With `again`, sinks are told that something may lie between.
    pub(super) fn make_all(&mut self, link: &Arc<dyn Link>, again: bool) {
        let ids: Vec<u64> = self.all.keys().copied().collect();
        for id in ids {
            if let Some(want) = self.all.get_mut(&id) {
                want.backoff = RETRY;
                if again && want.answer.is_none() {
                    want.sink.gap(Gap { lost: None });
                }
            }
            self.make(id, link, Duration::ZERO, false);
        }
    }

    /// Begins to make one. With `emulate`, everything is subscribed and filtered here.
    fn make(&mut self, id: u64, link: &Arc<dyn Link>, after: Duration, emulate: bool) {
        let Some(want) = self.all.get_mut(&id) else { return };
        let (making, ended) = oneshot::channel();
        want.making = Some(making);
        let (link, filter, sink) = (Arc::clone(link), want.filter.clone(), Arc::clone(&want.sink));
        self.making.push(Box::pin(async move {
            let subscribe = async {
                tokio::time::sleep(after).await;
                if emulate {
                    link.subscribe(Filter::All, Arc::new(Matching { filter, sink })).await
                } else {
                    link.subscribe(filter, sink).await
                }
            };
            let result = tokio::select! {
                result = subscribe => Some(result),
                _ = ended => None,
            };
            Made { id, result }
        }));
    }

    /// What happens next; for ever pending while nothing can. May be dropped.
    pub(super) async fn changed(&mut self) -> Change {
        loop {
            tokio::select! {
                Some(made) = self.making.next() => return Change::Made(made),
                Some((id, kept)) = self.waiting.next() => if !kept { return Change::Abandoned(id) },
                else => std::future::pending().await,
            }
        }
    }

    /// Who asked for a subscription has gone before having it. Dropped, it ends, or its attempt does.
    pub(super) fn abandon(&mut self, id: u64) {
        self.all.remove(&id);
    }

    /// Takes note of an attempt at `link`.
    pub(super) fn note(&mut self, made: Made, link: &Arc<dyn Link>) {
        let Made { id, result } = made;
        let Some(want) = self.all.get_mut(&id) else {
            let subscription = result.and_then(Result::ok);
            end(subscription, self.cancelled.remove(&id));
            return;
        };
        want.making = None;
        match result {
            Some(Ok(subscription)) => self.stands(id, subscription),
            // The link behind is closed, by no wish of ours: there will be another.
            Some(Err(LinkError::Closed)) | None => {}
            Some(Err(error)) => match want.answer.take() {
                Some(answer) => {
                    self.all.remove(&id);
                    let _ = answer.send(Err(error));
                }
                None => self.not_taken(id, &error, link),
            },
        }
    }

    fn stands(&mut self, id: u64, subscription: Subscription) {
        let Some(want) = self.all.get_mut(&id) else { return };
        want.standing = Some(subscription);
        if let Some(answer) = want.answer.take() {
            // Who does not hear it has gone, and that is noticed by itself.
            let _ = answer.send(Ok(id));
        }
        if self.complete() {
            self.refusal = None;
        }
    }

    /// A server before this one took the subscription.
    fn not_taken(&mut self, id: u64, error: &LinkError, link: &Arc<dyn Link>) {
        let Some(want) = self.all.get_mut(&id) else { return };
        if let (LinkError::Unsupported(why), Filter::Glob(_) | Filter::Segments(_)) = (error, &want.filter) {
            tracing::warn!(filter = ?want.filter, "everything is subscribed, because this server cannot filter: {why}");
            return self.make(id, link, Duration::ZERO, true);
        }
        let wait = want.backoff.next_wait();
        tracing::error!(filter = ?want.filter, "not subscribed, will be tried again: {error}");
        self.refusal = Some(format!("not subscribed: {error}").into());
        self.make(id, link, wait, false);
    }

    /// Whether everything that was ever granted stands at the present server.
    pub(super) fn complete(&self) -> bool {
        self.all.values().all(|want| want.standing.is_some() || want.answer.is_some())
    }

    pub(super) fn cancel(&mut self, id: u64, done: oneshot::Sender<()>) {
        match self.all.remove(&id) {
            // Dropping it ends the attempt, which then tells.
            Some(want) if want.making.is_some() => drop(self.cancelled.insert(id, done)),
            want => end(want.and_then(|want| want.standing), Some(done)),
        }
    }

    /// The present server is left. Gives what stood there, to be dropped when its link is closed.
    pub(super) fn leave(&mut self) -> Vec<Subscription> {
        self.refusal = None;
        self.making.clear();
        std::mem::take(&mut self.cancelled).into_values().for_each(|done| _ = done.send(()));
        self.all.values_mut().for_each(|want| want.making = None);
        self.all.values_mut().filter_map(|want| want.standing.take()).collect()
    }
}

/// Ends a subscription, and tells when it has ended.
fn end(subscription: Option<Subscription>, done: Option<oneshot::Sender<()>>) {
    tokio::spawn(async move {
        if let Some(subscription) = subscription {
            subscription.cancel().await;
        }
        // Nobody may wait for it.
        done.map(|done| done.send(()))
    });
}

/// Filters for a server that cannot.
struct Matching {
    filter: Filter,
    sink: Arc<dyn Sink>,
}

impl Sink for Matching {
    fn deliver(&self, incoming: Incoming) {
        if self.filter.matches(&incoming.topic) {
            self.sink.deliver(incoming);
        }
    }

    fn gap(&self, gap: Gap) {
        self.sink.gap(gap);
    }
}
