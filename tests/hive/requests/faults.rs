//! Lost connections, peers that go, callers that give up.

use std::sync::Arc;
use std::time::Duration;

use eventhive::{Event, Hive, HookError, Json, RequestError, RequestOptions};
use eventhive_conformance::FaultProxy;
use eventhive_conformance::free_port;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{Network, briefly, for_ever, nothing_is_left, soon, started, stats};
use crate::memory::{Memory, until};
use crate::websocket::{hub, member};

/// A hive that listens to `w` and answers `w/x` when it is let.
async fn held_back(network: &Network) -> (Hive, Arc<Semaphore>) {
    let hive = network.hive("w");
    (hive.clone(), hold_back(hive).await)
}

async fn hold_back(hive: Hive) -> Arc<Semaphore> {
    let permits = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&permits);
    let answer = move |Json(_): Json<Value>| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            1
        }
    };
    hive.hook("w/x", answer).unwrap();
    started(hive).await;
    permits
}

fn spawn(queen: &Hive, options: RequestOptions) -> tokio::task::JoinHandle<Result<i64, RequestError>> {
    let queen = queen.clone();
    tokio::spawn(async move { queen.request_with(options, "net/w/x", json!({})).await })
}

#[tokio::test]
async fn an_answer_that_is_lost_with_the_connection_times_out_and_the_next_request_succeeds() {
    let (_hub, address) = hub(0).await;
    let proxy = FaultProxy::start(address).await.unwrap();
    let worker = member(address, "w");
    let permits = hold_back(worker.clone()).await;
    let queen = started(member(proxy.address(), "")).await;
    let lost = spawn(&queen, RequestOptions::new().within(Duration::from_secs(2)));
    until("the hook is at work", || stats(&worker).requests_received == 1 && stats(&queen).published == 1).await;
    proxy.set(eventhive_conformance::Mode::Refuse).await.unwrap();
    proxy.cut();
    let state = queen.link_state("net").unwrap();
    until("the link is down", || !state.borrow().is_up()).await;
    permits.add_permits(100);
    until("it was answered", || stats(&worker).published == 1).await;
    proxy.set(eventhive_conformance::Mode::Pass).await.unwrap();
    let error = soon(lost).await.unwrap().unwrap_err();
    assert!(matches!(error, RequestError::TimedOut { published: true, .. }), "{error:?}");
    assert_eq!(soon(spawn(&queen, for_ever())).await.unwrap(), Ok(1));
    nothing_is_left(&queen).await;
}

#[tokio::test]
async fn a_request_that_was_made_while_the_link_is_down_is_answered_when_it_is_up() {
    let (first, address) = hub(free_port()).await;
    let worker = member(address, "w");
    let permits = hold_back(worker.clone()).await;
    permits.add_permits(100);
    let queen = started(member(address, "")).await;
    assert_eq!(soon(spawn(&queen, for_ever())).await.unwrap(), Ok(1));
    first.stop(Duration::from_secs(1)).await;
    let state = queen.link_state("net").unwrap();
    until("the link is down", || !state.borrow().is_up()).await;
    let hearing = worker.link_state("net").unwrap();
    until("the worker's too", || !hearing.borrow().is_up()).await;
    let mut asked = spawn(&queen, for_ever());
    let (_second, _) = hub(address.port()).await;
    // Whoever comes back first decides whether somebody listens already.
    match soon(&mut asked).await.unwrap() {
        Err(RequestError::NoListener { .. }) => {
            until("the worker is back", || hearing.borrow().is_up()).await;
            assert_eq!(soon(spawn(&queen, for_ever())).await.unwrap(), Ok(1));
        }
        other => assert_eq!(other, Ok(1)),
    }
}

#[tokio::test]
async fn a_request_whose_deadline_passes_in_the_outbox_is_never_sent() {
    let memory = Memory::new();
    let queen = Network::of(&memory).started("").await;
    // The inbox is subscribed while the link is up.
    let error = queen.request::<Value>("net/w/x", json!({})).await.unwrap_err();
    assert!(matches!(error, RequestError::NoListener { .. }), "{error:?}");
    memory.set_up(false);
    let state = queen.link_state("net").unwrap();
    until("the link is down", || !state.borrow().is_up()).await;
    let error = queen.request_with::<Value>(briefly(), "net/w/x", json!({})).await.unwrap_err();
    assert!(matches!(error, RequestError::TimedOut { published: false, .. }), "{error:?}");
    assert!(error.to_string().ends_with("it did not leave this hive"), "{error}");
    assert_eq!(stats(&queen).waiting, 1);
    memory.set_up(true);
    queen.emit("net/w/after", json!({})).unwrap().published.unwrap().unwrap();
    nothing_is_left(&queen).await;
    until("the event after it is published", || stats(&queen).published == 2).await;
    assert_eq!((stats(&queen).requests_expired, memory.hub.stats().published), (1, 2));
}

#[tokio::test]
async fn a_request_that_is_dropped_from_the_full_outbox_is_told_so() {
    let memory = Memory::new();
    let yaml = "connectors: {net: {pubsub_type: memory, input_channel: '', init: {}, outbox: {max_bytes: 1000, overflow: drop_oldest}}}";
    let queen = memory.hive(yaml);
    queen.start().await.unwrap();
    let _ = queen.request::<Value>("net/w/x", json!({})).await;
    memory.set_up(false);
    let state = queen.link_state("net").unwrap();
    until("the link is down", || !state.borrow().is_up()).await;
    let asked = spawn(&queen, for_ever());
    until("it is in the outbox", || stats(&queen).waiting == 1).await;
    queen.emit("net/w/x", json!({"filler": "x".repeat(900)})).unwrap().published.unwrap().unwrap();
    match soon(asked).await.unwrap() {
        Err(RequestError::Refused(error)) => assert!(error.to_string().contains("`outbox`"), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_request_that_is_no_object_or_too_large_or_cannot_be_heard_is_refused_at_once() {
    let memory = Memory::new();
    let queen = Network::of(&memory).started("").await;
    let refused = async |name: &str, payload: Value| match queen.request_with::<Value>(for_ever(), name, payload).await
    {
        Err(RequestError::Refused(error)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    memory.refuse(1);
    let error = soon(refused("net/w/x", json!({}))).await;
    assert!(error.contains("cannot be heard") && error.contains("not today"), "{error}");
    assert!(soon(refused("net/w/x", json!([1]))).await.contains("not a JSON object"));
    let hub = Network::hub().await;
    let queen = hub.started("").await;
    let large = json!({"filler": "x".repeat(2 << 20)});
    match soon(queen.request_with::<Value>(for_ever(), "net/w/x", large)).await {
        Err(RequestError::Refused(error)) => assert!(error.to_string().contains("the wire takes"), "{error}"),
        other => panic!("{other:?}"),
    }
    nothing_is_left(&queen).await;
}

#[tokio::test]
async fn a_caller_that_gives_up_leaves_nothing_behind_and_the_answer_is_late() {
    for memory in [Memory::new(), Memory::exact_only()] {
        let network = Network::of(&memory);
        let (worker, permits) = held_back(&network).await;
        let queen = network.started("").await;
        let before = memory.hub.stats().subscriptions;
        let asked = spawn(&queen, for_ever());
        until("the hook is at work", || stats(&worker).requests_received == 1).await;
        assert_eq!(stats(&queen).requests_open, 1);
        assert_eq!(memory.hub.stats().subscriptions, before + 1);
        asked.abort();
        assert!(asked.await.unwrap_err().is_cancelled());
        nothing_is_left(&queen).await;
        permits.add_permits(1);
        if memory.is_exact() {
            until("its subscription is gone", || memory.hub.stats().subscriptions == before).await;
        } else {
            until("the answer is late", || stats(&queen).replies_late == 1).await;
        }
    }
}

#[tokio::test]
async fn a_stopping_hive_ends_its_own_requests_at_once() {
    let network = Network::hub().await;
    let (worker, _permits) = held_back(&network).await;
    let queen = network.started("").await;
    let asked: Vec<_> = (0..10).map(|_| spawn(&queen, for_ever())).collect();
    until("the hook has them", || stats(&worker).requests_received == 10).await;
    let mut replies = queen.request_all(for_ever(), "net/w/x", json!({})).await.unwrap();
    soon(queen.stop(Duration::from_secs(5))).await;
    for asked in asked {
        assert_eq!(soon(asked).await.unwrap(), Err(RequestError::Stopped));
    }
    assert!(soon(replies.next()).await.is_none());
    assert_eq!(replies.end(), Some(&eventhive::request::End::Failed(RequestError::Stopped)));
}

#[tokio::test]
async fn a_stopping_hive_answers_what_it_is_at_work_on() {
    let network = Network::hub().await;
    let (worker, permits) = held_back(&network).await;
    let queen = network.started("").await;
    let asked = spawn(&queen, for_ever());
    until("the hook is at work", || stats(&worker).requests_received == 1).await;
    let stopping = tokio::spawn({
        let worker = worker.clone();
        async move { worker.stop(Duration::from_secs(20)).await }
    });
    // What comes from then on is refused, as long as the hive is there to say so.
    let refused = async {
        loop {
            match spawn(&queen, briefly()).await.unwrap() {
                Err(RequestError::Remote(error)) => return error,
                // It came before the stop, and waits its turn.
                Err(RequestError::TimedOut { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    assert_eq!(soon(refused).await.kind(), &eventhive::RemoteErrorKind::Stopping);
    permits.add_permits(1000);
    assert_eq!(soon(asked).await.unwrap(), Ok(1));
    assert!(soon(stopping).await.unwrap());
    let error = soon(spawn(&queen, for_ever())).await.unwrap().unwrap_err();
    assert!(matches!(error, RequestError::NoListener { .. }), "{error:?}");
}

#[tokio::test]
async fn a_hook_of_a_stopping_hive_may_ask_on_every_network_for_what_it_answers() {
    let memory = Memory::new();
    let network = Network::of(&memory);
    let third = network.started("v").await;
    third.hook("v/y", async |_: Event| 7).unwrap();
    let connector =
        |name: &str, channel: &str| format!("{name}: {{pubsub_type: memory, input_channel: {channel}, init: {{}}}}");
    let fourth = memory.hive(&format!("connectors: {{{}}}", connector("side", "v")));
    fourth.hook("v/y", async |_: Event| 8).unwrap();
    fourth.start().await.unwrap();
    let worker = memory.hive(&format!("connectors: {{{}, {}}}", connector("net", "w"), connector("side", "w")));
    let (gate, asking) = (Arc::new(Semaphore::new(0)), worker.clone());
    let permits = Arc::clone(&gate);
    let sum = move |_: Event| {
        let (gate, hive) = (Arc::clone(&gate), asking.clone());
        async move {
            gate.acquire().await.unwrap().forget();
            let mut sum = 0;
            for name in ["net/v/y", "side/v/y"] {
                sum += hive.request::<i64>(name, json!({})).await.map_err(HookError::new)?;
            }
            Ok::<_, HookError>(sum)
        }
    };
    worker.hook("w/x", sum).unwrap();
    let (worker, queen) = (started(worker).await, network.started("").await);
    let asked = spawn(&queen, for_ever());
    until("the hook is at work", || stats(&worker).requests_received == 1).await;
    let stopping = tokio::spawn({
        let worker = worker.clone();
        async move { worker.stop(Duration::from_secs(40)).await }
    });
    let refused = async { while !matches!(spawn(&queen, briefly()).await.unwrap(), Err(RequestError::Remote(_))) {} };
    soon(refused).await;
    permits.add_permits(1000);
    assert_eq!(soon(asked).await.unwrap(), Ok(15));
    assert!(soon(stopping).await.unwrap());
}

#[tokio::test]
async fn a_responder_that_dies_costs_the_asker_its_deadline_and_no_more() {
    let network = Network::hub().await;
    let (worker, _permits) = held_back(&network).await;
    let queen = network.started("").await;
    let asked = spawn(&queen, RequestOptions::new().within(Duration::from_secs(1)));
    until("the hook is at work", || stats(&worker).requests_received == 1).await;
    worker.stop(Duration::ZERO).await;
    let error = soon(asked).await.unwrap().unwrap_err();
    assert!(matches!(error, RequestError::TimedOut { published: true, .. }), "{error:?}");
    nothing_is_left(&queen).await;
}

#[tokio::test]
async fn ten_thousand_requests_at_once_are_all_answered_and_nothing_is_left() {
    for network in [Network::memory(), Network::hub().await] {
        let worker = network.hive("w");
        let double = async |Json(json): Json<Value>| json["n"].as_i64().map(|n| n * 2);
        worker.on("w/x").mailbox(20_000).hook(double).unwrap();
        let (_worker, queen) = (started(worker).await, network.started("").await);
        let requests = (0..10_000).map(|n| {
            let queen = queen.clone();
            async move { queen.request_with::<i64>(for_ever(), "net/w/x", json!({"n": n})).await }
        });
        let answers = tokio::time::timeout(Duration::from_secs(120), futures_util::future::join_all(requests)).await;
        let answers: Vec<_> = answers.unwrap().into_iter().collect::<Result<_, _>>().unwrap();
        assert!(answers.iter().copied().eq((0..10_000).map(|n| n * 2)));
        nothing_is_left(&queen).await;
        assert_eq!((stats(&queen).replies, stats(&queen).replies_late), (10_000, 0));
    }
}
