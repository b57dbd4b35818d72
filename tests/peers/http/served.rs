//! `hive-cli serve` with a configuration, or the original, on a port of its own.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use eventhive_conformance::free_port;
use serde_json::Value;
use tempfile::TempDir;

use crate::environment::{Stack, root};
use crate::process::{LIMIT, Peer};

/// Names a folder with the original's `pypubsub.py` and, where the packages of our Python environment are not enough for it,
/// an environment of its own in `venv`.
const ORIGINAL: &str = "EVENTHIVE_PYPUBSUB";

const CONFIG: &str = "config.yaml";
const ACL: &str = "acl.yaml";

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `hive-cli serve --pypubsub`.
    Ours,
    /// PyPubSub 0.7.4. It is in no package registry (`pypubsub` on PyPI is something else), so it is there only for those
    /// who have cloned it.
    Original,
}

/// A server that runs.
pub(crate) struct Served {
    pub(crate) port: u16,
    /// Where it listens, door by door.
    pub(crate) urls: Vec<String>,
    pub(crate) process: Peer,
    folder: TempDir,
    files: Files,
}

/// What the folder has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Files {
    /// A configuration of ours.
    Hive,
    /// PyPubSub's two.
    PyPubSub,
}

impl Served {
    /// Starts `hive-cli serve` with a configuration, in which `PORT` is a free one.
    pub(crate) fn start(yaml: &str) -> Self {
        Self::start_in(TempDir::new().unwrap(), yaml)
    }

    /// As [`start`](Self::start), in a folder with the files that the configuration names.
    pub(crate) fn start_in(folder: TempDir, yaml: &str) -> Self {
        std::fs::write(folder.path().join("template.yaml"), yaml).unwrap();
        Self::run(folder, Files::Hive, 0)
    }

    /// One HTTP door with more keys.
    pub(crate) fn door(keys: &str) -> Self {
        Self::start(&door(keys))
    }

    /// Kills it, and starts it again on the same port and in the same folder once `meanwhile` has been done.
    pub(crate) fn restart(self, meanwhile: impl FnOnce()) -> Self {
        let Self { port, process, folder, files, .. } = self;
        drop(process);
        meanwhile();
        Self::run(folder, files, port)
    }

    fn run(folder: TempDir, files: Files, port: u16) -> Self {
        write_config(&folder, port);
        let mut command = Command::new(env!("CARGO_BIN_EXE_hive-cli"));
        command.current_dir(folder.path()).args(["--json", "serve"]);
        command.args(match files {
            Files::Hive => &["--config", CONFIG][..],
            Files::PyPubSub => &["--pypubsub", CONFIG, "--acl", ACL],
        });
        let mut process = Peer::start("hive-cli serve", command);
        let told = process.wait_until("servers", |line| line.get("servers").is_some());
        let server = &told["servers"][0];
        assert_eq!(server["state"], "listening", "{told}");
        let urls: Vec<_> =
            server["urls"].as_array().unwrap().iter().map(|url| url.as_str().unwrap().to_owned()).collect();
        Self { port: port_of(&urls[0]), urls, process, folder, files }
    }

    /// A server with the files that the vectors were observed with.
    pub(crate) fn of_vectors(kind: Kind) -> Self {
        let about = &vectors()["_about"];
        let (config, acl) = (about["config_yaml"].as_str().unwrap(), about["acl_yaml"].as_str().unwrap());
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("template.yaml"), config.replace("12076", "PORT")).unwrap();
        std::fs::write(folder.path().join(ACL), acl).unwrap();
        match kind {
            Kind::Ours => Self::run(folder, Files::PyPubSub, 0),
            Kind::Original => Self::original(folder),
        }
    }

    fn original(folder: TempDir) -> Self {
        let source = std::env::var_os(ORIGINAL).unwrap_or_else(|| panic!("{ORIGINAL} has to name a folder"));
        let port = free_port();
        write_config(&folder, port);
        let path = |name: &str| folder.path().join(name);
        let own = Path::new(&source).join("venv/bin/python");
        let mut command = Command::new(if own.exists() { own } else { Stack::PyPubSub.program("python") });
        command.current_dir(source).args(["-B", "pypubsub.py"]);
        command.arg("--config").arg(path(CONFIG)).arg("--acl").arg(path(ACL));
        let process = Peer::start("pypubsub.py", command);
        let urls = vec![format!("http://127.0.0.1:{port}/")];
        until("the original listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { port, urls, process, folder, files: Files::PyPubSub }
    }

    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://127.0.0.1:{}{target}", self.port)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn write_config(folder: &TempDir, port: u16) {
    let template = std::fs::read_to_string(folder.path().join("template.yaml")).unwrap();
    std::fs::write(folder.path().join(CONFIG), template.replace("PORT", &port.to_string())).unwrap();
}

/// The configuration of a hub with one HTTP door.
fn door(keys: &str) -> String {
    format!("servers: {{net: {{pubsub_type: http, create: always, init: {{port: PORT, {keys}}}}}}}\n")
}

pub(crate) fn port_of(url: &str) -> u16 {
    let authority = url.split("://").nth(1).unwrap().split('/').next().unwrap();
    authority.rsplit(':').next().unwrap().parse().unwrap()
}

/// What was observed on the original.
pub(crate) fn vectors() -> Value {
    let path = root().join("transports/http/tests/vectors/pypubsub.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Waits for a condition that nothing announces.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen that {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
