//! Patterns, and the number of receivers: for links of ours, and for nobody else.

use eventhive_hub::Draft;
use eventhive_websocket::Config;
use eventhive_websocket::wire::LINK_HEADER;
use serde_json::json;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::{Client, Server};

/// A client that says that it is a link of ours.
async fn link(server: &Server) -> Client {
    let mut request = server.url().into_client_request().unwrap();
    request.headers_mut().insert(LINK_HEADER, "1".parse().unwrap());
    Client::connect(request).await.unwrap()
}

#[tokio::test]
async fn a_link_is_notified_once_of_what_its_patterns_and_topics_match_until_it_unsubscribes() {
    let server = Server::start(Config::default());
    let mut link = link(&server).await;
    let both = json!({"topics": ["a/b"], "patterns": ["a/*", "*b"]});
    assert_eq!(link.call("subscribe", both.clone()).await, true);
    assert_eq!(server.hub.stats().subscriptions, 3);
    for (topic, data) in [("a/b", "1"), ("b/a", "2"), ("a/c", "3")] {
        server.hub.publish(Draft::json(topic, data)).unwrap();
    }
    for (topic, data) in [("a/b", 1), ("a/c", 3)] {
        let (got, value, _) = link.notified().await;
        assert_eq!((got.as_str(), value), (topic, json!(data)));
    }
    // The topic of that name is another thing than the pattern.
    assert_eq!(link.call("unsubscribe", json!({"topics": ["a/*"], "patterns": ["*b"]})).await, true);
    assert_eq!(server.hub.stats().subscriptions, 2);
    assert_eq!(link.call("unsubscribe", both).await, true);
    assert_eq!(server.hub.stats().subscriptions, 0);
    server.hub.publish(Draft::json("a/b", "4")).unwrap();
    link.nothing_came().await;
}

#[tokio::test]
async fn to_any_other_client_patterns_are_an_unknown_argument() {
    let server = Server::start(Config::default());
    for method in ["subscribe", "unsubscribe"] {
        let mut client = server.client().await;
        client.request(method, json!({"topics": ["a"], "patterns": ["b"]})).await;
        assert!(client.closed(1008).await.contains("no argument patterns"));
    }
    let mut link = link(&server).await;
    link.request("publish", json!({"topics": ["a"], "patterns": ["b"]})).await;
    assert!(link.closed(1008).await.contains("no argument patterns"));
}

#[tokio::test]
async fn patterns_that_make_no_sense_are_answered_false_and_none_of_the_call_is_kept() {
    let server = Server::start(Config::default());
    let mut link = link(&server).await;
    for patterns in [json!(["a*", ""]), json!(["x".repeat(1025)]), json!("a*"), json!(null), json!([1]), json!({})] {
        let arguments = json!({"topics": ["t"], "patterns": patterns});
        assert_eq!(link.call("subscribe", arguments.clone()).await, false, "{arguments}");
        assert_eq!(server.hub.stats().subscriptions, 0);
        assert_eq!(link.call("unsubscribe", arguments.clone()).await, false, "{arguments}");
    }
    assert_eq!(link.call("subscribe", json!({"topics": [], "patterns": ["x".repeat(1024), "["]})).await, true);
}

#[tokio::test]
async fn patterns_count_as_subscriptions() {
    let server = Server::start(Config { max_subscriptions: 3, ..Config::default() });
    let mut link = link(&server).await;
    assert_eq!(link.call("subscribe", json!({"topics": ["a"], "patterns": ["b*"]})).await, true);
    assert_eq!(link.call("subscribe", json!({"topics": ["c"], "patterns": ["d*"]})).await, false);
    assert_eq!(server.hub.stats().subscriptions, 2);
    assert_eq!(link.call("subscribe", json!({"topics": [], "patterns": ["b*"]})).await, true);
}

#[tokio::test]
async fn a_topic_longer_than_names_reaches_no_pattern() {
    let server = Server::start(Config::default());
    let mut link = link(&server).await;
    assert_eq!(link.call("subscribe", json!({"topics": [], "patterns": ["x*"]})).await, true);
    for length in [1025, 1024] {
        server.hub.publish(Draft::json("x".repeat(length), "1")).unwrap();
    }
    assert_eq!(link.notified().await.0.len(), 1024);
}

#[tokio::test]
async fn patterns_beyond_their_limit_are_answered_false_and_topics_are_not() {
    let server = Server::start(Config { max_patterns: 2, ..Config::default() });
    let mut link = link(&server).await;
    assert_eq!(link.call("subscribe", json!({"topics": [], "patterns": ["a/*", "b/*", "c/*"]})).await, false);
    assert_eq!(link.call("subscribe", json!({"topics": [], "patterns": ["a/*", "b/*"]})).await, true);
    assert_eq!(link.call("subscribe", json!({"topics": ["a", "b", "c"], "patterns": []})).await, true);
    assert_eq!(server.hub.stats().subscriptions, 5);
}

#[tokio::test]
async fn a_link_is_told_the_number_of_receivers_and_any_other_client_what_python_tells_it() {
    let server = Server::start(Config::default());
    let (mut all, mut a) = (link(&server).await, link(&server).await);
    assert_eq!(all.call("subscribe", json!({"topics": ["a"], "patterns": ["*"]})).await, true);
    assert_eq!(a.call("subscribe", json!({"topics": ["a"]})).await, true);
    let (mut link, mut client) = (link(&server).await, server.client().await);
    for (topics, receivers) in [(json!(["a"]), 2), (json!(["b"]), 1), (json!(["b", "c"]), 2), (json!([]), 0)] {
        let arguments = json!({"topics": topics, "sync": false, "notifier_id": "nobody"});
        assert_eq!(link.call("publish", arguments.clone()).await, receivers, "{arguments}");
        assert_eq!(client.call("publish", arguments.clone()).await, true, "{arguments}");
    }
    let refused = json!({"topics": null, "sync": false});
    assert_eq!(link.call("publish", refused).await, false);
}
