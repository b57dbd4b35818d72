//! What the Python clients do at any broadcaster, each with requests and by websocket.

use std::collections::BTreeSet;
use std::rc::Rc;

use eventhive_conformance::free_port;
use serde_json::json;
use sha2::{Digest as _, Sha512};

use super::auth::{Auth, Folder};
use super::broadcaster::{Broadcaster, Kind};
use super::client::{Client, Wire, said};
use crate::http::served::until;

const AUTHS: [Auth; 3] = [Auth::None, Auth::Token, Auth::Hmac];

fn signed(kind: Kind) -> Broadcaster {
    Broadcaster::start(kind, &Rc::new(Folder::signed()))
}

fn every_pair_of_authorizations_works(kind: Kind, wire: Wire) {
    for to_broadcasters in AUTHS {
        for to_subscribers in AUTHS {
            let broadcaster = Broadcaster::start(kind, &Rc::new(Folder::with(to_broadcasters, to_subscribers)));
            // One that notifies hears itself too.
            let mut client = Client::start(&broadcaster, wire);
            client.subscribe(&["a/b"], &[]);
            assert_eq!(client.notify("a/b", "hello"), 1, "{to_broadcasters:?}, {to_subscribers:?}");
            assert_eq!(client.heard(), said("a/b", "hello"), "{to_broadcasters:?}, {to_subscribers:?}");
        }
    }
}

fn a_client_with_other_secrets_gets_nowhere(kind: Kind, wire: Wire) {
    for auth in [Auth::Token, Auth::Hmac] {
        let broadcaster = Broadcaster::start(kind, &Rc::new(Folder::with(auth, Auth::None)));
        let others = Folder::with(auth, Auth::None);
        let once = ["--retries", "1", "--secrets", &others.text("subscriber-secrets.json")];
        let mut stranger = Client::spawn(&[&broadcaster.url(wire.scheme())], &once);
        let ended = stranger.0.wait_until("ended", |line| line.get("ended").is_some());
        let why = match wire {
            Wire::Http => "PubSubRequestRefusedError()",
            Wire::Websocket => "PubSubRequestConnectionAbandonedError('connection abandoned')",
        };
        assert_eq!(ended["ended"], why, "{auth:?}");
    }
}

fn exact_topics_and_globs_are_heard_and_no_others(kind: Kind, wire: Wire) {
    let broadcaster = signed(kind);
    let mut subscriber = Client::start(&broadcaster, wire);
    subscriber.subscribe(&["a/b"], &["c/*", "[de]/?"]);
    let mut notifier = Client::start(&broadcaster, wire);
    for (topic, subscribers) in
        [("a/b", 1), ("a", 0), ("a/b/c", 0), ("A/B", 0), ("c/d", 1), ("c/d/e", 1), ("c", 0), ("d/ü", 1), ("f/x", 0)]
    {
        assert_eq!(notifier.notify(topic, topic), subscribers, "{topic}");
        if subscribers == 1 {
            assert_eq!(subscriber.heard(), said(topic, topic));
        }
    }
    subscriber.unsubscribe(&["a/b"], &["c/*"]);
    for (topic, subscribers) in [("a/b", 0), ("c/d", 0), ("e/x", 1)] {
        assert_eq!(notifier.notify(topic, "later"), subscribers, "{topic}");
    }
    assert_eq!(subscriber.heard(), said("e/x", "later"));
    assert_eq!(subscriber.finish(), [""; 0]);
}

fn messages_of_any_bytes_and_sizes_arrive_as_they_were(kind: Kind, wire: Wire) {
    const MIB: usize = 1024 * 1024;
    let broadcaster = signed(kind);
    let mut subscriber = Client::start(&broadcaster, wire);
    subscriber.subscribe(&["a"], &[]);
    let mut notifier = Client::start(&broadcaster, wire);
    // The last is more than both ends hold in memory, and comes in parts by websocket. Nothing may come after it there:
    // after a message in parts the two Pythons count differently what they have signed.
    for length in [0, 1, 4096, 3_000_000, 50 * MIB] {
        let bytes = noise(length);
        let file = broadcaster.folder().text("message");
        std::fs::write(&file, &bytes).unwrap();
        assert_eq!(notifier.done(&json!({"do": "notify", "topic": "a", "file": file})), 1, "{length}");
        let received = subscriber.received();
        assert_eq!((received.length, received.sha512), (length as u64, sha512(&bytes)));
    }
}

fn sha512(bytes: &[u8]) -> String {
    Sha512::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that compression makes no smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(1).fill(&mut bytes);
    bytes
}

fn of_a_thousand_small_messages_none_is_lost_and_none_comes_twice(kind: Kind, wire: Wire) {
    const MESSAGES: u64 = 1_000;
    let broadcaster = signed(kind);
    let mut subscriber = Client::start(&broadcaster, wire);
    subscriber.subscribe(&["a"], &[]);
    let mut notifier = Client::start(&broadcaster, wire);
    let command = json!({"do": "notify_many", "topic": "a", "count": MESSAGES, "together": 20});
    assert_eq!(notifier.done(&command), MESSAGES);
    let numbers: BTreeSet<u64> = (0..MESSAGES).map(|_| subscriber.heard().1.parse().unwrap()).collect();
    assert!(numbers.into_iter().eq(0..MESSAGES));
    assert_eq!(subscriber.finish(), [""; 0]);
}

fn subscriptions_outlive_the_broadcaster(kind: Kind, wire: Wire) {
    let broadcaster = signed(kind);
    // The websocket client tries each second, at first.
    let mut subscriber = Client::start_with(&broadcaster, wire, &["--retries", "20"]);
    subscriber.subscribe(&["a"], &["b/*"]);
    let broadcaster = broadcaster.restart();
    let mut notifier = Client::start(&broadcaster, wire);
    for topic in ["a", "b/c"] {
        match wire {
            Wire::Http => assert_eq!(notifier.notify(topic, "again"), 1, "{topic}"),
            Wire::Websocket => until("it is back", || notifier.notify(topic, "again") == 1),
        }
        assert_eq!(subscriber.heard(), said(topic, "again"));
    }
}

fn a_notify_to_a_broadcaster_that_is_gone_is_told_as_it_is(kind: Kind, wire: Wire) {
    let broadcaster = signed(kind);
    let mut client = Client::start_with(&broadcaster, wire, &["--retries", "1"]);
    client.subscribe(&["a"], &[]);
    drop(broadcaster);
    let answer = client.0.ask(&json!({"do": "notify", "topic": "a", "text": "x"}));
    match wire {
        Wire::Http => assert_eq!(answer["error"], "PubSubRequestAmbiguousError"),
        // It may find out before it has sent the message, or after.
        Wire::Websocket => assert!(answer.get("error").is_some(), "{answer}"),
    }
}

fn of_two_broadcasters_the_one_that_is_there_is_taken(kind: Kind, wire: Wire) {
    let broadcaster = signed(kind);
    let secrets = broadcaster.folder().text("subscriber-secrets.json");
    let nobody = format!("{}://127.0.0.1:{}", wire.scheme(), free_port());
    let mut client = Client::at(&[&nobody, &broadcaster.url(wire.scheme())], &["--secrets", &secrets]);
    client.subscribe(&["a"], &[]);
    assert_eq!(client.notify("a", "hello"), 1);
    assert_eq!(client.heard(), said("a", "hello"));
}

/// To Python's websocket client, in parts of at most as many bytes as both ends have by default.
fn messages_of_about_one_part_arrive_in_order(auth: Auth) {
    const PART: usize = 3_670_016;
    // More than the fields of a message take.
    const FIELDS: usize = 512;
    let broadcaster = Broadcaster::start(Kind::Ours, &Rc::new(Folder::with(auth, auth)));
    let mut subscriber = Client::start(&broadcaster, Wire::Websocket);
    subscriber.subscribe(&["a"], &[]);
    let mut notifiers = [Wire::Http, Wire::Websocket].map(|wire| Client::start(&broadcaster, wire));
    let file = broadcaster.folder().text("message");
    for length in [1, PART - FIELDS, PART - 1, PART, PART + 1, PART + FIELDS, 2 * PART, 2 * PART + 1, 2] {
        let bytes = noise(length);
        std::fs::write(&file, &bytes).unwrap();
        for notifier in &mut notifiers {
            assert_eq!(notifier.done(&json!({"do": "notify", "topic": "a", "file": file})), 1, "{auth:?}, {length}");
            let received = subscriber.received();
            assert_eq!((received.length, received.sha512), (length as u64, sha512(&bytes)), "{auth:?}");
        }
    }
    assert_eq!(subscriber.finish(), [""; 0]);
}

#[test]
fn messages_of_about_one_part_arrive_in_order_at_ours() {
    messages_of_about_one_part_arrive_in_order(Auth::None);
}

#[test]
fn signed_messages_of_about_one_part_arrive_in_order_at_ours() {
    messages_of_about_one_part_arrive_in_order(Auth::Hmac);
}

#[test]
fn a_large_message_in_the_middle_of_signed_ones_holds_its_place_at_ours() {
    let broadcaster = signed(Kind::Ours);
    let mut subscriber = Client::start(&broadcaster, Wire::Websocket);
    subscriber.subscribe(&["a"], &[]);
    let mut notifier = Client::start(&broadcaster, Wire::Websocket);
    let (large, file) = (noise(50 * 1024 * 1024), broadcaster.folder().text("message"));
    std::fs::write(&file, &large).unwrap();
    for text in ["one", "two"] {
        notifier.0.tell(&json!({"do": "notify", "topic": "a", "text": text}));
    }
    notifier.0.tell(&json!({"do": "notify", "topic": "a", "file": file}));
    for text in ["three", "four"] {
        notifier.0.tell(&json!({"do": "notify", "topic": "a", "text": text}));
    }
    let texts = [(); 2].map(|()| subscriber.heard().1);
    assert_eq!(texts, ["one", "two"]);
    assert_eq!(subscriber.received().sha512, sha512(&large));
    let texts = [(); 2].map(|()| subscriber.heard().1);
    assert_eq!(texts, ["three", "four"]);
    assert_eq!(subscriber.finish(), [""; 0]);
}

/// One test a case, broadcaster and kind of client.
macro_rules! at_every_broadcaster {
    ($($case:ident),* $(,)?) => { $(
        mod $case {
            use super::{Kind, Wire};
            #[test]
            fn pythons_by_http() { super::$case(Kind::Python, Wire::Http) }
            #[test]
            fn pythons_by_websocket() { super::$case(Kind::Python, Wire::Websocket) }
            #[test]
            fn ours_by_http() { super::$case(Kind::Ours, Wire::Http) }
            #[test]
            fn ours_by_websocket() { super::$case(Kind::Ours, Wire::Websocket) }
        }
    )* };
}

at_every_broadcaster!(
    every_pair_of_authorizations_works,
    a_client_with_other_secrets_gets_nowhere,
    exact_topics_and_globs_are_heard_and_no_others,
    messages_of_any_bytes_and_sizes_arrive_as_they_were,
    of_a_thousand_small_messages_none_is_lost_and_none_comes_twice,
    subscriptions_outlive_the_broadcaster,
    a_notify_to_a_broadcaster_that_is_gone_is_told_as_it_is,
    of_two_broadcasters_the_one_that_is_there_is_taken,
);
