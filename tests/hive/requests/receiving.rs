//! What a hive does with the requests of others.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use eventhive::{Earlier, Event, Hive, HookError, Json, RemoteErrorKind, RequestError};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Network, for_ever, soon, started, stats};
use crate::memory::{Memory, next, until};

/// A request as a foreign peer would write it.
fn request(id: &str, reply_to: &str, deadline: Option<f64>) -> String {
    let metadata = json!({"id": id, "reply_to": reply_to, "deadline": deadline, "event": "net/w/x"});
    json!({"__eventhive__": metadata}).to_string()
}

fn from_now(seconds: f64) -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() + seconds
}

/// A hive that listens to `inbox-x`, as an asker does, and what it hears.
async fn inbox(memory: &Memory) -> (Hive, eventhive::EventStream) {
    let hive = Network::of(memory).hive("inbox-x");
    let stream = hive.stream("inbox-x/*").unwrap();
    (started(hive).await, stream)
}

async fn answer(stream: &mut eventhive::EventStream) -> Value {
    next(stream).await.payload().as_value().unwrap().clone()
}

#[tokio::test]
async fn requests_and_plain_events_reach_a_hook_in_the_order_of_the_wire() {
    let memory = Memory::new();
    let worker = Network::of(&memory).hive("w");
    let order = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&order);
    let note = async move |Json(json): Json<Value>| seen.lock().unwrap().push(json["n"].as_i64().unwrap());
    worker.on("w/x").mailbox(2000).hook(note).unwrap();
    let (_worker, queen) = (started(worker).await, Network::of(&memory).started("").await);
    // Its inbox is subscribed from here on, so that a request is in the outbox once it is polled.
    let _ = queen.request::<Value>("net/w/none", json!({})).await;
    let mut requests = Vec::new();
    for n in 0..500 {
        if n % 2 == 0 {
            queen.emit("net/w/x", json!({"n": n})).unwrap().published.unwrap().unwrap();
        } else {
            let mut request = Box::pin(queen.request_with::<Value>(for_ever(), "net/w/x", json!({"n": n})));
            let _ = (&mut request).now_or_never();
            requests.push(request);
        }
    }
    until("all were handled", || order.lock().unwrap().len() == 500).await;
    assert_eq!(*order.lock().unwrap(), (0..500).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_request_past_its_deadline_is_not_run_and_answered_as_expired() {
    let memory = Memory::new();
    let worker = Network::of(&memory).hive("w");
    let mut runs = worker.stream("w/*").unwrap();
    worker.hook("w/x", async |Json(_): Json<Value>| 1).unwrap();
    let (worker, (_inbox, mut answers)) = (started(worker).await, inbox(&memory).await);
    for (deadline, expected) in [
        (Some(from_now(-60.0)), json!("expired")),
        (Some(0.0), json!("expired")),
        // Within the tolerance for clocks that differ.
        (Some(from_now(-0.1)), Value::Null),
        (Some(from_now(60.0)), Value::Null),
        (Some(1e300), Value::Null),
        (Some(-1.0), Value::Null),
        (None, Value::Null),
    ] {
        memory.publish("net/w/x", request(&Uuid::new_v4().to_string(), "net/inbox-x/1", deadline));
        let answer = answer(&mut answers).await;
        assert_eq!(answer["error"]["kind"], expected, "{deadline:?}: {answer}");
        assert_eq!(answer["value"], if expected.is_null() { json!(1) } else { Value::Null }, "{deadline:?}");
    }
    assert_eq!((stats(&worker).requests_expired, stats(&worker).requests_received), (2, 7));
    memory.publish("net/w/end", "{}");
    for _ in 0..5 {
        assert_eq!(next(&mut runs).await.name().as_str(), "w/x");
    }
    assert_eq!(next(&mut runs).await.name().as_str(), "w/end");
}

#[tokio::test]
async fn a_request_that_waited_for_its_hook_past_its_deadline_is_not_run() {
    for blocking in [false, true] {
        let memory = Memory::new();
        let worker = Network::of(&memory).hive("w");
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (held, runs) = (Mutex::new(held), Arc::new(Mutex::new(0)));
        let (runs_seen, gate) = (Arc::clone(&runs), Arc::new(tokio::sync::Semaphore::new(0)));
        if blocking {
            let hook = move |_: Event| {
                held.lock().unwrap().recv().unwrap();
                *runs.lock().unwrap() += 1;
            };
            worker.on("w/x").hook(hook).unwrap();
        } else {
            let gate = Arc::clone(&gate);
            let hook = move |_: Event| {
                let (gate, runs) = (Arc::clone(&gate), Arc::clone(&runs));
                async move {
                    gate.acquire().await.unwrap().forget();
                    *runs.lock().unwrap() += 1;
                }
            };
            worker.on("w/x").hook(hook).unwrap();
        }
        let (worker, (_inbox, mut answers)) = (started(worker).await, inbox(&memory).await);
        let ask = |name: &str, deadline: f64| {
            let id = Uuid::new_v4().to_string();
            memory.publish("net/w/x", request(&id, &format!("net/inbox-x/{name}"), Some(deadline)));
        };
        ask("runs", from_now(60.0));
        // Still within the tolerance when it comes, and past it in a moment.
        let over = from_now(-1.0);
        ask("waits", over);
        ask("third", from_now(60.0));
        until("all have come", || stats(&worker).requests_received == 3).await;
        until("the deadline is over", || over + 2.0 < from_now(0.0)).await;
        for _ in 0..3 {
            let _ = release.send(());
        }
        gate.add_permits(3);
        let mut kinds = Vec::new();
        for name in ["inbox-x/runs", "inbox-x/waits", "inbox-x/third"] {
            let event = next(&mut answers).await;
            assert_eq!(event.name().as_str(), name);
            kinds.push(event.payload().as_value().unwrap()["error"]["kind"].clone());
        }
        assert_eq!(kinds, [Value::Null, json!("expired"), Value::Null]);
        assert_eq!((*runs_seen.lock().unwrap(), stats(&worker).requests_expired), (2, 1));
    }
}

#[tokio::test]
async fn a_request_that_comes_twice_is_run_and_answered_once() {
    let memory = Memory::new();
    let worker = Network::of(&memory).hive("w");
    worker.hook("w/x", async |Json(_): Json<Value>| 1).unwrap();
    let (worker, (_inbox, mut answers)) = (started(worker).await, inbox(&memory).await);
    let twice = request(&Uuid::new_v4().to_string(), "net/inbox-x/1", None);
    memory.publish("net/w/x", twice.clone());
    memory.publish("net/w/x", twice);
    memory.publish("net/w/x", request(&Uuid::new_v4().to_string(), "net/inbox-x/2", None));
    assert_eq!(next(&mut answers).await.name().as_str(), "inbox-x/1");
    assert_eq!(next(&mut answers).await.name().as_str(), "inbox-x/2");
    assert_eq!((stats(&worker).repeated, stats(&worker).requests_received), (1, 2));
}

#[tokio::test]
async fn a_hive_answers_to_inboxes_of_its_own_network_only() {
    let memory = Memory::new();
    let worker = Network::of(&memory).hive("w");
    let mut events = worker.stream("w/*").unwrap();
    worker.hook("w/x", async |Json(_): Json<Value>| 1).unwrap();
    let worker = started(worker).await;
    let elsewhere = [
        "net/w/evil",
        "net/inbox",
        "net/inbox-/1",
        "net/inbox-x",
        "net/inbox-x/",
        "other/inbox-x/1",
        "inbox-x/1",
        "x",
        "",
        "net/inbox-x/\u{1}",
    ];
    for reply_to in elsewhere {
        memory.publish("net/w/x", request(&Uuid::new_v4().to_string(), reply_to, None));
        // The event itself is an ordinary one.
        assert_eq!(next(&mut events).await.name().as_str(), "w/x");
    }
    memory.publish("net/w/end", "{}");
    assert_eq!(next(&mut events).await.name().as_str(), "w/end");
    assert!(worker.stop(Duration::from_secs(10)).await);
    assert_eq!(memory.hub.stats().published, elsewhere.len() as u64 + 1, "nothing was answered");
}

#[tokio::test]
async fn more_requests_than_a_hive_has_under_way_are_answered_as_busy() {
    const MOST: usize = 16_384;
    let memory = Memory::new();
    let worker = Network::of(&memory).hive("w");
    let never = async |Json(_): Json<Value>| std::future::pending::<()>().await;
    worker.on("w/x").mailbox(100_000).hook(never).unwrap();
    worker.hook("w/quick", async |Json(_): Json<Value>| 1).unwrap();
    let (worker, (_inbox, mut answers)) = (started(worker).await, inbox(&memory).await);
    for _ in 0..=MOST {
        memory.publish("net/w/x", request(&Uuid::new_v4().to_string(), "net/inbox-x/1", None));
    }
    let answer = answer(&mut answers).await;
    assert_eq!(answer["error"]["kind"], "busy", "{answer}");
    assert_eq!(stats(&worker).requests_answered, 1);
}

#[tokio::test]
async fn a_full_mailbox_is_busy_and_the_hive_goes_on() {
    let network = Network::memory();
    let worker = network.hive("w");
    worker.on("w/x").mailbox(1).hook(async |Json(_): Json<Value>| std::future::pending::<()>().await).unwrap();
    worker.hook("w/quick", async |Json(_): Json<Value>| 1).unwrap();
    let (_worker, queen) = (started(worker).await, network.started("").await);
    let stuck: Vec<_> = (0..3)
        .map(|_| {
            let queen = queen.clone();
            tokio::spawn(async move { queen.request_with::<Value>(for_ever(), "net/w/x", json!({})).await })
        })
        .collect();
    let (first, _, rest) = soon(futures_util::future::select_all(stuck)).await;
    match first.unwrap() {
        Err(RequestError::Remote(error)) => assert_eq!(error.kind(), &RemoteErrorKind::Busy),
        other => panic!("{other:?}"),
    }
    assert_eq!(soon(queen.request::<i64>("net/w/quick", json!({}))).await, Ok(1));
    rest.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn of_several_hooks_the_first_with_something_to_say_answers_and_each_runs_once() {
    let network = Network::memory();
    let worker = network.hive("w");
    let mut events = worker.stream("w/*").unwrap();
    worker.on("w/*").named("audit").hook(async |_: Event| {}).unwrap();
    worker.on("w/x").named("broken").hook(async |_: Event| Err::<(), _>(HookError::new("no"))).unwrap();
    worker.on("w/x").named("first").hook(async |_: Event| 1).unwrap();
    worker.on("w/x").named("sum").hook(async |earlier: Earlier| earlier.value_of("first").cloned()).unwrap();
    let (_worker, queen) = (started(worker).await, network.started("").await);
    assert_eq!(soon(queen.request::<i64>("net/w/x", json!({}))).await, Ok(1));
    assert_eq!(soon(queen.request::<Value>("net/w/only-audit", json!({}))).await, Ok(Value::Null));
    assert_eq!(next(&mut events).await.name().as_str(), "w/x");
    assert_eq!(next(&mut events).await.name().as_str(), "w/only-audit");
}

#[tokio::test]
async fn an_answer_that_the_full_outbox_does_not_take_is_busy_and_not_too_large() {
    let memory = Memory::new();
    let network = Network::of(&memory).with(", outbox: {max_bytes: 8000, overflow: drop_newest}");
    let worker = network.hive("w");
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let held = Arc::clone(&gate);
    let hook = move |_: Event| {
        let held = Arc::clone(&held);
        async move {
            held.acquire().await.unwrap().forget();
            "x".repeat(4000)
        }
    };
    worker.hook("w/x", hook).unwrap();
    let (worker, queen) = (started(worker).await, Network::of(&memory).started("").await);
    let asking = queen.clone();
    let asked = tokio::spawn(async move { asking.request_with::<Value>(for_ever(), "net/w/x", json!({})).await });
    until("the hook is at work", || stats(&worker).requests_received == 1).await;
    memory.set_up(false);
    let state = worker.link_state("net").unwrap();
    until("the link is down", || !state.borrow().is_up()).await;
    worker.emit("net/v/x", json!({"filling": "x".repeat(5000)})).unwrap().published.unwrap().unwrap();
    gate.add_permits(1);
    until("it was answered", || stats(&worker).requests_answered == 1).await;
    memory.set_up(true);
    match soon(asked).await.unwrap() {
        Err(RequestError::Remote(error)) => assert_eq!(error.kind(), &RemoteErrorKind::Busy, "{error}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_answer_larger_than_the_wire_takes_is_an_error_at_once() {
    let network = Network::hub().await;
    let worker = network.hive("w");
    worker.hook("w/x", async |_: Event| "x".repeat(2 << 20)).unwrap();
    let (_worker, queen) = (started(worker).await, network.started("").await);
    match soon(queen.request_with::<String>(for_ever(), "net/w/x", json!({}))).await {
        Err(RequestError::Remote(error)) => assert_eq!(error.kind(), &RemoteErrorKind::TooLarge, "{error}"),
        other => panic!("{other:?}"),
    }
}
