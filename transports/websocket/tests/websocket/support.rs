//! A hub with a door on a free port, and clients that send and expect what a test says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use eventhive_hub::{Hub, HubSettings};
use eventhive_listener::{DoorPlan, Limits, Listen, Listeners, TlsFiles};
use eventhive_websocket::{Config, DoorStats, WebSocketDoor};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async_with_config};

/// How long anything may take. Only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    pub(crate) hub: Hub,
    pub(crate) door: Arc<WebSocketDoor>,
    pub(crate) listeners: Listeners,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(config: Config) -> Self {
        Self::start_with(config, Limits::default(), None)
    }

    pub(crate) fn start_with(config: Config, limits: Limits, tls: Option<TlsFiles>) -> Self {
        Self::start_on(HubSettings::default(), config, limits, tls)
    }

    pub(crate) fn start_on(hub: HubSettings, config: Config, limits: Limits, tls: Option<TlsFiles>) -> Self {
        Self::serve(Hub::new(hub), config, limits, tls)
    }

    /// A door on a hub of the test's own.
    pub(crate) fn serve(hub: Hub, config: Config, limits: Limits, tls: Option<TlsFiles>) -> Self {
        let path = config.endpoint.clone();
        let door = Arc::new(WebSocketDoor::new(hub.clone(), config));
        let limits = Limits { workers: Some(2), ..limits };
        let listen = Listen { host: "127.0.0.1".to_owned(), port: 0, tls, proxies: None, limits };
        let plan = DoorPlan::new("servers.test", listen, "ws", path, Arc::clone(&door) as _);
        let listeners = Listeners::start(vec![plan]).unwrap();
        let address = listeners.addresses()[0].address;
        Self { hub, door, listeners, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/pubsub", self.address)
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.url()).await.unwrap()
    }

    /// Waits until the door's numbers are as `wanted` says.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(DoorStats) -> bool) {
        until(what, || wanted(self.door.stats())).await;
    }

    /// Waits until the hub has forgotten every session.
    pub(crate) async fn until_empty(&self) {
        until("no session is left", || {
            let stats = self.hub.stats();
            self.door.stats().sessions == 0 && stats.sessions == 0 && stats.subscriptions == 0
        })
        .await;
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

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    calls: u32,
}

impl Client {
    pub(crate) async fn connect(request: impl IntoClientRequest + Unpin) -> Result<Self, Error> {
        let (socket, _) =
            timeout(PATIENCE, connect_async_with_config(request, None, true)).await.expect("the handshake ends")?;
        Ok(Self { socket, calls: 0 })
    }

    /// A client on a connection of the test's own.
    pub(crate) async fn on(request: impl IntoClientRequest + Unpin, stream: TcpStream) -> Result<Self, Error> {
        let handshake = client_async(request, MaybeTlsStream::Plain(stream));
        let (socket, _) = timeout(PATIENCE, handshake).await.expect("the handshake ends")?;
        Ok(Self { socket, calls: 0 })
    }

    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    pub(crate) async fn send_raw(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// The next message, websocket pings left out.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("something comes") {
                Some(Ok(Message::Ping(_))) => {}
                Some(Ok(message)) => return Some(message),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The next text, as JSON.
    pub(crate) async fn receive(&mut self) -> Value {
        match self.next().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("expected a text, got {other:?}"),
        }
    }

    /// Expects the end, with this code; gives the reason.
    pub(crate) async fn closed(&mut self, code: u16) -> String {
        match self.next().await {
            Some(Message::Close(Some(frame))) => {
                assert_eq!(frame.code, CloseCode::from(code), "{}", frame.reason);
                let reason = frame.reason.to_string();
                // Drives our answer out; then the server hangs up.
                assert!(self.next().await.is_none());
                reason
            }
            other => panic!("expected a close frame with {code}, got {other:?}"),
        }
    }

    pub(crate) async fn request(&mut self, method: &str, arguments: Value) -> String {
        self.calls += 1;
        let id = format!("call-{}", self.calls);
        let frame = json!({"request": {"method": method, "arguments": arguments, "call_id": id}});
        self.send(frame.to_string()).await;
        id
    }

    /// Calls and expects the answer to be the next text.
    pub(crate) async fn call(&mut self, method: &str, arguments: Value) -> Value {
        let id = self.request(method, arguments).await;
        let answer = self.receive().await;
        assert_eq!(answer["response"]["call_id"], Value::from(id), "{answer}");
        assert_eq!(answer["request"], Value::Null);
        answer["response"]["result"].clone()
    }

    pub(crate) async fn subscribe(&mut self, topics: &[&str]) {
        assert_eq!(self.call("subscribe", json!({"topics": topics})).await, true);
    }

    /// Expects a `notify`; gives topic, data and call id.
    pub(crate) async fn notified(&mut self) -> (String, Value, String) {
        let frame = self.receive().await;
        let request = &frame["request"];
        assert_eq!(request["method"], "notify", "{frame}");
        let arguments = &request["arguments"];
        assert_eq!(arguments["subscription"]["notifier_id"], Value::Null);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&arguments["subscription"]["topic"]), arguments["data"].clone(), text(&request["call_id"]))
    }

    /// Answers a `notify` as Python does.
    pub(crate) async fn answer(&mut self, call_id: &str) {
        self.send(format!(
            r#"{{"request": null, "response": {{"result": "None", "result_type": "str", "call_id": "{call_id}"}}}}"#
        ))
        .await;
    }

    /// Expects that nothing has been sent to this client since its last message, and that it is still served.
    pub(crate) async fn nothing_came(&mut self) {
        assert_eq!(self.call("ping", json!({})).await, "pong");
    }
}
