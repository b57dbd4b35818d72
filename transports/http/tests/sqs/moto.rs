//! Moto, from `tests/peers/setup.sh`, and a client of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Region};
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use eventhive_http::sqs::{Credentials, QueueConfig};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use crate::support::PATIENCE;

pub(crate) const REGION: &str = "eu-north-1";

/// Kills the server when this process closes the pipe, however it ends.
const GUARD: &str = r#""$@" & read -r _; kill -9 $!; wait"#;

/// A server on a port of its own. Its queues are in memory, and gone when it is killed.
pub(crate) struct Moto {
    /// Bound and not listening, so that nobody else gets the port while the server is down.
    port: TcpSocket,
    running: Mutex<Option<Child>>,
}

impl Moto {
    /// The one of all tests that do not kill it.
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: OnceLock<Moto> = OnceLock::new();
        let moto = SHARED.get_or_init(Self::begin);
        moto.is_up().await;
        moto
    }

    pub(crate) async fn start() -> Self {
        let moto = Self::begin();
        moto.is_up().await;
        moto
    }

    fn begin() -> Self {
        let port = TcpSocket::new_v4().unwrap();
        port.set_reuseaddr(true).unwrap();
        port.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let moto = Self { port, running: Mutex::default() };
        moto.run();
        moto
    }

    fn run(&self) {
        let port = self.address().port().to_string();
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "sh"]).arg(python()).args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(command.spawn().expect("sh runs"));
    }

    /// Returns when nothing listens any more.
    pub(crate) fn kill(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut child) = running {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }

    pub(crate) async fn resume(&self) {
        self.run();
        self.is_up().await;
    }

    async fn is_up(&self) {
        let connects = async {
            while TcpStream::connect(self.address()).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(3 * PATIENCE, connects).await.expect("moto listens");
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.port.local_addr().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// A queue of this server, named after the test.
    pub(crate) fn queue(&self, name: &str) -> Queue {
        let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(credentials())
            .endpoint_url(self.url())
            .http_client(http.build_https());
        let url = format!("{}/123456789012/{name}", self.url());
        Queue { client: Client::from_conf(config.build()), name: name.to_owned(), url }
    }

    /// A new queue where messages come again after a second. Tests whose messages must stay away for longer say so.
    pub(crate) async fn created(&self, name: &str) -> Queue {
        let queue = self.queue(name);
        queue.create(1).await;
        queue
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.kill();
    }
}

fn python() -> PathBuf {
    let peers = std::env::var_os("EVENTHIVE_PEERS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/peers")), PathBuf::from);
    let python = peers.join("sqs/bin/python");
    assert!(python.exists(), "{} is missing: run tests/peers/setup.sh", python.display());
    python
}

pub(crate) fn credentials() -> Credentials {
    Credentials::new("AKIDOFTHETEST", "secret of the test", None, None, "test")
}

/// A queue as its publishers see it.
pub(crate) struct Queue {
    client: Client,
    pub(crate) name: String,
    pub(crate) url: String,
}

impl Queue {
    pub(crate) async fn create(&self, visibility_secs: u32) {
        let create = self.client.create_queue().queue_name(&self.name);
        create.attributes(Attribute::VisibilityTimeout, visibility_secs.to_string()).send().await.unwrap();
    }

    pub(crate) async fn send(&self, body: impl Into<String>) {
        self.client.send_message().queue_url(&self.url).message_body(body).send().await.unwrap();
    }

    /// Messages in it, those that are under way included.
    pub(crate) async fn size(&self) -> u32 {
        let names = [Attribute::ApproximateNumberOfMessages, Attribute::ApproximateNumberOfMessagesNotVisible];
        let ask = self.client.get_queue_attributes().queue_url(&self.url);
        let answer = ask.set_attribute_names(Some(names.to_vec())).send().await.unwrap();
        let attributes = answer.attributes.unwrap();
        names.iter().map(|name| attributes[name].parse::<u32>().unwrap()).sum()
    }

    /// Returns when it has so many messages.
    pub(crate) async fn until_size(&self, wanted: u32) {
        let reached = async {
            while self.size().await != wanted {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let what = format!("{} has {wanted} messages", self.name);
        timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"));
    }

    /// How a door reads it, at this server or one before it.
    pub(crate) fn read_at(&self, server: &str, delete: bool) -> QueueConfig {
        QueueConfig {
            region: Some(REGION.to_owned()),
            credentials: Some(credentials()),
            endpoint_url: Some(server.to_owned()),
            delete,
            wait: Duration::from_secs(1),
            ..QueueConfig::new(format!("reader of {}", self.name), &self.name)
        }
    }
}
