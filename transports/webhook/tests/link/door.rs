//! A hub with a door of ours, as the suite wants it: on a port of its own, and to be stopped and started.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhive_conformance::{Broker, Fixture};
use eventhive_hub::{Hub, HubSettings};
use eventhive_listener::{DoorPlan, Limits, Listen, Listeners, Networks};
use eventhive_transport::settings::Value;
use eventhive_transport::{Capabilities, Link, Settings, Transport};
use eventhive_webhook::{Config, Webhook, WebhookDoor};
use futures_util::future::BoxFuture;

use crate::settings::settings;

const MESSAGE: i64 = 2 << 20;

pub(crate) struct Ours {
    upgrade: &'static str,
    address: SocketAddr,
    folder: tempfile::TempDir,
    running: Mutex<Option<(Hub, Listeners)>>,
}

impl Ours {
    pub(crate) async fn over_http() -> Self {
        Self::start("never")
    }

    pub(crate) async fn over_a_websocket() -> Self {
        Self::start("websocket")
    }

    pub(crate) async fn with_both() -> Self {
        Self::start("auto")
    }

    fn start(upgrade: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (hub, listeners) = listen(&folder, 0);
        let address = listeners.addresses()[0].address;
        Self { upgrade, address, folder, running: Mutex::new(Some((hub, listeners))) }
    }

    fn settings(&self, address: SocketAddr) -> Settings {
        settings(address, self.upgrade, &[("max_message_bytes", Value::Integer(MESSAGE))])
    }

    async fn halt(&self) {
        let running = self.running.lock().unwrap().take();
        if let Some((hub, listeners)) = running {
            listeners.stop(Duration::from_millis(200)).await;
            hub.close().await;
        }
    }
}

fn listen(folder: &tempfile::TempDir, port: u16) -> (Hub, Listeners) {
    let hub = Hub::new(HubSettings::default());
    let mut config = Config {
        database: format!("sqlite:{}", folder.path().join("subscriptions.db").display()),
        ..Config::default()
    };
    config.outgoing.allow = Networks::loopback();
    let door = Arc::new(WebhookDoor::new(hub.clone(), config));
    let limits = Limits { workers: Some(2), ..Limits::default() };
    let listen = Listen { host: "127.0.0.1".to_owned(), port, tls: None, proxies: None, limits };
    let plan = DoorPlan::new("servers.test", listen, "http", "/v1", door);
    (hub, Listeners::start(vec![plan]).unwrap())
}

impl Fixture for Ours {
    fn capabilities(&self) -> Capabilities {
        Webhook.capabilities_with(&self.settings(self.address))
    }

    fn wire(&self) -> Option<&'static str> {
        match self.upgrade {
            "never" => Some("webhook over HTTP"),
            "websocket" => Some("webhook over a websocket"),
            _ => Some("webhook over both"),
        }
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

impl Broker for Ours {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn link_via(&self, address: SocketAddr) -> BoxFuture<'_, Arc<dyn Link>> {
        Box::pin(async move { Webhook.connect(&self.settings(address)).unwrap() })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.halt())
    }

    fn start(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { *self.running.lock().unwrap() = Some(listen(&self.folder, self.address.port())) })
    }

    fn queued_bytes(&self) -> Option<usize> {
        None
    }
}
