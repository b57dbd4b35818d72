//! The link on PyPubSub's own server, and asfpy's listeners on our door.
//!
//! asfpy is installed by `tests/peers/setup.sh`. The server is in no package registry: the suite runs on it where
//! `EVENTHIVE_PYPUBSUB` names a folder with its `pypubsub.py`, as cloned from apache/infrastructure-pypubsub.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use eventhive_conformance::{Broker, Fixture, Outcome};
use eventhive_http::{Http, HttpLink};
use eventhive_hub::Draft;
use eventhive_transport::settings::Value;
use eventhive_transport::{Capabilities, Link, Transport};
use futures_util::future::BoxFuture;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::hub::Server;
use crate::settings::settings;

const PATIENCE: Duration = Duration::from_secs(30);

fn python() -> PathBuf {
    let peers = std::env::var_os("EVENTHIVE_PEERS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/peers")), PathBuf::from);
    let python = peers.join("pypubsub/bin/python");
    assert!(python.exists(), "{} is missing: run tests/peers/setup.sh", python.display());
    python
}

/// Prints what each of asfpy's listeners hears, a line of JSON each.
async fn hears(listener: &str) -> Vec<serde_json::Value> {
    let server = Server::start().await;
    let script = match listener {
        "listen" => {
            "import asyncio, asfpy.pubsub, json, sys\n\
             async def run():\n\
             \x20   async for payload in asfpy.pubsub.listen(sys.argv[1]): print(json.dumps(payload), flush=True)\n\
             asyncio.run(run())"
        }
        _ => {
            "import asfpy.pubsub, json, sys\n\
             show = lambda payload: print(json.dumps(payload), flush=True)\n\
             asfpy.pubsub.Listener(sys.argv[1]).attach(show, raw=True)"
        }
    };
    let url = format!("http://{}/a", server.address);
    let mut child = Command::new(python())
        .args(["-W", "ignore", "-c", script, &url])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = async || -> serde_json::Value {
        let line = timeout(PATIENCE, lines.next_line()).await.expect("it hears something").unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    };
    assert!(next().await["stillalive"].is_f64());
    for number in 0..20 {
        server.hub().publish(Draft::json("a/b", format!("{{\"n\":{number},\"text\":\"ä☃\"}}"))).unwrap();
    }
    let mut heard = Vec::new();
    while heard.len() < 20 {
        let line = next().await;
        if line.get("stillalive").is_none() {
            heard.push(line);
        }
    }
    child.kill().await.unwrap();
    server.halt().await;
    heard
}

#[tokio::test]
async fn asfpys_listeners_hear_every_event_of_our_door_in_order() {
    for listener in ["listen", "Listener"] {
        for (number, event) in hears(listener).await.iter().enumerate() {
            assert_eq!((&event["n"], &event["text"]), (&number.into(), &"ä☃".into()), "{listener}");
            assert_eq!(event["pubsub_topics"], serde_json::json!(["a", "b"]), "{listener}");
        }
    }
}

/// The original, as a broker that can be stopped and started.
struct Original {
    address: SocketAddr,
    folder: tempfile::TempDir,
    running: Mutex<Option<Child>>,
}

impl Original {
    async fn begin() -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
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
        let child = Command::new(python())
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
