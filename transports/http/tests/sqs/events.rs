//! What messages become.

use std::sync::Arc;
use std::time::SystemTime;

use eventhive_http::Config;
use eventhive_http::access::{Access, Users};
use eventhive_hub::{BacklogBounds, Hub, HubSettings, PublicCursor};
use serde_json::{Value, json};

use crate::hive::Hive;
use crate::moto::Moto;
use crate::support::until;

fn keys(event: &Value) -> Vec<&str> {
    event.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn messages_of_several_queues_become_events_decorated_as_those_of_publishers() {
    let moto = Moto::shared().await;
    let (one, two) = (moto.created("several-one").await, moto.created("several-two").await);
    let hive = Hive::reading([one.read_at(&moto.url(), true), two.read_at(&moto.url(), true)]);
    let (mut of_one, mut of_two) = (hive.stream("/one").await, hive.stream("/two").await);
    let began = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();

    one.send(r#"{"b":1,"pubsub_path":"/one//x","a":"ä","pubsub_topics":"forged"}"#).await;
    two.send(r#"{"n":2.50,"pubsub_path":"/two"}"#).await;

    let event = of_one.event().await;
    // The path keeps its place among the keys, and so does what the publisher had no business to write.
    assert_eq!(keys(&event), ["b", "pubsub_path", "a", "pubsub_topics", "pubsub_timestamp", "pubsub_cursor"]);
    assert_eq!((&event["b"], &event["a"]), (&json!(1), &json!("ä")));
    assert_eq!(event["pubsub_path"], "/one//x");
    assert_eq!(event["pubsub_topics"], json!(["one", "x"]));
    assert!(event["pubsub_timestamp"].as_f64().unwrap() >= began);
    event["pubsub_cursor"].as_str().unwrap().parse::<PublicCursor>().unwrap();

    let event = of_two.event().await;
    assert_eq!((&event["n"], &event["pubsub_topics"]), (&json!(2.5), &json!(["two"])));
    hive.until("they are counted", |stats| stats.published == 2).await;
}

#[tokio::test]
async fn the_path_is_taken_to_the_letter_and_is_the_root_where_there_is_none() {
    let moto = Moto::shared().await;
    let queue = moto.created("paths").await;
    let hive = Hive::reading([queue.read_at(&moto.url(), true)]);
    let mut stream = hive.stream("/").await;
    for (body, path, topics) in [
        (r#"{"n":1}"#, "/", json!([])),
        (r#"{"pubsub_path":"no/slash"}"#, "no/slash", json!(["no", "slash"])),
        (r#"{"pubsub_path":"/a%2Fb"}"#, "/a%2Fb", json!(["a%2Fb"])),
        (r#"{"pubsub\u005fpath":"/\u00e4/"}"#, "/ä/", json!(["ä"])),
    ] {
        queue.send(body).await;
        let event = stream.event().await;
        assert_eq!((&event["pubsub_path"], &event["pubsub_topics"]), (&json!(path), &topics), "{body}");
    }
}

#[tokio::test]
async fn messages_to_private_paths_are_seen_by_those_with_the_right_alone() {
    let moto = Moto::shared().await;
    let queue = moto.created("private").await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "me:\n  password: mine\n  acl: {some: [tests]}\n").unwrap();
    let access =
        Access { users: Some(Arc::new(Users::open(Some(file.path().to_owned()), None).unwrap())), ..Access::default() };
    let queues = vec![queue.read_at(&moto.url(), true)];
    let hive = Hive::on(Hub::new(HubSettings::default()), Config { access, queues, ..Config::default() });
    let mut stranger = hive.stream("/tests").await;
    // me:mine
    let mut me = hive.stream_with("/tests", "Authorization: Basic bWU6bWluZQ==\r\n").await;

    queue.send(r#"{"n":1,"pubsub_path":"/private/tests/1"}"#).await;
    let event = me.event().await;
    assert_eq!((&event["pubsub_path"], &event["n"]), (&json!("/private/tests/1"), &json!(1)));
    assert_eq!(event["pubsub_topics"], json!(["tests", "1"]));
    queue.send(r#"{"n":2,"pubsub_path":"private/tests"}"#).await;
    assert_eq!(me.event().await["n"], 2);
    queue.send(r#"{"n":3,"pubsub_path":"/tests/private"}"#).await;
    assert_eq!((me.event().await["n"].clone(), stranger.event().await["n"].clone()), (json!(3), json!(3)));
}

#[tokio::test]
async fn the_backlog_keeps_no_more_of_a_queue_than_of_anyone() {
    let moto = Moto::shared().await;
    let queue = moto.created("backlog").await;
    for number in 0..10 {
        queue.send(format!("{{\"n\":{number}}}")).await;
    }
    let backlog = BacklogBounds { messages: 3, ..BacklogBounds::default() };
    let hub = Hub::new(HubSettings { backlog, ..HubSettings::default() });
    let hive = Hive::on(hub, Config { queues: vec![queue.read_at(&moto.url(), true)], ..Config::default() });
    hive.until("all are published", |stats| stats.published == 10).await;
    let mut stream = hive.stream("/").await;
    let mut replayed = Vec::new();
    loop {
        let line = stream.line().await;
        if line.get("stillalive").is_some() {
            break;
        }
        replayed.push(line["n"].as_u64().unwrap());
    }
    assert_eq!(replayed, [7, 8, 9]);
}

#[tokio::test]
async fn a_message_that_is_no_event_is_left_out_and_ends_nothing() {
    let moto = Moto::shared().await;
    for delete in [true, false] {
        let queue = moto.created(&format!("bad-{delete}")).await;
        let too_long = format!("{{\"pubsub_path\":\"/{}\"}}", "t".repeat(9000));
        let too_large = format!("{{\"text\":\"{}\"}}", "x".repeat(20_000));
        let bad = ["no JSON", "[1]", "3", r#"{"a":NaN}"#, r#"{"pubsub_path":3}"#, &too_long, &too_large];
        for body in bad {
            queue.send(body).await;
        }
        queue.send(r#"{"n":"good"}"#).await;
        let queues = vec![queue.read_at(&moto.url(), delete)];
        let config = Config { queues, max_payload: 10_000, ..Config::default() };
        let hive = Hive::on(Hub::new(HubSettings::default()), config);
        assert_eq!(hive.stream("/").await.event().await["n"], "good");
        hive.until("all bad ones are told", |stats| stats.bad == 7).await;
        if delete {
            queue.until_size(0).await;
        } else {
            // They come again, and are not told again.
            hive.until("they come again", |stats| stats.repeated >= 8).await;
            assert_eq!(hive.door.queue_stats().bad, 7);
            assert_eq!(queue.size().await, 8);
        }
    }
}

#[tokio::test]
async fn a_queue_is_read_by_one_reader_in_requests_of_ten_messages_that_wait() {
    let moto = Moto::shared().await;
    let queue = moto.created("one-reader").await;
    let proxy = crate::proxy::Proxy::start(moto.address()).await;
    let hive = Hive::reading([queue.read_at(&proxy.url(), true)]);
    proxy.until_asked("ReceiveMessage", 3).await;
    until("nothing else is looked up", || proxy.asked("GetQueueUrl").len() == 1).await;
    for asked in proxy.asked("ReceiveMessage") {
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        assert_eq!((&body["MaxNumberOfMessages"], &body["WaitTimeSeconds"]), (&json!(10), &json!(1)));
    }
    assert_eq!(hive.door.queue_stats().failures, 0);
}
