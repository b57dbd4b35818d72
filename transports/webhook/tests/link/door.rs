//! A hub with a door of ours, as the suite wants it: on a port of its own, and to be stopped and started.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhive_conformance::{Broker, Fixture, free_port};
use eventhive_hub::{Hub, HubSettings};
use eventhive_listener::{DoorPlan, Limits, Listen, Listeners, Networks, TlsFiles};
use eventhive_transport::settings::Value;
use eventhive_transport::{Capabilities, Link, Settings, Transport};
use eventhive_webhook::{Config, Webhook, WebhookDoor};
use futures_util::future::BoxFuture;
use tempfile::TempDir;

use crate::settings::settings;

const MESSAGE: i64 = 2 << 20;

/// A hub with the door.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) door: Arc<WebhookDoor>,
    hub: Hub,
    listeners: Listeners,
}

/// With subscriptions in the folder, and what is changed of the door's settings.
pub(crate) fn listen(folder: &TempDir, port: u16, tls: Option<TlsFiles>, change: impl FnOnce(&mut Config)) -> Running {
    let hub = Hub::new(HubSettings::default());
    let mut config = Config {
        database: format!("sqlite:{}", folder.path().join("subscriptions.db").display()),
        ..Config::default()
    };
    config.outgoing.allow = Networks::loopback();
    change(&mut config);
    let door = Arc::new(WebhookDoor::new(hub.clone(), config));
    let limits = Limits { workers: Some(2), ..Limits::default() };
    let listen = Listen { host: "127.0.0.1".to_owned(), port, tls, proxies: None, limits };
    let plan = DoorPlan::new("servers.test", listen, "http", "/v1", door.clone());
    let listeners = Listeners::start(vec![plan]).unwrap();
    Running { address: listeners.addresses()[0].address, door, hub, listeners }
}

impl Running {
    pub(crate) async fn stop(self) {
        self.listeners.stop(Duration::from_millis(200)).await;
        self.hub.close().await;
    }
}

pub(crate) struct Ours {
    upgrade: &'static str,
    address: SocketAddr,
    folder: TempDir,
    running: Mutex<Option<Running>>,
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
        let running = listen(&folder, free_port(), None, |_| ());
        Self { upgrade, address: running.address, folder, running: Mutex::new(Some(running)) }
    }

    fn settings(&self, address: SocketAddr) -> Settings {
        settings(address, self.upgrade, &[("max_message_bytes", Value::Integer(MESSAGE))])
    }

    async fn halt(&self) {
        let running = self.running.lock().unwrap().take();
        if let Some(running) = running {
            running.stop().await;
        }
    }
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

    fn copies(&self) -> usize {
        // What both wires have in common is run ten times on each alone.
        if self.upgrade == "auto" { 4 } else { 10 }
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
        Box::pin(async {
            let running = listen(&self.folder, self.address.port(), None, |_| ());
            *self.running.lock().unwrap() = Some(running);
        })
    }

    fn queued_bytes(&self) -> Option<usize> {
        None
    }
}
