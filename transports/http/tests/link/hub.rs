//! A hub with a door, as the suite wants it: on a port of its own, and to be stopped and started.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhive_conformance::{Broker, Fixture, free_port};
use eventhive_http::{Config, Http, HttpDoor, HttpLink};
use eventhive_hub::{Hub, HubSettings};
use eventhive_listener::{DoorPlan, Limits, Listen, Listeners};
use eventhive_transport::settings::Value;
use eventhive_transport::{Capabilities, Link, Transport};
use futures_util::future::BoxFuture;

use crate::settings::settings;

/// Large enough for the cases of 1 MiB.
const MESSAGE: i64 = 2 << 20;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    running: Mutex<Option<(Hub, Listeners)>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let (hub, listeners) = listen(free_port());
        let address = listeners.addresses()[0].address;
        Self { address, running: Mutex::new(Some((hub, listeners))) }
    }

    pub(crate) fn hub(&self) -> Hub {
        self.running.lock().unwrap().as_ref().unwrap().0.clone()
    }

    pub(crate) async fn halt(&self) {
        let running = self.running.lock().unwrap().take();
        if let Some((hub, listeners)) = running {
            listeners.stop(Duration::from_millis(200)).await;
            hub.close().await;
        }
    }
}

fn listen(port: u16) -> (Hub, Listeners) {
    let hub = Hub::new(HubSettings::default());
    let size = usize::try_from(MESSAGE).unwrap();
    let config = Config {
        max_payload: size,
        queue_bytes: 4 * size,
        ping_interval: Duration::from_millis(200),
        ..Config::default()
    };
    let door = Arc::new(HttpDoor::new(hub.clone(), config));
    let listen = Listen {
        host: "127.0.0.1".to_owned(),
        port,
        tls: None,
        proxies: None,
        limits: Limits { workers: Some(2), ..Limits::default() },
    };
    let plan = DoorPlan::new("servers.test", listen, "http", "/", door);
    (hub, Listeners::start(vec![plan]).unwrap())
}

impl Fixture for Server {
    fn capabilities(&self) -> Capabilities {
        let made = settings(self.address, &[("max_message_bytes", Value::Integer(MESSAGE))]);
        Http.capabilities().with_max_payload(Some(made.max_payload()))
    }

    fn wire(&self) -> Option<&'static str> {
        Some("http")
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
        let made = settings(address, &[("max_message_bytes", Value::Integer(MESSAGE))]);
        Box::pin(async move { Arc::new(HttpLink::start(made)) as Arc<dyn Link> })
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
