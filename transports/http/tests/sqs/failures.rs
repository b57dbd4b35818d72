//! What does not end a reader.

use eventhive_http::sqs::QueueConfig;

use crate::hive::Hive;
use crate::moto::Moto;
use crate::proxy::Proxy;

#[tokio::test]
async fn a_queue_that_is_not_there_yet_is_read_when_it_is() {
    let moto = Moto::shared().await;
    let queue = moto.queue("later");
    let hive = Hive::reading([queue.read_at(&moto.url(), true)]);
    let mut stream = hive.stream("/").await;
    hive.until("it is missed", |stats| stats.failures >= 1).await;
    queue.create(1).await;
    queue.send(r#"{"n":1}"#).await;
    assert_eq!(stream.event().await["n"], 1);
}

#[tokio::test]
async fn a_server_that_goes_down_and_comes_back_without_its_queue_is_read_again() {
    let moto = Moto::start().await;
    let queue = moto.created("restarted").await;
    // By its URL, which is not looked up.
    let by_url = QueueConfig { queue: queue.url.clone(), ..queue.read_at(&moto.url(), true) };
    let hive = Hive::reading([queue.read_at(&moto.url(), true), by_url]);
    let mut stream = hive.stream("/").await;
    queue.send(r#"{"n":1}"#).await;
    assert_eq!(stream.event().await["n"], 1);

    moto.kill();
    hive.until("both readers notice", |stats| stats.failures >= 2).await;
    moto.resume().await;
    queue.create(1).await;
    for number in 2..12 {
        queue.send(format!("{{\"n\":{number}}}")).await;
    }
    for number in 2..12 {
        assert_eq!(stream.event().await["n"], number);
    }
}

#[tokio::test]
async fn whatever_a_server_answers_the_reader_goes_on() {
    let moto = Moto::shared().await;
    let queue = moto.created("refusing").await;
    let proxy = Proxy::start(moto.address()).await;
    let answers = [
        ("403 Forbidden", r#"{"__type":"com.amazonaws.sqs#AccessDenied","message":"you may not"}"#),
        ("400 Bad Request", r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"gone"}"#),
        ("200 OK", "this is no JSON"),
    ];
    proxy.answer("ReceiveMessage", answers[0]);
    let hive = Hive::reading([queue.read_at(&proxy.url(), true)]);
    let mut stream = hive.stream("/").await;
    for (number, answer) in answers.into_iter().enumerate() {
        proxy.answer("ReceiveMessage", answer);
        let so_far = hive.door.queue_stats().failures;
        hive.until("it fails", |stats| stats.failures > so_far).await;
        proxy.pass("ReceiveMessage");
        queue.send(format!("{{\"n\":{number}}}")).await;
        assert_eq!(stream.event().await["n"], number, "after {answer:?}");
    }
}
