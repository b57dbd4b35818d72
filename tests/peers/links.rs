//! Our link at every hub, beside `PubSubClient`.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use bytes::Bytes;
use eventhive_transport::{Filter, Incoming, Link, Receipt, Settings, Subscription, Transport};
use eventhive_websocket::WebSocket;
use serde_json::json;
use tokio::runtime::Handle;

use crate::environment::Stack;
use crate::hub::{Hub, HubKind};
use crate::process::{LIMIT, publish};
use crate::pubsub_clients::client;

/// A link whose task runs on a thread of its own, so that a test may block.
struct OurLink {
    runtime: Handle,
    link: Arc<dyn Link>,
    _subscriptions: Vec<Subscription>,
    received: Receiver<(String, Bytes)>,
}

impl OurLink {
    /// Connects, and subscribes what is asked for.
    fn connect(hub: &Hub, filters: impl IntoIterator<Item = Filter>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        let (sender, received) = channel();
        let sink = Arc::new(move |incoming: Incoming| {
            // Fails once the test is over, which is no harm.
            let _ = sender.send((incoming.topic.as_str().unwrap().to_owned(), incoming.payload));
        });
        let link = {
            let _inside = handle.enter();
            WebSocket.connect(&settings(hub.port)).unwrap()
        };
        let subscriptions = filters.into_iter().map(|filter| {
            let subscribed = handle.block_on(tokio_timeout(link.subscribe(filter, sink.clone())));
            subscribed.unwrap_or_else(|error| panic!("not subscribed: {error}"))
        });
        let subscriptions = subscriptions.collect();
        let connected = Self { runtime: handle, link, _subscriptions: subscriptions, received };
        connected.wait_until_up(true);
        connected
    }

    fn wait_until_up(&self, up: bool) {
        let mut state = self.link.state();
        let reached = self.runtime.block_on(tokio_timeout(state.wait_for(|state| state.is_up() == up)));
        drop(reached.unwrap());
    }

    fn publish(&self, topic: &str, payload: &str) -> Receipt {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        self.link.publish(topic.into(), payload).unwrap_or_else(|refused| panic!("{refused}"))
    }

    fn received(&self) -> (String, String) {
        let (topic, payload) = self.received.recv_timeout(LIMIT).expect("the link received nothing");
        (topic, String::from_utf8(payload.to_vec()).unwrap())
    }
}

async fn tokio_timeout<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("nothing happened in time")
}

fn settings(port: u16) -> Settings {
    use eventhive_transport::settings::{Entry, Node, Position, Value};
    let entry = |key: &str, value| Entry {
        key: key.to_owned(),
        key_at: Position::default(),
        node: Node { value, at: Position::default() },
    };
    // Long waits between attempts would only make the test of a restart long.
    let given = vec![entry("port", Value::Integer(port.into())), entry("reconnect_max_secs", Value::Float(0.2))];
    let node = Node { value: Value::Map(given), at: Position::default() };
    Settings::check("init", &node, Transport::keys(&WebSocket)).unwrap()
}

fn heard(topic: &str, payload: &str) -> (String, String) {
    (topic.to_owned(), payload.to_owned())
}

fn a_link_hears_its_topics_and_no_other(hub: HubKind, stack: Stack) {
    let hub = Hub::start(hub);
    let link = OurLink::connect(&hub, [Filter::exact("a"), Filter::exact("b/c")]);
    let (mut publisher, _) = client(stack, &hub, &[]);
    for topic in ["a", "other", "b", "b/c", "a"] {
        publisher.ask(&publish(topic, json!(format!("{{\"to\": \"{topic}\"}}"))));
    }
    assert_eq!(link.received(), heard("a", r#"{"to": "a"}"#));
    assert_eq!(link.received(), heard("b/c", r#"{"to": "b/c"}"#));
    assert_eq!(link.received(), heard("a", r#"{"to": "a"}"#));
}

fn a_link_to_everything_hears_each_event_once_under_its_topic(hub: HubKind, stack: Stack) {
    let hub = Hub::start(hub);
    let link = OurLink::connect(&hub, [Filter::All]);
    let (mut publisher, _) = client(stack, &hub, &[]);
    for topic in ["a", "b/c", "ü"] {
        publisher.ask(&publish(topic, json!("x")));
    }
    assert_eq!([link.received(), link.received(), link.received()], ["a", "b/c", "ü"].map(|topic| heard(topic, "x")));
}

fn clients_hear_a_link_and_the_link_hears_itself(hub: HubKind, stack: Stack) {
    let hub = Hub::start(hub);
    let (mut subscriber, _) = client(stack, &hub, &["--topic", "a"]);
    let link = OurLink::connect(&hub, [Filter::exact("a")]);
    for payload in ["", "{}", "\"quoted\"\n\u{1f41d}\u{0}", r#"{"n": 1.0, "__eventhive__": {"id": "x"}}"#] {
        let receipt = link.publish("a", payload);
        link.runtime.block_on(tokio_timeout(receipt)).unwrap_or_else(|error| panic!("{payload}: {error}"));
        assert_eq!(subscriber.received().1, json!(payload));
        assert_eq!(link.received(), heard("a", payload));
    }
}

fn a_burst_arrives_whole_and_in_order(hub: HubKind, stack: Stack) {
    let hub = Hub::start(hub);
    let (mut subscriber, _) = client(stack, &hub, &["--topic", "a"]);
    let (link, other) = (OurLink::connect(&hub, [Filter::exact("a")]), OurLink::connect(&hub, [Filter::exact("a")]));
    let receipts: Vec<Receipt> = (0..1000).map(|number| link.publish("a", &number.to_string())).collect();
    for number in 0..1000 {
        assert_eq!(other.received(), heard("a", &number.to_string()));
        assert_eq!(link.received(), heard("a", &number.to_string()));
        assert_eq!(subscriber.received().1, json!(number.to_string()));
    }
    for receipt in receipts {
        link.runtime.block_on(tokio_timeout(receipt)).unwrap();
    }
}

fn a_large_payload_arrives(hub: HubKind, stack: Stack) {
    let hub = Hub::start(hub);
    let (mut subscriber, _) = client(stack, &hub, &["--topic", "a"]);
    let link = OurLink::connect(&hub, [Filter::exact("a")]);
    let payload = "x".repeat(1_000_000);
    drop(link.publish("a", &payload));
    assert!(link.received() == heard("a", &payload), "the payload has changed");
    assert!(subscriber.received().1 == json!(payload), "the payload has changed");
}

fn a_link_comes_back_after_a_restart_with_its_subscriptions(hub: HubKind, stack: Stack) {
    let hub = Hub::start(hub);
    let link = OurLink::connect(&hub, [Filter::exact("a"), Filter::exact("b")]);
    drop(link.publish("a", "before"));
    assert_eq!(link.received(), heard("a", "before"));
    let hub = hub.restart(|| link.wait_until_up(false));
    link.wait_until_up(true);
    let (mut publisher, _) = client(stack, &hub, &[]);
    publisher.ask(&publish("b", json!("after")));
    assert_eq!(link.received(), heard("b", "after"));
    drop(link.publish("a", "own"));
    assert_eq!(link.received(), heard("a", "own"));
}

crate::hub::at_every_hub!(
    a_link_hears_its_topics_and_no_other,
    a_link_to_everything_hears_each_event_once_under_its_topic,
    clients_hear_a_link_and_the_link_hears_itself,
    a_burst_arrives_whole_and_in_order,
    a_large_payload_arrives,
    a_link_comes_back_after_a_restart_with_its_subscriptions,
);
