//! Dead letters, once more.

use bytes::Bytes;
use eventhive_webhook::delivery::{JournalSettings, ReplayError, replay};
use eventhive_webhook::message::Message;
use eventhive_webhook::store::Outcome;

use crate::bed::{Bed, outgoing, quick};
use crate::subscriber::{Manner, Subscriber};

/// A letter of a subscriber that failed, and the number of the letter.
async fn buried(subscriber: &Subscriber, body: &'static [u8]) -> (Bed, i64) {
    let journal = JournalSettings { letter_bytes: 10, ..JournalSettings::default() };
    let bed = Bed::new(eventhive_webhook::delivery::DeliverySettings { journal, ..quick() }).await;
    let target = bed.subscribe(&subscriber.url("/receive"), None, "news").await;
    bed.delivery.deliver(&target, &Message::new(b"news", Bytes::from_static(body))).await;
    bed.delivery.drain().await;
    let number = bed.letters().await[0].number;
    (bed, number)
}

#[tokio::test]
async fn a_letter_that_is_delivered_is_forgotten() {
    let subscriber = Subscriber::start(Manner::Fail).await;
    let (bed, number) = buried(&subscriber, b"body").await;
    subscriber.turn(Manner::Confirm(1));
    let replayed = replay(&*bed.store, &outgoing(), number).await.unwrap();
    assert!(replayed.unburied);
    assert_eq!(replayed.report.outcome, Outcome::Confirmed);
    assert_eq!(subscriber.messages("/receive"), [b"body", b"body"]);
    assert!(bed.letters().await.is_empty());
    assert_eq!(bed.attempts().await.len(), 2, "both attempts are in the log");
    let again = replay(&*bed.store, &outgoing(), number).await;
    assert!(matches!(again, Err(ReplayError::Unknown(_))));
}

#[tokio::test]
async fn a_letter_that_fails_again_stays() {
    let subscriber = Subscriber::start(Manner::Fail).await;
    let (bed, number) = buried(&subscriber, b"body").await;
    let replayed = replay(&*bed.store, &outgoing(), number).await.unwrap();
    assert!(!replayed.unburied);
    assert_eq!(bed.letters().await.len(), 1);
}

#[tokio::test]
async fn a_letter_without_its_body_cannot_be_sent_and_says_so() {
    let subscriber = Subscriber::start(Manner::Fail).await;
    let (bed, number) = buried(&subscriber, b"more than ten bytes").await;
    let error = replay(&*bed.store, &outgoing(), number).await.unwrap_err();
    assert!(error.to_string().contains("19 bytes, which was too large to keep"), "{error}");
}
