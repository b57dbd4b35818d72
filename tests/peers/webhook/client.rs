//! The Python clients.

use serde_json::{Value, json};

use super::broadcaster::Broadcaster;
use crate::environment::Stack;
use crate::process::Peer;

/// By what a client speaks to broadcasters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Requests both ways.
    Http,
    Websocket,
}

impl Wire {
    pub(crate) const fn scheme(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Websocket => "ws",
        }
    }
}

/// A client of lonelypsc. It ends with the test.
pub(crate) struct Client(pub(crate) Peer);

/// A message that a client has received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) topic: String,
    pub(crate) length: u64,
    pub(crate) sha512: String,
    /// Of short ones.
    pub(crate) text: Option<String>,
}

impl Client {
    pub(crate) fn start(broadcaster: &Broadcaster, wire: Wire) -> Self {
        Self::start_with(broadcaster, wire, &[])
    }

    pub(crate) fn start_with(broadcaster: &Broadcaster, wire: Wire, arguments: &[&str]) -> Self {
        let secrets = broadcaster.folder().text("subscriber-secrets.json");
        Self::at(&[&broadcaster.url(wire.scheme())], &[&["--secrets", &secrets], arguments].concat())
    }

    /// One that knows these broadcasters.
    pub(crate) fn at(urls: &[&str], arguments: &[&str]) -> Self {
        let mut client = Self::spawn(urls, arguments);
        client.0.wait_for("state", &json!("ready"));
        client
    }

    /// One that trusts a certificate.
    pub(crate) fn trusting(authority: &str, url: &str, arguments: &[&str]) -> Self {
        let arguments = [&["--broadcaster", url], arguments].concat();
        let mut client = Self(Peer::python_trusting(Some(authority), Stack::Lonely, "lonely_client", &arguments));
        client.0.wait_for("state", &json!("ready"));
        client
    }

    /// As [`at`](Self::at), of one that may never be ready.
    pub(crate) fn spawn(urls: &[&str], arguments: &[&str]) -> Self {
        let broadcasters = urls.iter().flat_map(|url| ["--broadcaster", url]);
        let arguments: Vec<_> = broadcasters.chain(arguments.iter().copied()).collect();
        Self(Peer::python(Stack::Lonely, "lonely_client", &arguments))
    }

    /// Subscribes; the broadcaster has confirmed it.
    pub(crate) fn subscribe(&mut self, exact: &[&str], globs: &[&str]) {
        self.done(&json!({"do": "subscribe", "exact": exact, "glob": globs}));
    }

    pub(crate) fn unsubscribe(&mut self, exact: &[&str], globs: &[&str]) {
        self.done(&json!({"do": "unsubscribe", "exact": exact, "glob": globs}));
    }

    /// Notifies, and gives how many subscribers had the message.
    pub(crate) fn notify(&mut self, topic: &str, text: &str) -> Value {
        self.done(&json!({"do": "notify", "topic": topic, "text": text}))
    }

    /// The result of a command that does not fail.
    pub(crate) fn done(&mut self, command: &Value) -> Value {
        let answer = self.0.ask(command);
        assert_eq!(answer.get("error"), None, "{command} was answered {answer}");
        answer["result"].clone()
    }

    /// The next message.
    pub(crate) fn received(&mut self) -> Received {
        let line = self.0.wait_until("received", |line| line.get("received").is_some());
        let text = |key: &str| line[key].as_str().map(str::to_owned);
        Received {
            topic: text("received").unwrap_or_else(|| line["received"]["hex"].to_string()),
            length: line["length"].as_u64().unwrap(),
            sha512: text("sha512").unwrap(),
            text: text("text"),
        }
    }

    /// Topic and text of the next message.
    pub(crate) fn heard(&mut self) -> (String, String) {
        let received = self.received();
        (received.topic, received.text.expect("a short text"))
    }

    /// Ends it, and gives the topics of the messages that were not looked at.
    pub(crate) fn finish(self) -> Vec<String> {
        self.0.finish().into_iter().map(|(topic, _)| topic).collect()
    }
}

pub(crate) fn said(topic: &str, text: &str) -> (String, String) {
    (topic.to_owned(), text.to_owned())
}
