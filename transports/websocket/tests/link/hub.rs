//! A hub with a door, as the suite wants it: on a port of its own, and to be stopped and started.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhive_conformance::{Broker, Fixture, free_port};
use eventhive_hub::{Hub, HubSettings};
use eventhive_listener::{DoorPlan, Limits, Listen, Listeners};
use eventhive_transport::{Capabilities, Link, Transport};
use eventhive_websocket::{Config, WebSocket, WebSocketDoor, WebSocketLink};
use futures_util::future::BoxFuture;

use crate::scripted::settings;

/// Large enough for the cases of 1 MiB.
const MESSAGE: usize = 2 << 20;

pub(crate) struct Server {
    address: SocketAddr,
    running: Mutex<Option<(Hub, Listeners)>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let (hub, listeners) = listen(free_port());
        let address = listeners.addresses()[0].address;
        Self { address, running: Mutex::new(Some((hub, listeners))) }
    }

    async fn halt(&self) {
        let running = self.running.lock().unwrap().take();
        if let Some((hub, listeners)) = running {
            listeners.stop(Duration::from_millis(200)).await;
            hub.close().await;
        }
    }
}

fn listen(port: u16) -> (Hub, Listeners) {
    let hub = Hub::new(HubSettings::default());
    let config = Config { max_message: MESSAGE, max_frame: MESSAGE, queue_bytes: 4 * MESSAGE, ..Config::default() };
    let door = Arc::new(WebSocketDoor::new(hub.clone(), config));
    let listen = Listen {
        host: "127.0.0.1".to_owned(),
        port,
        tls: None,
        proxies: None,
        limits: Limits { workers: Some(2), ..Limits::default() },
    };
    let plan = DoorPlan::new("servers.test", listen, "ws", "/pubsub", door);
    (hub, Listeners::start(vec![plan]).unwrap())
}

impl Fixture for Server {
    fn capabilities(&self) -> Capabilities {
        WebSocket.capabilities().with_max_payload(Some(settings(self.address, &[]).max_payload()))
    }

    fn wire(&self) -> Option<&'static str> {
        Some("websocket")
    }

    fn link(&self) -> BoxFuture<'_, Arc<dyn Link>> {
        self.link_via(self.address)
    }

    fn broker(&self) -> Option<&dyn Broker> {
        Some(self)
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.halt())
    }
}

impl Broker for Server {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn link_via(&self, address: SocketAddr) -> BoxFuture<'_, Arc<dyn Link>> {
        Box::pin(async move { Arc::new(WebSocketLink::start(settings(address, &[]))) as Arc<dyn Link> })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.halt())
    }

    fn start(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { *self.running.lock().unwrap() = Some(listen(self.address.port())) })
    }

    fn queued_bytes(&self) -> Option<usize> {
        let running = self.running.lock().unwrap();
        running.as_ref().map(|(hub, _)| usize::try_from(hub.stats().queue_bytes).unwrap())
    }
}
