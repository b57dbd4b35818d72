//! What stands here and what stands at the server, on servers of both kinds.

use std::sync::Arc;

use eventhive_transport::settings::Value;
use eventhive_transport::{Filter, Incoming, Link, LinkError, LinkState, Sink, Subscription};
use eventhive_websocket::WebSocketLink;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::scripted::{Call, PATIENCE, Peer, Script, is_down, settings, until};

pub(crate) const ALL: &str = "__EventNotifier_ALL_TOPICS__";

pub(crate) fn tap() -> (Arc<dyn Sink>, mpsc::UnboundedReceiver<Incoming>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Arc::new(move |incoming| _ = sender.send(incoming)), receiver)
}

/// Subscribes while the peer grants it, and tells what was asked for.
pub(crate) async fn granted(
    link: &WebSocketLink,
    peer: &mut Peer,
    filter: Filter,
    sink: Arc<dyn Sink>,
) -> (Subscription, Json) {
    let server = async {
        let Call { id, mut arguments } = peer.call("subscribe").await;
        peer.answer(&id, true).await;
        arguments["topics"].take()
    };
    let (subscription, asked) = tokio::join!(link.subscribe(filter, sink), server);
    (subscription.unwrap(), asked)
}

/// Subscribes without a word to the server.
pub(crate) async fn silently(link: &WebSocketLink, filter: Filter, sink: Arc<dyn Sink>) -> Subscription {
    timeout(PATIENCE, link.subscribe(filter, sink)).await.expect("nothing to ask for").unwrap()
}

pub(crate) async fn received(from: &mut mpsc::UnboundedReceiver<Incoming>) -> String {
    let incoming = timeout(PATIENCE, from.recv()).await.expect("it arrives").unwrap();
    String::from_utf8(incoming.payload.to_vec()).unwrap()
}

/// Notifies, and waits for the answer, so that the sinks have it.
pub(crate) async fn notify(peer: &mut Peer, topic: &str, data: &str) {
    peer.notify(topic, data).await;
    while peer.receive().await["response"]["result"] != "None" {}
}

#[tokio::test]
async fn several_subscriptions_to_one_topic_are_one_at_the_server() {
    let script = Script::new().await;
    let (link, mut peer) = script.up(&[]).await;
    let ((one, mut one_received), (other, mut other_received)) = (tap(), tap());
    let (first, asked) = granted(&link, &mut peer, Filter::exact("a"), one).await;
    assert_eq!(asked, json!(["a"]));
    let _second = silently(&link, Filter::exact("a"), other).await;
    notify(&mut peer, "a", "1").await;
    assert_eq!((received(&mut one_received).await, received(&mut other_received).await), ("1".into(), "1".into()));
    first.cancel().await;
    notify(&mut peer, "a", "2").await;
    assert_eq!(received(&mut other_received).await, "2");
    assert!(one_received.recv().await.is_none(), "the ended subscription's sink is gone");
}

#[tokio::test]
async fn a_python_server_is_not_asked_to_unsubscribe_and_what_still_comes_is_dropped() {
    let script = Script::new().await;
    let (link, mut peer) = script.up(&[]).await;
    let (sink, mut old) = tap();
    let (subscription, _) = granted(&link, &mut peer, Filter::exact("a"), sink).await;
    timeout(PATIENCE, subscription.cancel()).await.expect("there is nothing to wait for");
    // Answered, or the server would wait for us for ever.
    notify(&mut peer, "a", "dropped").await;
    assert!(old.recv().await.is_none());
    // It stands there still, and a second subscription there would double everything.
    let (sink, mut new) = tap();
    let _again = silently(&link, Filter::exact("a"), sink).await;
    notify(&mut peer, "a", "wanted").await;
    assert_eq!(received(&mut new).await, "wanted");
}

#[tokio::test]
async fn what_nobody_wants_any_more_is_not_subscribed_on_the_next_connection() {
    let script = Script::new().await;
    let (link, mut peer) = script.up(&[]).await;
    let (ended, _) = granted(&link, &mut peer, Filter::exact("a"), tap().0).await;
    let (_kept, _) = granted(&link, &mut peer, Filter::exact("b"), tap().0).await;
    ended.cancel().await;
    drop(peer);
    let mut peer = script.accept().await;
    assert_eq!(peer.call("subscribe").await.arguments["topics"], json!(["b"]));
}

#[tokio::test]
async fn a_server_that_knows_unsubscribe_by_setting_or_header_is_asked() {
    let script = Script::new().await;
    let set = WebSocketLink::start(settings(script.address, &[("unsubscribe", Value::Text("always".into()))]));
    let set_peer = script.accept_as(false).await;
    let seen = WebSocketLink::start(settings(script.address, &[]));
    let seen_peer = script.accept_as(true).await;
    for (link, mut peer) in [(set, set_peer), (seen, seen_peer)] {
        assert!(peer.head.headers().contains_key("eventhive-link"));
        peer.greet().await;
        until(&link, LinkState::is_up).await;
        let (subscription, _) = granted(&link, &mut peer, Filter::exact("a"), tap().0).await;
        let server = async {
            let Call { id, arguments } = peer.call("unsubscribe").await;
            assert_eq!(arguments, json!({"topics": ["a"]}));
            peer.answer(&id, true).await;
        };
        tokio::join!(subscription.cancel(), server);
        let (_again, asked) = granted(&link, &mut peer, Filter::exact("a"), tap().0).await;
        assert_eq!(asked, json!(["a"]));
    }
}

#[tokio::test]
async fn everything_brings_every_topic_along_on_a_server_that_would_notify_twice() {
    let script = Script::new().await;
    let (link, mut peer) = script.up(&[]).await;
    let ((all, mut all_received), (one, mut one_received)) = (tap(), tap());
    let (_all, asked) = granted(&link, &mut peer, Filter::All, all).await;
    assert_eq!(asked, json!([ALL]));
    let _one = silently(&link, Filter::exact("a"), one).await;
    notify(&mut peer, "a", "both").await;
    notify(&mut peer, "b", "all").await;
    assert_eq!(received(&mut one_received).await, "both");
    assert_eq!(received(&mut all_received).await, "both");
    assert_eq!(received(&mut all_received).await, "all");
    assert!(one_received.try_recv().is_err());
}

#[tokio::test]
async fn everything_after_a_topic_takes_a_new_connection_with_everything_alone() {
    let script = Script::new().await;
    let (link, mut peer) = script.up(&[]).await;
    let ((all, mut all_received), (one, mut one_received)) = (tap(), tap());
    let (_one, _) = granted(&link, &mut peer, Filter::exact("a"), one).await;
    let server = async {
        let mut peer = script.accept().await;
        let Call { id, arguments } = peer.call("subscribe").await;
        assert_eq!(arguments["topics"], json!([ALL]));
        peer.answer(&id, true).await;
        peer
    };
    let (all, mut peer) = tokio::join!(link.subscribe(Filter::All, all), server);
    let _all = all.unwrap();
    until(&link, LinkState::is_up).await;
    notify(&mut peer, "a", "x").await;
    assert_eq!((received(&mut one_received).await, received(&mut all_received).await), ("x".into(), "x".into()));
    assert!(one_received.try_recv().is_err() && all_received.try_recv().is_err());
}

#[tokio::test]
async fn when_everything_ends_on_a_server_that_unsubscribes_its_topics_are_asked_for_first() {
    let script = Script::new().await;
    let (link, mut peer) = script.up(&[("unsubscribe", Value::Text("always".into()))]).await;
    let (all, _) = granted(&link, &mut peer, Filter::All, tap().0).await;
    let _one = silently(&link, Filter::exact("a"), tap().0).await;
    let server = async {
        let first = peer.call("subscribe").await;
        assert_eq!(first.arguments["topics"], json!(["a"]));
        peer.answer(&first.id, true).await;
        let second = peer.call("unsubscribe").await;
        assert_eq!(second.arguments["topics"], json!([ALL]));
        peer.answer(&second.id, true).await;
    };
    tokio::join!(all.cancel(), server);
}

#[tokio::test]
async fn a_denied_subscription_is_an_error_and_leaves_the_link_up() {
    let script = Script::new().await;
    let (link, mut peer) = script.up(&[]).await;
    let (sink, mut gone) = tap();
    let server = async {
        let Call { id, .. } = peer.call("subscribe").await;
        peer.answer(&id, false).await;
    };
    let (denied, ()) = tokio::join!(link.subscribe(Filter::exact("a"), sink), server);
    assert!(matches!(denied, Err(LinkError::Rejected(_))), "{denied:?}");
    assert!(gone.recv().await.is_none());
    assert!(link.state().borrow().is_up());
    // It can be tried again.
    let (_later, asked) = granted(&link, &mut peer, Filter::exact("a"), tap().0).await;
    assert_eq!(asked, json!(["a"]));
}

#[tokio::test]
async fn of_several_subscriptions_denied_together_only_the_denied_one_fails() {
    let script = Script::new().await;
    let link = WebSocketLink::start(settings(script.address, &[]));
    let server = async {
        let mut peer = script.accept().await;
        let together = peer.call("subscribe").await;
        assert_eq!(together.arguments["topics"].as_array().unwrap().len(), 2);
        peer.answer(&together.id, false).await;
        for _ in 0..2 {
            let Call { id, arguments } = peer.call("subscribe").await;
            peer.answer(&id, arguments["topics"] == json!(["good"])).await;
        }
        until(&link, LinkState::is_up).await;
        peer
    };
    let (good, bad) = (link.subscribe(Filter::exact("good"), tap().0), link.subscribe(Filter::exact("bad"), tap().0));
    let (good, bad, _peer) = tokio::join!(good, bad, server);
    assert!(good.is_ok() && matches!(bad, Err(LinkError::Rejected(_))), "{good:?} {bad:?}");
}

#[tokio::test]
async fn a_subscription_that_stood_and_is_denied_later_keeps_the_link_down() {
    let script = Script::new().await;
    let (link, mut peer) = script.up(&[]).await;
    let (_subscription, _) = granted(&link, &mut peer, Filter::exact("a"), tap().0).await;
    drop(peer);
    for yes in [false, true] {
        let mut peer = script.accept().await;
        let Call { id, .. } = peer.call("subscribe").await;
        peer.answer(&id, yes).await;
        if yes {
            until(&link, LinkState::is_up).await;
        } else {
            let denied = |state: &LinkState| is_down(state) && state.to_string().contains("`a`");
            until(&link, denied).await;
        }
    }
}

#[tokio::test]
async fn a_subscription_that_nobody_waits_for_any_more_is_taken_back() {
    let script = Script::new().await;
    let link = WebSocketLink::start(settings(script.address, &[]));
    let (sink, mut gone) = tap();
    drop({
        let mut waiting = link.subscribe(Filter::exact("a"), sink);
        assert!(futures_util::FutureExt::now_or_never(&mut waiting).is_none());
        waiting
    });
    assert!(gone.recv().await.is_none());
    let mut peer = script.accept().await;
    peer.greet().await;
    until(&link, LinkState::is_up).await;
    // Nothing but what is wanted now was asked for.
    let (_subscription, asked) = granted(&link, &mut peer, Filter::exact("b"), tap().0).await;
    assert_eq!(asked, json!(["b"]));
}

#[tokio::test]
async fn more_topics_than_fit_in_a_message_are_asked_for_in_several() {
    let script = Script::new().await;
    let link = WebSocketLink::start(settings(script.address, &[]));
    let topics: Vec<String> = (0..300).map(|number| format!("{number}/{}", "x".repeat(1000))).collect();
    let subscribe = topics.iter().map(|topic| link.subscribe(Filter::exact(topic.as_str()), tap().0));
    let server = async {
        let mut peer = script.accept().await;
        let (mut calls, mut asked) = (0, 0);
        while asked < topics.len() {
            let Call { id, arguments } = peer.call("subscribe").await;
            assert!(arguments.to_string().len() < 200_000);
            asked += arguments["topics"].as_array().unwrap().len();
            calls += 1;
            peer.answer(&id, true).await;
        }
        assert!(calls > 1);
        peer
    };
    let (subscriptions, _peer) = tokio::join!(futures_util::future::join_all(subscribe), server);
    assert!(subscriptions.iter().all(Result::is_ok));
}

#[tokio::test]
async fn filters_beyond_the_wire_are_refused_with_what_to_use_instead() {
    let script = Script::new().await;
    let (link, _peer) = script.up(&[]).await;
    let filters =
        [Filter::Segments(vec![]), Filter::exact(ALL), Filter::exact(eventhive_transport::Topic::new(&b"\xff"[..]))];
    for filter in filters {
        let refused = link.subscribe(filter.clone(), tap().0).await;
        assert!(matches!(refused, Err(LinkError::Unsupported(_))), "{filter:?}: {refused:?}");
    }
}
