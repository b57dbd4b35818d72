//! What becomes of messages when their events are published.

use crate::hive::Hive;
use crate::moto::Moto;
use crate::proxy::{Answer, Proxy};

#[tokio::test]
async fn with_delete_a_message_is_gone_when_its_event_is_published() {
    let moto = Moto::shared().await;
    let queue = moto.created("deleted").await;
    let hive = Hive::reading([queue.read_at(&moto.url(), true)]);
    let mut stream = hive.stream("/").await;
    for number in 0..25 {
        queue.send(format!("{{\"n\":{number}}}")).await;
    }
    for number in 0..25 {
        assert_eq!(stream.event().await["n"], number);
    }
    queue.until_size(0).await;
    hive.until("they are counted", |stats| stats.deleted == 25).await;
    assert_eq!(hive.door.queue_stats().published, 25);
}

#[tokio::test]
async fn without_delete_a_message_stays_and_is_published_once_however_often_it_comes() {
    let moto = Moto::shared().await;
    let queue = moto.created("kept").await;
    let hive = Hive::reading([queue.read_at(&moto.url(), false)]);
    let mut stream = hive.stream("/").await;
    queue.send(r#"{"n":1}"#).await;
    assert_eq!(stream.event().await["n"], 1);
    hive.until("it comes again, and once more", |stats| stats.repeated >= 2).await;
    queue.send(r#"{"n":2}"#).await;
    assert_eq!(stream.event().await["n"], 2);
    hive.until("the second comes again, too", |stats| stats.repeated >= 4).await;
    assert_eq!((hive.door.queue_stats().published, hive.door.queue_stats().deleted), (2, 0));
    assert_eq!(queue.size().await, 2);
}

#[tokio::test]
async fn what_is_remembered_has_a_bound_and_what_is_forgotten_is_published_again() {
    let moto = Moto::shared().await;
    let queue = moto.created("forgotten").await;
    let hive = Hive::reading([eventhive_http::sqs::QueueConfig { remember: 0, ..queue.read_at(&moto.url(), false) }]);
    let mut stream = hive.stream("/").await;
    queue.send(r#"{"n":1}"#).await;
    assert_eq!(stream.event().await["n"], 1);
    assert_eq!(stream.event().await["n"], 1);
    assert_eq!(hive.door.queue_stats().repeated, 0);
}

/// Publishes with a server that deletes nothing, until the messages have come again; then lets it.
async fn deletes_later(name: &str, refusal: Answer) {
    let moto = Moto::shared().await;
    let queue = moto.created(name).await;
    let proxy = Proxy::start(moto.address()).await;
    proxy.answer("DeleteMessageBatch", refusal);
    let hive = Hive::reading([queue.read_at(&proxy.url(), true)]);
    let mut stream = hive.stream("/").await;
    queue.send(r#"{"n":1}"#).await;
    assert_eq!(stream.event().await["n"], 1);
    hive.until("it comes again", |stats| stats.repeated >= 2 && stats.failures >= 2).await;
    assert_eq!((hive.door.queue_stats().deleted, queue.size().await), (0, 1));

    proxy.pass("DeleteMessageBatch");
    queue.until_size(0).await;
    queue.send(r#"{"n":2}"#).await;
    assert_eq!(stream.event().await["n"], 2, "nothing was published twice");
    queue.until_size(0).await;
    assert_eq!(hive.door.queue_stats().published, 2);
}

#[tokio::test]
async fn a_message_that_cannot_be_deleted_is_published_once_and_deleted_when_it_comes_again() {
    deletes_later("undeleted", ("500 Internal Server Error", "{}")).await;
}

#[tokio::test]
async fn a_refusal_of_one_message_among_others_is_one_too() {
    let some = r#"{"Successful":[],"Failed":[{"Id":"0","SenderFault":true,"Code":"InternalError","Message":"no"}]}"#;
    deletes_later("undeleted-one", ("200 OK", some)).await;
}

/// Its server is not Amazon's.
#[tokio::test]
async fn messages_without_an_id_are_each_published() {
    const NAMELESS: &str = r#"{"Messages":[{"ReceiptHandle":"a","Body":"{\"n\":1}"},{"MessageId":"","ReceiptHandle":"b","Body":"{\"n\":2}"},{"ReceiptHandle":"c","Body":"{\"n\":3}"}]}"#;
    let moto = Moto::shared().await;
    let queue = moto.created("nameless").await;
    let proxy = Proxy::start(moto.address()).await;
    proxy.answer("ReceiveMessage", ("200 OK", NAMELESS));
    let hive = Hive::reading([queue.read_at(&proxy.url(), true)]);
    let mut stream = hive.stream("/").await;
    for number in 1..=3 {
        assert_eq!(stream.event().await["n"], number);
    }
    assert_eq!(hive.door.queue_stats().repeated, 0);
}
