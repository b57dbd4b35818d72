//! A store that is away: deliveries go on, and what could not be written is written when it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use eventhive_webhook::delivery::DeliverySettings;
use eventhive_webhook::store::{
    Answer, Attempt, AttemptFilter, Buried, Changes, DeadLetter, Due, Endpoint, EndpointFilter, Endpoints, Journal,
    LettersOfUrl, Nonces, Outcome, Pending, Row, RowId, Settled, Store, StoreError, Subscriptions, Wanted,
};
use eventhive_webhook::wire::{Interest, InterestKind};
use futures_util::future::BoxFuture;

use crate::bed::{Bed, Hand, quick, store};
use crate::subscriber::{Manner, Subscriber, until};

/// A store that can be away.
struct Flaky {
    store: Arc<dyn Store>,
    away: AtomicBool,
    calls: AtomicUsize,
}

impl Flaky {
    fn now<'a, T: Send + 'a>(&'a self, answer: Answer<'a, T>) -> Answer<'a, T> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if !self.away.load(Ordering::SeqCst) {
            return answer;
        }
        let error = std::io::Error::other("it is away");
        let error = StoreError::Unavailable { store: "flaky".into(), source: Arc::new(error) };
        Box::pin(async move { Err(error) })
    }
}

/// Each call goes to the store, if that is there.
macro_rules! pass_on {
    ($part:ident { $(fn $name:ident<'a>(&'a self $(, $argument:ident: $kind:ty)*) -> $answer:ty;)* }) => {
        impl $part for Flaky {
            $(fn $name<'a>(&'a self $(, $argument: $kind)*) -> Answer<'a, $answer> {
                self.now(self.store.$name($($argument),*))
            })*
        }
    };
}

pass_on!(Subscriptions {
    fn insert<'a>(&'a self, url: &'a str, interest: Interest<'a>, recovery: Option<&'a str>) -> Option<RowId>;
    fn remove<'a>(&'a self, url: &'a str, interest: Interest<'a>) -> Option<RowId>;
    fn remove_row<'a>(&'a self, id: RowId) -> bool;
    fn replace<'a>(&'a self, url: &'a str, wanted: &'a [Wanted<'a>]) -> Vec<RowId>;
    fn of_url<'a>(&'a self, url: &'a str, after: Option<Interest<'a>>, limit: usize) -> Vec<Row>;
    fn page<'a>(&'a self, after: Option<RowId>, limit: usize) -> Vec<Row>;
    fn rows<'a>(&'a self, ids: &'a [RowId]) -> Vec<Row>;
    fn changes<'a>(&'a self) -> Box<dyn Changes>;
    fn count<'a>(&'a self, kind: InterestKind) -> u64;
});
pass_on!(Pending {
    fn miss<'a>(&'a self, id: RowId, topic: &'a [u8], attempts: u32, retry_at: u64) -> bool;
    fn due<'a>(&'a self, now: u64) -> Option<Due>;
    fn settle<'a>(&'a self, lock: i64, settled: Settled) -> ();
});
pass_on!(Nonces {
    fn accept<'a>(&'a self, code: &'a [u8; 64], forget_at: u64) -> bool;
    fn forget<'a>(&'a self, now: u64) -> u64;
});
pass_on!(Journal {
    fn log<'a>(&'a self, attempts: &'a [Attempt]) -> ();
    fn attempts<'a>(&'a self, filter: &'a AttemptFilter) -> Vec<Attempt>;
    fn bury<'a>(&'a self, letter: &'a DeadLetter, keep: LettersOfUrl) -> Buried;
    fn dead_letters<'a>(&'a self, url: Option<&'a str>, before: Option<i64>, limit: usize) -> Vec<DeadLetter>;
    fn dead_letter<'a>(&'a self, number: i64) -> Option<DeadLetter>;
    fn unbury<'a>(&'a self, number: i64) -> bool;
    fn trim<'a>(&'a self, before: u64, keep_attempts: u64, keep_letters: u64) -> u64;
});
pass_on!(Endpoints {
    fn endpoint<'a>(&'a self, url: &'a str) -> Option<Endpoint>;
    fn endpoints<'a>(&'a self, filter: &'a EndpointFilter) -> Vec<Endpoint>;
    fn remember<'a>(&'a self, endpoint: &'a Endpoint) -> ();
    fn enable<'a>(&'a self, url: &'a str) -> bool;
    fn dismiss<'a>(&'a self, url: &'a str) -> bool;
});

impl Store for Flaky {
    fn close(&self) -> BoxFuture<'_, ()> {
        self.store.close()
    }
}

async fn flaky() -> Arc<Flaky> {
    Arc::new(Flaky { store: store().await, away: AtomicBool::new(false), calls: AtomicUsize::new(0) })
}

#[tokio::test]
async fn what_was_missed_while_the_store_was_away_is_written_when_it_is_back() {
    let (store, time) = (flaky().await, Hand::default());
    let settings = DeliverySettings { sweep_interval: Duration::from_secs(1), ..quick() };
    let bed = Bed::on(store.clone(), settings, time).await;
    let (bad, back) = (Subscriber::start(Manner::Fail).await, Subscriber::start(Manner::Confirm(1)).await);
    let target = bed.subscribe(&bad.url("/receive"), Some(&back.url("/recover")), "news").await;
    store.away.store(true, Ordering::SeqCst);
    let calls = store.calls.load(Ordering::SeqCst);
    bed.deliver(&target, "news").await;
    until("it was tried", async || store.calls.load(Ordering::SeqCst) >= calls + 2).await;
    store.away.store(false, Ordering::SeqCst);
    bed.time.forward(60);
    until("the MISSED comes", async || back.topics("/recover") == ["news"]).await;
    until("the journal is written", async || bed.attempts().await.len() == 1 && bed.letters().await.len() == 1).await;
    let counts = bed.delivery.counts();
    assert_eq!((counts.journal_dropped, counts.missed_dropped), (0, 0));
}

#[tokio::test]
async fn what_a_store_that_stays_away_does_not_take_is_counted() {
    let (store, time) = (flaky().await, Hand::default());
    let bed = Bed::on(store.clone(), quick(), time).await;
    let (good, bad) = (Subscriber::start(Manner::Confirm(1)).await, Subscriber::start(Manner::Fail).await);
    let bad = bed.subscribe(&bad.url("/receive"), Some("http://127.0.0.1:1/recover"), "news").await;
    let good = bed.subscribe(&good.url("/receive"), None, "news").await;
    store.away.store(true, Ordering::SeqCst);
    assert_eq!(bed.deliver(&bad, "news").await.count, 0);
    assert_eq!(bed.deliver(&good, "news").await.count, 1);
    bed.delivery.drain().await;
    let counts = bed.delivery.counts();
    assert_eq!((counts.journal_dropped, counts.missed_dropped), (2, 1));
}

#[tokio::test]
async fn a_broadcaster_begins_without_its_store_and_learns_later_what_is_disabled() {
    let (store, time) = (flaky().await, Hand::default());
    let url = "http://127.0.0.1:1/receive";
    let disabled = Endpoint { url: url.into(), failing_since: Some(1), disabled_at: Some(2), ..Endpoint::default() };
    store.remember(&disabled).await.unwrap();
    store.away.store(true, Ordering::SeqCst);
    let bed = Bed::on(store.clone(), quick(), time).await;
    assert_eq!(bed.delivery.counts().urls, 0);
    store.away.store(false, Ordering::SeqCst);
    until("it is known", async || bed.delivery.counts().urls == 1).await;
}

#[tokio::test]
async fn what_the_store_does_not_tell_of_a_url_that_must_want_to_be_called_is_no_fault_of_the_url() {
    let (store, subscriber) = (flaky().await, Subscriber::start(Manner::Confirm(1)).await);
    let settings = DeliverySettings { verify: true, ..quick() };
    let bed = Bed::on(store.clone(), settings, Hand::default()).await;
    let target = bed.subscribe(&subscriber.url("/receive"), None, "news").await;
    store.away.store(true, Ordering::SeqCst);
    for _ in 0..10 {
        assert_eq!(bed.deliver(&target, "news").await.report.outcome, Outcome::OwnFault);
    }
    assert_eq!(subscriber.options(), 0);
    store.away.store(false, Ordering::SeqCst);
    assert_eq!(bed.deliver(&target, "news").await.report.outcome, Outcome::Confirmed);
}

#[tokio::test]
async fn messages_to_a_url_that_is_well_ask_the_store_nothing() {
    let (store, time) = (flaky().await, Hand::default());
    let settings = DeliverySettings { sweep_interval: Duration::from_secs(3600), ..DeliverySettings::default() };
    let bed = Bed::on(store.clone(), settings, time).await;
    let good = Subscriber::start(Manner::Confirm(1)).await;
    let target = bed.subscribe(&good.url("/receive"), Some(&good.url("/recover")), "news").await;
    let calls = store.calls.load(Ordering::SeqCst);
    for _ in 0..100 {
        assert_eq!(bed.deliver(&target, "news").await.count, 1);
    }
    bed.delivery.drain().await;
    assert_eq!(store.calls.load(Ordering::SeqCst), calls);
    assert_eq!(bed.delivery.counts().urls, 0);
}
