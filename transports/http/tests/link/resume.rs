//! What a subscription receives after a loss.

use std::sync::Arc;
use std::time::Duration;

use eventhive_conformance::{Broker, FaultProxy, Mode};
use eventhive_http::HttpLink;
use eventhive_hub::Draft;
use eventhive_transport::{Filter, Gap, Incoming, Link, Sink, Subscription};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::hub::Server;
use crate::settings::settings;

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, PartialEq)]
enum Told {
    Event(String),
    Gap,
}

struct Tell(mpsc::UnboundedSender<Told>);

impl Sink for Tell {
    fn deliver(&self, incoming: Incoming) {
        let _ = self.0.send(Told::Event(String::from_utf8(incoming.payload.to_vec()).unwrap()));
    }

    fn gap(&self, _: Gap) {
        let _ = self.0.send(Told::Gap);
    }
}

struct Scene {
    server: Server,
    proxy: FaultProxy,
    link: HttpLink,
    told: mpsc::UnboundedReceiver<Told>,
    _standing: Subscription,
}

impl Scene {
    async fn set() -> Self {
        let server = Server::start().await;
        let proxy = FaultProxy::start(server.address).await.unwrap();
        let link = HttpLink::start(settings(proxy.address(), &[]));
        let (sender, told) = mpsc::unbounded_channel();
        let standing = link.subscribe(Filter::exact("a/b"), Arc::new(Tell(sender))).await.unwrap();
        Self { server, proxy, link, told, _standing: standing }
    }

    fn publish(&self, payload: &str) {
        self.server.hub().publish(Draft::bytes("a/b", payload.to_owned())).unwrap();
    }

    async fn expect(&mut self, told: Told) {
        assert_eq!(timeout(PATIENCE, self.told.recv()).await.expect("something is told"), Some(told));
    }

    async fn event(&mut self, payload: &str) {
        self.expect(Told::Event(payload.to_owned())).await;
    }

    async fn until(&self, up: bool) {
        let mut state = self.link.state();
        timeout(PATIENCE, state.wait_for(|state| state.is_up() == up)).await.expect("the state comes").unwrap();
    }

    /// Cuts the connections and lets none in until `away` is done.
    async fn away(&self, away: impl AsyncFnOnce()) {
        self.proxy.set(Mode::Refuse).await.unwrap();
        self.proxy.cut();
        self.until(false).await;
        away().await;
        self.proxy.set(Mode::Pass).await.unwrap();
        self.until(true).await;
    }
}

#[tokio::test]
async fn what_was_published_meanwhile_comes_once_in_order_and_without_a_gap() {
    let mut scene = Scene::set().await;
    for round in 0..3 {
        scene.publish(&format!("before {round}"));
        scene.event(&format!("before {round}")).await;
        scene.away(async || (0..50).for_each(|number| scene.publish(&format!("{round} {number}")))).await;
        for number in 0..50 {
            scene.event(&format!("{round} {number}")).await;
        }
    }
    scene.publish("after");
    scene.event("after").await;
}

/// A server that is told what to answer to streams, and answers nothing else.
struct Scripted(TcpListener);

impl Scripted {
    /// The next request for a stream: its head, and the connection to answer on.
    async fn stream(&self, others: &mut Vec<TcpStream>) -> (String, TcpStream) {
        loop {
            let (mut socket, _) = timeout(PATIENCE, self.0.accept()).await.expect("it comes").unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(timeout(PATIENCE, socket.read_u8()).await.expect("a head comes").unwrap());
            }
            let head = String::from_utf8(head).unwrap().to_lowercase();
            if head.starts_with("get ") {
                return (head, socket);
            }
            others.push(socket);
        }
    }

    /// Answers a stream with a head of our door and these lines, then hangs up.
    async fn answer(mut socket: TcpStream, fields: &str, lines: &str) {
        let head = "HTTP/1.1 200 OK\r\nEventhive-Door: 1\r\nContent-Type: application/vnd.pypubsub-stream\r\n";
        let answer = format!("{head}{fields}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{lines}\r\n", lines.len());
        socket.write_all(answer.as_bytes()).await.unwrap();
    }
}

/// What a subscription asks for when its first stream was cut off behind these lines, and what it then tells.
async fn after(lines: &str) -> (String, Option<Told>) {
    let server = Scripted(TcpListener::bind("127.0.0.1:0").await.unwrap());
    let link = HttpLink::start(settings(server.0.local_addr().unwrap(), &[]));
    let (sender, mut told) = mpsc::unbounded_channel();
    let (mut others, sink) = (Vec::new(), Arc::new(Tell(sender)));
    let serve = async {
        let (_, first) = server.stream(&mut others).await;
        Scripted::answer(first, "", lines).await;
        let (asked, second) = server.stream(&mut others).await;
        let found = if asked.contains("x-fetch-since") { "X-Pubsub-Replay: found\r\n" } else { "" };
        let event = "{\"a\": 1, \"pubsub_timestamp\": 101.0, \"pubsub_topics\": [\"c\"], \"pubsub_path\": \"/c\"}\n";
        Scripted::answer(second, found, event).await;
        asked
    };
    let (standing, asked) = tokio::join!(link.subscribe(Filter::exact("c"), sink), serve);
    let first = timeout(PATIENCE, told.recv()).await.expect("something is told");
    drop(standing);
    (asked, first)
}

#[tokio::test]
async fn a_subscription_that_had_no_event_yet_goes_on_from_the_servers_clock() {
    let (asked, told) = after("{\"stillalive\": 100.0}\n").await;
    assert!(asked.contains("\r\nx-fetch-since: 100.000000\r\n"), "{asked}");
    assert_eq!(told, Some(Told::Event("{\"a\": 1}".into())));
}

#[tokio::test]
async fn a_subscription_that_was_cut_off_before_it_saw_a_clock_tells_the_gap() {
    // The clock of a replay that is still going on is none: what it has not come to would be missed.
    for lines in ["\n", "{\"stillalive\": 100.0, \"replaying\": true}\n"] {
        let (asked, told) = after(lines).await;
        assert!(!asked.contains("x-fetch-since"), "{asked}");
        assert_eq!(told, Some(Told::Gap));
    }
}

#[tokio::test]
async fn a_server_that_has_forgotten_makes_a_gap() {
    let mut scene = Scene::set().await;
    scene.publish("before");
    scene.event("before").await;
    Broker::stop(&scene.server).await;
    scene.until(false).await;
    Broker::start(&scene.server).await;
    scene.until(true).await;
    scene.expect(Told::Gap).await;
    scene.publish("after");
    scene.event("after").await;
}
