//! The hubs that the cases run against: Python's two, and ours.

use serde_json::json;

use crate::environment::Stack;
use crate::our_hive::OurHive;
use crate::process::Peer;

/// Which hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HubKind {
    /// fastapi_websocket_pubsub 0.3.1.
    Python03,
    /// fastapi_websocket_pubsub 1.0.1.
    Python10,
    /// A hive of ours with a server.
    Ours,
}

/// A running hub on loopback, with the endpoint `/pubsub`.
pub(crate) struct Hub {
    kind: HubKind,
    pub(crate) port: u16,
    running: Running,
}

enum Running {
    Python { _process: Peer },
    Ours { _hive: OurHive },
}

impl Hub {
    /// Starts one on a free port.
    pub(crate) fn start(kind: HubKind) -> Self {
        Self::start_on(kind, 0)
    }

    fn start_on(kind: HubKind, port: u16) -> Self {
        let (port, running) = match kind {
            HubKind::Python03 => python(Stack::Eventhive, port),
            HubKind::Python10 => python(Stack::PubSub, port),
            HubKind::Ours => ours(port),
        };
        Self { kind, port, running }
    }

    /// Ends it, and starts a new one on the same port once `meanwhile` has been done.
    pub(crate) fn restart(self, meanwhile: impl FnOnce()) -> Self {
        let Self { kind, port, running } = self;
        drop(running);
        meanwhile();
        Self::start_on(kind, port)
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/pubsub", self.port)
    }
}

fn python(stack: Stack, port: u16) -> (u16, Running) {
    let mut process = Peer::python(stack, "server", &["--port", &port.to_string()]);
    let told = process.wait_for("state", &json!("listening"));
    let port = told["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap();
    (port, Running::Python { _process: process })
}

fn ours(port: u16) -> (u16, Running) {
    let yaml = format!(
        "servers: {{net: {{pubsub_type: fastapi, create: always, broadcast: false, init: {{host: 127.0.0.1, port: {port}, endpoint: /pubsub}}}}}}"
    );
    let hive = OurHive::start(&yaml, &[], None);
    (hive.port.unwrap(), Running::Ours { _hive: hive })
}

/// One test a case and hub, with the clients of Python's hub, and with both versions at ours. A case is a function of a
/// [`HubKind`] and the [`Stack`] of the clients.
macro_rules! at_every_hub {
    ($($case:ident),* $(,)?) => { $(
        mod $case {
            use crate::{environment::Stack, hub::HubKind};
            #[test]
            fn python_0_3_1_with_its_own_clients() { super::$case(HubKind::Python03, Stack::Eventhive) }
            #[test]
            fn python_1_0_1_with_its_own_clients() { super::$case(HubKind::Python10, Stack::PubSub) }
            #[test]
            fn ours_with_clients_of_0_3_1() { super::$case(HubKind::Ours, Stack::Eventhive) }
            #[test]
            fn ours_with_clients_of_1_0_1() { super::$case(HubKind::Ours, Stack::PubSub) }
        }
    )* };
}
pub(crate) use at_every_hub;
