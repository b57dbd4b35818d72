//! Moving from server to server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use eventhive_hub::{Hub, HubSettings, LocalLink};
use eventhive_transport::{
    Filter, Gap, Glob, Incoming, Link, LinkError, LinkState, Receipt, Refused, RefusedReason, Sink, Subscription,
};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::discovery::moving::{Helm, MovingLink, Opener};

/// How long anything may take. Only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

type Answer = Result<eventhive_transport::Delivery, LinkError>;

/// A server in memory, some of whose answers a test withholds.
#[derive(Clone)]
struct Server {
    hub: Hub,
    patterns: bool,
    state: Arc<watch::Sender<LinkState>>,
    /// What the server has not answered for.
    unanswered: Arc<Mutex<Vec<oneshot::Sender<Answer>>>>,
    answers: bool,
}

impl Server {
    fn new() -> Self {
        Self {
            hub: Hub::new(HubSettings::default()),
            patterns: true,
            state: Arc::new(watch::Sender::new(LinkState::Up)),
            unanswered: Arc::default(),
            answers: true,
        }
    }

    fn opener(&self) -> Opener {
        let server = self.clone();
        Arc::new(move || {
            let inner = LocalLink::new(server.hub.clone()).map_err(|error| error.to_string())?;
            Ok(Arc::new(ServerLink { inner, server: server.clone() }))
        })
    }

    fn publish(&self, topic: &'static str, text: &'static str) {
        let draft = eventhive_hub::Draft::bytes(topic, Bytes::from_static(text.as_bytes()));
        self.hub.publish(draft).unwrap();
    }
}

struct ServerLink {
    inner: LocalLink,
    server: Server,
}

impl Link for ServerLink {
    fn publish(&self, topic: eventhive_transport::Topic, payload: Bytes) -> Result<Receipt, Refused> {
        if self.server.answers {
            return self.inner.publish(topic, payload);
        }
        let (sender, receipt) = Receipt::pending();
        self.server.unanswered.lock().unwrap().push(sender);
        Ok(receipt)
    }

    fn subscribe(&self, filter: Filter, sink: Arc<dyn Sink>) -> BoxFuture<'_, Result<Subscription, LinkError>> {
        if !self.server.patterns && matches!(filter, Filter::Glob(_)) {
            return Box::pin(async { Err(LinkError::Unsupported("no patterns here".to_owned())) });
        }
        self.inner.subscribe(filter, sink)
    }

    fn state(&self) -> watch::Receiver<LinkState> {
        self.server.state.subscribe()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.server.unanswered.lock().unwrap().clear();
        self.inner.close()
    }
}

/// A link whose helm the test has.
async fn steered() -> (MovingLink, Helm) {
    let (sender, helm) = oneshot::channel();
    let link = MovingLink::start(async move |helm| {
        let _ = sender.send(helm);
        std::future::pending::<()>().await;
    });
    (link, helm.await.unwrap())
}

async fn until(link: &MovingLink, wanted: impl Fn(&LinkState) -> bool) {
    let mut state = link.state();
    let reached = timeout(PATIENCE, state.wait_for(wanted)).await.is_ok();
    assert!(reached, "the link is {:?}", *link.state().borrow());
}

/// What a subscription hears: texts, and gaps as `<gap>`.
struct Ear(mpsc::UnboundedSender<String>);

impl Sink for Ear {
    fn deliver(&self, incoming: Incoming) {
        let _ = self.0.send(String::from_utf8(incoming.payload.to_vec()).unwrap());
    }

    fn gap(&self, _: Gap) {
        let _ = self.0.send("<gap>".to_owned());
    }
}

fn ear() -> (Arc<Ear>, mpsc::UnboundedReceiver<String>) {
    let (sender, heard) = mpsc::unbounded_channel();
    (Arc::new(Ear(sender)), heard)
}

async fn next(heard: &mut mpsc::UnboundedReceiver<String>) -> String {
    timeout(PATIENCE, heard.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn subscriptions_move_along_and_are_told_of_the_gap() {
    let (first, second) = (Server::new(), Server::new());
    let (link, helm) = steered().await;
    helm.go(first.opener());
    let (sink, mut heard) = ear();
    let subscription = link.subscribe(Filter::exact("a"), sink).await.unwrap();
    until(&link, LinkState::is_up).await;
    first.publish("a", "from the first");
    assert_eq!(next(&mut heard).await, "from the first");

    helm.go(second.opener());
    assert_eq!(next(&mut heard).await, "<gap>");
    until(&link, LinkState::is_up).await;
    first.publish("a", "too late");
    second.publish("a", "from the second");
    assert_eq!(next(&mut heard).await, "from the second");
    // The first hub ends the session that was left on a thread of its own.
    let left = async {
        while first.hub.stats().subscriptions > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, left).await.unwrap();

    timeout(PATIENCE, subscription.cancel()).await.unwrap();
    assert_eq!(second.hub.stats().subscriptions, 0);
}

#[tokio::test]
async fn what_the_old_server_did_not_answer_for_is_known_before_the_new_one_gets_anything() {
    let (first, second) = (Server { answers: false, ..Server::new() }, Server::new());
    let (link, helm) = steered().await;
    helm.go(first.opener());
    until(&link, LinkState::is_up).await;
    let receipt = link.publish("a".into(), "x".into()).unwrap();
    helm.go(second.opener());
    assert_eq!(timeout(PATIENCE, receipt).await.unwrap(), Err(LinkError::Unconfirmed));
    until(&link, LinkState::is_up).await;
    let (sink, mut heard) = ear();
    let _subscription = link.subscribe(Filter::exact("a"), sink).await.unwrap();
    assert!(link.publish("a".into(), "x".into()).unwrap().await.is_ok());
    assert_eq!(next(&mut heard).await, "x");
}

#[tokio::test]
async fn without_a_server_it_is_down_with_the_reason_and_gives_messages_back() {
    let (link, helm) = steered().await;
    assert_eq!(*link.state().borrow(), LinkState::Connecting);
    helm.nowhere("nobody is there");
    until(&link, |state| matches!(state, LinkState::Down { reason, gave_up: false } if &**reason == "nobody is there"))
        .await;
    assert_eq!(link.publish("a".into(), "x".into()).unwrap_err().reason, RefusedReason::Down);
    link.close().await;
    assert_eq!(link.publish("a".into(), "x".into()).unwrap_err().reason, RefusedReason::Closed);
}

#[tokio::test]
async fn a_server_that_is_not_there_for_a_moment_is_not_left() {
    let server = Server::new();
    let (link, helm) = steered().await;
    helm.go(server.opener());
    until(&link, LinkState::is_up).await;
    let mut state = link.state();
    state.mark_unchanged();
    helm.nowhere("no announcement was heard");
    let (sink, _heard) = ear();
    let _subscription = link.subscribe(Filter::exact("a"), sink).await.unwrap();
    assert!(state.borrow().is_up() && !state.has_changed().unwrap());
}

#[tokio::test]
async fn a_pattern_that_one_server_granted_is_kept_at_one_that_knows_none() {
    let (first, second) = (Server::new(), Server { patterns: false, ..Server::new() });
    let (link, helm) = steered().await;
    helm.go(first.opener());
    let (sink, mut heard) = ear();
    let _subscription = link.subscribe(Filter::Glob(Glob::new("a/*").unwrap()), sink).await.unwrap();
    helm.go(second.opener());
    assert_eq!(next(&mut heard).await, "<gap>");
    until(&link, LinkState::is_up).await;
    second.publish("b/c", "not wanted");
    second.publish("a/b", "wanted");
    assert_eq!(next(&mut heard).await, "wanted");
}

#[tokio::test]
async fn a_pattern_that_the_first_server_does_not_know_is_refused() {
    let server = Server { patterns: false, ..Server::new() };
    let (link, helm) = steered().await;
    helm.go(server.opener());
    let (sink, _heard) = ear();
    let made = link.subscribe(Filter::Glob(Glob::new("a/*").unwrap()), sink).await;
    assert!(matches!(made, Err(LinkError::Unsupported(_))), "{made:?}");
}

#[tokio::test]
async fn subscribers_that_give_up_while_there_is_no_server_leave_nothing_behind() {
    let (link, helm) = steered().await;
    helm.nowhere("nobody is there");
    until(&link, |state| matches!(state, LinkState::Down { .. })).await;
    let (sink, _heard) = ear();
    for _ in 0..100 {
        let mut subscribing = link.subscribe(Filter::exact("a"), Arc::clone(&sink) as Arc<dyn Sink>);
        assert!((&mut subscribing).now_or_never().is_none());
        // Wants that wait in the queue of requests and those that the mover has: both.
        tokio::task::yield_now().await;
    }
    let released = async {
        while Arc::strong_count(&sink) > 1 {
            tokio::task::yield_now().await;
        }
    };
    assert!(timeout(PATIENCE, released).await.is_ok(), "{} wants are left", Arc::strong_count(&sink) - 1);
}

#[tokio::test]
async fn a_subscriber_that_gives_up_after_the_server_granted_it_leaves_nothing_behind() {
    let server = Server::new();
    let (link, helm) = steered().await;
    helm.go(server.opener());
    until(&link, LinkState::is_up).await;
    let (sink, _heard) = ear();
    let mut subscribing = link.subscribe(Filter::exact("a"), sink);
    assert!((&mut subscribing).now_or_never().is_none());
    let reached = async |count| {
        while server.hub.stats().subscriptions != count {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, reached(1)).await.unwrap();
    drop(subscribing);
    timeout(PATIENCE, reached(0)).await.unwrap();
}

#[tokio::test]
async fn a_dropped_link_ends_with_its_guide() {
    let server = Server::new();
    let (gone, is_gone) = oneshot::channel::<()>();
    let opener = server.opener();
    let link = MovingLink::start(async move |helm| {
        let _gone = gone;
        helm.go(opener);
        std::future::pending::<()>().await;
    });
    until(&link, LinkState::is_up).await;
    let (sink, _heard) = ear();
    let _subscription = link.subscribe(Filter::exact("a"), sink).await.unwrap();
    drop(link);
    assert!(timeout(PATIENCE, is_gone).await.unwrap().is_err());
}
