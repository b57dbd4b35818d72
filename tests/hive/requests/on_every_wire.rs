//! What holds whatever the wire.

use std::time::{Duration, SystemTime};

use eventhive::{Event, Hive, HookError, Json, RemoteErrorKind, RequestError, RequestOptions};
use serde_json::{Value, json};

use super::{Network, nothing_is_left, started, stats};

/// One test a case and wire.
macro_rules! on_every_wire {
    ($($case:ident),* $(,)?) => { $(
        mod $case {
            use super::Network;
            #[tokio::test]
            async fn in_memory() { super::$case(Network::memory()).await }
            #[tokio::test]
            async fn in_memory_by_exact_topics() {
                super::$case(Network::of(&crate::memory::Memory::exact_only())).await
            }
            #[tokio::test]
            async fn in_memory_where_nobody_hears_himself() {
                super::$case(Network::of(&crate::memory::Memory::deaf_to_itself())).await
            }
            #[tokio::test]
            async fn through_a_hub() { super::$case(Network::hub().await).await }
            #[tokio::test]
            async fn through_a_hub_sealed() { super::$case(Network::hub().await.with(", secret: s3")).await }
            #[tokio::test]
            async fn through_a_hub_sealed_as_python_does() {
                super::$case(Network::hub().await.with(", secret: s3, cipher: eventhive-0.5")).await
            }
            #[tokio::test]
            async fn through_a_server_that_knows_no_patterns() { super::$case(Network::disguised().await).await }
            #[cfg(feature = "redis")]
            #[tokio::test]
            async fn over_redis() { super::$case(Network::redis("").with(", secret: s3")).await }
            #[cfg(feature = "redis")]
            #[tokio::test]
            async fn over_redis_streams() { super::$case(Network::redis(", mode: streams")).await }
        }
    )* };
}

on_every_wire!(
    a_request_gets_what_the_hook_returned,
    an_error_of_the_handler_arrives_with_its_kind,
    a_hive_answers_itself,
    many_requests_at_once_each_get_their_own_answer,
    the_deadline_travels_with_the_request,
    no_answer_in_time_is_an_error_and_leaves_nothing_behind,
);

/// A hive that listens to `w` with the hooks that the cases need, and one that only asks.
async fn pair(network: &Network) -> (Hive, Hive) {
    let worker = network.hive("w");
    hook_up(&worker);
    (started(worker).await, network.started("").await)
}

fn hook_up(worker: &Hive) {
    worker
        .on("w/double")
        .mailbox(20_000)
        .hook(async |Json(json): Json<Value>| json["n"].as_i64().map(|n| n * 2))
        .unwrap();
    worker.hook("w/fail", fail).unwrap();
    worker.hook("w/picky", async |Json(_): Json<Vec<u8>>| {}).unwrap();
    worker.hook("w/panic", async |Json(_): Json<Value>| -> () { panic!("ouch") }).unwrap();
    worker.hook("w/never", async |Json(_): Json<Value>| std::future::pending::<()>().await).unwrap();
    worker.hook("w/deadline", deadline).unwrap();
}

async fn fail(_: Event) -> Result<(), HookError> {
    Err(HookError::new("no honey").with_code("empty"))
}

async fn deadline(event: Event) -> Option<f64> {
    Some(event.deadline()?.duration_since(SystemTime::now()).ok()?.as_secs_f64())
}

async fn a_request_gets_what_the_hook_returned(network: Network) {
    let (worker, queen) = pair(&network).await;
    for n in 0..3 {
        assert_eq!(queen.request::<i64>("net/w/double", json!({"n": n})).await, Ok(n * 2));
    }
    let misfit = queen.request::<String>("net/w/double", json!({"n": 1})).await.unwrap_err();
    assert!(matches!(&misfit, RequestError::Answer { .. }), "{misfit}");
    nothing_is_left(&queen).await;
    assert_eq!((stats(&queen).requests, stats(&queen).replies), (4, 4));
    assert_eq!((stats(&worker).requests_received, stats(&worker).requests_answered), (4, 4));
}

async fn an_error_of_the_handler_arrives_with_its_kind(network: Network) {
    let (_worker, queen) = pair(&network).await;
    let error = |name: &'static str| {
        let queen = queen.clone();
        async move {
            match queen.request::<Value>(&format!("net/w/{name}"), json!({"a": 1})).await {
                Err(RequestError::Remote(error)) => error,
                other => panic!("{name}: {other:?}"),
            }
        }
    };
    let failed = error("fail").await;
    assert_eq!((failed.kind(), failed.message(), failed.code()), (&RemoteErrorKind::Failed, "no honey", Some("empty")));
    assert!(failed.from().is_some() && failed.hook().is_some());
    let refused = error("picky").await;
    assert_eq!((refused.kind(), refused.field()), (&RemoteErrorKind::Misfit, Some(".")));
    let panicked = error("panic").await;
    assert_eq!((panicked.kind(), panicked.message()), (&RemoteErrorKind::Panicked, "ouch"));
}

async fn a_hive_answers_itself(network: Network) {
    let hive = network.hive("w");
    hook_up(&hive);
    let hive = started(hive).await;
    assert_eq!(hive.request::<i64>("net/w/double", json!({"n": 4})).await, Ok(8));
}

async fn many_requests_at_once_each_get_their_own_answer(network: Network) {
    let (_worker, queen) = pair(&network).await;
    let requests = (0..1000).map(|n| {
        let queen = queen.clone();
        tokio::spawn(async move { (n, queen.request::<i64>("net/w/double", json!({"n": n})).await) })
    });
    for request in requests.collect::<Vec<_>>() {
        let (n, answer) = request.await.unwrap();
        assert_eq!(answer, Ok(n * 2));
    }
    nothing_is_left(&queen).await;
}

async fn the_deadline_travels_with_the_request(network: Network) {
    let (_worker, queen) = pair(&network).await;
    let options = RequestOptions::new().within(Duration::from_secs(300));
    let left: f64 = queen.request_with(options, "net/w/deadline", json!({})).await.unwrap();
    assert!((200.0..=301.0).contains(&left), "{left}");
}

async fn no_answer_in_time_is_an_error_and_leaves_nothing_behind(network: Network) {
    let (_worker, queen) = pair(&network).await;
    let options = RequestOptions::new().within(Duration::from_millis(300));
    let error = queen.request_with::<Value>(options, "net/w/never", json!({})).await.unwrap_err();
    assert!(matches!(error, RequestError::TimedOut { published: true, .. }), "{error:?}");
    nothing_is_left(&queen).await;
}
