//! A door on a real socket, and a client of bytes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::{App, HttpServer, rt};
use eventhive_hub::Hub;
use eventhive_listener::Door as _;
use eventhive_transport::Overflow;
use eventhive_webhook::broadcaster::{
    Advertised, Authority, BridgeSettings, Broadcaster, Clock, Deliver, Parts, Peer, Rotation, Schemes, SystemClock,
};
use eventhive_webhook::config::Config;
use eventhive_webhook::delivery::{Delivered, GivenUp};
use eventhive_webhook::door::WebhookDoor;
use eventhive_webhook::index::Target;
use eventhive_webhook::message::Message;
use eventhive_webhook::outgoing::Report;
use eventhive_webhook::store::Outcome;
use eventhive_webhook::wire::auth::{Scheme, Token};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};

use crate::memory::MemoryStore;

pub(crate) const ADVERTISED: &str = "http://127.0.0.1:3003";

/// A url, a topic, a body.
type Call = (String, Vec<u8>, Vec<u8>);

/// What is called in the place of urls.
pub(crate) struct Called {
    pub(crate) calls: Mutex<Vec<Call>>,
    /// What urls of this part answer.
    pub(crate) gone: Mutex<Option<&'static str>>,
    /// Urls whose failures are forgotten.
    pub(crate) enabled: Mutex<Vec<String>>,
    /// Urls that get no message because too many wait.
    pub(crate) given_up: Mutex<Vec<String>>,
    /// Calls wait for a permit of this.
    pub(crate) gate: Semaphore,
    /// Urls of this part are not called before the gate is opened.
    stuck: Mutex<Option<&'static str>>,
    opened: watch::Sender<bool>,
    pub(crate) at_once: AtomicU32,
    pub(crate) most_at_once: AtomicU32,
}

impl Called {
    /// Calls of urls of this part wait until [`free`](Self::free).
    pub(crate) fn hold(&self, part: &'static str) {
        *self.stuck.lock().unwrap() = Some(part);
    }

    pub(crate) fn free(&self) {
        self.opened.send_replace(true);
    }

    async fn wait_for_turn(&self, url: &str) {
        if self.stuck.lock().unwrap().is_some_and(|part| url.contains(part)) {
            self.opened.subscribe().wait_for(|opened| *opened).await.unwrap();
        }
        self.gate.acquire().await.unwrap().forget();
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        let mut urls: Vec<String> = self.calls.lock().unwrap().iter().map(|(url, ..)| url.clone()).collect();
        urls.sort();
        urls
    }

    pub(crate) fn bodies_of(&self, url: &str) -> Vec<Vec<u8>> {
        self.calls.lock().unwrap().iter().filter(|(called, ..)| called == url).map(|call| call.2.clone()).collect()
    }
}

impl Default for Called {
    fn default() -> Self {
        Self {
            calls: Mutex::default(),
            gone: Mutex::default(),
            enabled: Mutex::default(),
            given_up: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            stuck: Mutex::default(),
            opened: watch::Sender::new(false),
            at_once: AtomicU32::new(0),
            most_at_once: AtomicU32::new(0),
        }
    }
}

impl Deliver for Called {
    fn deliver<'a>(&'a self, target: &'a Target, message: &'a Message) -> BoxFuture<'a, Delivered> {
        async move {
            let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
            let url = target.urls.receive.to_string();
            self.wait_for_turn(&url).await;
            let body = message.body.piece(0, message.body.len() as usize).await.unwrap().to_vec();
            let is_gone = self.gone.lock().unwrap().is_some_and(|part| url.contains(part));
            self.calls.lock().unwrap().push((url, message.topic.to_vec(), body));
            self.at_once.fetch_sub(1, Ordering::SeqCst);
            let outcome = if is_gone { Outcome::Unsubscribed } else { Outcome::Confirmed };
            let (subscribers, status) = (u32::from(!is_gone), Some(200));
            let (took, identifier) = (Duration::ZERO, None);
            Report { outcome, subscribers, status, detail: "".into(), took, identifier }.into()
        }
        .boxed()
    }

    fn give_up(&self, target: &Target, _: &Message, _: GivenUp) {
        self.given_up.lock().unwrap().push(target.urls.receive.to_string());
    }

    fn enable(&self, url: &str) {
        self.enabled.lock().unwrap().push(url.to_owned());
    }
}

/// A websocket.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) messages: Mutex<Vec<(Vec<u8>, Vec<u8>)>>,
    pub(crate) missed: Mutex<Vec<Vec<u8>>>,
    pub(crate) full: std::sync::atomic::AtomicBool,
    /// Whether too much is waiting for it; then it still takes what comes.
    pub(crate) crowded: watch::Sender<bool>,
    /// How often somebody began to wait for it.
    pub(crate) waited_for: AtomicU32,
}

impl Peer for Heard {
    fn receive(&self, message: &Message) -> bool {
        let body = message.body.as_bytes().map(|body| body.to_vec()).unwrap_or_default();
        let takes = !self.full.load(Ordering::SeqCst);
        if takes {
            self.messages.lock().unwrap().push((message.topic.to_vec(), body));
        }
        takes
    }

    fn missed(&self, topic: &Arc<[u8]>) {
        self.missed.lock().unwrap().push(topic.to_vec());
    }

    fn room(&self) -> Option<BoxFuture<'_, ()>> {
        let mut crowded = self.crowded.subscribe();
        if !*crowded.borrow_and_update() {
            return None;
        }
        self.waited_for.fetch_add(1, Ordering::SeqCst);
        Some(async move { drop(crowded.wait_for(|crowded| !*crowded).await) }.boxed())
    }
}

pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) broadcaster: Arc<Broadcaster>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) called: Arc<Called>,
    pub(crate) door: Arc<WebhookDoor>,
}

/// How a door is made.
pub(crate) struct Making {
    pub(crate) schemes: Schemes,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: Config,
    pub(crate) hub: Option<Hub>,
    pub(crate) overflow: Overflow,
    pub(crate) queue_bytes: usize,
    pub(crate) longest_block: Duration,
    pub(crate) advertised: bool,
    pub(crate) max_deliveries: usize,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) called: Arc<Called>,
}

impl Default for Making {
    fn default() -> Self {
        Self {
            schemes: Schemes::default(),
            clock: Arc::new(SystemClock),
            config: Config { body_timeout: Duration::from_millis(300), ..Config::default() },
            hub: None,
            overflow: Overflow::DropOldest,
            queue_bytes: 1 << 20,
            longest_block: Duration::from_secs(5),
            advertised: false,
            max_deliveries: 256,
            store: MemoryStore::new(),
            called: Arc::default(),
        }
    }
}

impl Making {
    /// Serves it on this thread until the test ends.
    pub(crate) fn serve(self) -> Served {
        let Self { schemes, clock, config, hub, advertised, max_deliveries, store, called, .. } = self;
        let Self { overflow, queue_bytes, longest_block, .. } = self;
        let max_message = 1 << 20;
        let hub = hub.map(|hub| BridgeSettings { hub, queue_bytes, overflow, longest_block, max_message });
        let broadcaster = Broadcaster::new(Parts {
            authority: Arc::new(Authority::new(schemes, clock, store.clone())),
            store: store.clone(),
            deliver: called.clone(),
            hub,
            advertised: advertised.then(|| Advertised::new(ADVERTISED)),
            max_deliveries,
        });
        let running = Arc::clone(&broadcaster);
        rt::spawn(async move { running.run().await });
        let door = Arc::new(WebhookDoor::of(Arc::clone(&broadcaster), config));
        let served = Arc::clone(&door);
        let server = HttpServer::new(move || App::new().configure(|config| served.mount(config)))
            .workers(1)
            .disable_signals()
            .bind(("127.0.0.1", 0))
            .unwrap();
        let address = server.addrs()[0];
        rt::spawn(server.run());
        Served { address, broadcaster, store, called, door }
    }
}

pub(crate) async fn serve() -> Served {
    let served = Making::default().serve();
    served.broadcaster.ready().await;
    served
}

pub(crate) fn token(text: &str) -> Rotation {
    Rotation::new([Scheme::Token(Token::new(text).unwrap())])
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// Sends bytes, and reads what comes until the other end closes.
pub(crate) async fn exchange(address: SocketAddr, request: &[u8]) -> Answered {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    read_answer(&mut stream).await
}

pub(crate) async fn read_answer(stream: &mut TcpStream) -> Answered {
    let mut bytes = Vec::new();
    let end = |bytes: &[u8]| bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let head = loop {
        if let Some(at) = end(&bytes) {
            break at + 4;
        }
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "closed: {}", String::from_utf8_lossy(&bytes));
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap().to_lowercase();
    let length = text.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse::<usize>().ok());
    let whole = head + length.unwrap_or(0);
    while bytes.len() < whole {
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0);
    }
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    Answered { status, head: text, body: bytes[head..whole].to_vec() }
}

/// A POST with a length.
pub(crate) fn post(target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("POST {target} HTTP/1.1\r\nHost: 127.0.0.1:3003\r\nContent-Length: {}\r\n", body.len());
    headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// Waits for something that is to come.
pub(crate) async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(20), "not in time: {what}");
        rt::time::sleep(Duration::from_millis(2)).await;
    }
}
