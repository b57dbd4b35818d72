//! Telling subscribers that they missed something: section 6.3 of the protocol, as it is meant.

use std::time::Duration;

use eventhive_conformance::free_port;
use eventhive_webhook::delivery::{BackOff, DeliverySettings, Rate};
use eventhive_webhook::store::Outcome;

use crate::bed::{BEGIN, Bed, Hand, quick, store};
use crate::subscriber::{Manner, Subscriber, until};

/// Without chance: two seconds after the first failure.
fn steady(max_retries: u32) -> DeliverySettings {
    DeliverySettings { missed: BackOff { jitter: 0.0, max_retries, ..BackOff::default() }, ..quick() }
}

#[tokio::test]
async fn a_failed_message_is_told_when_its_time_has_come_and_not_before() {
    let (bed, subscriber) = (Bed::new(steady(20)).await, Subscriber::start(Manner::Fail).await);
    let back = Subscriber::start(Manner::Confirm(1)).await;
    let target = bed.subscribe(&subscriber.url("/receive"), Some(&back.url("/recover")), "news").await;
    assert_eq!(bed.deliver(&target, "news").await.report.outcome, Outcome::BadAnswer);
    bed.time.forward(1);
    until("it is written", async || bed.delivery.counts().missed_written == 1).await;
    let sweeps = bed.delivery.counts().sweeps;
    // The first may have begun before it was.
    until("it is swept", async || bed.delivery.counts().sweeps >= sweeps + 2).await;
    assert!(back.topics("/recover").is_empty());
    bed.time.forward(1);
    until("the MISSED comes", async || back.topics("/recover") == ["news"]).await;
    until("it is settled", async || bed.delivery.counts().missed_told == 1).await;
    bed.time.forward(100_000);
    bed.delivery.drain().await;
    assert_eq!(bed.store.due(BEGIN + 200_000).await.unwrap(), None, "a success clears what was pending");
    assert_eq!(back.topics("/recover").len(), 1);
    assert!(bed.is_subscribed(&target).await);
}

#[tokio::test]
async fn who_has_no_recovery_url_is_not_told() {
    let (bed, subscriber) = (Bed::new(steady(20)).await, Subscriber::start(Manner::Fail).await);
    let target = bed.subscribe(&subscriber.url("/receive"), None, "news").await;
    bed.deliver(&target, "news").await;
    bed.delivery.drain().await;
    assert_eq!(bed.store.due(BEGIN + 100_000).await.unwrap(), None);
}

#[tokio::test]
async fn after_the_last_try_the_missed_is_dropped_and_the_subscription_stays() {
    let settings = DeliverySettings {
        breaker: eventhive_webhook::delivery::BreakerSettings { failures: 0, ..Default::default() },
        ..steady(3)
    };
    let (bed, subscriber) = (Bed::new(settings).await, Subscriber::start(Manner::Fail).await);
    let target = bed.subscribe(&subscriber.url("/receive"), Some(&subscriber.url("/recover")), "news").await;
    bed.deliver(&target, "news").await;
    for (tries, wait) in [(1, 2), (2, 3), (3, 5)] {
        assert_eq!(subscriber.topics("/recover").len(), tries - 1);
        bed.time.forward(wait);
        until("it is tried", async || subscriber.topics("/recover").len() == tries).await;
        let counts = async || bed.delivery.counts();
        until("it is settled", async || {
            let counts = counts().await;
            (counts.missed_failed + counts.missed_given_up) as usize == tries
        })
        .await;
    }
    assert_eq!(bed.delivery.counts().missed_given_up, 1);
    bed.time.forward(100_000);
    bed.delivery.drain().await;
    assert_eq!(bed.store.due(BEGIN + 200_000).await.unwrap(), None);
    assert_eq!(subscriber.topics("/recover").len(), 3);
    assert!(bed.is_subscribed(&target).await);
}

/// Each message that failed once put it off and began its tries anew.
#[tokio::test]
async fn a_missed_is_tried_as_often_as_it_should_be_while_messages_go_on_failing() {
    let settings = DeliverySettings {
        breaker: eventhive_webhook::delivery::BreakerSettings { failures: 0, ..Default::default() },
        ..steady(3)
    };
    let (bed, bad) = (Bed::new(settings).await, Subscriber::start(Manner::Fail).await);
    let target = bed.subscribe(&bad.url("/receive"), Some(&bad.url("/recover")), "news").await;
    until("it is given up after its third try", async || {
        bed.time.forward(1);
        bed.deliver(&target, "news").await;
        bed.delivery.counts().missed_given_up == 1
    })
    .await;
    assert_eq!(bed.delivery.counts().missed_failed, 2);
}

/// Held and crowded ones used up tries without anybody having been asked.
#[tokio::test]
async fn a_missed_that_was_not_sent_is_put_off_and_is_no_try() {
    let settings = DeliverySettings { rate: Some(Rate { every: Duration::from_secs(60), burst: 1 }), ..steady(2) };
    let (bed, bad) = (Bed::new(settings).await, Subscriber::start(Manner::Fail).await);
    let back = Subscriber::start(Manner::Confirm(1)).await;
    let recovery = back.url("/recover");
    for topic in ["one", "two"] {
        let target = bed.subscribe(&bad.url(&format!("/{topic}")), Some(&recovery), topic).await;
        bed.deliver(&target, topic).await;
    }
    until("both are written", async || bed.delivery.counts().missed_written == 2).await;
    bed.time.forward(2);
    until("one is told", async || bed.delivery.counts().missed_told == 1).await;
    for _ in 0..10 {
        bed.time.forward(5);
        let sweeps = bed.delivery.counts().sweeps;
        until("it is swept", async || bed.delivery.counts().sweeps >= sweeps + 2).await;
    }
    assert_eq!(back.topics("/recover").len(), 1);
    bed.time.forward(10);
    until("the other is told", async || bed.delivery.counts().missed_told == 2).await;
    assert_eq!((bed.delivery.counts().missed_failed, bed.delivery.counts().missed_given_up), (0, 0));
}

#[tokio::test]
async fn a_host_that_does_not_answer_does_not_hold_up_what_others_are_told() {
    let settings = DeliverySettings { sweep_concurrency: 1, ..steady(20) };
    let (bed, bad) = (Bed::new(settings).await, Subscriber::start(Manner::Fail).await);
    let back = Subscriber::start(Manner::Confirm(1)).await;
    // Nobody listens there.
    let dead = format!("127.0.0.1:{}", free_port());
    for number in 0..30 {
        let topic = format!("dead/{number}");
        let recovery = format!("http://{dead}/{number}");
        let target = bed.subscribe(&bad.url(&format!("/{number}")), Some(&recovery), &topic).await;
        bed.deliver(&target, &topic).await;
    }
    let target = bed.subscribe(&bad.url("/receive"), Some(&back.url("/recover")), "news").await;
    bed.deliver(&target, "news").await;
    until("all are written", async || bed.delivery.counts().missed_written == 31).await;
    bed.time.forward(2);
    until("the MISSED comes", async || back.topics("/recover") == ["news"]).await;
    let sweeps = bed.delivery.counts().sweeps;
    until("all were swept", async || bed.delivery.counts().sweeps >= sweeps + 2).await;
    assert_eq!(bed.delivery.counts().missed_failed, 2, "of the host that is dead two were tried");
}

#[tokio::test]
async fn a_held_message_is_told_too() {
    let (bed, subscriber) = (Bed::new(steady(20)).await, Subscriber::start(Manner::Fail).await);
    let back = Subscriber::start(Manner::Confirm(1)).await;
    let quiet = bed.subscribe(&subscriber.url("/receive"), None, "quiet").await;
    let told = bed.subscribe(&subscriber.url("/receive"), Some(&back.url("/recover")), "told").await;
    for _ in 0..5 {
        bed.deliver(&quiet, "quiet").await;
    }
    assert_eq!(bed.deliver(&told, "told").await.report.outcome, Outcome::Held);
    bed.time.forward(2);
    until("the MISSED comes", async || back.topics("/recover") == ["told"]).await;
}

#[tokio::test]
async fn several_broadcasters_that_share_a_store_tell_once() {
    let (shared, time) = (store().await, Hand::default());
    let one = Bed::on(shared.clone(), steady(20), time.clone()).await;
    let other = Bed::on(shared, steady(20), time.clone()).await;
    let (bad, back) = (Subscriber::start(Manner::Fail).await, Subscriber::start(Manner::Confirm(1)).await);
    let mut targets = Vec::new();
    for number in 0..20 {
        let topic = format!("news/{number}");
        targets.push((one.subscribe(&bad.url("/receive"), Some(&back.url("/recover")), &topic).await, topic));
    }
    for (target, topic) in &targets {
        one.deliver(target, topic).await;
    }
    time.forward(60);
    let told = || one.delivery.counts().missed_told + other.delivery.counts().missed_told;
    until("all are told", async || told() == 20).await;
    one.delivery.drain().await;
    other.delivery.drain().await;
    let mut topics = back.topics("/recover");
    topics.sort();
    topics.dedup();
    assert_eq!((topics.len(), back.topics("/recover").len()), (20, 20));
}

#[tokio::test]
async fn what_is_under_way_is_waited_for_when_a_broadcaster_stops() {
    let (bed, bad) = (Bed::new(steady(20)).await, Subscriber::start(Manner::Fail).await);
    let back = Subscriber::start(Manner::Wait).await;
    let target = bed.subscribe(&bad.url("/receive"), Some(&back.url("/recover")), "news").await;
    bed.deliver(&target, "news").await;
    bed.time.forward(2);
    until("the MISSED comes", async || back.topics("/recover").len() == 1).await;
    let delivery = bed.delivery.clone();
    let drained = tokio::spawn(async move { delivery.drain().await });
    back.turn(Manner::Confirm(1));
    drained.await.unwrap();
    assert_eq!(bed.delivery.counts().missed_told, 1);
}
