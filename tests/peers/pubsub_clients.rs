//! `PubSubClient` of both versions at every hub.

use serde_json::{Value, json};

use crate::environment::Stack;
use crate::hub::{Hub, HubKind};
use crate::process::{Peer, publish};

/// A connected `PubSubClient`, and the id that the hub gave its connection.
pub(crate) fn client(stack: Stack, hub: &Hub, arguments: &[&str]) -> (Peer, String) {
    let url = hub.url();
    let mut peer = Peer::python(stack, "client", &[&["--url", &url], arguments].concat());
    let id = ready(&mut peer);
    (peer, id)
}

fn ready(peer: &mut Peer) -> String {
    peer.wait_for("state", &json!("ready"))["channel"].as_str().unwrap().to_owned()
}

fn heard(topic: &str, data: Value) -> (String, Value) {
    (topic.to_owned(), data)
}

/// Publishes and expects `true`.
fn publishes(publisher: &mut Peer, command: &Value) -> Value {
    let done = publisher.ask(command);
    assert_eq!(done["result"], json!(true), "{command} was answered {done}");
    done
}

fn a_subscriber_hears_its_topics_and_no_other(hub: HubKind, stack: Stack) {
    let hub = Hub::start(hub);
    let (mut subscriber, _) = client(stack, &hub, &["--topic", "a/b", "--topic", "c"]);
    let (mut publisher, _) = client(stack, &hub, &[]);
    for topic in ["a/b", "a", "a/b/c", "c", "C", "", "a/*"] {
        publishes(&mut publisher, &publish(topic, json!({"to": topic})));
    }
    assert_eq!(subscriber.received(), heard("a/b", json!({"to": "a/b"})));
    assert_eq!(subscriber.received(), heard("c", json!({"to": "c"})));
    assert_eq!(subscriber.finish(), []);
}

fn a_subscriber_of_all_topics_hears_everything_under_its_real_topic(hub: HubKind, stack: Stack) {
    let hub = Hub::start(hub);
    let (mut subscriber, _) = client(stack, &hub, &["--all"]);
    let (mut publisher, _) = client(stack, &hub, &[]);
    for topic in ["a/b", "", "ü"] {
        publishes(&mut publisher, &publish(topic, json!(topic)));
        assert_eq!(subscriber.received(), heard(topic, json!(topic)));
    }
    assert_eq!(subscriber.finish(), []);
}

fn one_publish_to_two_topics_is_heard_once_for_each(hub: HubKind, stack: Stack) {
    let hub = Hub::start(hub);
    let (mut subscriber, _) = client(stack, &hub, &["--topic", "a", "--topic", "b"]);
    let (mut publisher, _) = client(stack, &hub, &[]);
    publishes(&mut publisher, &json!({"do": "publish", "topics": ["a", "b", "c"], "data": 1}));
    let mut both = [subscriber.received(), subscriber.received()];
    both.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(both, [heard("a", json!(1)), heard("b", json!(1))]);
    assert_eq!(subscriber.finish(), []);
}

fn a_sync_publish_is_answered_after_the_subscribers_had_it(hub: HubKind, stack: Stack) {
    let hub = Hub::start(hub);
    let (mut subscriber, _) = client(stack, &hub, &["--topic", "a"]);
    let (mut publisher, _) = client(stack, &hub, &[]);
    for round in 0..20 {
        let answered = publishes(&mut publisher, &publish("a", json!(round)))["at"].as_f64().unwrap();
        let had = subscriber.wait_for("received", &json!("a"));
        assert_eq!(had["data"], json!(round));
        assert!(had["at"].as_f64().unwrap() <= answered, "answered at {answered}, but received {had}");
    }
}

fn a_publish_that_is_not_sync_arrives_too(hub: HubKind, stack: Stack) {
    let hub = Hub::start(hub);
    let (mut subscriber, _) = client(stack, &hub, &["--topic", "a"]);
    let (mut publisher, _) = client(stack, &hub, &[]);
    publishes(&mut publisher, &json!({"do": "publish", "topics": ["a"], "data": 1, "sync": false}));
    assert_eq!(subscriber.received(), heard("a", json!(1)));
    publishes(&mut publisher, &publish("nobody", json!(1)));
    publishes(&mut publisher, &json!({"do": "publish", "topics": [], "data": 1}));
    assert_eq!(subscriber.finish(), []);
}

fn who_hears_whose_events_is_decided_by_notifier_id(hub: HubKind, stack: Stack) {
    let hub = Hub::start(hub);
    let (mut one, one_id) = client(stack, &hub, &["--topic", "a"]);
    let (mut two, two_id) = client(stack, &hub, &["--topic", "a"]);
    let as_notifier = |id: &str, data: &str| {
        // Not sync: the Python hub reads nothing more from a publisher that waits for its own notify.
        json!({"do": "publish", "topics": ["a"], "data": data, "notifier_id": id, "sync": false})
    };
    publishes(&mut one, &publish("a", json!("by default not one's own")));
    assert_eq!(two.received().1, json!("by default not one's own"));
    publishes(&mut one, &as_notifier("somebody", "a foreign id: one's own too"));
    assert_eq!(one.received().1, json!("a foreign id: one's own too"));
    assert_eq!(two.received().1, json!("a foreign id: one's own too"));
    publishes(&mut one, &as_notifier(&two_id, "not to two"));
    assert_eq!(one.received().1, json!("not to two"));
    publishes(&mut two, &as_notifier(&two_id, "to one alone"));
    assert_eq!(one.received().1, json!("to one alone"));
    publishes(&mut two, &as_notifier(&one_id, "to two alone"));
    assert_eq!(two.received().1, json!("to two alone"));
    assert_eq!(one.finish(), []);
    assert_eq!(two.finish(), []);
}

fn data_of_every_kind_arrives_as_it_was(hub: HubKind, stack: Stack) {
    let hub = Hub::start(hub);
    let (mut subscriber, _) = client(stack, &hub, &["--topic", "a"]);
    let (mut publisher, _) = client(stack, &hub, &[]);
    let nested = (0..50).fold(json!([]), |inner, _| json!([inner]));
    let kinds = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1.5e-7),
        json!(u64::MAX),
        json!(""),
        json!("\u{0}\u{1f}\"\\/\u{7f}ü\u{2028}\u{1f41d}"),
        json!({"z": 1, "a": {"": []}, "ü": "x"}),
        nested,
    ];
    for data in kinds {
        publishes(&mut publisher, &publish("a", data.clone()));
        assert_eq!(subscriber.received().1, data);
    }
}

fn a_payload_near_the_limit_of_the_clients_arrives(hub: HubKind, stack: Stack) {
    let hub = Hub::start(hub);
    let (mut subscriber, _) = client(stack, &hub, &["--topic", "a"]);
    let (mut publisher, _) = client(stack, &hub, &[]);
    // Clients take frames of 1,048,576 bytes; the rest is for the envelope of the notify.
    let data = json!("x".repeat(1_048_576 - 1_000));
    publishes(&mut publisher, &publish("a", data.clone()));
    assert!(subscriber.received().1 == data, "the payload has changed");
}

fn events_of_one_publisher_arrive_in_order(hub: HubKind, stack: Stack) {
    let hub = Hub::start(hub);
    let (mut subscriber, _) = client(stack, &hub, &["--topic", "a"]);
    let (mut publisher, _) = client(stack, &hub, &["--keep-alive", "0.01"]);
    for number in 0..200 {
        publisher.tell(&publish("a", json!(number)));
    }
    for number in 0..200 {
        assert_eq!(subscriber.received().1, json!(number));
    }
}

fn clients_come_back_after_a_restart_with_their_subscriptions(hub: HubKind, stack: Stack) {
    let hub = Hub::start(hub);
    let (mut subscriber, before) = client(stack, &hub, &["--topic", "a"]);
    let (mut publisher, _) = client(stack, &hub, &[]);
    publishes(&mut publisher, &publish("a", json!("before")));
    assert_eq!(subscriber.received().1, json!("before"));
    let _hub = hub.restart(|| ());
    assert_ne!(ready(&mut subscriber), before);
    ready(&mut publisher);
    publishes(&mut publisher, &publish("a", json!("after")));
    assert_eq!(subscriber.received().1, json!("after"));
}

fn a_subscriber_that_left_holds_nobody_up(hub: HubKind, stack: Stack) {
    let hub = Hub::start(hub);
    let (mut leaver, _) = client(stack, &hub, &["--topic", "a"]);
    let (mut stayer, _) = client(stack, &hub, &["--topic", "a"]);
    let (mut publisher, _) = client(stack, &hub, &[]);
    leaver.ask(&json!({"do": "disconnect"}));
    publishes(&mut publisher, &publish("a", json!(1)));
    assert_eq!(stayer.received().1, json!(1));
    assert_eq!(leaver.finish(), []);
}

fn a_running_client_subscribes_and_unsubscribes(hub: HubKind) {
    let hub = Hub::start(hub);
    let (mut subscriber, _) = client(Stack::PubSub, &hub, &["--topic", "a"]);
    let (mut publisher, _) = client(Stack::PubSub, &hub, &[]);
    assert_eq!(subscriber.ask(&json!({"do": "subscribe", "topic": "b"}))["result"], json!(true));
    publishes(&mut publisher, &publish("b", json!(1)));
    assert_eq!(subscriber.received(), heard("b", json!(1)));
    assert_eq!(subscriber.ask(&json!({"do": "unsubscribe", "topic": "a"}))["result"], json!(true));
    publishes(&mut publisher, &publish("a", json!(2)));
    publishes(&mut publisher, &publish("b", json!(3)));
    assert_eq!(subscriber.received(), heard("b", json!(3)));
    // Python's client makes one request of it, with every topic that it has.
    assert_eq!(subscriber.ask(&json!({"do": "unsubscribe", "topic": null}))["result"], json!(true));
    publishes(&mut publisher, &publish("b", json!(4)));
    assert_eq!(subscriber.ask(&json!({"do": "subscribe", "topic": null}))["result"], json!(true));
    publishes(&mut publisher, &publish("c", json!(5)));
    assert_eq!(subscriber.received(), heard("c", json!(5)));
    assert_eq!(subscriber.finish(), []);
}

crate::hub::at_every_hub!(
    a_subscriber_hears_its_topics_and_no_other,
    a_subscriber_of_all_topics_hears_everything_under_its_real_topic,
    one_publish_to_two_topics_is_heard_once_for_each,
    a_sync_publish_is_answered_after_the_subscribers_had_it,
    a_publish_that_is_not_sync_arrives_too,
    who_hears_whose_events_is_decided_by_notifier_id,
    data_of_every_kind_arrives_as_it_was,
    a_payload_near_the_limit_of_the_clients_arrives,
    events_of_one_publisher_arrive_in_order,
    clients_come_back_after_a_restart_with_their_subscriptions,
    a_subscriber_that_left_holds_nobody_up,
);

#[test]
fn a_running_client_subscribes_and_unsubscribes_at_python_1_0_1() {
    a_running_client_subscribes_and_unsubscribes(HubKind::Python10);
}

#[test]
fn a_running_client_subscribes_and_unsubscribes_at_ours() {
    a_running_client_subscribes_and_unsubscribes(HubKind::Ours);
}
