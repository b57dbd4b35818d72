//! A server of websockets, and a subscriber.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::{App, HttpServer, rt, web};
use bytes::Bytes;
use eventhive_listener::connection::Connections;
use eventhive_webhook::broadcaster::{Authority, Broadcaster, Clock, Deliver, Parts, Schemes, SystemClock, Tracer};
use eventhive_webhook::delivery::{Delivered, GivenUp};
use eventhive_webhook::index::Target;
use eventhive_webhook::message::Message;
use eventhive_webhook::outgoing::Report;
use eventhive_webhook::session::{Sessions, Settings};
use eventhive_webhook::store::Outcome;
use eventhive_webhook::wire::auth::{Nonce, Scheme, Stamp};
use eventhive_webhook::wire::stateful::counter::{ConnectionNonce, Counter};
use eventhive_webhook::wire::stateful::stream::Stream;
use eventhive_webhook::wire::stateful::{B2s, Configure, MessageHead, Mode, Notify, Part, PartReceipt, Place, S2b};
use eventhive_webhook::wire::{Interest, Proof, digest};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::memory::MemoryStore;

/// Every url. A call waits for a permit.
pub(crate) struct Urls(pub(crate) Semaphore);

impl Deliver for Urls {
    fn deliver<'a>(&'a self, _: &'a Target, _: &'a Message) -> BoxFuture<'a, Delivered> {
        async {
            self.0.acquire().await.unwrap().forget();
            let (took, detail) = (Duration::ZERO, "".into());
            let outcome = Outcome::Confirmed;
            Report { outcome, subscribers: 1, status: Some(200), detail, took, identifier: None }.into()
        }
        .boxed()
    }

    fn give_up(&self, _: &Target, _: &Message, _: GivenUp) {}

    fn enable(&self, _: &str) {}
}

pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) broadcaster: Arc<Broadcaster>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) urls: Arc<Urls>,
}

pub(crate) async fn serve(settings: Settings) -> Served {
    serve_with(settings, Schemes::default(), Arc::new(SystemClock)).await
}

pub(crate) async fn serve_with(settings: Settings, schemes: Schemes, clock: Arc<dyn Clock>) -> Served {
    let (store, urls) = (MemoryStore::new(), Arc::new(Urls(Semaphore::new(0))));
    let broadcaster = Broadcaster::new(Parts {
        authority: Arc::new(Authority::new(schemes, clock, store.clone())),
        store,
        deliver: urls.clone(),
        hub: None,
        advertised: None,
        max_deliveries: 16,
    });
    let running = Arc::clone(&broadcaster);
    rt::spawn(async move { running.run().await });
    broadcaster.ready().await;
    let sessions = Sessions::new(Arc::clone(&broadcaster), settings);
    let served = Arc::clone(&sessions);
    let upgrade = move |request, input| {
        let sessions = Arc::clone(&served);
        async move { sessions.upgrade(request, input) }
    };
    let server = HttpServer::new(move || App::new().route("/v1/websocket", web::get().to(upgrade.clone())))
        .on_connect(Connections::new().on_connect(Duration::from_secs(30)))
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
    let address = server.addrs()[0];
    rt::spawn(server.run());
    Served { address, broadcaster, sessions, urls }
}

impl Served {
    /// Publishes as somebody else would.
    pub(crate) async fn publish(&self, topic: &[u8], body: impl Into<Bytes>) -> u32 {
        self.publish_message(Message::new(topic, body.into())).await
    }

    pub(crate) async fn publish_message(&self, message: Message) -> u32 {
        in_time("a notify", self.broadcaster.notify(message, &mut Tracer::off())).await.unwrap()
    }

    pub(crate) async fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        Client::over(stream).await
    }

    /// Connected and configured, without compression.
    pub(crate) async fn client(&self) -> Client {
        let mut client = self.connect().await;
        client.configure(false, false, 0).await;
        client
    }

    /// The same, with subscriptions to these topics.
    pub(crate) async fn subscriber(&self, topics: &[&str]) -> Client {
        let mut client = self.client().await;
        for topic in topics {
            client.subscribe(Interest::Exact(topic.as_bytes())).await;
        }
        client
    }

    pub(crate) async fn until_sessions(&self, count: usize) {
        until("sessions", || self.sessions.count() == count).await;
    }
}

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
    pub(crate) mode: Mode,
    /// Signs what is said, if there is one.
    pub(crate) key: Option<Scheme>,
    nonce: Option<ConnectionNonce>,
    counter: Counter,
}

/// A close frame's code, and its reason.
pub(crate) type Closed = (u16, String);

impl Client {
    pub(crate) async fn over(stream: TcpStream) -> Self {
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let url = "ws://127.0.0.1/v1/websocket";
        let connected = tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await;
        let (socket, mode, counter) = (connected.unwrap().0, Mode::Minimal, Counter::s2b());
        Self { socket, mode, key: None, nonce: None, counter }
    }

    pub(crate) async fn raw(&mut self, frame: Frame) {
        self.socket.send(frame).await.unwrap();
    }

    pub(crate) async fn bytes(&mut self, bytes: &[u8]) {
        self.raw(Frame::Binary(Bytes::copy_from_slice(bytes))).await;
    }

    pub(crate) async fn say(&mut self, message: S2b<'_>) {
        let mut bytes = Vec::new();
        match self.sign(&message) {
            None => message.write(self.mode, &mut bytes).unwrap(),
            Some(authorization) => {
                let proof = Proof { authorization: Some(&authorization), tracing: b"" };
                with_proof(message, proof).write(self.mode, &mut bytes).unwrap();
            }
        }
        self.raw(Frame::Binary(bytes.into())).await;
    }

    fn sign(&mut self, message: &S2b<'_>) -> Option<String> {
        let scheme = self.key.as_ref()?;
        let counter = message.is_counted().then(|| self.counter.take());
        let url = self.nonce.as_ref().zip(counter).map(|(nonce, counter)| nonce.url(counter)).unwrap_or_default();
        let nonce = Nonce::fresh().unwrap();
        scheme.sign(&message.claim(&url).unwrap(), b"", Stamp::new(SystemClock.now(), &nonce)).unwrap()
    }

    /// The next message; a close frame is an error.
    pub(crate) async fn hear(&mut self) -> Result<Bytes, Closed> {
        loop {
            match in_time("a message", self.socket.next()).await {
                Some(Ok(Frame::Binary(bytes))) => return Ok(bytes),
                Some(Ok(Frame::Close(close))) => {
                    let close = close.unwrap();
                    return Err((close.code.into(), close.reason.as_str().to_owned()));
                }
                Some(Ok(_)) => {}
                None | Some(Err(_)) => return Err((1006, String::new())),
            }
        }
    }

    /// Whatever comes until the close frame does.
    pub(crate) async fn closed(&mut self) -> Closed {
        loop {
            if let Err(closed) = self.hear().await {
                return closed;
            }
        }
    }

    /// Asserts that nothing comes before the answer to a notify that goes now.
    pub(crate) async fn hears_nothing(&mut self) {
        self.notify(b"probe", b"nobody wants this", b"").await;
        let frame = self.hear().await.unwrap();
        let message = B2s::read(&frame).unwrap();
        assert!(matches!(message, B2s::ConfirmNotify { identifier: b"probe", .. }), "{message:?}");
    }

    pub(crate) async fn configure(&mut self, enable_zstd: bool, enable_training: bool, initial_dict: u16) {
        let (subscriber_nonce, proof) = (&[7; 32], Proof::default());
        let configure = Configure { subscriber_nonce, enable_zstd, enable_training, initial_dict, proof };
        self.say(S2b::Configure(configure)).await;
        let frame = self.hear().await.unwrap();
        let message = B2s::read(&frame).unwrap();
        let B2s::ConfirmConfigure { broadcaster_nonce, .. } = message else { panic!("{message:?}") };
        self.nonce = Some(ConnectionNonce::new(subscriber_nonce, broadcaster_nonce));
    }

    pub(crate) async fn subscribe(&mut self, interest: Interest<'_>) {
        self.say(S2b::Subscribe { interest, proof: Proof::default() }).await;
        let frame = self.hear().await.unwrap();
        let B2s::ConfirmSubscribe { interest: confirmed, .. } = B2s::read(&frame).unwrap() else { panic!("{frame:?}") };
        assert_eq!(confirmed, interest);
    }

    pub(crate) async fn notify(&mut self, identifier: &[u8], topic: &[u8], payload: &[u8]) {
        let sha512 = digest::hash(payload);
        let message = MessageHead { topic, compression: None, length: payload.len() as u64, sha512: &sha512 };
        self.say(S2b::Notify(Notify { proof: Proof::default(), identifier, message, payload })).await;
    }

    /// Notifies, and gives the count of the answer.
    pub(crate) async fn notified(&mut self, topic: &[u8], payload: &[u8]) -> u64 {
        self.notify(b"notified", topic, payload).await;
        let frame = self.hear().await.unwrap();
        let message = B2s::read(&frame).unwrap();
        let B2s::ConfirmNotify { identifier: b"notified", subscribers, .. } = message else { panic!("{message:?}") };
        subscribers
    }

    pub(crate) async fn acknowledge(&mut self, identifier: &[u8], part_id: u64, is_last: bool) {
        let proof = Proof::default();
        self.say(match is_last {
            true => S2b::ConfirmReceive { identifier, num_subscribers: 1, proof },
            false => S2b::ContinueReceive(PartReceipt { identifier, part_id, proof }),
        })
        .await;
    }

    /// Takes a whole message, acknowledging its parts: the topic, the bytes as they are sent, and of how many parts.
    pub(crate) async fn receive(&mut self) -> (Vec<u8>, Vec<u8>, u64) {
        let (mut stream, mut bytes, mut parts) = (Stream::new(), Vec::new(), 0);
        loop {
            let frame = self.hear().await.unwrap();
            let part = received(&frame);
            bytes.extend_from_slice(part.payload);
            parts += 1;
            let complete = stream.push(&part).unwrap();
            self.acknowledge(part.identifier, part.id(), complete.is_some()).await;
            if let Some(complete) = complete {
                return (complete.topic, bytes, parts);
            }
        }
    }
}

fn with_proof<'a>(message: S2b<'a>, proof: Proof<'a>) -> S2b<'a> {
    match message {
        S2b::Configure(configure) => S2b::Configure(Configure { proof, ..configure }),
        S2b::Subscribe { interest, .. } => S2b::Subscribe { interest, proof },
        S2b::Unsubscribe { interest, .. } => S2b::Unsubscribe { interest, proof },
        S2b::Notify(notify) => S2b::Notify(Notify { proof, ..notify }),
        S2b::NotifyStream(part) => S2b::NotifyStream(Part { proof, ..part }),
        S2b::ContinueReceive(receipt) => S2b::ContinueReceive(PartReceipt { proof, ..receipt }),
        S2b::ConfirmReceive { identifier, num_subscribers, .. } => {
            S2b::ConfirmReceive { identifier, num_subscribers, proof }
        }
    }
}

pub(crate) fn received(frame: &[u8]) -> Part<'_> {
    let message = B2s::read(frame).unwrap();
    let B2s::ReceiveStream(part) = message else { panic!("{message:?}") };
    part
}

pub(crate) fn first_part<'a>(identifier: &'a [u8], head: MessageHead<'a>, payload: &'a [u8]) -> S2b<'a> {
    S2b::NotifyStream(Part { proof: Proof::default(), identifier, place: Place::First(head), payload })
}

pub(crate) fn next_part<'a>(identifier: &'a [u8], id: u64, payload: &'a [u8]) -> S2b<'a> {
    let place = Place::Next(id.try_into().unwrap());
    S2b::NotifyStream(Part { proof: Proof::default(), identifier, place, payload })
}

pub(crate) async fn in_time<F: Future>(what: &str, future: F) -> F::Output {
    timeout(Duration::from_secs(20), future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// Waits for something that is to come.
pub(crate) async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(20), "not in time: {what}");
        rt::time::sleep(Duration::from_millis(2)).await;
    }
}
