//! A headless Chromium, driven by its DevTools protocol: pages are opened, and expressions evaluated in them.

use std::process::Command;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::process::{LIMIT, Peer};

/// A browser. Dropped, it is ended.
pub(crate) struct Browser {
    runtime: Runtime,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    commands: u64,
    _process: Peer,
    _profile: TempDir,
}

/// A page that is open.
pub(crate) struct Page {
    session: String,
}

impl Browser {
    pub(crate) fn start() -> Self {
        let profile = TempDir::new().unwrap();
        let found = Command::new("chromium").arg("--version").output();
        assert!(found.is_ok(), "install chromium, as tests/all.sh does");
        let mut command = Command::new("chromium");
        // Without its sandbox, because tests may run as root, and without what it would look for in the network.
        command.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
        command.args([
            "--disable-background-networking",
            "--disable-breakpad",
            "--disable-component-update",
            "--log-level=3",
        ]);
        command.args(["--remote-debugging-port=0", &format!("--user-data-dir={}", profile.path().display())]);
        command.arg("about:blank");
        let process = Peer::start("chromium", command);
        let line = process.said("DevTools listening on ");
        let url = line.split_whitespace().last().unwrap().to_owned();
        let runtime = Runtime::new().unwrap();
        let (socket, _) = runtime.block_on(connect_async(url)).unwrap();
        Self { runtime, socket, commands: 0, _process: process, _profile: profile }
    }

    /// Opens a page and waits until it is there.
    pub(crate) fn open(&mut self, url: &str) -> Page {
        let target = self.ask(None, "Target.createTarget", json!({"url": "about:blank"}))["targetId"].take();
        let attached = self.ask(None, "Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        let page = Page { session: attached["sessionId"].as_str().unwrap().to_owned() };
        // Answered when the new document has taken the place of the empty one.
        let navigated = self.ask(Some(&page.session), "Page.navigate", json!({"url": url}));
        assert!(navigated.get("errorText").is_none(), "{url}: {navigated}");
        let loaded = "document.readyState === 'complete' || new Promise(done => addEventListener('load', done))";
        self.evaluate(&page, &format!("Promise.resolve({loaded}).then(() => true)"));
        page
    }

    /// The value of an expression in a page; a promise is waited for.
    pub(crate) fn evaluate(&mut self, page: &Page, expression: &str) -> Value {
        let what = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut answer = self.ask(Some(&page.session), "Runtime.evaluate", what);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    fn ask(&mut self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.commands += 1;
        let id = self.commands;
        let mut command = json!({"id": id, "method": method, "params": params});
        if let Some(session) = session {
            command["sessionId"] = json!(session);
        }
        let socket = &mut self.socket;
        let answer = async {
            socket.send(Message::text(command.to_string())).await.unwrap();
            loop {
                let message = socket.next().await.expect("the browser has ended").unwrap();
                let mut message: Value = serde_json::from_str(message.to_text().unwrap()).unwrap_or_default();
                if message["id"] == id {
                    assert!(message.get("error").is_none(), "{method}: {message}");
                    return message["result"].take();
                }
            }
        };
        let answer = self.runtime.block_on(async { timeout(LIMIT, answer).await });
        answer.unwrap_or_else(|_| panic!("no answer to {method} {command} within {LIMIT:?}"))
    }
}

impl Drop for Browser {
    /// In good order, so that none of its processes writes into the profile when that is removed.
    fn drop(&mut self) {
        let socket = &mut self.socket;
        let close = async {
            let _ = socket.send(Message::text(json!({"id": 0, "method": "Browser.close"}).to_string())).await;
            while let Some(Ok(_)) = socket.next().await {}
        };
        let _ = self.runtime.block_on(async { timeout(LIMIT, close).await });
    }
}
