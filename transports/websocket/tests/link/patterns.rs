//! Patterns: on doors of ours, and what becomes of them on other servers.

use eventhive_transport::settings::Value;
use eventhive_transport::{Filter, Glob, Link, LinkError, LinkState};
use eventhive_websocket::WebSocketLink;
use serde_json::{Value as Json, json};

use crate::scripted::{Call, Peer, Script, is_down, settings, until};
use crate::subscriptions::{ALL, granted, notify, received, silently, tap};

fn glob(text: &str) -> Filter {
    Filter::Glob(Glob::new(text).unwrap())
}

/// A link, and its connection to what says that it is a door of ours.
async fn on_our_door(script: &Script, more: &[(&str, Value)]) -> (WebSocketLink, Peer) {
    let link = WebSocketLink::start(settings(script.address, more));
    let mut peer = script.accept_as(true).await;
    peer.greet().await;
    until(&link, LinkState::is_up).await;
    (link, peer)
}

/// Subscribes a pattern while the peer grants it.
async fn pattern(link: &WebSocketLink, peer: &mut Peer, text: &str) -> (eventhive_transport::Subscription, Taken) {
    let (sink, taken) = tap();
    let server = async {
        let Call { id, arguments } = peer.call("subscribe").await;
        assert_eq!(arguments, json!({"topics": [], "patterns": [text]}));
        peer.answer(&id, true).await;
    };
    let (subscription, ()) = tokio::join!(link.subscribe(glob(text), sink), server);
    (subscription.unwrap(), taken)
}

type Taken = tokio::sync::mpsc::UnboundedReceiver<eventhive_transport::Incoming>;

fn has_no_patterns(arguments: &Json) -> bool {
    arguments.as_object().unwrap().keys().eq(["topics"])
}

#[tokio::test]
async fn a_door_of_ours_is_asked_for_the_pattern_and_each_subscription_gets_an_event_once() {
    let script = Script::new().await;
    let (link, mut peer) = on_our_door(&script, &[]).await;
    let (wide, mut by_wide) = pattern(&link, &mut peer, "a/*").await;
    let (_narrow, mut by_narrow) = pattern(&link, &mut peer, "a/?").await;
    let (sink, mut by_name) = tap();
    let (_exact, _) = granted(&link, &mut peer, Filter::exact("a/b"), sink).await;
    let (sink, mut also_wide) = tap();
    let same = silently(&link, glob("a/*"), sink).await;
    for (topic, data) in [("a/b", "1"), ("a/bc", "2")] {
        notify(&mut peer, topic, data).await;
    }
    for taken in [&mut by_wide, &mut also_wide] {
        assert_eq!((received(taken).await, received(taken).await), ("1".into(), "2".into()));
    }
    for taken in [&mut by_narrow, &mut by_name] {
        assert_eq!(received(taken).await, "1");
        assert!(taken.try_recv().is_err());
    }
    // Two of one pattern are one at the server.
    wide.cancel().await;
    let server = async {
        let Call { id, arguments } = peer.call("unsubscribe").await;
        assert_eq!(arguments, json!({"topics": [], "patterns": ["a/*"]}));
        peer.answer(&id, true).await;
    };
    tokio::join!(same.cancel(), server);
    assert!(by_wide.recv().await.is_none());
}

#[tokio::test]
async fn topics_and_patterns_stand_again_on_the_next_connection() {
    let script = Script::new().await;
    let (link, mut peer) = on_our_door(&script, &[]).await;
    let (_pattern, _taken) = pattern(&link, &mut peer, "a*").await;
    let (_exact, _) = granted(&link, &mut peer, Filter::exact("a*"), tap().0).await;
    drop(peer);
    let mut peer = script.accept_as(true).await;
    // A topic is no pattern, even where both have one text.
    let Call { id, arguments } = peer.call("subscribe").await;
    assert_eq!(arguments, json!({"topics": ["a*"], "patterns": ["a*"]}));
    peer.answer(&id, true).await;
    until(&link, LinkState::is_up).await;
}

#[tokio::test]
async fn on_another_server_a_pattern_is_unsupported_and_never_sent() {
    let script = Script::new().await;
    let (link, mut peer) = script.up(&[]).await;
    let refused = link.subscribe(glob("a/*"), tap().0).await;
    assert!(matches!(&refused, Err(LinkError::Unsupported(why)) if why.contains("`a/*`")), "{refused:?}");
    // Nothing was said of it before this.
    let (_exact, asked) = granted(&link, &mut peer, Filter::exact("a"), tap().0).await;
    assert_eq!(asked, json!(["a"]));
}

#[tokio::test]
async fn a_pattern_asked_for_while_the_link_is_down_is_decided_when_it_comes_up() {
    for ours in [true, false] {
        let script = Script::new().await;
        let link = WebSocketLink::start(settings(script.address, &[]));
        let (sink, mut taken) = tap();
        let server = async {
            let mut peer = script.accept_as(ours).await;
            if ours {
                let Call { id, arguments } = peer.call("subscribe").await;
                assert_eq!(arguments, json!({"topics": [], "patterns": ["a/*"]}));
                peer.answer(&id, true).await;
            } else {
                peer.greet().await;
            }
            until(&link, LinkState::is_up).await;
            peer
        };
        let (made, _peer) = tokio::join!(link.subscribe(glob("a/*"), sink), server);
        match made {
            Ok(_) => assert!(ours),
            Err(error) => {
                assert!(!ours && matches!(error, LinkError::Unsupported(_)), "{error}");
                assert!(taken.recv().await.is_none(), "the refused sink is gone");
            }
        }
    }
}

#[tokio::test]
async fn a_standing_pattern_is_had_of_another_server_by_subscribing_everything() {
    let script = Script::new().await;
    let (link, mut peer) = on_our_door(&script, &[]).await;
    let (kept, mut matched) = pattern(&link, &mut peer, "a/*").await;
    let (sink, mut exact) = tap();
    let (_exact, _) = granted(&link, &mut peer, Filter::exact("a/b"), sink).await;
    drop(peer);
    // Another server takes the door's place. Everything alone, or it would notify twice.
    let mut peer = script.accept_as(false).await;
    let Call { id, arguments } = peer.call("subscribe").await;
    assert_eq!(arguments["topics"], json!([ALL]));
    assert!(has_no_patterns(&arguments));
    peer.answer(&id, true).await;
    until(&link, LinkState::is_up).await;
    for (topic, data) in [("a/b", "1"), ("b/a", "no"), ("a/c", "2")] {
        notify(&mut peer, topic, data).await;
    }
    assert_eq!((received(&mut matched).await, received(&mut matched).await), ("1".into(), "2".into()));
    assert_eq!(received(&mut exact).await, "1");
    assert!(matched.try_recv().is_err() && exact.try_recv().is_err());
    // New ones are told the truth, also of the same pattern.
    let refused = link.subscribe(glob("a/*"), tap().0).await;
    assert!(matches!(refused, Err(LinkError::Unsupported(_))), "{refused:?}");
    notify(&mut peer, "a/d", "3").await;
    assert_eq!(received(&mut matched).await, "3");
    drop(peer);
    // And back: the pattern is asked for again, and everything is not.
    let mut peer = script.accept_as(true).await;
    let Call { id, arguments } = peer.call("subscribe").await;
    assert_eq!(arguments, json!({"topics": ["a/b"], "patterns": ["a/*"]}));
    peer.answer(&id, true).await;
    until(&link, LinkState::is_up).await;
    drop(kept);
}

#[tokio::test]
async fn everything_goes_with_the_last_pattern_that_it_stood_in_for() {
    let script = Script::new().await;
    let (link, mut peer) = on_our_door(&script, &[("unsubscribe", Value::Text("always".into()))]).await;
    let (one, _) = pattern(&link, &mut peer, "a/*").await;
    let (two, _) = pattern(&link, &mut peer, "b/*").await;
    let (_exact, _) = granted(&link, &mut peer, Filter::exact("c"), tap().0).await;
    drop(peer);
    let mut peer = script.accept_as(false).await;
    let Call { id, .. } = peer.call("subscribe").await;
    peer.answer(&id, true).await;
    until(&link, LinkState::is_up).await;
    // A subscription to everything that comes and goes leaves the patterns what they need.
    silently(&link, Filter::All, tap().0).await.cancel().await;
    one.cancel().await;
    let server = async {
        let first = peer.call("subscribe").await;
        assert_eq!(first.arguments, json!({"topics": ["c"]}));
        peer.answer(&first.id, true).await;
        let second = peer.call("unsubscribe").await;
        assert_eq!(second.arguments, json!({"topics": [ALL]}));
        peer.answer(&second.id, true).await;
    };
    tokio::join!(two.cancel(), server);
}

#[tokio::test]
async fn a_server_that_refuses_everything_in_a_patterns_place_keeps_the_link_down() {
    let script = Script::new().await;
    let (link, mut peer) = on_our_door(&script, &[]).await;
    let (_kept, _taken) = pattern(&link, &mut peer, "a/*").await;
    drop(peer);
    let mut peer = script.accept_as(false).await;
    let Call { id, .. } = peer.call("subscribe").await;
    peer.answer(&id, false).await;
    until(&link, |state| is_down(state) && state.to_string().contains("no longer lets us")).await;
}
