//! What is written down of deliveries.

use eventhive_webhook::delivery::{DeliverySettings, JournalSettings, Log};
use eventhive_webhook::store::Outcome;

use crate::bed::{Bed, message, quick};
use crate::subscriber::{Manner, Subscriber, until};

async fn one_of_each(settings: DeliverySettings) -> Bed {
    let bed = Bed::new(settings).await;
    let (good, bad) = (Subscriber::start(Manner::Confirm(1)).await, Subscriber::start(Manner::Fail).await);
    let good = bed.subscribe(&good.url("/receive"), None, "good").await;
    let bad = bed.subscribe(&bad.url("/receive"), None, "bad").await;
    bed.deliver(&good, "good").await;
    bed.deliver(&bad, "bad").await;
    bed.delivery.drain().await;
    bed
}

fn logging(log: Log) -> DeliverySettings {
    DeliverySettings { journal: JournalSettings { log, ..JournalSettings::default() }, ..quick() }
}

#[tokio::test]
async fn failures_are_logged_unless_all_or_none_is_wanted() {
    for (log, topics) in [(Log::None, vec![]), (Log::Failures, vec!["bad"]), (Log::All, vec!["bad", "good"])] {
        let bed = one_of_each(logging(log)).await;
        let attempts = bed.attempts().await;
        let mut seen: Vec<_> = attempts.iter().map(|attempt| std::str::from_utf8(&attempt.topic).unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, topics);
        assert_eq!(bed.delivery.counts().journal_dropped, 0);
    }
}

#[tokio::test]
async fn an_attempt_says_what_was_tried_and_what_came_back() {
    let bed = one_of_each(logging(Log::Failures)).await;
    let attempt = &bed.attempts().await[0];
    assert_eq!((attempt.outcome, attempt.status, attempt.bytes), (Outcome::BadAnswer, Some(500), 6));
    assert!(attempt.receive);
    assert_eq!(attempt.identifier.len(), 8);
    assert!(!attempt.detail.is_empty());
}

#[tokio::test]
async fn what_could_not_be_delivered_is_kept_with_its_body() {
    let bed = one_of_each(logging(Log::None)).await;
    let letters = bed.letters().await;
    assert_eq!(letters.len(), 1);
    let letter = bed.store.dead_letter(letters[0].number).await.unwrap().unwrap();
    assert_eq!(letter.body.as_deref(), Some(&b"of bad"[..]));
    assert_eq!((&*letter.topic, letter.sha512), (&b"bad"[..], message("bad").sha512));
}

#[tokio::test]
async fn of_a_large_message_hash_and_length_are_kept() {
    let journal = JournalSettings { letter_bytes: 5, ..JournalSettings::default() };
    let bed = one_of_each(DeliverySettings { journal, ..quick() }).await;
    let number = bed.letters().await[0].number;
    let letter = bed.store.dead_letter(number).await.unwrap().unwrap();
    assert_eq!((letter.body, letter.bytes, letter.sha512), (None, 6, message("bad").sha512));
}

#[tokio::test]
async fn with_no_room_for_dead_letters_nothing_is_buried() {
    let journal = JournalSettings { keep_letters: 0, ..JournalSettings::default() };
    let bed = one_of_each(DeliverySettings { journal, ..quick() }).await;
    assert!(bed.letters().await.is_empty());
}

#[tokio::test]
async fn what_does_not_fit_into_the_queue_is_counted_and_forgotten() {
    let journal = JournalSettings { queue_bytes: 10, ..JournalSettings::default() };
    let bed = one_of_each(DeliverySettings { journal, ..quick() }).await;
    assert_eq!(bed.delivery.counts().journal_dropped, 2);
    assert!(bed.attempts().await.is_empty());
}

/// Each wrote an attempt and a letter with its body.
#[tokio::test]
async fn a_burst_to_a_url_that_is_left_alone_does_not_fill_the_store() {
    let (bed, bad) = (Bed::new(quick()).await, Subscriber::start(Manner::Fail).await);
    let target = bed.subscribe(&bad.url("/receive"), None, "bad").await;
    for _ in 0..505 {
        bed.deliver(&target, "bad").await;
    }
    // Then it is tried once more, and held once more.
    bed.time.forward(10);
    for _ in 0..2 {
        bed.deliver(&target, "bad").await;
    }
    bed.delivery.drain().await;
    let attempts = bed.attempts().await;
    let held = attempts.iter().filter(|attempt| attempt.outcome == Outcome::Held).collect::<Vec<_>>();
    assert_eq!((attempts.len(), held.len(), bed.letters().await.len()), (107, 101, 107));
    assert!(held.iter().any(|attempt| attempt.detail.contains("400 more")));
    assert_eq!(bed.delivery.counts().untried_unwritten, 400);
}

#[tokio::test]
async fn letters_do_not_wait_for_the_next_trim_to_be_too_many() {
    let journal = JournalSettings { keep_letters: 10, ..JournalSettings::default() };
    let (bed, bad) = (Bed::new(DeliverySettings { journal, ..quick() }).await, Subscriber::start(Manner::Fail).await);
    let target = bed.subscribe(&bad.url("/receive"), None, "bad").await;
    for _ in 0..50 {
        bed.deliver(&target, "bad").await;
    }
    until("all are written and trimmed", async || bed.attempts().await.len() == 50 && bed.letters().await.len() <= 10)
        .await;
}

#[tokio::test]
async fn letters_of_one_url_push_out_none_of_another() {
    let journal = JournalSettings { keep_letters_per_url: 3, ..JournalSettings::default() };
    let bed = Bed::new(DeliverySettings { journal, ..quick() }).await;
    let (bad, worse) = (Subscriber::start(Manner::Fail).await, Subscriber::start(Manner::Fail).await);
    let (bad, worse) = (
        bed.subscribe(&bad.url("/receive"), None, "bad").await,
        bed.subscribe(&worse.url("/receive"), None, "worse").await,
    );
    bed.deliver(&bad, "bad").await;
    for _ in 0..5 {
        bed.deliver(&worse, "worse").await;
    }
    bed.delivery.drain().await;
    let letters = bed.letters().await;
    let of = |topic: &str| letters.iter().filter(|letter| *letter.topic == *topic.as_bytes()).count();
    assert_eq!((of("bad"), of("worse"), bed.delivery.counts().letters_forgotten), (1, 3, 2));
}

#[tokio::test]
async fn what_is_old_goes() {
    let journal = JournalSettings { trim_interval: std::time::Duration::from_secs(1), ..JournalSettings::default() };
    let bed = Bed::new(DeliverySettings { journal, ..quick() }).await;
    let bad = Subscriber::start(Manner::Fail).await;
    let target = bed.subscribe(&bad.url("/receive"), None, "bad").await;
    bed.deliver(&target, "bad").await;
    until("it is written", async || bed.attempts().await.len() == 1 && bed.letters().await.len() == 1).await;
    bed.time.forward(15 * 86_400);
    until("it is trimmed", async || bed.attempts().await.is_empty() && bed.letters().await.is_empty()).await;
}
