//! A server whose connections do what a test says, and what was asked on them.

use std::collections::HashSet;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhive_listener::Networks;
use eventhive_tls::Io;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::message::Message;
use crate::outgoing::{Objection, Outgoing, OutgoingSettings, Unvouched, Vouch};
use crate::wire::Proof;
use crate::wire::auth::{Accepted, Claim, Direction, HmacKey, Nonce, Scheme, Stamp};
use crate::wire::bodies::{Head as _, ReceiveHead};
use crate::wire::responses::Response;

/// Longer than anything here takes, so that a test that hangs says so.
pub(super) const LONG: Duration = Duration::from_secs(20);

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Of which connection, from 1 on.
    pub(super) connection: usize,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &&str| line.split_once(": ").is_some_and(|(found, _)| found.eq_ignore_ascii_case(name));
        self.head.lines().find(of).and_then(|line| line.split_once(": ")).map(|(_, value)| value)
    }

    pub(super) fn receive(&self) -> (ReceiveHead<'_>, &[u8]) {
        let (head, length) = ReceiveHead::read(&self.body).unwrap();
        (head, &self.body[length..])
    }

    /// What confirms it, for so many, without an authorization.
    pub(super) fn confirmed(&self, num_subscribers: u32) -> Vec<u8> {
        let identifier = self.receive().0.identifier;
        written(Response::ConfirmReceive { proof: Proof::default(), identifier, num_subscribers })
    }
}

pub(super) fn written(response: Response<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    response.write(&mut body).unwrap();
    body
}

/// An answer of HTTP.
pub(super) fn http(status: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// The server's end of a connection.
pub(super) struct Peer {
    pub(super) number: usize,
    io: Box<dyn Io>,
    asked: mpsc::UnboundedSender<Asked>,
}

impl Peer {
    /// The next request; `None` when the client has closed.
    pub(super) async fn asked(&mut self) -> Option<Asked> {
        let mut bytes = Vec::new();
        let head_end = loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if self.io.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return None;
            }
        };
        let body = bytes.split_off(head_end);
        let mut asked = Asked { connection: self.number, head: String::from_utf8(bytes).unwrap(), body };
        let length: usize = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
        while asked.body.len() < length {
            if self.io.read_buf(&mut asked.body).await.unwrap_or(0) == 0 {
                return None;
            }
        }
        self.asked.send(asked.clone()).ok();
        Some(asked)
    }

    /// What comes in one read.
    pub(super) async fn read_once(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 20];
        let read = self.io.read(&mut bytes).await.unwrap();
        bytes.truncate(read);
        bytes
    }

    pub(super) async fn say(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.ok();
        self.io.flush().await.ok();
    }

    /// Confirms whatever comes.
    pub(super) async fn confirm_all(mut self) {
        while let Some(asked) = self.asked().await {
            let answer = http("200 OK", &asked.confirmed(1));
            self.say(&answer).await;
        }
    }
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    asked: mpsc::UnboundedReceiver<Asked>,
}

impl Server {
    /// Does with each connection what `each` says.
    pub(super) async fn start<F: Future<Output = ()> + Send + 'static>(
        each: impl Fn(Peer) -> F + Send + Sync + 'static,
    ) -> Self {
        Self::at("127.0.0.1:0", each).await
    }

    /// The same, at another address.
    pub(super) async fn at<F: Future<Output = ()> + Send + 'static>(
        address: &str,
        each: impl Fn(Peer) -> F + Send + Sync + 'static,
    ) -> Self {
        Self::listen(address, |stream| Box::pin(async { Some(Box::new(stream) as Box<dyn Io>) }), each).await
    }

    /// The same, with something around each connection.
    pub(super) async fn wrapped<F: Future<Output = ()> + Send + 'static>(
        wrap: impl Fn(tokio::net::TcpStream) -> BoxFuture<'static, Option<Box<dyn Io>>> + Send + Sync + 'static,
        each: impl Fn(Peer) -> F + Send + Sync + 'static,
    ) -> Self {
        Self::listen("127.0.0.1:0", wrap, each).await
    }

    async fn listen<F: Future<Output = ()> + Send + 'static>(
        address: &str,
        wrap: impl Fn(tokio::net::TcpStream) -> BoxFuture<'static, Option<Box<dyn Io>>> + Send + Sync + 'static,
        each: impl Fn(Peer) -> F + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, asked) = mpsc::unbounded_channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let each = Arc::new(each);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counted.fetch_add(1, Relaxed) + 1;
                let (io, asked, each) = (wrap(stream), sender.clone(), Arc::clone(&each));
                tokio::spawn(async move {
                    if let Some(io) = io.await {
                        each(Peer { number, io, asked }).await;
                    }
                });
            }
        });
        Self { address, connections, asked }
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) async fn asked(&mut self) -> Asked {
        tokio::time::timeout(LONG, self.asked.recv()).await.expect("nothing was asked").unwrap()
    }
}

/// With the machine itself allowed.
pub(super) fn settings() -> OutgoingSettings {
    OutgoingSettings { allow: Networks::loopback(), ..OutgoingSettings::new(Arc::new(Unvouched)) }
}

pub(super) fn outgoing(change: impl FnOnce(&mut OutgoingSettings)) -> Outgoing {
    let mut settings = settings();
    change(&mut settings);
    Outgoing::new(settings).unwrap()
}

/// With a resolver of its own.
pub(super) fn looking_up(
    settings: OutgoingSettings,
    lookup: impl Fn(&str, u16) -> std::io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
) -> Outgoing {
    Outgoing::with_lookup(settings, Arc::new(lookup)).unwrap()
}

pub(super) fn hello() -> Message {
    Message::new(b"a/b", "hello".into())
}

/// Waits until something holds.
pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let held = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, held).await.unwrap_or_else(|_| panic!("it never came to this: {what}"));
}

/// Both directions by hmac, with keys that differ.
#[derive(Default)]
pub(super) struct Hmacs {
    used: Mutex<HashSet<[u8; 64]>>,
}

impl Hmacs {
    pub(super) fn scheme(direction: Direction) -> Scheme {
        Scheme::Hmac(HmacKey::new(&[if direction == Direction::ToSubscriber { 1 } else { 2 }; 64]))
    }

    pub(super) fn authorize(claim: &Claim<'_>, now: Duration) -> String {
        let nonce = Nonce::fresh().unwrap();
        Self::scheme(claim.direction()).sign(claim, b"", Stamp::new(now, &nonce)).unwrap().unwrap()
    }
}

impl Vouch for Hmacs {
    fn sign(&self, claim: &Claim<'_>, _: &[u8]) -> Result<Option<String>, Box<str>> {
        Ok(Some(Self::authorize(claim, self.now())))
    }

    fn admit<'a>(
        &'a self,
        authorization: Option<&'a str>,
        claim: Claim<'a>,
        tracing: &'a [u8],
    ) -> BoxFuture<'a, Result<(), Objection>> {
        Box::pin(async move {
            let scheme = Self::scheme(claim.direction());
            let refused = |why: &str| Objection::Refused(why.into());
            match scheme.verify(authorization, &claim, tracing, self.now()).map_err(|why| refused(&why.to_string()))? {
                Accepted::Once(code) if self.used.lock().unwrap().insert(code.code) => Ok(()),
                _ => Err(refused("it was used before")),
            }
        })
    }
}
