//! A hub with a door that reads queues.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use eventhive_http::sqs::{QueueConfig, QueueStats};
use eventhive_http::{Config, HttpDoor};
use eventhive_hub::{Hub, HubSettings};
use eventhive_listener::{DoorPlan, Limits, Listen, Listeners};
use tokio::time::timeout;

use crate::support::{Client, PATIENCE, until};

pub(crate) struct Hive {
    pub(crate) hub: Hub,
    pub(crate) door: Arc<HttpDoor>,
    listeners: Listeners,
    address: SocketAddr,
}

impl Hive {
    pub(crate) fn reading(queues: impl Into<Vec<QueueConfig>>) -> Self {
        Self::on(Hub::new(HubSettings::default()), Config { queues: queues.into(), ..Config::default() })
    }

    pub(crate) fn on(hub: Hub, config: Config) -> Self {
        let door = Arc::new(HttpDoor::new(hub.clone(), config));
        // Several threads, each with routes of the door: the readers are there once all the same.
        let limits = Limits { workers: Some(3), ..Limits::default() };
        let listen = Listen { host: "127.0.0.1".to_owned(), port: 0, tls: None, proxies: None, limits };
        let plan = DoorPlan::new("servers.x", listen, "http", "/", Arc::clone(&door) as _);
        let listeners = Listeners::start(vec![plan]).unwrap();
        let address = listeners.addresses()[0].address;
        Self { hub, door, listeners, address }
    }

    /// A stream that is subscribed. Beginning with all that there was, so that no test need be quicker than its reader.
    pub(crate) async fn stream(&self, target: &str) -> Client {
        self.stream_with(target, "").await
    }

    pub(crate) async fn stream_with(&self, target: &str, headers: &str) -> Client {
        let mut client = Client::connect(self.address).await;
        client.get(target, &format!("X-Fetch-Since: 0\r\n{headers}")).await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        client
    }

    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(QueueStats) -> bool) {
        until(what, || wanted(self.door.queue_stats())).await;
    }

    /// Stops as a hive does: the door drains, then the hub closes.
    pub(crate) async fn stop(self, within: Duration) {
        let stops = async {
            self.listeners.stop(within).await;
            self.hub.close().await;
        };
        timeout(PATIENCE, stops).await.expect("it stops");
    }
}
