//! The hubs that the cases run against: Python's two, and ours.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    /// `hive-cli serve`.
    Ours,
}

/// A running hub on loopback, with the endpoint `/pubsub`.
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
        let (port, process) = match kind {
            HubKind::Python03 => python(Stack::Eventhive, port),
            HubKind::Python10 => python(Stack::PubSub, port),
            HubKind::Ours => ours(port),
        };
        Self { kind, port, process }
    }

    /// Kills it, and starts a new one on the same port once `meanwhile` has been done.
    pub(crate) fn restart(self, meanwhile: impl FnOnce()) -> Self {
        let Self { kind, port, process } = self;
        drop(process);
        meanwhile();
        Self::start_on(kind, port)
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/pubsub", self.port)
    }
}

fn python(stack: Stack, port: u16) -> (u16, Peer) {
    let mut process = Peer::python(stack, "server", &["--port", &port.to_string()]);
    let told = process.wait_for("state", &json!("listening"));
    (told["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap(), process)
}

fn ours(port: u16) -> (u16, Peer) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hive-cli"));
    // A folder for each, because what one has stored is nothing to the next.
    static FOLDERS: AtomicUsize = AtomicUsize::new(0);
    let (run, number) = (std::process::id(), FOLDERS.fetch_add(1, Ordering::Relaxed));
    command.env("XDG_DATA_HOME", format!("{}/hubs/{run}-{number}", env!("CARGO_TARGET_TMPDIR")));
    command.args(["--json", "serve", "--network", "net", "--port", &port.to_string()]);
    let mut process = Peer::start("hive-cli serve", command);
    let told = process.wait_until("servers", |line| line.get("servers").is_some());
    let url = told["servers"][0]["urls"][0].as_str().unwrap_or_else(|| panic!("{told}"));
    let port = url.strip_prefix("ws://127.0.0.1:").and_then(|rest| rest.strip_suffix("/pubsub"));
    (port.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("{url}")), process)
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
