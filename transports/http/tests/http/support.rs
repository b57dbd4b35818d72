//! A hub with a door on a free port, and clients that see each byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use eventhive_http::access::{Access, Users};
use eventhive_http::{Config, DoorStats, HttpDoor};
use eventhive_hub::{Hub, HubSettings};
use eventhive_listener::{DoorPlan, Limits, Listen, Listeners, Networks};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long anything may take. Only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors/pypubsub.json")).unwrap()
}

/// The configuration that the vectors were observed with.
pub(crate) fn config_of_vectors() -> Config {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), vectors()["_about"]["acl_yaml"].as_str().unwrap()).unwrap();
    Config {
        max_payload: 1000,
        oldschoolers: vec!["svnwcsub".into()],
        access: Access {
            payloaders: Networks::parse(["127.0.0.1/32"]).unwrap(),
            secure_topics: vec!["bread".into(), "syrup".into()],
            users: Some(Arc::new(Users::open(Some(file.path().to_owned()), None).unwrap())),
        },
        ..Config::default()
    }
}

pub(crate) struct Server {
    pub(crate) hub: Hub,
    pub(crate) door: Arc<HttpDoor>,
    pub(crate) listeners: Listeners,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(config: Config) -> Self {
        Self::start_on(HubSettings::default(), config, Limits::default())
    }

    pub(crate) fn start_on(hub: HubSettings, config: Config, limits: Limits) -> Self {
        Self::serve(Hub::new(hub), config, limits)
    }

    pub(crate) fn serve(hub: Hub, config: Config, limits: Limits) -> Self {
        let proxies = config.proxies.of_connections();
        let door = Arc::new(HttpDoor::new(hub.clone(), config));
        let limits = Limits { workers: Some(2), ..limits };
        let listen = Listen { host: "127.0.0.1".to_owned(), port: 0, tls: None, proxies, limits };
        let plan = DoorPlan::new("servers.test", listen, "http", "/", Arc::clone(&door) as _);
        let listeners = Listeners::start(vec![plan]).unwrap();
        let address = listeners.addresses()[0].address;
        Self { hub, door, listeners, address }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// A stream whose first ping has come, so that it is subscribed.
    pub(crate) async fn stream(&self, target: &str, headers: &str) -> Client {
        let mut client = self.client().await;
        client.get(target, headers).await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        client.head = head;
        client
    }

    /// As [`stream`](Self::stream), past the first ping.
    pub(crate) async fn subscribed(&self, target: &str, headers: &str) -> Client {
        let mut client = self.stream(target, headers).await;
        client.ping().await;
        client
    }

    /// Publishes on a connection of its own; gives the answer's head.
    pub(crate) async fn put(&self, target: &str, body: &str) -> String {
        self.put_with(target, body, "").await
    }

    pub(crate) async fn put_with(&self, target: &str, body: &str, headers: &str) -> String {
        let (head, text) = self.client().await.put(target, body, headers).await;
        assert!(head.starts_with("HTTP/1.1 202 Accepted\r\n"), "{target}: {head}{text}");
        head
    }

    /// Waits until the door's numbers are as `wanted` says.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(DoorStats) -> bool) {
        until(what, || wanted(self.door.stats())).await;
    }
}

/// Waits for a condition that nothing announces.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let waited = timeout(PATIENCE, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("it did not happen that {what}"));
}

/// The value of a header in a head.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
}

/// How a stream ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With its last chunk.
    Complete,
    /// Without.
    Aborted,
}

/// A connection that shows what HTTP libraries hide: the chunks.
pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    pub(crate) buffer: Vec<u8>,
    pub(crate) head: String,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) fn of(socket: TcpStream) -> Self {
        socket.set_nodelay(true).unwrap();
        Self { socket, buffer: Vec::new(), head: String::new() }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        timeout(PATIENCE, self.socket.write_all(bytes)).await.expect("it is taken").unwrap();
    }

    pub(crate) async fn get(&mut self, target: &str, headers: &str) {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").as_bytes()).await;
    }

    /// Publishes; gives the answer's head and body.
    pub(crate) async fn put(&mut self, target: &str, body: &str, headers: &str) -> (String, String) {
        let size = body.len();
        let request = format!("PUT {target} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {size}\r\n\r\n{body}");
        self.send(request.as_bytes()).await;
        self.answer().await
    }

    /// More bytes; `false` at the end.
    pub(crate) async fn more(&mut self) -> bool {
        let mut chunk = [0; 16 << 10];
        match timeout(PATIENCE, self.socket.read(&mut chunk)).await.expect("something comes") {
            Ok(0) | Err(_) => false,
            Ok(size) => {
                self.buffer.extend_from_slice(&chunk[..size]);
                true
            }
        }
    }

    /// All up to and with `mark`.
    async fn through(&mut self, mark: &str) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(mark.len()).position(|window| window == mark.as_bytes()) {
                let rest = self.buffer.split_off(at + mark.len());
                return Some(std::mem::replace(&mut self.buffer, rest));
            }
            if !self.more().await {
                return None;
            }
        }
    }

    async fn exactly(&mut self, size: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < size {
            if !self.more().await {
                return None;
            }
        }
        let rest = self.buffer.split_off(size);
        Some(std::mem::replace(&mut self.buffer, rest))
    }

    /// The head of an answer.
    pub(crate) async fn head(&mut self) -> String {
        String::from_utf8(self.through("\r\n\r\n").await.expect("a head comes")).unwrap()
    }

    /// An answer with a length: head and body.
    pub(crate) async fn answer(&mut self) -> (String, String) {
        let head = self.head().await;
        let size = header(&head, "content-length").map_or(0, |size| size.parse().unwrap());
        let body = self.exactly(size).await.expect("the body comes");
        (head, String::from_utf8(body).unwrap())
    }

    /// The bytes of the next chunk of a stream, or how it ended.
    pub(crate) async fn chunk(&mut self) -> Result<Vec<u8>, End> {
        let size = self.through("\r\n").await.ok_or(End::Aborted)?;
        let size = std::str::from_utf8(&size).unwrap().trim_end();
        let size = usize::from_str_radix(size, 16).unwrap_or_else(|_| panic!("`{size}` is no size of a chunk"));
        let mut chunk = self.exactly(size + 2).await.ok_or(End::Aborted)?;
        assert!(chunk.ends_with(b"\r\n"));
        chunk.truncate(size);
        if size == 0 { Err(End::Complete) } else { Ok(chunk) }
    }

    /// The next chunk, which is one line of JSON.
    pub(crate) async fn line(&mut self) -> Value {
        let chunk = self.chunk().await.expect("the stream goes on");
        let text = String::from_utf8(chunk).unwrap();
        assert_eq!(text.find('\n'), Some(text.len() - 1), "a chunk is one line: {text:?}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
    }

    pub(crate) async fn ping(&mut self) -> f64 {
        let line = self.line().await;
        line["stillalive"].as_f64().unwrap_or_else(|| panic!("expected a ping, got {line}"))
    }

    /// The next line that is no ping.
    pub(crate) async fn event(&mut self) -> Value {
        loop {
            let line = self.line().await;
            if line.get("stillalive").is_none() {
                return line;
            }
        }
    }
}
