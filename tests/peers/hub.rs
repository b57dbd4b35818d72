//! The hubs that the cases run against: Python's two, and ours.

use serde_json::json;

use crate::environment::Stack;
use crate::process::Peer;

/// Which hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HubKind {
    /// fastapi_websocket_pubsub 0.3.1.
    Python03,
    /// fastapi_websocket_pubsub 1.0.1.
    Python10,
}

/// A running hub on loopback.
pub(crate) struct Hub {
    kind: HubKind,
    pub(crate) port: u16,
    process: Peer,
}

impl Hub {
    /// Starts one on a free port.
    pub(crate) fn start(kind: HubKind) -> Self {
        Self::start_on(kind, 0)
    }

    fn start_on(kind: HubKind, port: u16) -> Self {
        let mut process = match kind {
            HubKind::Python03 => python(Stack::Eventhive, port),
            HubKind::Python10 => python(Stack::PubSub, port),
        };
        let told = process.wait_for("state", &json!("listening"));
        let port = told["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap();
        Self { kind, port, process }
    }

    /// Kills it and starts a new one on the same port.
    pub(crate) fn restart(self) -> Self {
        let Self { kind, port, process } = self;
        drop(process);
        Self::start_on(kind, port)
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/pubsub", self.port)
    }
}

fn python(stack: Stack, port: u16) -> Peer {
    Peer::python(stack, "server", &["--port", &port.to_string()])
}
