//! What leaves the process, and what comes in.

use std::sync::{Arc, Mutex};

use eventhive::{CallError, CallOptions, Event, EventName, Hive, Origin, Route, RouteError, Sent};
use serde_json::json;

use crate::support::{bare, soon, until};

/// A network that notes what is published, or refuses everything.
#[derive(Default)]
struct Network {
    published: Mutex<Vec<String>>,
    refuse: bool,
}

impl Route for Network {
    fn publish(&self, event: &Event) -> Result<Sent, RouteError> {
        if self.refuse {
            return Err(RouteError { network: "net".into(), reason: "the outbox is full".into() });
        }
        self.published.lock().unwrap().push(event.name().to_string());
        Ok(Sent::Queued)
    }
}

fn connected(network: &Arc<Network>) -> Hive {
    let hive = bare();
    hive.registry().add_route("net", network.clone());
    hive
}

/// The rows of the Python table, with what should be. Defined or not makes no difference.
#[tokio::test]
async fn exactly_the_events_of_a_network_are_published_to_it() {
    for defined in [true, false] {
        let network = Arc::new(Network::default());
        let hive = connected(&network);
        let _everything = hive.stream("*").unwrap();
        for name in
            ["net/worker/act", "net/queen/do", "worker/act", "worker2/act", "local", "other/q/do", "net", "net2/a/b"]
        {
            if defined {
                hive.define(name, "").unwrap();
            }
            soon(hive.call(name, json!({}))).await.unwrap();
            hive.emit(name, json!({})).unwrap();
        }
        let published = network.published.lock().unwrap().clone();
        assert_eq!(published, ["net/worker/act", "net/worker/act", "net/queen/do", "net/queen/do"]);
    }
}

#[tokio::test]
async fn the_outcome_tells_what_the_network_said_and_local_hooks_run_too() {
    let hive = connected(&Arc::new(Network::default()));
    hive.hook("net/worker/act", || "here too").unwrap();
    let outcomes = soon(hive.call("net/worker/act", json!({}))).await.unwrap();
    assert_eq!(outcomes.published(), Some(&Ok(Sent::Queued)));
    assert_eq!(outcomes.value(), Some(&json!("here too")));

    let hive = connected(&Arc::new(Network { refuse: true, ..Network::default() }));
    let outcomes = soon(hive.call("net/worker/act", json!({}))).await.unwrap();
    assert!(!outcomes.is_ok());
    assert!(matches!(hive.emit("net/x", json!({})).unwrap().published, Some(Err(_))));
}

#[tokio::test]
async fn an_event_that_came_in_reaches_hooks_of_its_exact_name_and_is_not_published_again() {
    let network = Arc::new(Network::default());
    let hive = connected(&network);
    let exact = hive.hook("worker/act", |event: Event| event.origin() == &Origin::Network("net".into())).unwrap();
    let other = hive.hook("worker/other", || ()).unwrap();
    let incoming = |name: &str| Event::received(EventName::new(name).unwrap(), json!({}).into(), None, "net".into());
    hive.registry().fire(incoming("worker/act")).unwrap();
    // In Python this fires every event below `worker/`.
    assert!(matches!(hive.registry().fire(incoming("worker/*")), Err(CallError::Unknown { .. })));
    let outcomes = soon(hive.fire_and_wait(incoming("worker/act"), CallOptions::new())).await.unwrap();
    assert_eq!(outcomes.value(), Some(&json!(true)));
    hive.registry().fire(incoming("net/worker/act")).unwrap();
    until(|| exact.stats().handled == 2).await;
    assert_eq!(other.stats().handled, 0);
    assert!(network.published.lock().unwrap().is_empty());
}

#[tokio::test]
async fn routes_come_and_go() {
    let (network, other) = (Arc::new(Network::default()), Arc::new(Network::default()));
    let hive = connected(&network);
    hive.define("net/a/b", "").unwrap();
    hive.registry().set_routes([("other".into(), other.clone() as Arc<dyn Route>)]);
    hive.emit("net/a/b", json!({})).unwrap();
    hive.emit("other/a/b", json!({})).unwrap();
    assert!(hive.registry().remove_route("other"));
    assert!(hive.emit("other/a/b", json!({})).is_err());
    assert!(network.published.lock().unwrap().is_empty());
    assert_eq!(*other.published.lock().unwrap(), ["other/a/b"]);
}

#[tokio::test]
async fn the_separator_can_be_another_text() {
    let network = Arc::new(Network::default());
    let hive = Hive::builder().declared_hooks(false).separator("::").build().unwrap();
    hive.registry().add_route("net", network.clone());
    hive.emit("net::a::b", json!({})).unwrap();
    assert!(hive.emit("net/a/b", json!({})).is_err());
    assert_eq!(*network.published.lock().unwrap(), ["net::a::b"]);
}
