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
