//! What a subscription receives after a loss.

use std::sync::Arc;
use std::time::Duration;

use eventhive_conformance::{Broker, FaultProxy, Mode};
use eventhive_http::HttpLink;
use eventhive_hub::Draft;
use eventhive_transport::{Filter, Gap, Incoming, Link, Sink, Subscription};
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

#[tokio::test]
async fn a_subscription_that_had_no_event_yet_goes_on_from_the_servers_clock() {
    let mut scene = Scene::set().await;
    scene.publish("before");
    scene.event("before").await;
    let (sender, mut told) = mpsc::unbounded_channel();
    let other = scene.link.subscribe(Filter::exact("c"), Arc::new(Tell(sender))).await.unwrap();
    let to_other = |payload: &str| {
        scene.server.hub().publish(Draft::bytes("c", payload.to_owned())).unwrap();
    };
    scene.away(async || to_other("meanwhile")).await;
    to_other("after");
    let mut heard = Vec::new();
    while heard.last() != Some(&Told::Event("after".into())) {
        heard.push(timeout(PATIENCE, told.recv()).await.expect("something is told").unwrap());
    }
    // Cut off before the first ping, there is no clock to go on from: then the gap is told.
    let meanwhile = Told::Event("meanwhile".into());
    assert!(heard.first() == Some(&meanwhile) || heard.first() == Some(&Told::Gap), "{heard:?}");
    other.cancel().await;
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
