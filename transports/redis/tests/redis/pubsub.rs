//! What pub/sub does beyond the suite.

use std::sync::Arc;

use bytes::Bytes;
use eventhive_conformance::{FaultProxy, Mode};
use eventhive_transport::settings::Value;
use eventhive_transport::{Delivery, Filter, Glob, Incoming, LinkState, RefusedReason};

use crate::server::{Server, eventually};
use crate::support::{
    Given, Seen, at, collect, connect, link, listen, message, number, publish, text, until, until_down, with,
};

fn through(proxy: &FaultProxy) -> Given {
    vec![("host", text("127.0.0.1")), ("port", number(proxy.address().port()))]
}

#[tokio::test]
async fn a_python_hives_channel_is_heard_and_spoken_to() {
    let server = Server::start();
    let link = link(&at(&server)).await;
    let mut received = collect(&*link, "my-hive/worker/*").await;
    // As the original publishes: the event's name is the channel, and the answer the number of receivers.
    let receivers: u64 = server.ask(&["PUBLISH", "my-hive/worker/act", r#"{"param1": 1}"#]);
    assert_eq!(receivers, 1);
    assert_eq!(received.next().await, message("my-hive/worker/act", r#"{"param1": 1}"#));
    // As it subscribes.
    let channels: Vec<String> = server.ask(&["PUBSUB", "CHANNELS"]);
    assert!(channels.is_empty(), "by a pattern, not by names");
    assert_eq!(publish(&*link, "my-hive/worker/act", "{}").await, Ok(Delivery::Counted(1)));
}

#[tokio::test]
async fn names_with_the_wildcards_of_redis_are_names() {
    let server = Server::start();
    let link = link(&at(&server)).await;
    // Wildcards to Redis, and text to a glob: `\`, `[^`. In the names of networks and channels all of them are text.
    let glob = format!("{}/*", Glob::escape(r"n?t\[^a]/*in").unwrap());
    let mut received = collect(&*link, &glob).await;
    for topic in ["nxt/in/a", r"n?t\a/*in/a", r"n?t\[^a]/in/a"] {
        assert_eq!(publish(&*link, topic, "no").await, Ok(Delivery::Counted(0)), "{topic}");
    }
    assert_eq!(publish(&*link, r"n?t\[^a]/*in/act", "yes").await, Ok(Delivery::Counted(1)));
    assert_eq!(received.next().await, message(r"n?t\[^a]/*in/act", "yes"));
}

#[tokio::test]
async fn the_last_of_two_subscriptions_to_a_channel_unsubscribes() {
    let server = Server::start();
    let link = link(&at(&server)).await;
    let (one, other) = (listen(&*link, "a").await, listen(&*link, "a").await);
    let subscribers = || server.ask::<(String, u64)>(&["PUBSUB", "NUMSUB", "a"]).1;
    one.subscription.cancel().await;
    assert_eq!(subscribers(), 1);
    other.subscription.cancel().await;
    assert_eq!(subscribers(), 0);
}

/// Random globs and names of characters that mean something to one side or the other, through a real server.
#[tokio::test]
async fn every_glob_receives_what_it_matches_and_nothing_else() {
    const CHARACTERS: &[char] = &['a', 'b', '*', '?', '[', ']', '!', '^', '\\', '-', '/', 'é', '🐝'];
    let server = Server::start();
    let link = link(&at(&server)).await;
    let mut random = fastrand::Rng::with_seed(7);
    let mut word = |longest| {
        let length = random.usize(1..=longest);
        (0..length).map(|_| *random.choice(CHARACTERS).unwrap()).collect::<String>()
    };
    let names: Vec<String> = (0..150).map(|_| word(5)).collect();
    let mut globs = Vec::new();
    for _ in 0..150 {
        let glob = Glob::new(&word(7)).unwrap();
        globs.push((collect(&*link, glob.as_str()).await, glob));
    }
    for name in &names {
        publish(&*link, name, "x").await.unwrap();
    }
    // One more message, by an exact subscription on the same connection, comes after all of those.
    let mut end = listen(&*link, "the end").await;
    publish(&*link, "the end", "x").await.unwrap();
    end.next().await;
    let mut matched = 0;
    for (collector, glob) in &mut globs {
        let expected: Vec<_> = names.iter().filter(|name| glob.matches(name)).map(|name| message(name, "x")).collect();
        let got: Vec<_> = collector.here().into_iter().filter(|seen| *seen != message("the end", "x")).collect();
        assert_eq!(got, expected, "{glob}");
        matched += expected.len();
    }
    assert!(matched > 200, "the random names match too little to say anything: {matched}");
}

#[tokio::test]
async fn segments_are_received_once_however_many_sets_match() {
    let server = Server::start();
    let link = link(&at(&server)).await;
    let set = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
    let filter = Filter::Segments(vec![set(&["a", "b"]), set(&["c"])]);
    let mut received = crate::support::try_collect(&*link, filter).await.unwrap();
    for topic in ["b/x/a", "a/b/c", "ab/c", "a/x", "end/c"] {
        publish(&*link, topic, "x").await.unwrap();
    }
    for topic in ["b/x/a", "a/b/c", "ab/c", "end/c"] {
        assert_eq!(received.next().await, message(topic, "x"));
    }
}

#[tokio::test]
async fn a_loss_of_the_connection_is_a_gap_told_before_anything_new() {
    let server = Server::start();
    let (proxy, other) = (FaultProxy::start(server.address()).await.unwrap(), link(&at(&server)).await);
    let link = link(&through(&proxy)).await;
    let mut received = collect(&*link, "net/*").await;
    publish(&*other, "net/a", "1").await.unwrap();
    assert_eq!(received.payload().await, "1");
    proxy.set(Mode::Refuse).await.unwrap();
    proxy.cut();
    until_down(&*link).await;
    eventually("the server sees it too", || (server.ask::<u64>(&["PUBSUB", "NUMPAT"]) == 0).then_some(()));
    assert_eq!(publish(&*other, "net/a", "lost").await, Ok(Delivery::Counted(0)));
    // Made while the link is down, it has missed nothing.
    let young = tokio::spawn({
        let link = Arc::clone(&link);
        async move { listen(&*link, "net/b").await }
    });
    proxy.set(Mode::Pass).await.unwrap();
    until(&*link, LinkState::is_up).await;
    let mut young = young.await.unwrap();
    publish(&*other, "net/b", "2").await.unwrap();
    assert_eq!(received.next().await, Seen::Gap(None));
    assert_eq!(received.next().await, message("net/b", "2"));
    assert_eq!(young.next().await, message("net/b", "2"));
}

#[tokio::test]
async fn a_thousand_subscriptions_stand_again_after_a_restart() {
    let server = Server::start();
    let link = link(&at(&server)).await;
    let mut collectors = Vec::new();
    for number in 0..1000 {
        collectors.push(listen(&*link, &format!("t/{number}")).await);
    }
    server.kill();
    until_down(&*link).await;
    server.resume();
    until(&*link, LinkState::is_up).await;
    assert_eq!(server.ask::<Vec<String>>(&["PUBSUB", "CHANNELS"]).len(), 1000, "up means that all of them stand");
    assert_eq!(publish(&*link, "t/999", "x").await, Ok(Delivery::Counted(1)));
    assert_eq!(collectors[999].next().await, Seen::Gap(None));
    assert_eq!(collectors[999].payload().await, "x");
}

#[tokio::test]
async fn a_sink_that_panics_does_not_end_reception() {
    let server = Server::start();
    let link = link(&at(&server)).await;
    let bad = |incoming: Incoming| assert_ne!(incoming.payload, "bad", "as a test");
    let _bad = link.subscribe(Filter::exact("a"), Arc::new(bad)).await.unwrap();
    let mut good = listen(&*link, "a").await;
    for payload in ["bad", "bad", "good"] {
        publish(&*link, "a", payload).await.unwrap();
        assert_eq!(good.payload().await, payload);
    }
    assert!(link.state().borrow().is_up());
}

#[tokio::test]
async fn what_does_not_fit_in_the_send_queue_is_given_back() {
    let server = Server::start();
    let proxy = FaultProxy::start(server.address()).await.unwrap();
    let small = [("send_queue_bytes", number(100_000)), ("max_payload_bytes", number(50_000))];
    let link = link(&with(through(&proxy), small)).await;
    proxy.set(Mode::Stall).await.unwrap();
    let payload = Bytes::from(vec![0; 10_000]);
    let mut accepted = Vec::new();
    let refused = loop {
        match link.publish("a".into(), payload.clone()) {
            Ok(receipt) => accepted.push(receipt),
            Err(refused) => break refused,
        }
    };
    assert_eq!((refused.reason, refused.payload), (RefusedReason::Full, payload));
    assert_eq!(accepted.len(), 9);
    proxy.set(Mode::Pass).await.unwrap();
    for receipt in accepted {
        // Answered, or unconfirmed if the stall lasted long enough to be noticed: settled in any case.
        let _ = receipt.await;
    }
}

#[tokio::test]
async fn a_link_that_is_dropped_leaves_the_server() {
    let server = Server::start();
    let link = link(&with(at(&server), [("client_name", text("the-hive"))])).await;
    let is_there = || server.ask::<String>(&["CLIENT", "LIST"]).contains("name=the-hive");
    assert!(is_there());
    drop(link);
    tokio::task::spawn_blocking({
        let server = Arc::new(server);
        move || {
            let gone = || (!server.ask::<String>(&["CLIENT", "LIST"]).contains("name=the-hive")).then_some(());
            eventually("the connection is closed", gone);
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_runtime_that_ends_leaves_nobody_waiting() {
    let server = Server::start();
    let given = at(&server);
    let other = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { link(&given).await })
    });
    let link = other.join().unwrap();
    link.close().await;
    assert_eq!(*link.state().borrow(), LinkState::Closed);
    assert_eq!(link.publish("a".into(), Bytes::new()).unwrap_err().reason, RefusedReason::Closed);
}

#[tokio::test]
async fn an_interval_of_zero_does_not_stop_the_checks() {
    let server = Server::start();
    let link = connect(&with(at(&server), [("health_check_interval", Value::Integer(0))]));
    until(&*link, LinkState::is_up).await;
    assert_eq!(publish(&*link, "a", "x").await, Ok(Delivery::Counted(0)));
}
