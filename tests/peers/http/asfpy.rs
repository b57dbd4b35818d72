//! asfpy's listeners, which PyPubSub's users write: `listen`, and the older `Listener`.

use std::net::SocketAddr;

use eventhive_conformance::{FaultProxy, Mode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::curl::{curl, put};
use super::publisher::Publisher;
use super::served::{Served, until};
use crate::environment::Stack;
use crate::process::Peer;

const LISTENERS: [&str; 2] = ["listen", "Listener"];

/// A listener that is subscribed.
fn listener(which: &str, url: &str, more: &[&str]) -> Peer {
    let mut peer =
        Peer::python(Stack::PyPubSub, "asfpy_listen", &[&["--listener", which, "--url", url], more].concat());
    peer.wait_for("state", &json!("ping"));
    peer
}

fn hears(peer: &mut Peer, numbers: impl IntoIterator<Item = usize>) {
    for n in numbers {
        assert_eq!(peer.received().1["n"], n);
    }
}

#[test]
fn listeners_hear_every_event_in_order_as_it_was_published() {
    let server = Served::door("ping_interval_secs: 0.5");
    let mut peers = LISTENERS.map(|which| listener(which, &server.url("/a"), &[]));
    let mut publisher = Publisher::connect(server.port);
    for n in 0..500 {
        publisher.put(&format!("/a/{n}"), &format!("{{\"n\":{n},\"text\":\"ä☃\u{1f600}\"}}"));
    }
    for peer in &mut peers {
        for n in 0..500 {
            let (path, event) = peer.received();
            assert_eq!((path, &event["n"], &event["text"]), (format!("/a/{n}"), &json!(n), &json!("ä☃\u{1f600}")));
            assert_eq!(event["pubsub_topics"], json!(["a", n.to_string()]));
        }
    }
}

#[test]
fn private_events_reach_the_listeners_that_give_their_password() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("acl.yaml"), "me: {password: 'p:w', acl: {all: [a]}}\n").unwrap();
    let yaml = "servers: {net: {pubsub_type: http, create: always, init: {port: PORT, acl_file: acl.yaml}}}";
    let server = Served::start_in(folder, yaml);
    let url = server.url("/a");
    for which in LISTENERS {
        let mut with = listener(which, &url, &["--username", "me", "--password", "p:w"]);
        let mut without = listener(which, &url, &[]);
        let mut wrong = listener(which, &url, &["--username", "me", "--password", "x"]);
        put(&server.url("/private/a"), "{\"n\":0}");
        put(&url, "{\"n\":1}");
        hears(&mut with, [0, 1]);
        hears(&mut without, [1]);
        hears(&mut wrong, [1]);
    }
}

/// The number of streams that the server knows.
fn subscribers(server: &Served) -> Value {
    curl(&["-I", &server.url("/")], b"").header("x-subscribers").unwrap().parse().unwrap()
}

#[test]
fn a_listener_that_was_cut_off_goes_on_behind_its_last_event() {
    let server = Served::door("ping_interval_secs: 0.5");
    let runtime = Runtime::new().unwrap();
    let proxy = runtime.block_on(FaultProxy::start(SocketAddr::from(([127, 0, 0, 1], server.port)))).unwrap();
    let mut peer = listener("listen", &format!("http://{}/a", proxy.address()), &[]);
    let mut publisher = Publisher::connect(server.port);
    for round in 0..2 {
        let mut publish = |numbers: std::ops::Range<usize>| {
            numbers.clone().for_each(|n| publisher.put("/a", &format!("{{\"n\":{n}}}")));
            numbers
        };
        hears(&mut peer, publish(100 * round..100 * round + 10));
        runtime.block_on(proxy.set(Mode::Refuse)).unwrap();
        proxy.cut();
        until("the server knows that it is gone", || subscribers(&server) == 0);
        let meanwhile = publish(100 * round + 10..100 * round + 50);
        runtime.block_on(proxy.set(Mode::Pass)).unwrap();
        hears(&mut peer, meanwhile);
        hears(&mut peer, publish(100 * round + 50..100 * (round + 1)));
    }
}

/// Restarts a server under a listener that has heard the event 0, and publishes nineteen more at once.
fn restarted_under_a_listener(backlog: &str) -> (Served, Peer) {
    let init = "init: {port: PORT, ping_interval_secs: 0.5}";
    let server = Served::start(&format!("servers: {{net: {{pubsub_type: http, create: always, {backlog} {init}}}}}"));
    let mut peer = listener("listen", &server.url("/a"), &[]);
    put(&server.url("/a"), "{\"n\":0}");
    hears(&mut peer, [0]);
    let server = server.restart(|| ());
    let mut publisher = Publisher::connect(server.port);
    for n in 1..20 {
        publisher.put("/a", &format!("{{\"n\":{n}}}"));
    }
    until("it is back", || subscribers(&server) == 1);
    put(&server.url("/a"), "{\"n\":20}");
    (server, peer)
}

#[test]
fn with_a_backlog_on_disk_a_listener_misses_nothing_of_a_server_that_is_restarted() {
    let (_server, mut peer) = restarted_under_a_listener("backlog: {path: kept, durable: true},");
    hears(&mut peer, 1..=20);
}

#[test]
fn with_a_backlog_in_memory_a_listener_hears_what_comes_once_it_is_back() {
    let (_server, mut peer) = restarted_under_a_listener("");
    // Its cursor is of a backlog that ended with the process: nothing is replayed.
    while peer.received().1["n"] != 20 {}
}

#[test]
fn since_a_time_a_listener_hears_what_was_kept_and_then_what_comes() {
    let server = Served::door("");
    let mut watcher = listener("listen", &server.url("/a"), &[]);
    for n in 0..20 {
        put(&server.url("/a"), &format!("{{\"n\":{n}}}"));
    }
    let times: Vec<_> = (0..20).map(|_| watcher.received().1["pubsub_timestamp"].to_string()).collect();
    let since = |first: usize| {
        // Its first ping comes behind what is replayed, and leaves that unread.
        let mut peer = listener("Listener", &server.url("/a"), &["--since", &times[first]]);
        hears(&mut peer, first..20);
        peer
    };
    let peers = [0, 7, 19].map(since);
    put(&server.url("/a"), "{\"n\":20}");
    for mut peer in peers {
        hears(&mut peer, [20]);
    }
}
