//! A panic or a stall of one hook costs no other hook anything.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};

use eventhive::{Event, Json, Status};
use serde_json::json;

use crate::support::{Log, bare, soon, until};

#[tokio::test]
async fn a_panicked_hook_is_restarted_and_keeps_its_mailbox() {
    let hive = bare();
    let log = Log::default();
    let (seen, gate) = (log.clone(), Arc::new(tokio::sync::Semaphore::new(0)));
    let open = gate.clone();
    let hook = hive
        .hook("a", move |Json(n): Json<u64>| {
            let (seen, gate) = (seen.clone(), gate.clone());
            async move {
                gate.acquire().await.unwrap().forget();
                assert!(n != 1, "event {n} is too much");
                seen.add(n.to_string());
            }
        })
        .unwrap();
    for n in 0..4 {
        hive.emit("a", n).unwrap();
    }
    open.add_permits(100);
    until(|| log.lines() == ["0", "2", "3"]).await;
    let outcomes = soon(hive.call("a", 1)).await.unwrap();
    assert_eq!(outcomes[0].status(), &Status::Panicked("event 1 is too much".into()));
    assert!(soon(hive.call("a", 5)).await.unwrap().is_ok());
    let stats = hook.stats();
    assert_eq!((stats.handled, stats.panicked, stats.restarts), (4, 2, 2));
}

#[tokio::test]
async fn a_panic_of_a_blocking_hook_is_an_outcome_too_and_others_run_on() {
    let hive = bare();
    hive.hook("a", |Json(n): Json<u64>| {
        if n == 1 {
            panic!("blocked")
        }
        n
    })
    .unwrap();
    hive.hook("a", || -> u64 { std::panic::panic_any(3) }).unwrap();
    hive.hook("a", || 7).unwrap();
    let outcomes = soon(hive.call("a", 1)).await.unwrap();
    assert_eq!(outcomes[0].status(), &Status::Panicked("blocked".into()));
    assert_eq!(outcomes[1].status(), &Status::Panicked("(no message)".into()));
    assert_eq!(outcomes[2].value(), Some(&json!(7)));
    assert_eq!(soon(hive.call("a", 2)).await.unwrap()[0].value(), Some(&json!(2)));
}

#[tokio::test]
async fn blocked_hooks_cost_no_other_hook_anything_however_many_they_are() {
    // More than tokio's own pool for blocking work has threads.
    const BLOCKED: usize = 600;
    let hive = bare();
    let (release, wait) = mpsc::channel::<()>();
    let wait = Arc::new(std::sync::Mutex::new(wait));
    let blocked = Arc::new(AtomicUsize::new(0));
    for _ in 0..BLOCKED {
        let (wait, blocked) = (wait.clone(), blocked.clone());
        hive.hook("block", move || {
            blocked.fetch_add(1, Ordering::SeqCst);
            // All wait for the lock but one, which waits for the word.
            let _ = wait.lock().unwrap().recv();
        })
        .unwrap();
    }
    hive.hook("block", || ()).unwrap();
    hive.hook("sync", || 1).unwrap();
    hive.hook("async", async || 2).unwrap();
    assert_eq!(hive.emit("block", ()).unwrap().taken, BLOCKED + 1);
    until(|| blocked.load(Ordering::SeqCst) == BLOCKED).await;
    assert!(soon(hive.call("sync", ())).await.unwrap().is_ok());
    assert!(soon(hive.call("async", ())).await.unwrap().is_ok());
    drop(release);
}

#[tokio::test]
async fn a_waiting_hook_delays_no_other_hook_on_its_thread() {
    let hive = eventhive::Hive::builder().declared_hooks(false).threads(1).build().unwrap();
    hive.hook("a", std::future::pending::<()>).unwrap();
    let other = hive.hook("a", async || ()).unwrap();
    for _ in 0..10 {
        hive.emit("a", ()).unwrap();
    }
    until(|| other.stats().handled == 10).await;
}

#[tokio::test]
async fn with_concurrency_one_events_keep_their_order_and_never_overlap() {
    for blocking in [false, true] {
        let hive = bare();
        let log = Log::default();
        let busy = Arc::new(AtomicUsize::new(0));
        let (seen, running) = (log.clone(), busy.clone());
        let work = move |event: Event| {
            assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
            seen.add(event.payload().as_text());
            running.fetch_sub(1, Ordering::SeqCst);
        };
        let hook = if blocking {
            hive.hook("a", work).unwrap()
        } else {
            hive.hook("a", move |event: Event| {
                let work = work.clone();
                async move {
                    tokio::task::yield_now().await;
                    work(event);
                }
            })
            .unwrap()
        };
        for n in 0..1000 {
            hive.emit("a", n).unwrap();
        }
        until(|| hook.stats().handled == 1000).await;
        assert_eq!(log.lines(), (0..1000).map(|n| n.to_string()).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn concurrency_lets_that_many_events_be_handled_at_a_time() {
    let hive = bare();
    let together = Arc::new(tokio::sync::Barrier::new(3));
    let barrier = together.clone();
    let hook = hive
        .on("async")
        .concurrency(3)
        .hook(move || {
            let barrier = barrier.clone();
            async move { barrier.wait().await.is_leader() }
        })
        .unwrap();
    let threads = Arc::new(Barrier::new(3));
    let blocking = hive.on("sync").concurrency(3).hook(move || threads.wait().is_leader()).unwrap();
    for _ in 0..3 {
        hive.emit("async", ()).unwrap();
        hive.emit("sync", ()).unwrap();
    }
    until(|| hook.stats().handled == 3 && blocking.stats().handled == 3).await;
}

#[tokio::test]
async fn with_concurrency_a_panic_does_not_interrupt_the_events_beside_it() {
    let hive = bare();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let open = gate.clone();
    let hook = hive
        .on("a")
        .concurrency(2)
        .hook(move |Json(n): Json<u64>| {
            let gate = gate.clone();
            async move {
                if n == 1 {
                    panic!("first");
                }
                gate.acquire().await.unwrap().forget();
            }
        })
        .unwrap();
    for n in 0..4 {
        hive.emit("a", n).unwrap();
    }
    until(|| hook.stats().panicked == 1).await;
    open.add_permits(3);
    until(|| hook.stats().handled == 3 && hook.stats().restarts == 1).await;
}
