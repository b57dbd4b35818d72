//! A server that says what a test wants it to, and the settings of links to it.

use std::net::SocketAddr;
use std::time::Duration;

use eventhive_transport::settings::{Entry, Node, Position, Value};
use eventhive_transport::{Link, LinkState, Settings, Transport};
use eventhive_websocket::{LinkSettings, WebSocket, WebSocketLink};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value as Json, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// How long anything may take. Only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The settings of a link, with times short enough for tests.
pub(crate) fn settings(address: SocketAddr, more: &[(&str, Value)]) -> LinkSettings {
    let at = Position::default();
    let mut given = vec![
        ("host", Value::Text(address.ip().to_string())),
        ("port", Value::Integer(i64::from(address.port()))),
        ("max_message_bytes", Value::Integer(2 << 20)),
        ("reconnect_min_secs", Value::Float(0.05)),
        ("reconnect_max_secs", Value::Float(0.4)),
        ("ping_interval_secs", Value::Float(1.0)),
        ("ping_timeout_secs", Value::Float(3.0)),
        ("close_timeout_secs", Value::Float(2.0)),
    ];
    given.retain(|(key, _)| more.iter().all(|(other, _)| other != key));
    given.extend(more.iter().cloned());
    let entry = |(key, value): (&str, Value)| Entry { key: key.to_owned(), key_at: at, node: Node { value, at } };
    let node = Node { value: Value::Map(given.into_iter().map(entry).collect()), at };
    let checked = Settings::check("connectors.test.init", &node, WebSocket.keys()).unwrap();
    LinkSettings::from_settings(&checked).unwrap()
}

/// A listener whose connections a test speaks for.
pub(crate) struct Script {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

impl Script {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    /// A link to it, and its first connection, before any call was read.
    pub(crate) async fn link(&self, more: &[(&str, Value)]) -> (WebSocketLink, Peer) {
        let link = WebSocketLink::start(settings(self.address, more));
        (link, self.accept().await)
    }

    /// A link that is up, and its connection.
    pub(crate) async fn up(&self, more: &[(&str, Value)]) -> (WebSocketLink, Peer) {
        let (link, mut peer) = self.link(more).await;
        peer.greet().await;
        until(&link, LinkState::is_up).await;
        (link, peer)
    }

    pub(crate) async fn accept(&self) -> Peer {
        self.accept_as(false).await
    }

    /// Accepts a connection; `ours` answers as a door of eventhive.
    pub(crate) async fn accept_as(&self, ours: bool) -> Peer {
        let mut head = None;
        #[expect(clippy::result_large_err, reason = "the library's signature")]
        let callback = |request: &Request, mut response: Response| {
            head = Some(request.clone());
            if ours {
                response.headers_mut().insert(eventhive_websocket::wire::DOOR_HEADER, "1".parse().unwrap());
            }
            Ok(response)
        };
        let socket = accept_hdr_async(self.tcp().await, callback).await.unwrap();
        Peer { socket, head: head.unwrap() }
    }

    /// Accepts a connection before the upgrade.
    pub(crate) async fn tcp(&self) -> TcpStream {
        timeout(PATIENCE, self.listener.accept()).await.expect("the link connects").unwrap().0
    }
}

/// The server's end of a connection.
pub(crate) struct Peer {
    pub(crate) socket: WebSocketStream<TcpStream>,
    pub(crate) head: Request,
}

impl Peer {
    /// The next message, pings left out.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("the link says something") {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return Some(message),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The next message as JSON.
    pub(crate) async fn receive(&mut self) -> Json {
        match self.next().await {
            Some(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("expected a text, got {other:?}"),
        }
    }

    /// The next call, which must be of this method. Pings on the way are answered.
    pub(crate) async fn call(&mut self, method: &str) -> Call {
        timeout(PATIENCE, self.call_between_pings(method)).await.unwrap_or_else(|_| panic!("the link calls {method}"))
    }

    async fn call_between_pings(&mut self, method: &str) -> Call {
        loop {
            let message = self.receive().await;
            let request = &message["request"];
            let id = request["call_id"].as_str().unwrap_or_else(|| panic!("no call: {message}")).to_owned();
            if request["method"] == method {
                return Call { id, arguments: request["arguments"].clone() };
            }
            assert_eq!(request["method"], "_ping_", "while waiting for {method}");
            self.answer(&id, "pong").await;
        }
    }

    /// Answers pings until the link hangs up.
    pub(crate) async fn until_gone(&mut self) {
        while let Some(Message::Text(text)) = self.next().await {
            let message: Json = serde_json::from_str(&text).unwrap();
            assert_eq!(message["request"]["method"], "_ping_");
            // It may hang up in the middle of it.
            let id = message["request"]["call_id"].as_str().unwrap();
            let answer = json!({"request": null, "response": {"result": "pong", "result_type": "str", "call_id": id}});
            drop(self.socket.send(Message::text(answer.to_string())).await);
        }
    }

    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    pub(crate) async fn answer(&mut self, id: &str, result: impl Into<Json>) {
        let answer = json!({"request": null, "response": {"result": result.into(), "result_type": "x", "call_id": id}});
        self.send(answer.to_string()).await;
    }

    pub(crate) async fn notify(&mut self, topic: &str, data: impl Into<Json>) {
        let subscription = json!({"id": "1", "subscriber_id": "2", "topic": topic, "notifier_id": null});
        let arguments = json!({"subscription": subscription, "data": data.into()});
        let call = json!({"request": {"method": "notify", "arguments": arguments, "call_id": "n"}, "response": null});
        self.send(call.to_string()).await;
    }

    /// Answers the first ping of a link without subscriptions.
    pub(crate) async fn greet(&mut self) {
        let Call { id, .. } = self.call("_ping_").await;
        self.answer(&id, "pong").await;
    }
}

pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) arguments: Json,
}

/// Waits until the link is in the state, and gives it.
pub(crate) async fn until(link: &dyn Link, wanted: impl Fn(&LinkState) -> bool) -> LinkState {
    let mut state = link.state();
    let seen = timeout(PATIENCE, state.wait_for(|state| wanted(state))).await.map(|state| state.unwrap().clone());
    seen.unwrap_or_else(|_| panic!("it is {}", *link.state().borrow()))
}

pub(crate) fn is_down(state: &LinkState) -> bool {
    matches!(state, LinkState::Down { .. })
}
