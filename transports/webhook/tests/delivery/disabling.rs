//! Urls that have failed for long.

use std::sync::{Arc, Mutex};

use eventhive_webhook::delivery::{self, DeliverySettings, Disabled};
use eventhive_webhook::index::Target;
use eventhive_webhook::store::{Endpoint, Outcome};
use eventhive_webhook::wire::Interest;

use crate::bed::{BEGIN, Bed, quick};
use crate::subscriber::{Manner, Subscriber, until};

const DAY: u64 = 86_400;

/// Fails for three days and is disabled.
async fn fail_for_days(bed: &Bed, target: &Target) {
    for _ in 0..5 {
        bed.deliver(target, "news").await;
    }
    for _ in 0..3 {
        bed.time.forward(DAY);
        assert_eq!(bed.deliver(target, "news").await.report.outcome, Outcome::BadAnswer);
    }
    let url = &target.urls.receive;
    until("it is disabled", async || {
        let stored = bed.endpoint(url).await;
        stored.is_some_and(|endpoint| endpoint.disabled_at.is_some()) && bed.delivery.counts().disabled == 1
    })
    .await;
}

#[tokio::test]
async fn a_url_that_fails_for_days_is_disabled_and_its_operator_and_owner_are_told_once() {
    let (bed, bad) = (Bed::new(quick()).await, Subscriber::start(Manner::Fail).await);
    let back = Subscriber::start(Manner::Confirm(1)).await;
    let told = Arc::new(Mutex::new(Vec::<Disabled>::new()));
    let sink = Arc::clone(&told);
    bed.delivery.on_disabled(move |disabled| sink.lock().unwrap().push(disabled.clone()));
    let target = bed.subscribe(&bad.url("/receive"), Some(&back.url("/recover")), "news").await;
    bed.subscribe(&bad.url("/receive"), Some(&back.url("/recover")), "quiet").await;
    let pattern = Interest::Glob("qui*");
    bed.store.insert(&bad.url("/receive"), pattern, Some(&back.url("/recover"))).await.unwrap().unwrap();
    fail_for_days(&bed, &target).await;
    bed.time.forward(10);
    // No message of these has failed: that the url was disabled is all that there is to tell.
    until("its owner is told", async || {
        let topics = back.topics("/recover");
        topics.contains(&"quiet".to_owned()) && topics.contains(&"qui*".to_owned())
    })
    .await;
    until("all are told", async || bed.delivery.counts().missed_told >= 3).await;

    let before = (bad.topics("/receive").len(), back.topics("/recover").len());
    for _ in 0..20 {
        bed.time.forward(100);
        assert_eq!(bed.deliver(&target, "news").await.report.outcome, Outcome::Held);
    }
    bed.delivery.drain().await;
    assert_eq!((bad.topics("/receive").len(), back.topics("/recover").len()), before, "it is left alone");
    assert!(bed.is_subscribed(&target).await);

    let told = told.lock().unwrap();
    let [disabled] = &told[..] else { panic!("told once: {told:?}") };
    assert_eq!((&disabled.url, disabled.since), (&target.urls.receive, BEGIN));
    assert!(disabled.reason.contains("bad_answer, status 500"), "{}", disabled.reason);
}

#[tokio::test]
async fn a_disabled_url_stays_so_after_a_restart_and_at_other_broadcasters() {
    let (bed, bad) = (Bed::new(quick()).await, Subscriber::start(Manner::Fail).await);
    let other = Bed::on(bed.store.clone(), quick(), bed.time.clone()).await;
    let target = bed.subscribe(&bad.url("/receive"), None, "news").await;
    fail_for_days(&bed, &target).await;
    let calls = bad.topics("/receive").len();
    until("the other has seen it", async || other.delivery.counts().urls == 1).await;
    assert_eq!(other.deliver(&target, "news").await.report.outcome, Outcome::Held);
    let restarted = Bed::on(bed.store.clone(), quick(), bed.time.clone()).await;
    assert_eq!(restarted.deliver(&target, "news").await.report.outcome, Outcome::Held);
    assert_eq!(bad.topics("/receive").len(), calls);
}

#[tokio::test]
async fn a_message_now_and_then_finds_that_a_disabled_url_is_well() {
    let (bed, subscriber) = (Bed::new(quick()).await, Subscriber::start(Manner::Fail).await);
    let target = bed.subscribe(&subscriber.url("/receive"), None, "news").await;
    fail_for_days(&bed, &target).await;
    subscriber.turn(Manner::Confirm(1));
    until("it is held", async || bed.deliver(&target, "news").await.report.outcome == Outcome::Held).await;
    bed.time.forward(3600);
    assert_eq!(bed.deliver(&target, "news").await.count, 1);
    assert_eq!(bed.deliver(&target, "news").await.count, 1);
    until("the store forgets it", async || bed.endpoint(&target.urls.receive).await.is_none()).await;
}

#[tokio::test]
async fn a_new_subscription_enables_its_url() {
    let (bed, subscriber) = (Bed::new(quick()).await, Subscriber::start(Manner::Fail).await);
    let target = bed.subscribe(&subscriber.url("/receive"), None, "news").await;
    fail_for_days(&bed, &target).await;
    subscriber.turn(Manner::Confirm(1));
    bed.delivery.enable(&target.urls.receive);
    assert_eq!(bed.deliver(&target, "news").await.count, 1);
    until("the store forgets it", async || bed.endpoint(&target.urls.receive).await.is_none()).await;
}

#[tokio::test]
async fn a_person_enables_a_url_in_the_store_and_broadcasters_take_note() {
    let (bed, subscriber) = (Bed::new(quick()).await, Subscriber::start(Manner::Fail).await);
    let target = bed.subscribe(&subscriber.url("/receive"), None, "news").await;
    fail_for_days(&bed, &target).await;
    subscriber.turn(Manner::Confirm(1));
    let before = delivery::enable(&*bed.store, &target.urls.receive).await.unwrap();
    assert!(before.is_some_and(|before| before.disabled_at.is_some()));
    until("it is called", async || bed.deliver(&target, "news").await.count == 1).await;
    assert_eq!(delivery::enable(&*bed.store, "http://nobody.test/").await.unwrap(), None);
}

#[tokio::test]
async fn enabling_a_url_does_not_forget_that_it_was_verified() {
    let bed = Bed::new(quick()).await;
    let verified =
        Endpoint { url: "http://a.test/".into(), verified_at: Some(7), failing_since: Some(1), ..Endpoint::default() };
    bed.store.remember(&verified).await.unwrap();
    delivery::enable(&*bed.store, "http://a.test/").await.unwrap();
    let after = bed.endpoint("http://a.test/").await.unwrap();
    assert_eq!((after.verified_at, after.failing_since), (Some(7), None));
}

#[tokio::test]
async fn a_url_that_another_broadcaster_reaches_is_not_disabled() {
    let (bed, bad) = (Bed::new(quick()).await, Subscriber::start(Manner::Fail).await);
    let target = bed.subscribe(&bad.url("/receive"), None, "news").await;
    for _ in 0..5 {
        bed.deliver(&target, "news").await;
    }
    for round in 1..=6 {
        bed.time.forward(DAY);
        bed.deliver(&target, "news").await;
        let noted = async || bed.endpoint(&target.urls.receive).await.unwrap_or_default();
        let all = || u32::try_from(bed.delivery.counts().failed).unwrap();
        until("it is noted", async || noted().await.failures == all()).await;
        // Somebody else delivered something; then it fails here again.
        delivery::enable(&*bed.store, &target.urls.receive).await.unwrap();
        let anew = BEGIN + round * DAY;
        until("it is noted anew", async || {
            bed.time.forward(601);
            bed.deliver(&target, "news").await;
            noted().await.failing_since.is_some_and(|since| since >= anew)
        })
        .await;
    }
    assert_eq!(bed.delivery.counts().disabled, 0);
}

#[tokio::test]
async fn two_failures_that_are_far_apart_disable_nothing() {
    let (bed, bad) = (Bed::new(quick()).await, Subscriber::start(Manner::Fail).await);
    let target = bed.subscribe(&bad.url("/receive"), None, "news").await;
    bed.deliver(&target, "news").await;
    bed.time.forward(4 * DAY);
    bed.deliver(&target, "news").await;
    until("it is noted", async || bed.endpoint(&target.urls.receive).await.is_some()).await;
    assert_eq!(bed.endpoint(&target.urls.receive).await.unwrap().disabled_at, None);
}

#[tokio::test]
async fn without_the_setting_nothing_is_disabled() {
    let settings = DeliverySettings { disable_after: None, ..quick() };
    let (bed, bad) = (Bed::new(settings).await, Subscriber::start(Manner::Fail).await);
    let target = bed.subscribe(&bad.url("/receive"), None, "news").await;
    for day in 0..10 {
        bed.deliver(&target, "news").await;
        bed.time.forward(DAY);
        let failures = move |endpoint: &Endpoint| endpoint.failures >= day;
        until("it is noted", async || {
            day == 0 || bed.endpoint(&target.urls.receive).await.is_some_and(|it| failures(&it))
        })
        .await;
    }
    assert_eq!(bed.endpoint(&target.urls.receive).await.unwrap().disabled_at, None);
}
