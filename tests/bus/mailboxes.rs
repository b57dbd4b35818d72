//! Full mailboxes.

use std::sync::Arc;

use eventhive::{CallOptions, Event, Hive, HookHandle, Overflow, Payload, Skip, Status};
use tokio::sync::Semaphore;

use crate::support::{Log, bare, soon, until};

/// A hook that handles one event for each permit of the gate.
fn gated(hive: &Hive, overflow: Overflow) -> (HookHandle, Log, Arc<Semaphore>) {
    let (log, gate) = (Log::default(), Arc::new(Semaphore::new(0)));
    let (seen, wait) = (log.clone(), gate.clone());
    let handler = move |event: Event| {
        let (seen, wait) = (seen.clone(), wait.clone());
        async move {
            wait.acquire().await.unwrap().forget();
            seen.add(event.payload().as_text());
        }
    };
    (hive.on("a").mailbox(2).overflow(overflow).hook(handler).unwrap(), log, gate)
}

/// Fills the hook: one event under way, two in the mailbox.
async fn fill(hive: &Hive, hook: &HookHandle) {
    hive.emit("a", 0).unwrap();
    until(|| hook.stats().waiting == 0).await;
    assert_eq!(hive.emit("a", 1).unwrap().refused, 0);
    assert_eq!(hive.emit("a", 2).unwrap().refused, 0);
}

#[tokio::test]
async fn block_refuses_what_cannot_wait_and_lets_others_wait_for_room() {
    let hive = bare();
    let (hook, log, gate) = gated(&hive, Overflow::Block);
    fill(&hive, &hook).await;
    assert_eq!(hive.emit("a", 3).unwrap().refused, 1);
    assert_eq!(hook.stats().dropped_full, 1);
    let (other, waiting) = (hive.clone(), hive.clone());
    let sent = tokio::spawn(async move { other.send("a", 4).await });
    gate.add_permits(2);
    assert_eq!(soon(sent).await.unwrap().unwrap().taken, 1);
    let called = tokio::spawn(async move { waiting.call("a", 5).await });
    gate.add_permits(10);
    assert!(soon(called).await.unwrap().unwrap().is_ok());
    assert_eq!(log.lines(), ["0", "1", "2", "4", "5"]);
}

#[tokio::test]
async fn drop_newest_refuses_the_new_event_and_says_so() {
    let hive = bare();
    let (hook, log, gate) = gated(&hive, Overflow::DropNewest);
    fill(&hive, &hook).await;
    let outcomes = soon(hive.call("a", 3)).await.unwrap();
    assert_eq!(outcomes[0].status(), &Status::Skipped(Skip::Full));
    gate.add_permits(10);
    until(|| log.lines() == ["0", "1", "2"]).await;
}

#[tokio::test]
async fn drop_oldest_gives_up_the_event_that_waits_longest_and_tells_its_caller() {
    let hive = bare();
    let (hook, log, gate) = gated(&hive, Overflow::DropOldest);
    hive.emit("a", 0).unwrap();
    until(|| hook.stats().waiting == 0).await;
    let caller = hive.clone();
    let oldest = tokio::spawn(async move { caller.call("a", 1).await });
    until(|| hook.stats().waiting == 1).await;
    hive.emit("a", 2).unwrap();
    assert_eq!(hive.emit("a", 3).unwrap().taken, 1);
    let outcomes = soon(oldest).await.unwrap().unwrap();
    assert_eq!(outcomes[0].status(), &Status::Skipped(Skip::Evicted));
    assert_eq!(hook.stats().dropped_oldest, 1);
    gate.add_permits(10);
    until(|| log.lines() == ["0", "2", "3"]).await;
}

#[tokio::test]
async fn bytes_bound_a_mailbox_too() {
    let hive = bare();
    let hook = hive.on("a").mailbox_bytes(100).hook(std::future::pending::<()>).unwrap();
    let large = || Payload::from("x".repeat(60));
    hive.emit("a", large()).unwrap();
    until(|| hook.stats().waiting == 0).await;
    assert_eq!(hive.emit("a", large()).unwrap().taken, 1);
    assert_eq!(hive.emit("a", large()).unwrap().taken, 0);
    assert_eq!(hive.emit("a", 1).unwrap().taken, 1);
}

#[tokio::test]
async fn a_full_hook_costs_the_next_one_nothing() {
    let hive = bare();
    let (hook, _log, _gate) = gated(&hive, Overflow::DropNewest);
    let next = hive.hook("a", || ()).unwrap();
    fill(&hive, &hook).await;
    let outcomes = soon(hive.call_with(CallOptions::new(), "a", 3)).await.unwrap();
    assert_eq!(outcomes[0].status(), &Status::Skipped(Skip::Full));
    assert!(outcomes[1].is_ok());
    until(|| next.stats().handled == 4).await;
}
