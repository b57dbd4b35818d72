//! Urls that must show that they want to be called.

use eventhive_webhook::delivery::DeliverySettings;
use eventhive_webhook::store::Outcome;

use crate::bed::{Bed, quick};
use crate::subscriber::{Manner, Subscriber, until};

fn careful() -> DeliverySettings {
    DeliverySettings { verify: true, ..quick() }
}

#[tokio::test]
async fn a_url_is_asked_once_before_its_first_message_however_many_come_at_once() {
    let (bed, subscriber) = (Bed::new(careful()).await, Subscriber::start(Manner::Wait).await);
    let target = bed.subscribe(&subscriber.url("/receive"), None, "news").await;
    let under_way: Vec<_> = (0..5)
        .map(|_| {
            let (delivery, target) = (bed.delivery.clone(), target.clone());
            tokio::spawn(async move { delivery.deliver(&target, &crate::bed::message("news")).await })
        })
        .collect();
    until("it is asked", async || subscriber.options() == 1).await;
    subscriber.turn(Manner::Confirm(1));
    for delivered in under_way {
        assert_eq!(delivered.await.unwrap().count, 1);
    }
    assert_eq!(subscriber.options(), 1);
    assert!(bed.endpoint(&target.urls.receive).await.unwrap().verified_at.is_some());
}

#[tokio::test]
async fn who_was_asked_is_not_asked_again_after_a_restart() {
    let (bed, subscriber) = (Bed::new(careful()).await, Subscriber::start(Manner::Confirm(1)).await);
    let target = bed.subscribe(&subscriber.url("/receive"), None, "news").await;
    bed.deliver(&target, "news").await;
    let restarted = Bed::on(bed.store.clone(), careful(), bed.time.clone()).await;
    assert_eq!(restarted.deliver(&target, "news").await.count, 1);
    assert_eq!(subscriber.options(), 1);
}

/// A recovery url could be anybody's, and was called without having been asked.
#[tokio::test]
async fn a_recovery_url_is_told_only_if_it_wants_to_be_called() {
    let bed = Bed::new(careful()).await;
    let (receiver, stranger) = (Subscriber::start(Manner::Confirm(1)).await, Subscriber::start(Manner::Fail).await);
    let own = bed.subscribe(&receiver.url("/receive"), Some(&receiver.url("/recover")), "own").await;
    let other = bed.subscribe(&receiver.url("/other"), Some(&stranger.url("/recover")), "other").await;
    for (target, topic) in [(&own, "own"), (&other, "other")] {
        // It allows one message a minute; the second is missed.
        assert_eq!(bed.deliver(target, topic).await.count, 1);
        assert_eq!(bed.deliver(target, topic).await.report.outcome, Outcome::Crowded);
    }
    let asked = receiver.options();
    until("both are written", async || bed.delivery.counts().missed_written == 2).await;
    bed.time.forward(10);
    until("the stranger is asked, and the other told", async || {
        stranger.options() >= 1 && bed.delivery.counts().missed_told == 1
    })
    .await;
    assert_eq!((receiver.topics("/recover"), receiver.options()), (vec!["own".to_owned()], asked));
    until("it has failed", async || bed.delivery.counts().missed_failed >= 1).await;
    assert!(stranger.topics("/recover").is_empty());
}

/// Neither did the url that was to get the message: the host of both is the same stranger.
#[tokio::test]
async fn a_recovery_url_of_a_host_that_was_never_asked_is_not_told() {
    let (bed, stranger) = (Bed::new(careful()).await, Subscriber::start(Manner::Fail).await);
    let target = bed.subscribe(&stranger.url("/receive"), Some(&stranger.url("/recover")), "news").await;
    bed.deliver(&target, "news").await;
    until("it is written", async || bed.delivery.counts().missed_written == 1).await;
    bed.time.forward(10);
    until("it has failed", async || bed.delivery.counts().missed_failed == 1).await;
    assert!(stranger.topics("/recover").is_empty());
}

#[tokio::test]
async fn who_does_not_want_to_be_called_gets_no_message_and_stays_subscribed() {
    let (bed, subscriber) = (Bed::new(careful()).await, Subscriber::start(Manner::Fail).await);
    let target = bed.subscribe(&subscriber.url("/receive"), None, "news").await;
    for _ in 0..5 {
        assert_ne!(bed.deliver(&target, "news").await.report.outcome, Outcome::Confirmed);
    }
    assert_eq!(bed.deliver(&target, "news").await.report.outcome, Outcome::Held);
    assert_eq!((subscriber.options(), subscriber.topics("/receive").len()), (5, 0));
    assert!(bed.is_subscribed(&target).await);
}

#[tokio::test]
async fn the_rate_that_a_url_allowed_is_kept_after_a_restart_too() {
    let (bed, subscriber) = (Bed::new(careful()).await, Subscriber::start(Manner::Confirm(1)).await);
    let target = bed.subscribe(&subscriber.url("/receive"), None, "news").await;
    assert_eq!(bed.deliver(&target, "news").await.report.outcome, Outcome::Confirmed);
    assert_eq!(bed.deliver(&target, "news").await.report.outcome, Outcome::Crowded);
    bed.time.forward(60);
    assert_eq!(bed.deliver(&target, "news").await.report.outcome, Outcome::Confirmed);
    let restarted = Bed::on(bed.store.clone(), careful(), bed.time.clone()).await;
    assert_eq!(restarted.deliver(&target, "news").await.report.outcome, Outcome::Confirmed);
    assert_eq!(restarted.deliver(&target, "news").await.report.outcome, Outcome::Crowded);
}
