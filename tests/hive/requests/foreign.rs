//! Answers that others write: hives in other languages, and those who would like to be one.

use eventhive::envelope::{Cipher, Envelope, ReplayWindow};
use eventhive::{Event, EventStream, Hive, RequestError};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::{Network, briefly, for_ever, nothing_is_left, soon, started, stats};
use crate::memory::{Memory, next, until};

type Asked = JoinHandle<Result<Value, RequestError>>;

/// A hive that has asked, the request as the other end sees it, and the broker between them.
struct Scene {
    memory: Memory,
    queen: Hive,
    worker: Hive,
    events: EventStream,
}

impl Scene {
    async fn new(extra: &'static str) -> Self {
        Self::on(Memory::new(), extra).await
    }

    /// Where the broker does not count, so that nobody is known to be the last to answer.
    async fn uncounted() -> Self {
        Self::on(Memory::deaf_to_itself(), "").await
    }

    async fn on(memory: Memory, extra: &'static str) -> Self {
        let network = Network::of(&memory).with(extra);
        let worker = network.hive("w");
        let events = worker.stream("w/*").unwrap();
        // It hears the request, and leaves the answer to the test.
        worker.hook("w/x", async |_: Event| std::future::pending::<()>().await).unwrap();
        let (worker, queen) = (started(worker).await, network.started("").await);
        Self { memory, queen, worker, events }
    }

    async fn ask(&mut self) -> (Asked, Event) {
        let queen = self.queen.clone();
        let asked = tokio::spawn(async move { queen.request_with(for_ever(), "net/w/x", json!({})).await });
        (asked, next(&mut self.events).await)
    }

    fn answer(&self, request: &Event, text: impl Into<bytes::Bytes>) {
        self.memory.publish(request.reply_to().unwrap(), text);
    }
}

fn metadata(request: &Event, from: &str, reply: &str) -> Value {
    json!({"id": uuid::Uuid::new_v4(), "in_reply_to": request.metadata().id, "from": from, "reply": reply})
}

#[tokio::test]
async fn every_answer_of_the_vectors_is_read_as_it_should() {
    let vectors: Value = serde_json::from_str(include_str!("../../vectors/replies.json")).unwrap();
    let mut scene = Scene::new("").await;
    for vector in vectors["answers"].as_array().unwrap() {
        let name = &vector["name"];
        let (asked, request) = scene.ask().await;
        let text = vector["message"].to_string().replace("REQUEST-ID", &request.metadata().id);
        scene.answer(&request, text);
        if vector["dropped"] == true {
            until("it is refused", || stats(&scene.queen).refused == 1).await;
            scene.answer(&request, "{}");
            assert_eq!(soon(asked).await.unwrap(), Ok(json!({})), "{name}");
            continue;
        }
        let expected = &vector["error"];
        match soon(asked).await.unwrap() {
            Ok(value) => assert_eq!(value, vector["value"], "{name}"),
            Err(RequestError::Remote(error)) => {
                assert_eq!(error.kind().word(), expected["kind"], "{name}");
                assert_eq!(error.message(), expected["message"], "{name}");
                assert_eq!(json!(error.code()), expected["code"], "{name}");
                assert_eq!(json!(error.field()), expected["field"], "{name}");
                assert_eq!(json!(error.hook()), expected["hook"], "{name}");
            }
            Err(error) => panic!("{name}: {error:?}"),
        }
    }
}

#[tokio::test]
async fn every_request_of_the_vectors_is_answered_as_it_says() {
    let vectors: Value = serde_json::from_str(include_str!("../../vectors/replies.json")).unwrap();
    let memory = Memory::new();
    let asker = Network::of(&memory).hive("inbox-5f1d");
    let mut answers = asker.stream("inbox-5f1d/*").unwrap();
    let worker = Network::of(&memory).hive("w");
    worker
        .hook("w/add", async |eventhive::Json(json): eventhive::Json<Value>| {
            Some(json["a"].as_i64()? + json["b"].as_i64()?)
        })
        .unwrap();
    let (_asker, _worker) = (started(asker).await, started(worker).await);
    for vector in vectors["requests"].as_array().unwrap() {
        memory.publish(vector["topic"].as_str().unwrap(), vector["message"].to_string());
        let answer = next(&mut answers).await;
        assert_eq!(answer.metadata().event, vector["answer"]["topic"].as_str().unwrap());
        assert_eq!(answer.payload().as_value().unwrap(), &vector["answer"]["payload"]);
    }
}

#[tokio::test]
async fn a_second_answer_of_a_hive_and_a_repeated_one_are_dropped_and_counted() {
    let mut scene = Scene::uncounted().await;
    let queen = scene.queen.clone();
    let mut replies = soon(queen.request_all(for_ever().count(2), "net/w/x", json!({}))).await.unwrap();
    let request = next(&mut scene.events).await;
    let answer = |from: &str, value: i64| {
        json!({"value": value, "__eventhive__": metadata(&request, from, "value")}).to_string()
    };
    let (first, second) = (answer("one", 1), answer("one", 2));
    for text in [first.clone(), first, second, answer("two", 3)] {
        scene.answer(&request, text);
    }
    let values = [soon(replies.next()).await.unwrap(), soon(replies.next()).await.unwrap()];
    assert_eq!(values.each_ref().map(|reply| reply.from()), [Some("one"), Some("two")]);
    assert_eq!(
        values.each_ref().map(|reply| reply.payload().unwrap().as_value().unwrap().as_i64()),
        [Some(1), Some(3)]
    );
    assert!(soon(replies.next()).await.is_none());
    drop(replies);
    scene.answer(&request, answer("three", 4));
    until("the last is late", || stats(&queen).replies_late == 1).await;
    assert_eq!((stats(&queen).replies, stats(&queen).replies_repeated), (2, 2));
    nothing_is_left(&queen).await;
}

#[tokio::test]
async fn an_answer_whose_hive_has_an_endless_id_is_refused() {
    let mut scene = Scene::uncounted().await;
    let (asked, request) = scene.ask().await;
    for (from, value) in [("x".repeat(65), 1), ("x".repeat(64), 2)] {
        let answer = json!({"value": value, "__eventhive__": metadata(&request, &from, "value")});
        scene.answer(&request, answer.to_string());
    }
    assert_eq!(soon(asked).await.unwrap(), Ok(json!(2)));
    assert_eq!((stats(&scene.queen).refused, stats(&scene.queen).replies), (1, 1));
}

#[tokio::test]
async fn answers_that_say_nothing_of_their_hive_are_told_apart_by_their_id() {
    let mut scene = Scene::uncounted().await;
    let mut replies = soon(scene.queen.request_all(for_ever(), "net/w/x", json!({}))).await.unwrap();
    let request = next(&mut scene.events).await;
    let python = json!({"n": 1, "__eventhive__": {"id": uuid::Uuid::new_v4(), "event": "e"}}).to_string();
    scene.answer(&request, python.clone());
    let reply = soon(replies.next()).await.unwrap();
    assert_eq!((reply.from(), reply.payload().unwrap().as_value().unwrap()), (None, &json!({"n": 1})));
    scene.answer(&request, python);
    until("a repeated one is known", || {
        let _ = futures_util::FutureExt::now_or_never(replies.next());
        stats(&scene.queen).replies_repeated == 1
    })
    .await;
}

#[tokio::test]
async fn with_a_secret_nothing_else_is_taken_for_an_answer() {
    for (extra, cipher) in
        [(", secret: s3", Cipher::Aes256Gcm), (", secret: s3, cipher: eventhive-0.5", Cipher::Eventhive05)]
    {
        let mut scene = Scene::new(extra).await;
        let (asked, request) = scene.ask().await;
        let forged = json!({"value": 1, "__eventhive__": metadata(&request, "me", "value")}).to_string();
        scene.answer(&request, forged.clone());
        let sealed = |secret: &str, topic: &str| {
            let envelope = Envelope::plain("__eventhive__", true);
            let secret = [Zeroizing::new(secret.to_owned())];
            let envelope = envelope.sealed(cipher, &secret, ReplayWindow::default()).unwrap();
            let mut metadata = request.metadata().clone();
            metadata.exchange = None;
            envelope.seal(topic, &forged.clone().into(), &metadata).unwrap()
        };
        let reply_to = request.reply_to().unwrap();
        scene.answer(&request, sealed("other", reply_to));
        let mut refused = 2;
        if cipher == Cipher::Aes256Gcm {
            // Made for another topic, by somebody who has the secret.
            scene.answer(&request, sealed("s3", "net/w/x"));
            refused = 3;
        }
        until("the forgeries are refused", || stats(&scene.queen).refused == refused).await;
        assert!(!asked.is_finished());
        asked.abort();
        scene.worker.stop(std::time::Duration::ZERO).await;
    }
}

#[tokio::test]
async fn a_sealed_answer_that_the_broker_delivers_twice_is_repeated_and_not_refused() {
    let mut scene = Scene::on(Memory::deaf_to_itself(), ", secret: s3").await;
    let queen = scene.queen.clone();
    let replies = soon(queen.request_all(for_ever().count(2), "net/w/x", json!({}))).await.unwrap();
    let request = next(&mut scene.events).await;
    let envelope = Envelope::plain("__eventhive__", true)
        .sealed(Cipher::Aes256Gcm, &[Zeroizing::new("s3".to_owned())], ReplayWindow::default())
        .unwrap();
    let sealed = |from: &str, value: i64| {
        let mut metadata = request.metadata().clone();
        metadata.id = uuid::Uuid::new_v4().to_string();
        let in_reply_to = request.metadata().id.clone();
        let exchange = eventhive::Exchange::Reply { in_reply_to, from: Some(from.to_owned()), is_error: false };
        metadata.exchange = Some(Box::new(exchange));
        let text = json!({"value": value}).to_string();
        envelope.seal(request.reply_to().unwrap(), &text.into(), &metadata).unwrap()
    };
    let first = sealed("one", 1);
    for text in [first.clone(), first, sealed("two", 2)] {
        scene.answer(&request, text);
    }
    assert_eq!(soon(replies.all()).await.len(), 2);
    assert_eq!((stats(&queen).replies, stats(&queen).replies_repeated, stats(&queen).refused), (2, 1, 0));
}

#[tokio::test]
async fn an_answer_runs_no_hooks_and_the_inbox_of_another_is_not_heard() {
    let mut scene = Scene::new("").await;
    let mut everything = scene.queen.stream("*").unwrap();
    let (asked, request) = scene.ask().await;
    scene.memory.publish("net/inbox-other/1", "{}");
    scene.memory.publish(&format!("{}x", request.reply_to().unwrap()), "{}");
    until("it is for nobody", || stats(&scene.queen).replies_late == 1).await;
    scene.answer(&request, r#"{"done": true}"#);
    assert_eq!(soon(asked).await.unwrap(), Ok(json!({"done": true})));
    assert_eq!(next(&mut everything).await.name().as_str(), "net/w/x", "what was called, and no answer");
    assert!(futures_util::FutureExt::now_or_never(everything.next()).is_none());
}

#[tokio::test]
async fn a_flood_of_answers_does_not_move_the_deadline() {
    const FLOOD: usize = 20_000;
    // Answers of nobody in particular, which all count; and ones that are none, which do not.
    for (text, is_answer) in [("{}", true), ("nonsense", false)] {
        let mut scene = Scene::uncounted().await;
        let replies = soon(scene.queen.request_all(briefly(), "net/w/x", json!({}))).await.unwrap();
        let over = std::time::Instant::now() + std::time::Duration::from_millis(400);
        let request = next(&mut scene.events).await;
        let late = stats(&scene.queen).replies_late;
        (0..FLOOD).for_each(|_| scene.answer(&request, text));
        // The asker does not come to look before its deadline is over and all are there: one for nobody comes behind them.
        scene.memory.publish(&format!("{}x", request.reply_to().unwrap()), text);
        until("all are there", || stats(&scene.queen).replies_late > late).await;
        until("the deadline is over", || std::time::Instant::now() > over).await;
        let answers = soon(replies.all()).await;
        let seen = stats(&scene.queen).replies + stats(&scene.queen).refused;
        assert!(seen > 0 && seen < FLOOD as u64, "{text}: {seen} of {FLOOD} were looked at");
        assert_eq!(answers.is_empty(), !is_answer, "{text}");
        assert_eq!(stats(&scene.queen).replies_late, late + 1, "{text}");
    }
}

#[tokio::test]
async fn a_hive_that_does_not_look_at_the_metadata_costs_the_asker_its_deadline() {
    let mut scene = Scene::new("").await;
    let error = scene.queen.request_with::<Value>(briefly(), "net/w/x", json!({})).await.unwrap_err();
    assert!(matches!(error, RequestError::TimedOut { published: true, .. }), "{error:?}");
    assert_eq!(next(&mut scene.events).await.name().as_str(), "w/x");
}
