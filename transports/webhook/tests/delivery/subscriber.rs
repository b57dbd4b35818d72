//! A subscriber on a real socket that answers as a test says, and notes what it was sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhive_webhook::wire::Proof;
use eventhive_webhook::wire::bodies::{Head as _, Missed, ReceiveHead};
use eventhive_webhook::wire::responses::Response;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// How a subscriber answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As it should, for so many subscribers.
    Confirm(u32),
    /// With 500 and nothing.
    Fail,
    /// That nobody wants the topic any more.
    Unsubscribe,
    /// Not at all, until it is given another manner; then as that says.
    Wait,
}

#[derive(Default)]
struct State {
    manner: Option<Manner>,
    /// Path, topic, message.
    seen: Vec<(String, String, Vec<u8>)>,
    options: usize,
}

#[derive(Clone)]
pub(crate) struct Subscriber {
    address: std::net::SocketAddr,
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

impl Subscriber {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = State { manner: Some(manner), ..State::default() };
        let it = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::new(Mutex::new(state)),
            changed: Arc::default(),
        };
        let accepts = it.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let it = accepts.clone();
                tokio::spawn(async move { it.serve(stream).await });
            }
        });
        it
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn turn(&self, manner: Manner) {
        self.state.lock().unwrap().manner = Some(manner);
        self.changed.notify_waiters();
    }

    /// Topics of the messages that came to a path.
    pub(crate) fn topics(&self, path: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.seen.iter().filter(|(to, ..)| to == path).map(|(_, topic, _)| topic.clone()).collect()
    }

    pub(crate) fn messages(&self, path: &str) -> Vec<Vec<u8>> {
        let state = self.state.lock().unwrap();
        state.seen.iter().filter(|(to, ..)| to == path).map(|(.., message)| message.clone()).collect()
    }

    /// How often it was asked whether it wants to be called.
    pub(crate) fn options(&self) -> usize {
        self.state.lock().unwrap().options
    }

    async fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let (mut line, mut length, mut origin) = (String::new(), 0, String::new());
            stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
            loop {
                let mut header = String::new();
                stream.read_line(&mut header).await.ok()?;
                let (name, value) = header.trim_end().split_once(':').unwrap_or_default();
                match name.to_ascii_lowercase().as_str() {
                    "" => break,
                    "content-length" => length = value.trim().parse().ok()?,
                    "webhook-request-origin" => value.trim().clone_into(&mut origin),
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.ok()?;
            let path = line.split(' ').nth(1)?.to_owned();
            let answer = self.answer(&line, path, &body, &origin).await;
            stream.get_mut().write_all(&answer).await.ok()?;
        }
    }

    async fn answer(&self, line: &str, path: String, body: &[u8], origin: &str) -> Vec<u8> {
        if line.starts_with("OPTIONS") {
            self.state.lock().unwrap().options += 1;
            let allowed = match self.manner().await {
                Manner::Confirm(_) => {
                    format!("WebHook-Allowed-Origin: {origin}\r\nWebHook-Allowed-Rate: 1\r\n")
                }
                _ => String::new(),
            };
            return format!("HTTP/1.1 200 OK\r\n{allowed}Content-Length: 0\r\n\r\n").into_bytes();
        }
        let recovers = path.ends_with("/recover");
        let (topic, message, identifier) = if recovers {
            let missed = Missed::read(body).unwrap();
            (missed.topic, &[][..], &[][..])
        } else {
            let (head, at) = ReceiveHead::read(body).unwrap();
            (head.topic, &body[at..], head.identifier)
        };
        let seen = (path, String::from_utf8(topic.to_vec()).unwrap(), message.to_vec());
        self.state.lock().unwrap().seen.push(seen);
        self.changed.notify_waiters();
        let proof = Proof::default();
        let response = match self.manner().await {
            Manner::Confirm(_) if recovers => Response::ConfirmMissed { proof },
            Manner::Confirm(num_subscribers) => Response::ConfirmReceive { proof, identifier, num_subscribers },
            Manner::Unsubscribe => Response::UnsubscribeImmediate,
            Manner::Fail | Manner::Wait => return b"HTTP/1.1 500 Sorry\r\nContent-Length: 0\r\n\r\n".to_vec(),
        };
        let mut body = Vec::new();
        response.write(&mut body).unwrap();
        let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        answer.extend(body);
        answer
    }

    /// The manner, once it is not to wait.
    async fn manner(&self) -> Manner {
        loop {
            let changed = self.changed.notified();
            let manner = self.state.lock().unwrap().manner.unwrap();
            if manner != Manner::Wait {
                return manner;
            }
            changed.await;
        }
    }
}

/// Waits until this holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
