//! One message to one subscription: what is counted, and when a url is left alone.

use std::time::Duration;

use eventhive_webhook::delivery::{DeliverySettings, Rate};
use eventhive_webhook::outgoing::{Objection, Vouch};
use eventhive_webhook::store::Outcome;
use eventhive_webhook::wire::auth::Claim;
use futures_util::future::{BoxFuture, FutureExt as _, ready};

use crate::bed::{Bed, Hand, outgoing_by, quick, store};
use crate::subscriber::{Manner, Subscriber};

#[tokio::test]
async fn a_confirmed_message_counts_as_many_as_its_answer_says() {
    let (bed, subscriber) = (Bed::new(quick()).await, Subscriber::start(Manner::Confirm(3)).await);
    let target = bed.subscribe(&subscriber.url("/receive"), None, "news").await;
    let delivered = bed.deliver(&target, "news").await;
    assert_eq!((delivered.count, delivered.gone, delivered.report.status), (3, false, Some(200)));
    assert_eq!(subscriber.messages("/receive"), [b"of news"]);
    assert_eq!(bed.delivery.counts().delivered, 1);
}

#[tokio::test]
async fn who_asks_to_be_unsubscribed_is_gone_and_has_not_failed() {
    let (bed, subscriber) = (Bed::new(quick()).await, Subscriber::start(Manner::Unsubscribe).await);
    let target = bed.subscribe(&subscriber.url("/receive"), Some(&subscriber.url("/recover")), "news").await;
    for _ in 0..10 {
        let delivered = bed.deliver(&target, "news").await;
        assert_eq!((delivered.count, delivered.gone, delivered.report.outcome), (0, true, Outcome::Unsubscribed));
    }
    bed.delivery.drain().await;
    assert!(bed.letters().await.is_empty());
    bed.time.forward(3600);
    assert_eq!(bed.store.due(u64::MAX / 2).await.unwrap(), None);
}

#[tokio::test]
async fn a_url_that_fails_again_and_again_is_left_alone_and_then_tried_with_one_message() {
    let (bed, subscriber) = (Bed::new(quick()).await, Subscriber::start(Manner::Fail).await);
    let target = bed.subscribe(&subscriber.url("/receive"), None, "news").await;
    for _ in 0..5 {
        assert_eq!(bed.deliver(&target, "news").await.report.outcome, Outcome::BadAnswer);
    }
    for _ in 0..5 {
        assert_eq!(bed.deliver(&target, "news").await.report.outcome, Outcome::Held);
    }
    assert_eq!(subscriber.topics("/receive").len(), 5);
    bed.time.forward(10);
    subscriber.turn(Manner::Wait);
    let probe = {
        let (delivery, target) = (bed.delivery.clone(), target.clone());
        tokio::spawn(async move { delivery.deliver(&target, &crate::bed::message("probe")).await })
    };
    crate::subscriber::until("the probe comes", async || subscriber.topics("/receive").len() == 6).await;
    assert_eq!(bed.deliver(&target, "news").await.report.outcome, Outcome::Held);
    subscriber.turn(Manner::Confirm(1));
    assert_eq!(probe.await.unwrap().count, 1);
    assert_eq!(bed.deliver(&target, "news").await.count, 1);
    let counts = bed.delivery.counts();
    assert_eq!((counts.delivered, counts.failed, counts.held), (2, 5, 6));
    assert!(bed.is_subscribed(&target).await);
}

#[tokio::test]
async fn a_probe_that_is_cancelled_holds_nobody_up() {
    let (bed, subscriber) = (Bed::new(quick()).await, Subscriber::start(Manner::Fail).await);
    let target = bed.subscribe(&subscriber.url("/receive"), None, "news").await;
    for _ in 0..5 {
        bed.deliver(&target, "news").await;
    }
    bed.time.forward(10);
    subscriber.turn(Manner::Wait);
    let probe = {
        let (delivery, target) = (bed.delivery.clone(), target.clone());
        tokio::spawn(async move { delivery.deliver(&target, &crate::bed::message("probe")).await })
    };
    crate::subscriber::until("the probe comes", async || subscriber.topics("/receive").len() == 6).await;
    probe.abort();
    assert!(probe.await.unwrap_err().is_cancelled());
    subscriber.turn(Manner::Confirm(1));
    assert_eq!(bed.deliver(&target, "news").await.count, 1);
}

#[tokio::test]
async fn one_url_that_fails_does_not_hold_others() {
    let (bed, good, bad) =
        (Bed::new(quick()).await, Subscriber::start(Manner::Confirm(1)).await, Subscriber::start(Manner::Fail).await);
    let good = bed.subscribe(&good.url("/receive"), None, "news").await;
    let bad = bed.subscribe(&bad.url("/receive"), None, "news").await;
    for _ in 0..10 {
        bed.deliver(&bad, "news").await;
        assert_eq!(bed.deliver(&good, "news").await.count, 1);
    }
}

#[tokio::test]
async fn a_url_gets_no_more_than_its_rate_and_the_rest_counts_as_failed() {
    let rate = Some(Rate { every: Duration::from_secs(1), burst: 2 });
    let bed = Bed::new(DeliverySettings { rate, ..quick() }).await;
    let subscriber = Subscriber::start(Manner::Confirm(1)).await;
    let target = bed.subscribe(&subscriber.url("/receive"), Some(&subscriber.url("/recover")), "news").await;
    let mut outcomes = Vec::new();
    for _ in 0..4 {
        outcomes.push(bed.deliver(&target, "news").await.report.outcome);
    }
    assert_eq!(outcomes, [Outcome::Confirmed, Outcome::Confirmed, Outcome::Crowded, Outcome::Crowded]);
    assert_eq!(bed.delivery.counts().crowded, 2);
    bed.time.forward(1);
    assert_eq!(bed.deliver(&target, "news").await.report.outcome, Outcome::Confirmed);
    bed.time.forward(60);
    crate::subscriber::until("the MISSED comes", async || subscriber.topics("/recover") == ["news"]).await;
}

/// A broadcaster that can sign nothing, or cannot find out whether an answer was signed.
struct Broken {
    signs: bool,
}

impl Vouch for Broken {
    fn sign(&self, _: &Claim<'_>, _: &[u8]) -> Result<Option<String>, Box<str>> {
        if self.signs { Ok(None) } else { Err("there is no randomness".into()) }
    }

    fn admit<'a>(&'a self, _: Option<&'a str>, _: Claim<'a>, _: &'a [u8]) -> BoxFuture<'a, Result<(), Objection>> {
        ready(Err(Objection::Unknown("the store is away".into()))).boxed()
    }
}

#[tokio::test]
async fn what_fails_here_opens_no_breaker_and_makes_no_url_a_failing_one() {
    let subscriber = Subscriber::start(Manner::Confirm(1)).await;
    for signs in [false, true] {
        let outgoing = outgoing_by(std::sync::Arc::new(Broken { signs }));
        let bed = Bed::through(outgoing, store().await, quick(), Hand::default()).await;
        let target = bed.subscribe(&subscriber.url("/receive"), None, "news").await;
        for _ in 0..20 {
            assert_eq!(bed.deliver(&target, "news").await.report.outcome, Outcome::OwnFault);
            bed.time.forward(3600);
        }
        bed.delivery.drain().await;
        assert_eq!(bed.endpoint(&target.urls.receive).await, None);
        assert_eq!(bed.delivery.counts().failed, 20);
    }
}
