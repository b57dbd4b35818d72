//! Events from hive to hive.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use eventhive::{Hive, Json, Origin};
use serde_json::{Value, json};

use super::memory::{Memory, next, until};

fn on_channel(channel: &str) -> String {
    format!("connectors: {{net: {{pubsub_type: memory, input_channel: '{channel}', init: {{}}}}}}")
}

async fn started(network: &Memory, channel: &str) -> Hive {
    let hive = network.hive(&on_channel(channel));
    hive.start().await.unwrap();
    hive
}

#[tokio::test]
async fn a_remote_event_runs_the_hooks_of_the_hives_on_its_channel_under_the_local_name() {
    let network = Memory::new();
    let (worker, other) = (started(&network, "worker").await, started(&network, "other").await);
    let mut events = worker.stream("worker/*").unwrap();
    let mut elsewhere = other.stream("*").unwrap();
    let queen = started(&network, "queen").await;
    queen.call("net/worker/act", json!({"a": 1})).await.unwrap();
    let event = next(&mut events).await;
    assert_eq!(event.name().as_str(), "worker/act");
    assert_eq!(event.payload().as_value().unwrap(), &json!({"a": 1}));
    assert_eq!(event.metadata().event, "net/worker/act");
    assert_eq!(event.origin(), &Origin::Network("net".into()));
    network.publish("net/other/end", "{}");
    assert_eq!(next(&mut elsewhere).await.name().as_str(), "other/end");
}

#[tokio::test]
async fn a_hive_hears_its_own_remote_events() {
    let hive = started(&Memory::new(), "worker").await;
    let mut events = hive.stream("worker/act").unwrap();
    hive.emit("net/worker/act", json!({"own": true})).unwrap().published.unwrap().unwrap();
    assert_eq!(next(&mut events).await.payload().as_value().unwrap(), &json!({"own": true}));
}

#[tokio::test]
async fn strictly_local_events_and_received_ones_are_never_published() {
    let network = Memory::new();
    let hive = started(&network, "worker").await;
    hive.hook("local", async |Json(_): Json<Value>| {}).unwrap();
    let mut events = hive.stream("worker/act").unwrap();
    for name in ["local", "worker/act", "worker2/act", "netx/y/z"] {
        hive.define(name, "").unwrap();
        assert_eq!(hive.emit(name, json!({})).unwrap().published, None, "{name}");
    }
    network.publish("net/worker/act", "{}");
    next(&mut events).await;
    next(&mut events).await;
    assert_eq!(network.hub.stats().published, 1);
}

#[tokio::test]
async fn each_network_has_its_own_connector() {
    let network = Memory::new();
    let yaml = "connectors:\n  one: {pubsub_type: memory, input_channel: '', init: {}}\n  two: {pubsub_type: memory, input_channel: '', init: {}}\n";
    let hive = network.hive(yaml);
    hive.start().await.unwrap();
    hive.emit("one/a/b", json!({})).unwrap().published.unwrap().unwrap();
    until("one event published", || network.hub.stats().published == 1).await;
    let published = || hive.connector_stats().into_iter().map(|(name, stats)| (name, stats.published));
    // The hub has it a moment before its connector has noted that.
    until("its connector has noted it", || published().any(|(name, count)| name == "one" && count == 1)).await;
    let counts: Vec<_> = published().collect();
    assert_eq!(counts, [("one".to_owned(), 1), ("two".to_owned(), 0)]);
}

#[tokio::test]
async fn where_the_wire_knows_no_patterns_events_are_subscribed_as_they_are_defined() {
    let network = Memory::exact_only();
    let hive = network.hive(&on_channel("worker"));
    hive.define("worker/early", "").unwrap();
    hive.start().await.unwrap();
    let mut events = hive.stream("worker/*").unwrap();
    network.publish("net/worker/early", "{}");
    assert_eq!(next(&mut events).await.name().as_str(), "worker/early");
    hive.define("worker/late", "").unwrap();
    hive.define("worker2/late", "").unwrap();
    until("a second subscription", || network.hub.stats().subscriptions == 2).await;
    network.publish("net/worker/late", "{}");
    assert_eq!(next(&mut events).await.name().as_str(), "worker/late");
}

#[tokio::test]
async fn events_wait_in_the_outbox_while_the_link_is_down_and_arrive_in_order() {
    let network = Memory::new();
    let worker = started(&network, "worker").await;
    let mut events = worker.stream("worker/*").unwrap();
    let queen = started(&network, "queen").await;
    network.set_up(false);
    let state = queen.link_state("net").unwrap();
    until("the link is down", || !state.borrow().is_up()).await;
    for number in 0..1000 {
        queen.emit("net/worker/act", json!({"number": number})).unwrap().published.unwrap().unwrap();
    }
    assert_eq!(queen.connector_stats()[0].1.waiting, 1000);
    network.set_up(true);
    for number in 0..1000 {
        assert_eq!(next(&mut events).await.payload().as_value().unwrap(), &json!({"number": number}));
    }
}

#[tokio::test]
async fn a_full_outbox_does_what_its_policy_says_and_counts_it() {
    for (policy, first) in [("drop_oldest", 1), ("drop_newest", 0)] {
        let network = Memory::new();
        network.set_up(false);
        let yaml = format!(
            "connectors: {{net: {{pubsub_type: memory, input_channel: w, init: {{}}, outbox: {{max_bytes: 1000, overflow: {policy}}}}}}}"
        );
        let hive = network.hive(&yaml);
        let mut events = hive.stream("w/x").unwrap();
        hive.start().await.unwrap();
        let results: Vec<_> = (0..2)
            .map(|n| hive.emit("net/w/x", json!({"n": n, "filler": "x".repeat(500)})).unwrap().published.unwrap())
            .collect();
        assert_eq!(results[1].is_ok(), policy == "drop_oldest");
        assert_eq!(hive.connector_stats()[0].1.outbox_dropped, 1);
        until("the subscription stands", || network.hub.stats().subscriptions == 1).await;
        network.set_up(true);
        assert_eq!(next(&mut events).await.payload().as_value().unwrap()["n"], first);
    }
}

#[tokio::test]
async fn an_event_that_arrives_twice_runs_its_hooks_once() {
    let network = Memory::new();
    let hive = started(&network, "w").await;
    let mut events = hive.stream("w/*").unwrap();
    let twice = r#"{"__eventhive__": {"id": "63febcfc-620c-4c25-9990-da5ce348edef"}}"#;
    network.publish("net/w/x", twice);
    network.publish("net/w/x", twice);
    network.publish("net/w/end", "{}");
    assert_eq!(next(&mut events).await.name().as_str(), "w/x");
    assert_eq!(next(&mut events).await.name().as_str(), "w/end");
    assert_eq!(hive.connector_stats()[0].1.repeated, 1);
}

#[tokio::test]
async fn only_objects_travel_and_the_caller_is_told() {
    let hive = started(&Memory::new(), "w").await;
    let refusal = hive.emit("net/w/x", json!([1])).unwrap().published.unwrap().unwrap_err();
    assert!(refusal.to_string().contains("not a JSON object"), "{refusal}");
}

#[tokio::test]
async fn the_callers_payload_is_not_changed_by_publishing() {
    let network = Memory::new();
    let hive = started(&network, "w").await;
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    hive.hook("net/w/x", move |Json(payload): Json<Value>| drop(sender.send(payload))).unwrap();
    hive.call("net/w/x", json!({"a": 1})).await.unwrap();
    assert_eq!(tokio::time::timeout(Duration::from_secs(10), seen.recv()).await.unwrap(), Some(json!({"a": 1})));
}

#[tokio::test]
async fn a_hook_that_stalls_holds_up_no_other_hook_of_its_network() {
    let network = Memory::new();
    let hive = started(&network, "w").await;
    let stalled = hive.on("w/slow").mailbox(1).hook(async |Json(_): Json<Value>| std::future::pending::<()>().await);
    stalled.unwrap();
    let mut events = hive.stream("w/quick").unwrap();
    for _ in 0..100 {
        network.publish("net/w/slow", "{}");
    }
    network.publish("net/w/quick", "{}");
    assert_eq!(next(&mut events).await.name().as_str(), "w/quick");
}

#[tokio::test]
async fn what_has_arrived_when_a_hive_stops_is_still_handled() {
    let network = Memory::new();
    let hive = started(&network, "w").await;
    let handled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&handled);
    let counting = hive.on("w/x").mailbox(2000).hook(async move |Json(_): Json<Value>| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    counting.unwrap();
    for _ in 0..1000 {
        network.publish("net/w/x", "{}");
    }
    until("the last has arrived", || network.hub.stats().delivered == 1000).await;
    assert!(hive.stop(Duration::from_secs(10)).await);
    assert_eq!(handled.load(Ordering::SeqCst), 1000);
}
