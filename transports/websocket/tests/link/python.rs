//! The real Python servers, of both versions.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhive_conformance::{Broker, Fixture, Outcome, free_port, run_one};
use eventhive_transport::settings::Value;
use eventhive_transport::{Capabilities, Link, Transport};
use eventhive_websocket::{WebSocket, WebSocketLink};
use futures_util::future::BoxFuture;

use crate::scripted::settings;

/// The workspace's folder.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The Python of an environment that `tests/peers/setup.sh` made.
fn python(environment: &str) -> PathBuf {
    let peers = std::env::var_os("EVENTHIVE_PEERS").map_or_else(|| root().join("target/peers"), PathBuf::from);
    let python = peers.join(environment).join("bin/python");
    assert!(python.exists(), "no {}: run tests/peers/setup.sh, or all tests by tests/all.sh", python.display());
    python
}

#[derive(Clone)]
struct PythonServer {
    wire: &'static str,
    python: Arc<Path>,
    address: SocketAddr,
    process: Arc<Mutex<Option<Process>>>,
}

/// Killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop((self.0.kill(), self.0.wait()));
    }
}

impl PythonServer {
    fn start(wire: &'static str, python: PathBuf) -> Self {
        let (process, port) = serve(&python, free_port());
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self { wire, python: python.into(), address, process: Arc::new(Mutex::new(Some(process))) }
    }

    /// The same server, started again if the last case left it stopped.
    fn at_work(&self) -> Self {
        self.process.lock().unwrap().get_or_insert_with(|| serve(&self.python, self.address.port()).0);
        self.clone()
    }
}

fn serve(python: &Path, port: u16) -> (Process, u16) {
    let script = root().join("tests/peers/python/server.py");
    let mut command = Command::new(python);
    command.arg("-B").arg(script).args(["--bound", "600", "--port", &port.to_string()]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let told: serde_json::Value = serde_json::from_str(&line).unwrap();
    (Process(child), u16::try_from(told["port"].as_u64().unwrap()).unwrap())
}

impl Fixture for PythonServer {
    fn capabilities(&self) -> Capabilities {
        let max_payload = Some(settings(self.address, &[]).max_payload());
        WebSocket.capabilities().with_patterns(false).with_delivery_count(false).with_max_payload(max_payload)
    }

    fn wire(&self) -> Option<&'static str> {
        Some(self.wire)
    }

    fn excused(&self, case: &str) -> Option<&'static str> {
        let slow = case == "a_slow_subscriber_delays_nobody_else";
        slow.then_some("the Python server serves its subscribers one after the other, and waits for each")
    }

    fn link(&self) -> BoxFuture<'_, Arc<dyn Link>> {
        self.link_via(self.address)
    }

    fn broker(&self) -> Option<&dyn Broker> {
        Some(self)
    }

    fn copies(&self) -> usize {
        1
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }
}

impl Broker for PythonServer {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn link_via(&self, address: SocketAddr) -> BoxFuture<'_, Arc<dyn Link>> {
        // Python on a busy machine takes its time.
        let patient = [("ping_timeout_secs", Value::Float(5.0)), ("close_timeout_secs", Value::Float(5.0))];
        Box::pin(async move { Arc::new(WebSocketLink::start(settings(address, &patient))) as Arc<dyn Link> })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { drop(self.process.lock().unwrap().take()) })
    }

    fn start(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { drop(self.at_work()) })
    }
}

/// Runs the suite on one server of the environment, for all cases, because starting one takes longer than most of them.
async fn conforms(wire: &'static str, environment: &str) {
    let server = PythonServer::start(wire, python(environment));
    for case in eventhive_conformance::names() {
        let result = run_one(case, || async { server.at_work() }).await.unwrap();
        assert!(!matches!(result.outcome, Outcome::Failed { .. }), "{result:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_link_conforms_on_a_python_server_of_0_3_1() {
    conforms("websocket on Python 0.3.1", "eventhive").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_link_conforms_on_a_python_server_of_1_0_1() {
    conforms("websocket on Python 1.0.1", "pubsub").await;
}
