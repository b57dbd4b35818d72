//! A broadcaster that runs.

use std::process::Command;
use std::rc::Rc;

use serde_json::json;

use super::auth::Folder;
use crate::environment::Stack;
use crate::http::served::port_of;
use crate::process::Peer;

/// Which broadcaster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// lonelypss 0.0.12, on a SQLite with which globs match.
    Python,
    /// `hive-cli serve` with what `hive-cli setup webhook` has written.
    Ours,
}

/// One on a port of loopback.
pub(crate) struct Broadcaster {
    kind: Kind,
    port: u16,
    process: Peer,
    folder: Rc<Folder>,
    /// More keys of ours, in YAML.
    init: String,
}

impl Broadcaster {
    /// Starts one on a free port, with the secrets of the folder. Its subscriptions are there too.
    pub(crate) fn start(kind: Kind, folder: &Rc<Folder>) -> Self {
        Self::start_on(kind, folder, 0, "{}".to_owned())
    }

    /// Starts ours with more keys of `init`.
    pub(crate) fn start_with(folder: &Rc<Folder>, init: &str) -> Self {
        Self::start_on(Kind::Ours, folder, 0, init.to_owned())
    }

    fn start_on(kind: Kind, folder: &Rc<Folder>, port: u16, init: String) -> Self {
        let (port, process) = match kind {
            Kind::Python => python(folder, port),
            Kind::Ours => ours(folder, port, &init),
        };
        Self { kind, port, process, folder: Rc::clone(folder), init }
    }

    /// Kills it, and starts it again on the same port and in the same folder.
    pub(crate) fn restart(self) -> Self {
        self.restart_after(|| ())
    }

    /// As [`restart`](Self::restart), once `meanwhile` has been done.
    pub(crate) fn restart_after(self, meanwhile: impl FnOnce()) -> Self {
        let Self { kind, port, process, folder, init } = self;
        drop(process);
        meanwhile();
        Self::start_on(kind, &folder, port, init)
    }

    /// Its address for clients with this scheme.
    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }
}

fn python(folder: &Folder, port: u16) -> (u16, Peer) {
    let secrets = folder.text("broadcaster-secrets.json");
    let database = folder.text("subscriptions.db");
    let arguments = ["--port", &port.to_string(), "--secrets", &secrets, "--database", &database];
    let mut process = Peer::python(Stack::Lonely, "lonely_broadcaster", &arguments);
    let told = process.wait_for("state", &json!("listening"));
    (told["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap(), process)
}

/// `init` has keys over those that setup has written.
fn ours(folder: &Folder, port: u16, init: &str) -> (u16, Peer) {
    let layer = |name: &str, init: &str| {
        std::fs::write(folder.path(name), format!("servers: {{hive: {{init: {init}}}}}\n")).unwrap();
    };
    layer("port.yaml", &format!("{{port: {port}}}"));
    layer("more.yaml", init);
    let mut command = Command::new(env!("CARGO_BIN_EXE_hive-cli"));
    command.current_dir(folder.path("")).args(["--json", "serve"]);
    command.args(["--config", "eventhive.yaml", "--config", "port.yaml", "--config", "more.yaml"]);
    let mut process = Peer::start("hive-cli serve", command);
    let told = process.wait_until("servers", |line| line.get("servers").is_some());
    (port_of(told["servers"][0]["urls"][0].as_str().unwrap_or_else(|| panic!("{told}"))), process)
}
