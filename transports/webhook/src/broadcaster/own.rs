//! The rows by which other broadcasters, which share the store, reach the websockets of this one.
//!
//! For each topic and pattern that a websocket wants there is one row with this broadcaster's own receiver url. A subscription
//! of a websocket is answered when its row is there; the row goes some time after the last websocket that wanted it. Every
//! minute, and at the start, all rows of the url are made what the websockets want: what a crash has left goes.
//!
//! A row that somebody else has removed, such as another broadcaster that came when nobody wanted it, comes back as soon as the
//! store tells that it is gone. What other broadcasters took in meanwhile did not come here, so its websockets are told that
//! they may have missed something: the topic, or, since which of its topics it was is not known, the pattern's text.
//!
//! Messages that are published here reach websockets without their rows.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eventhive_transport::Backoff;
use futures_util::{StreamExt as _, stream};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::{Broadcaster, SubscribeError};
use crate::index::{OwnedInterest, Removed};
use crate::store::{StoreError, Wanted};
use crate::wire::Interest;
use crate::wire::endpoint::Endpoint;

/// How often all rows are compared with what is wanted.
const COMPARE: Duration = Duration::from_secs(60);

/// Rows that are written at a time.
const WRITES: usize = 16;

/// How long the rows have at the end to go.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// The wait after a failure: between the first and twice that, doubled up to the second.
const AFTER_FAILURE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Where other broadcasters reach the websockets of this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertised {
    /// Gets messages.
    pub receiver: Box<str>,
    /// Is told that messages were missed.
    pub recovery: Box<str>,
}

impl Advertised {
    /// Of a broadcaster whose endpoints are behind `base`, such as `http://10.0.0.5:3003`.
    #[must_use]
    pub fn new(base: &str) -> Self {
        let base = base.trim_end_matches('/');
        let url = |endpoint: Endpoint| [base, endpoint.path()].concat().into();
        Self { receiver: url(Endpoint::ReceiveForWebsockets), recovery: url(Endpoint::MissedForWebsockets) }
    }
}

/// Who waits until a row is as it should be.
type Waiting = Vec<oneshot::Sender<Result<(), StoreError>>>;

pub(super) struct Own {
    advertised: Advertised,
    /// What may differ from what is wanted. Not more than what websockets want, or wanted since the last look.
    doubtful: Mutex<HashMap<OwnedInterest, Waiting>>,
    /// Those of them whose rows somebody else has removed. Until they are back, also if that fails.
    lost: Mutex<HashSet<OwnedInterest>>,
    told: Notify,
}

impl Own {
    pub(super) fn new(advertised: Advertised) -> Self {
        Self { advertised, doubtful: Mutex::default(), lost: Mutex::default(), told: Notify::new() }
    }

    pub(super) const fn advertised(&self) -> &Advertised {
        &self.advertised
    }

    /// What websockets want has changed in this.
    pub(super) fn doubt(&self, interest: OwnedInterest) {
        self.doubtful.lock().unwrap_or_else(PoisonError::into_inner).entry(interest).or_default();
        self.told.notify_one();
    }

    /// Resolves when the row of this is as it should be.
    pub(super) async fn settle(&self, interest: Interest<'_>) -> Result<(), StoreError> {
        let (done, settled) = oneshot::channel();
        {
            let mut doubtful = self.doubtful.lock().unwrap_or_else(PoisonError::into_inner);
            doubtful.entry(interest.into()).or_default().push(done);
        }
        self.told.notify_one();
        settled.await.map_err(|_| StoreError::Closed)?
    }

    fn lost(&self) -> MutexGuard<'_, HashSet<OwnedInterest>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> HashMap<OwnedInterest, Waiting> {
        mem::take(&mut self.doubtful.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Keeps the rows until the broadcaster closes, and removes them then.
pub(super) async fn keep(broadcaster: &Arc<Broadcaster>) {
    let Some(own) = &broadcaster.own else { return };
    let mut keeper = Keeper { broadcaster, own, backoff: Backoff::new(AFTER_FAILURE.0, AFTER_FAILURE.1) };
    tokio::select! {
        () = keeper.run() => {}
        () = broadcaster.closed() => {}
    }
    // Whoever waits is told that the store is closed.
    drop(own.take());
    let removed = timeout(LAST_WRITE, broadcaster.store.replace(&own.advertised.receiver, &[])).await;
    if !matches!(removed, Ok(Ok(_))) {
        tracing::warn!(url = %own.advertised.receiver, "the subscriptions for websockets were left in the store; the next start removes them");
    }
}

impl Broadcaster {
    /// The store has a row no longer. If it is one of our own, and somebody here wants it, it has to come back.
    pub(super) fn row_is_gone(&self, removed: &Removed) {
        let (Some(own), Some(interest)) = (&self.own, &removed.of_peers) else { return };
        if removed.urls.receive == own.advertised.receiver {
            own.lost().insert(interest.clone());
            own.doubt(interest.clone());
        }
    }

    /// Tells the websockets that want just this that they may have missed something.
    pub(super) fn missed_of(&self, interest: &OwnedInterest) {
        let topic: Arc<[u8]> = interest.borrowed().as_bytes().into();
        self.index.peers_of(interest.borrowed()).iter().for_each(|peer| peer.missed_all_of(&topic));
    }
}

struct Keeper<'b> {
    broadcaster: &'b Arc<Broadcaster>,
    own: &'b Own,
    backoff: Backoff,
}

impl Keeper<'_> {
    async fn run(&mut self) {
        let mut compare = Instant::now();
        loop {
            tokio::select! {
                () = sleep_until(compare) => {
                    compare = Instant::now() + match self.compare().await {
                        Ok(()) => {
                            self.backoff.reset();
                            COMPARE
                        }
                        Err(error) => {
                            tracing::debug!(%error, "the subscriptions for websockets could not be compared");
                            self.backoff.next_wait()
                        }
                    };
                }
                () = self.own.told.notified() => {
                    let doubtful = self.own.take();
                    let failed = stream::iter(doubtful)
                        .map(|(interest, waiting)| self.write(interest, waiting))
                        .buffer_unordered(WRITES)
                        .filter(|written| std::future::ready(!written))
                        .count()
                        .await;
                    if failed > 0 {
                        compare = compare.min(Instant::now() + self.backoff.next_wait());
                    }
                }
            }
        }
    }

    /// Makes all rows of the url what is wanted.
    async fn compare(&self) -> Result<(), SubscribeError> {
        let mut interests = self.broadcaster.index.wanted_by_peers();
        interests.sort_unstable();
        let recovery = Some(&*self.own.advertised.recovery);
        let wanted: Vec<_> = interests.iter().map(|one| Wanted { interest: one.borrowed(), recovery }).collect();
        let lost = self.own.lost().clone();
        self.broadcaster.replace(&self.own.advertised.receiver, &wanted).await?;
        lost.into_iter().for_each(|interest| self.is_back(&interest));
        Ok(())
    }

    /// Tells websockets of a row that was lost, and has been put back.
    fn is_back(&self, interest: &OwnedInterest) {
        if self.own.lost().remove(interest) {
            self.broadcaster.missed_of(interest);
        }
    }

    /// Makes one row what is wanted now; `false` if that was not possible.
    async fn write(&self, interest: OwnedInterest, waiting: Waiting) -> bool {
        let (store, Advertised { receiver, recovery }) = (&self.broadcaster.store, &self.own.advertised);
        let written = if self.broadcaster.index.is_wanted_by_peers(interest.borrowed()) {
            store.insert(receiver, interest.borrowed(), Some(recovery)).await
        } else {
            store.remove(receiver, interest.borrowed()).await
        };
        match &written {
            // It was not there, or it was removed.
            Ok(Some(_)) => self.is_back(&interest),
            // Somebody else has put it back, or it is not wanted any more.
            Ok(None) => _ = self.own.lost().remove(&interest),
            Err(_) => {}
        }
        let result = written.map(|_| ());
        let done = result.is_ok();
        for waiting in waiting {
            // A websocket that has gone waits no more.
            let _ = waiting.send(result.clone());
        }
        done
    }
}
