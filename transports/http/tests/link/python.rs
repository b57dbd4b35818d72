//! The link on PyPubSub's own server.
//!
//! It is in no package registry (PyPI's `pypubsub` is a library of another project): the suite runs on it where
//! `EVENTHIVE_PYPUBSUB` names a folder with its `pypubsub.py`, as cloned from apache/infrastructure-pypubsub, and,
//! where the packages that `tests/peers/setup.sh` installs are not enough for it, an environment of its own in `venv`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use eventhive_conformance::{Broker, Fixture, Outcome, free_port};
use eventhive_http::{Http, HttpLink};
use eventhive_transport::settings::Value;
use eventhive_transport::{Capabilities, Link, Transport};
use futures_util::future::BoxFuture;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::settings::settings;

const PATIENCE: Duration = Duration::from_secs(30);

fn python() -> PathBuf {
    let peers = std::env::var_os("EVENTHIVE_PEERS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/peers")), PathBuf::from);
    let python = peers.join("pypubsub/bin/python");
    assert!(python.exists(), "{} is missing: run tests/peers/setup.sh", python.display());
    python
}

/// The original, as a broker that can be stopped and started.
struct Original {
    address: SocketAddr,
    folder: tempfile::TempDir,
    running: Mutex<Option<Child>>,
}

impl Original {
    async fn begin() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "server: {{bind: 127.0.0.1, port: {}, max_payload_size: {MESSAGE}, backlog: {{size: 1000}}}}\n\
             clients: {{payloaders: [127.0.0.0/8]}}\n",
            address.port()
        );
        std::fs::write(folder.path().join("pypubsub.yaml"), config).unwrap();
        let original = Self { address, folder, running: Mutex::new(None) };
        original.run().await;
        original
    }

    async fn run(&self) {
        let source = PathBuf::from(std::env::var_os("EVENTHIVE_PYPUBSUB").expect("the folder of the original"));
        let own = source.join("venv/bin/python");
        let child = Command::new(if own.exists() { own } else { python() })
            .arg("pypubsub.py")
            .arg("--config")
            .arg(self.folder.path().join("pypubsub.yaml"))
            .current_dir(source)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        *self.running.lock().await = Some(child);
        let up = async {
            while TcpStream::connect(self.address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, up).await.expect("the original listens");
    }

    async fn halt(&self) {
        if let Some(mut child) = self.running.lock().await.take() {
            child.kill().await.unwrap();
        }
    }

    fn link_to(address: SocketAddr) -> HttpLink {
        // It pings every five seconds, whatever one would like.
        let more = [("max_message_bytes", Value::Integer(MESSAGE)), ("silence_secs", Value::Float(7.0))];
        HttpLink::start(settings(address, &more))
    }
}

/// What aiohttp takes at most.
const MESSAGE: i64 = 1 << 20;

impl Fixture for Original {
    fn capabilities(&self) -> Capabilities {
        let made = settings(self.address, &[("max_message_bytes", Value::Integer(MESSAGE))]);
        Http.capabilities().with_max_payload(Some(made.max_payload()))
    }

    fn link(&self) -> BoxFuture<'_, std::sync::Arc<dyn Link>> {
        self.link_via(self.address)
    }

    fn broker(&self) -> Option<&dyn Broker> {
        Some(self)
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.halt())
    }

    fn copies(&self) -> usize {
        2
    }
}

impl Broker for Original {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn link_via(&self, address: SocketAddr) -> BoxFuture<'_, std::sync::Arc<dyn Link>> {
        Box::pin(async move { std::sync::Arc::new(Self::link_to(address)) as _ })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.halt())
    }

    fn start(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.run())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "EVENTHIVE_PYPUBSUB has to name a folder with the original server's pypubsub.py"]
async fn the_suite_passes_on_the_original_server() {
    let report = eventhive_conformance::run_all(Original::begin).await;
    let failed: Vec<_> = report.failures().map(|case| (case.case, &case.outcome)).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(report.results.iter().any(|case| matches!(case.outcome, Outcome::Passed)), "{report:#?}");
}
