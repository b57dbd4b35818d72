//! The conformance suite over a websocket door.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhive_conformance::{Broker, Fixture, free_port};
use eventhive_hub::{Hub, HubSettings};
use eventhive_listener::{DoorPlan, Limits, Listen, Listeners};
use eventhive_transport::settings::{Entry, Node, Position, Value};
use eventhive_transport::{Capabilities, Link, Settings, Transport};
use eventhive_websocket::{Config, WebSocket, WebSocketDoor};
use futures_util::future::BoxFuture;

use crate::discovery::moving::{MovingLink, Opener};

/// Large enough for the cases of 1 MiB.
const MESSAGE: usize = 2 << 20;

struct Server {
    address: SocketAddr,
    running: Mutex<Option<(Hub, Listeners)>>,
}

impl Server {
    async fn start() -> Self {
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
    let limits = Limits { workers: Some(2), ..Limits::default() };
    let listen = Listen { host: "127.0.0.1".to_owned(), port, tls: None, proxies: None, limits };
    let plan = DoorPlan::new("servers.test", listen, "ws", "/pubsub", door);
    (hub, Listeners::start(vec![plan]).unwrap())
}

/// Settings with times short enough for tests.
fn settings(address: SocketAddr) -> Settings {
    let at = Position::default();
    let given = [
        ("host", Value::Text(address.ip().to_string())),
        ("port", Value::Integer(address.port().into())),
        ("max_message_bytes", Value::Integer(2 << 20)),
        ("reconnect_min_secs", Value::Float(0.05)),
        ("reconnect_max_secs", Value::Float(0.4)),
        ("ping_interval_secs", Value::Float(1.0)),
        ("ping_timeout_secs", Value::Float(3.0)),
        ("close_timeout_secs", Value::Float(2.0)),
    ];
    let entry = |(key, value): (&str, Value)| Entry { key: key.to_owned(), key_at: at, node: Node { value, at } };
    let node = Node { value: Value::Map(given.map(entry).into()), at };
    Settings::check("connectors.test.init", &node, WebSocket.keys()).unwrap()
}

impl Fixture for Server {
    fn capabilities(&self) -> Capabilities {
        WebSocket.capabilities_with(&settings(self.address))
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
        let settings = settings(address);
        let opener: Opener = Arc::new(move || WebSocket.connect(&settings).map_err(|problems| format!("{problems:?}")));
        Box::pin(async move {
            let link = MovingLink::start(async move |helm| {
                helm.go(opener);
                // The helm stays where it is.
                std::future::pending::<()>().await;
            });
            Arc::new(link) as Arc<dyn Link>
        })
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

eventhive_conformance::conformance!(Server::start);
