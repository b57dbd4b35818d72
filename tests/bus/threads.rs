//! Where hooks run, and who may call.

use std::time::Duration;

use eventhive::{CallError, Hive, Outcome, Skip, Status};
use serde_json::json;

use crate::support::{bare, soon};

#[test]
fn plain_threads_call_and_wait() {
    let hive = bare();
    hive.hook("async", async || 1).unwrap();
    hive.hook("sync", || 2).unwrap();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let hive = hive.clone();
            std::thread::spawn(move || {
                for _ in 0..100 {
                    assert_eq!(hive.call_blocking("async", ()).unwrap().value(), Some(&json!(1)));
                    assert_eq!(hive.call_blocking("sync", ()).unwrap().value(), Some(&json!(2)));
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokio_tasks_on_many_threads_call_and_wait() {
    let hive = bare();
    hive.hook("a", async || std::thread::current().name().map(str::to_owned)).unwrap();
    let calls = (0..50).map(|_| {
        let hive = hive.clone();
        tokio::spawn(async move { hive.call("a", ()).await.unwrap() })
    });
    for call in calls.collect::<Vec<_>>() {
        let outcomes = soon(call).await.unwrap();
        let thread = outcomes.value().unwrap().as_str().unwrap();
        assert!(thread == "eventhive" || thread.starts_with("actix-rt"), "{thread}");
    }
}

#[actix_rt::test]
async fn inside_a_running_system_hooks_run_on_its_thread() {
    let hive = bare();
    let here = std::thread::current().id();
    hive.hook("a", async move || std::thread::current().id() == here).unwrap();
    assert_eq!(soon(hive.call("a", ())).await.unwrap().value(), Some(&json!(true)));
}

#[actix_rt::test]
async fn a_blocking_call_that_would_wait_for_itself_is_refused() {
    let hive = bare();
    hive.hook("a", async || ()).unwrap();
    assert_eq!(hive.call_blocking("a", ()).unwrap_err(), CallError::WouldBlock);
}

#[actix_rt::test]
async fn threads_of_its_own_can_be_asked_for() {
    let hive = Hive::builder().declared_hooks(false).threads(2).build().unwrap();
    let here = std::thread::current().id();
    hive.hook("a", async move || std::thread::current().id() != here).unwrap();
    assert_eq!(hive.call_blocking("a", ()).unwrap().value(), Some(&json!(true)));
}

#[test]
fn a_system_that_has_ended_is_not_mistaken_for_a_running_one() {
    actix::System::new().block_on(async {
        bare();
        actix::System::current().stop();
    });
    let hive = bare();
    hive.hook("a", async || 1).unwrap();
    assert!(hive.call_blocking("a", ()).unwrap().is_ok());
}

#[test]
fn callers_learn_when_the_thread_of_a_hook_has_ended() {
    let system = actix::System::new();
    let hive = system.block_on(async { bare() });
    system.block_on(async { hive.hook("a", std::future::pending::<()>).unwrap() });
    let caller = hive.clone();
    let waiting = std::thread::spawn(move || caller.call_blocking("a", ()).unwrap());
    system.block_on(crate::support::until(|| hive.hooks()[0].stats.waiting == 0));
    drop(system);
    let closed = |outcomes: &[Outcome]| matches!(outcomes[0].status(), Status::Skipped(Skip::Closed));
    assert!(closed(&waiting.join().unwrap()));
    let late = std::thread::spawn(move || hive.call_blocking("a", ()).unwrap());
    assert!(closed(&late.join().unwrap()));
}

#[tokio::test]
async fn stop_lets_the_hooks_finish_and_says_whether_they_did() {
    let hive = bare();
    let hook = hive.hook("a", async || tokio::task::yield_now().await).unwrap();
    for _ in 0..100 {
        hive.emit("a", ()).unwrap();
    }
    assert!(soon(hive.stop(Duration::from_secs(10))).await);
    assert_eq!(hook.stats().handled, 100);
    let outcomes = soon(hive.call("a", ())).await.unwrap();
    assert_eq!(outcomes[0].status(), &Status::Skipped(Skip::Closed));

    let hive = bare();
    hive.hook("a", std::future::pending::<()>).unwrap();
    hive.emit("a", ()).unwrap();
    assert!(!soon(hive.stop(Duration::from_millis(20))).await);
}

#[tokio::test]
async fn the_hooks_of_a_dropped_hive_handle_what_waits() {
    let hive = bare();
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    hive.hook("a", move || {
        let sender = sender.clone();
        async move {
            tokio::task::yield_now().await;
            sender.send(()).unwrap();
        }
    })
    .unwrap();
    for _ in 0..50 {
        hive.emit("a", ()).unwrap();
    }
    drop(hive);
    let mut handled = 0;
    while soon(receiver.recv()).await.is_some() {
        handled += 1;
    }
    assert_eq!(handled, 50);
}
