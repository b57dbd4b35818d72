//! Nobody, one and many who answer.

use std::collections::HashSet;
use std::time::Duration;

use eventhive::request::{End, Reply};
use eventhive::{EventName, Hive, HookError, Json, RemoteErrorKind, RequestError, RequestOptions};
use serde_json::{Value, json};

use crate::memory::{Memory, until};

use super::{Network, briefly, for_ever, nothing_is_left, soon, started};

/// Wires that tell how many receivers an event had.
async fn counting() -> Vec<Network> {
    vec![
        Network::memory(),
        Network::hub().await,
        Network::hub().await.with(", secret: s3"),
        #[cfg(feature = "redis")]
        Network::redis(""),
    ]
}

/// A hive that listens to `w` and answers `w/who` with this, after as long as it takes.
async fn saying(network: &Network, answer: i64) -> Hive {
    let hive = network.hive("w");
    hive.hook("w/who", async move |Json(_): Json<Value>| answer).unwrap();
    started(hive).await
}

fn values(replies: &[Reply]) -> HashSet<i64> {
    replies.iter().map(|reply| reply.value().unwrap()).collect()
}

#[tokio::test]
async fn that_nobody_listens_is_known_at_once() {
    for network in counting().await {
        let queen = network.started("").await;
        let error = soon(queen.request_with::<Value>(for_ever(), "net/w/x", json!({}))).await.unwrap_err();
        assert_eq!(error, RequestError::NoListener { event: EventName::new("net/w/x").unwrap() });
        let replies = soon(queen.request_all(for_ever(), "net/w/x", json!({}))).await.unwrap();
        let mut replies = replies;
        assert!(soon(replies.next()).await.is_none());
        assert_eq!(replies.end(), Some(&End::NoListener));
        drop(replies);
        nothing_is_left(&queen).await;
    }
}

#[tokio::test]
async fn that_nobody_who_listens_has_a_hook_is_known_at_once() {
    for network in counting().await {
        let (_one, _two, queen) = (network.started("w").await, network.started("w").await, network.started("").await);
        let error = soon(queen.request_with::<Value>(for_ever(), "net/w/x", json!({}))).await.unwrap_err();
        assert!(matches!(error, RequestError::NoListener { .. }), "{error:?}");
        let replies = soon(soon(queen.request_all(for_ever(), "net/w/x", json!({}))).await.unwrap().all()).await;
        assert!(replies.is_empty(), "{replies:?}");
    }
}

#[tokio::test]
async fn a_stream_of_the_event_is_no_listener_that_answers() {
    let network = Network::memory();
    let worker = network.hive("w");
    let mut seen = worker.stream("w/*").unwrap();
    let (_worker, queen) = (started(worker).await, network.started("").await);
    let error = soon(queen.request_with::<Value>(for_ever(), "net/w/x", json!({}))).await.unwrap_err();
    assert!(matches!(error, RequestError::NoListener { .. }), "{error:?}");
    assert_eq!(crate::memory::next(&mut seen).await.name().as_str(), "w/x");
}

#[tokio::test]
async fn a_hive_that_can_answer_wins_over_those_that_cannot() {
    for network in counting().await {
        let (_none, _one, _other) = (network.started("w").await, saying(&network, 7).await, network.started("w").await);
        let full = network.hive("w");
        full.on("w/who").mailbox(1).hook(async |Json(_): Json<Value>| std::future::pending::<()>().await).unwrap();
        let (_full, queen) = (started(full).await, network.started("").await);
        // The first two fill the mailbox and the hands of the hive that never answers.
        for _ in 0..4 {
            assert_eq!(soon(queen.request_with::<i64>(for_ever(), "net/w/who", json!({}))).await, Ok(7));
        }
    }
}

#[tokio::test]
async fn when_all_have_answered_and_none_could_the_error_says_the_most() {
    let network = Network::memory();
    let full = network.hive("w");
    full.on("w/who").mailbox(1).hook(async |Json(_): Json<Value>| std::future::pending::<()>().await).unwrap();
    let (_full, _none, queen) = (started(full).await, network.started("w").await, network.started("").await);
    let mut requests: Vec<_> =
        (0..4).map(|_| Box::pin(queen.request_with::<i64>(for_ever(), "net/w/who", json!({})))).collect();
    let (first, _, _) = soon(futures_util::future::select_all(requests.iter_mut())).await;
    match first {
        Err(RequestError::Remote(error)) => assert_eq!(error.kind(), &RemoteErrorKind::Busy),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn answers_of_all_hives_are_gathered_and_the_end_comes_with_the_last() {
    for network in counting().await {
        let (_one, _two, _three) = (saying(&network, 1).await, saying(&network, 2).await, saying(&network, 3).await);
        let (_none, queen) = (network.started("w").await, network.started("").await);
        let mut replies = soon(queen.request_all(for_ever(), "net/w/who", json!({}))).await.unwrap();
        let mut all = Vec::new();
        while let Some(reply) = soon(replies.next()).await {
            all.push(reply);
        }
        assert_eq!(replies.end(), Some(&End::AllAnswered));
        assert_eq!(values(&all), HashSet::from([1, 2, 3]));
        assert_eq!(all.iter().map(|reply| reply.from().unwrap()).collect::<HashSet<_>>().len(), 3);
        let two = soon(queen.request_all(for_ever().count(2), "net/w/who", json!({}))).await.unwrap();
        assert_eq!(values(&soon(two.all()).await).len(), 2);
        nothing_is_left(&queen).await;
    }
}

#[tokio::test]
async fn an_error_is_one_of_the_answers() {
    let network = Network::memory();
    let failing = network.hive("w");
    failing.hook("w/who", async |Json(_): Json<Value>| Err::<i64, _>(HookError::new("no"))).unwrap();
    let (_failing, _one, queen) = (started(failing).await, saying(&network, 1).await, network.started("").await);
    let all = soon(queen.request_all(for_ever(), "net/w/who", json!({}))).await.unwrap();
    let all = soon(all.all()).await;
    let errors: Vec<_> = all.iter().filter_map(|reply| reply.payload().err()).collect();
    assert_eq!((all.len(), errors.len(), errors[0].message()), (2, 1, "no"));
    assert_eq!(errors[0].from(), all.iter().find(|reply| reply.payload().is_err()).unwrap().from());
}

#[tokio::test]
async fn at_the_deadline_there_are_the_answers_that_came_until_then() {
    let network = Network::hub().await;
    let never = network.hive("w");
    never.hook("w/who", async |Json(_): Json<Value>| std::future::pending::<()>().await).unwrap();
    let (_never, _one, queen) = (started(never).await, saying(&network, 1).await, network.started("").await);
    let options = RequestOptions::new().within(Duration::from_secs(1));
    let mut replies = soon(queen.request_all(options, "net/w/who", json!({}))).await.unwrap();
    assert_eq!(soon(replies.next()).await.unwrap().value::<i64>(), Ok(1));
    assert!(soon(replies.next()).await.is_none() && replies.end() == Some(&End::Deadline));
    drop(replies);
    nothing_is_left(&queen).await;
}

#[tokio::test]
async fn a_local_event_answers_as_a_remote_one_does() {
    let hive = Hive::local().unwrap();
    hive.hook("here/double", async |Json(n): Json<i64>| n * 2).unwrap();
    hive.hook("here/never", async |Json(_): Json<Value>| std::future::pending::<()>().await).unwrap();
    hive.define("here/nobody", "").unwrap();
    assert_eq!(hive.request::<i64>("here/double", 4).await, Ok(8));
    let error = hive.request_with::<Value>(briefly(), "here/never", json!({})).await.unwrap_err();
    assert!(matches!(error, RequestError::TimedOut { published: true, .. }), "{error:?}");
    let error = hive.request::<Value>("here/nobody", ()).await.unwrap_err();
    assert!(matches!(error, RequestError::NoListener { .. }), "{error:?}");
    let error = hive.request::<Value>("here/doubel", ()).await.unwrap_err();
    assert!(error.to_string().contains("did you mean `here/double`?"), "{error}");
    let mut replies = hive.request_all(RequestOptions::new(), "here/double", 1).await.unwrap();
    assert_eq!(replies.next().await.unwrap().payload().unwrap().as_value(), Ok(&json!(2)));
    assert!(replies.next().await.is_none() && replies.end() == Some(&End::AllAnswered));
}

#[test]
fn a_request_needs_no_runtime_of_the_caller() {
    let hive = Hive::local().unwrap();
    hive.hook("here/double", |Json(n): Json<i64>| n * 2).unwrap();
    let asking = hive.clone();
    let answer = std::thread::spawn(move || block_on(asking.request::<i64>("here/double", 4)));
    assert_eq!(answer.join().unwrap(), Ok(8));
}

#[test]
fn a_request_of_a_plain_thread_leaves_no_subscription_behind() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (network, queen, _worker) = runtime.block_on(async {
        let memory = Memory::exact_only();
        let network = Network::of(&memory);
        let (worker, queen) = (saying(&network, 7).await, network.started("").await);
        (memory, queen, worker)
    });
    let before = network.hub.stats().subscriptions;
    assert_eq!(block_on(queen.request_with::<i64>(for_ever(), "net/w/who", json!({}))), Ok(7));
    runtime.block_on(until("it is unsubscribed", || network.hub.stats().subscriptions == before));
}

#[test]
fn answers_may_be_waited_for_longer_than_the_hive_lives() {
    let hive = Hive::local().unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let (begin, begun) = std::sync::mpsc::channel();
    // It blocks a thread that does not end with the hive.
    let slow = move |Json(_): Json<Value>| {
        begin.send(()).unwrap();
        let _ = held.lock().unwrap().recv();
    };
    hive.hook("here/slow", slow).unwrap();
    let mut replies = block_on(hive.request_all(for_ever(), "here/slow", json!({}))).unwrap();
    begun.recv().unwrap();
    block_on(hive.stop(Duration::ZERO));
    drop(hive);
    assert!(block_on(replies.next()).is_none());
    assert_eq!(replies.end(), Some(&End::Failed(RequestError::Stopped)));
    drop(release);
}

/// As a caller with an executor of its own would.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Thread(std::thread::Thread);
    impl std::task::Wake for Thread {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Thread(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(done) => return done,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}
