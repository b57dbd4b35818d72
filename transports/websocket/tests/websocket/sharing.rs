//! Several hubs on one port.

use std::sync::Arc;

use eventhive_hub::{Draft, Hub, HubSettings};
use eventhive_listener::{DoorPlan, Limits, Listen, Listeners};
use eventhive_websocket::{Config, WebSocketDoor};
use serde_json::json;

use crate::support::Client;

fn plan(endpoint: &str) -> (Hub, DoorPlan) {
    let hub = Hub::new(HubSettings::default());
    let config = Config { endpoint: endpoint.to_owned(), ..Config::default() };
    let limits = Limits { workers: Some(2), ..Limits::default() };
    let listen = Listen { host: "127.0.0.1".to_owned(), port: 0, tls: None, proxies: None, limits };
    let door = Arc::new(WebSocketDoor::new(hub.clone(), config));
    (hub, DoorPlan::new(format!("servers{endpoint}"), listen, "ws", endpoint, door))
}

#[tokio::test]
async fn two_hubs_on_one_port_at_different_endpoints_keep_their_events_apart() {
    let ((first, one), (second, two)) = (plan("/first"), plan("/second"));
    let listeners = Listeners::start(vec![one, two]).unwrap();
    let bound = listeners.addresses();
    assert_eq!((bound.len(), bound[0].doors.len()), (1, 2));
    let client = |endpoint| {
        let url = format!("ws://{}/{endpoint}", bound[0].address);
        async { Client::connect(url).await.unwrap() }
    };
    let (mut in_first, mut in_second, mut publisher) =
        (client("first").await, client("second").await, client("first").await);
    in_first.subscribe(&["t"]).await;
    in_second.subscribe(&["t"]).await;
    assert_eq!((first.stats().subscriptions, second.stats().subscriptions), (1, 1));
    assert_eq!(publisher.call("publish", json!({"topics": ["t"], "data": 1, "sync": false})).await, true);
    second.publish(Draft::json("t", "2")).unwrap();
    assert_eq!(in_first.notified().await.1, 1);
    assert_eq!(in_second.notified().await.1, 2);
    in_first.nothing_came().await;
    in_second.nothing_came().await;
    assert_eq!((first.stats().published, second.stats().published), (1, 1));
}
