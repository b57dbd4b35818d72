//! Which request gets which status, and what has happened then.

use eventhive_webhook::broadcaster::{Rotation, Schemes};
use eventhive_webhook::config::Config;
use eventhive_webhook::wire::Interest::{self, Exact, Glob};
use eventhive_webhook::wire::auth::{HmacKey, Scheme, Token};
use eventhive_webhook::wire::bodies::Entry;
use eventhive_webhook::wire::digest::{hash, repr_digest};
use eventhive_webhook::wire::etag::EtagBuilder;

use crate::harness::{Making, Served, exchange, post, serve, token};
use crate::requests::{URL, etag, notify, notify_body, receive_body, set_body, subscribe, subscribe_body, unsubscribe};

async fn status(served: &Served, target: &str, headers: &[(&str, &str)], body: &[u8]) -> u16 {
    exchange(served.address, &post(target, headers, body)).await.status
}

#[actix_web::test]
async fn other_paths_are_404_and_other_methods_405_with_a_little_json() {
    let served = serve().await;
    for target in ["/v1/nothing", "/v1/notify/", "/v1/receive", "/v1/recover", "/v1/subscribe"] {
        let answered = exchange(served.address, &post(target, &[], b"")).await;
        assert_eq!((answered.status, answered.body.first()), (404, Some(&b'{')), "{target}");
    }
    for (request, allowed) in
        [("GET /v1/notify", "post"), ("PUT /v1/subscribe/exact", "post"), ("POST /v1/websocket", "get")]
    {
        let request = format!("{request} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        let answered = exchange(served.address, request.as_bytes()).await;
        assert_eq!((answered.status, answered.body.first()), (405, Some(&b'{')), "{request}");
        assert!(answered.head.contains(&format!("allow: {allowed}\r\n")), "{}", answered.head);
    }
}

/// What a browser tells of the page that asks, beside what it tells of itself.
fn upgrade(origin: &str) -> Vec<u8> {
    format!(
        "GET /v1/websocket HTTP/1.1\r\nHost: 127.0.0.1:3003\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{origin}\r\n"
    )
    .into_bytes()
}

#[actix_web::test]
async fn pages_of_others_neither_subscribe_nor_publish_nor_open_websockets() {
    let config = Config { origins: vec!["https://named.example".to_owned()], ..Config::default() };
    let served = Making { config, ..Making::default() }.serve();
    served.broadcaster.ready().await;
    let body = subscribe_body("http://evil.example/x", Glob("*"), None);
    for origin in ["https://evil.example", "http://127.0.0.1:8000", "null"] {
        for (target, body) in [("/v1/subscribe/glob", &body), ("/v1/notify", &notify_body(b"a", b"x"))] {
            // As a page sends it that does not ask first.
            let headers = [("Origin", origin), ("Content-Type", "text/plain")];
            assert_eq!(status(&served, target, &headers, body).await, 403, "{origin} {target}");
        }
        assert_eq!(exchange(served.address, &upgrade(&format!("Origin: {origin}\r\n"))).await.status, 403, "{origin}");
    }
    assert_eq!((served.door.stats().refused, notify(&served, b"a", b"x").await), (9, Ok(0)));
    for origin in ["https://named.example", "http://127.0.0.1:3003"] {
        assert_eq!(
            status(&served, "/v1/notify", &[("Origin", origin)], &notify_body(b"a", b"x")).await,
            200,
            "{origin}"
        );
        assert_eq!(exchange(served.address, &upgrade(&format!("Origin: {origin}\r\n"))).await.status, 101, "{origin}");
    }
    assert_eq!(exchange(served.address, &upgrade("")).await.status, 101);
}

#[actix_web::test]
async fn a_subscription_begins_once_and_ends_once_and_notifies_see_it_at_once() {
    let served = serve().await;
    for interest in [Exact(b"a/b"), Glob("a/*")] {
        assert_eq!(subscribe(&served, URL, interest).await, 200);
        assert_eq!(notify(&served, b"a/b", b"x").await, Ok(1));
        assert_eq!(subscribe(&served, URL, interest).await, 409);
        assert_eq!(unsubscribe(&served, URL, interest).await, 200);
        assert_eq!(notify(&served, b"a/b", b"x").await, Ok(0));
        assert_eq!(unsubscribe(&served, URL, interest).await, 409);
    }
}

#[actix_web::test]
async fn malformed_bodies_are_400_before_their_authorization_is_looked_at() {
    let schemes = Schemes { to_broadcaster: token("secret"), ..Schemes::default() };
    let served = Making { schemes, ..Making::default() }.serve();
    served.broadcaster.ready().await;
    let whole = subscribe_body(URL, Exact(b"a"), None);
    let long = subscribe_body(URL, Glob(&"x".repeat(50_001)), None);
    let not_text = subscribe_body(URL, Exact(b"\xff"), None);
    for (target, body, expected) in [
        ("/v1/subscribe/exact", &whole[..], 401),
        ("/v1/subscribe/exact", &whole[..whole.len() - 1], 400),
        ("/v1/subscribe/glob", &long, 400),
        ("/v1/subscribe/glob", &not_text, 400),
        ("/v1/unsubscribe/exact", &[], 400),
        ("/v1/check_subscriptions", &whole[..1], 400),
        ("/v1/set_subscriptions", &set_body(URL, &[])[..100], 400),
        ("/v1/notify", &notify_body(b"a", b"")[..20], 400),
        ("/v1/notify", &notify_body(b"a", b"message"), 401),
    ] {
        assert_eq!(status(&served, target, &[], body).await, expected, "{target} {}", body.len());
        if expected == 401 {
            assert_eq!(status(&served, target, &[("Authorization", "Bearer wrong")], body).await, 403);
            assert_eq!(status(&served, target, &[("authorization", "Bearer secret")], body).await, 200);
        }
    }
}

#[actix_web::test]
async fn the_first_secret_signs_and_all_of_them_are_accepted() {
    let of = |text| Scheme::Token(Token::new(text).unwrap());
    let schemes = Schemes {
        to_broadcaster: Rotation::new([of("new"), of("old")]),
        to_subscriber: Rotation::new([of("ours"), of("before")]),
    };
    let served = Making { schemes, ..Making::default() }.serve();
    served.broadcaster.ready().await;
    let body = notify_body(b"a", b"");
    for (secret, expected) in [("new", 200), ("old", 200), ("older", 403)] {
        let authorization = format!("Bearer {secret}");
        let answered = exchange(served.address, &post("/v1/notify", &[("Authorization", &authorization)], &body)).await;
        assert_eq!(answered.status, expected);
        let signed = answered.body.windows(11).any(|window| window == b"Bearer ours");
        assert_eq!(signed, expected == 200);
    }
    served.broadcaster.authority().replace(Schemes::default());
    assert_eq!(notify(&served, b"a", b"").await, Ok(0), "what is replaced does not count any more");
}

#[actix_web::test]
async fn a_signature_of_another_key_is_tried_with_each_secret() {
    let key = |byte| Scheme::Hmac(HmacKey::new(&[byte; 64]));
    let schemes = Schemes { to_broadcaster: Rotation::new([key(1), key(2)]), ..Schemes::default() };
    let served = Making { schemes, ..Making::default() }.serve();
    served.broadcaster.ready().await;
    let other = Making {
        schemes: Schemes { to_broadcaster: Rotation::new([key(2)]), ..Schemes::default() },
        ..Making::default()
    }
    .serve();
    let claim = eventhive_webhook::wire::auth::Claim::CheckSubscriptions { url: URL };
    let authorization = other.broadcaster.sign(&claim, b"").unwrap().unwrap();
    let mut body = Vec::new();
    eventhive_webhook::wire::bodies::CheckSubscriptions { tracing: b"", url: URL }.write(&mut body).unwrap();
    let headers = [("Authorization", authorization.as_str())];
    assert_eq!(status(&served, "/v1/check_subscriptions", &headers, &body).await, 200);
    assert_eq!(status(&served, "/v1/check_subscriptions", &headers, &body).await, 403, "it counts once");
}

#[actix_web::test]
async fn setting_changes_recovery_urls_too_and_the_etag_is_that_of_the_lists() {
    let served = serve().await;
    let entry = |interest: Interest<'static>, recovery| Entry { interest, recovery };
    let empty = EtagBuilder::new(URL).unwrap().finish();
    assert_eq!(etag(&served, URL).await, empty);
    for recovery in [None, Some("http://127.0.0.1:9/v1/recover")] {
        let entries = [entry(Exact(b"a"), recovery), entry(Exact(b"b"), None), entry(Glob("c*"), recovery)];
        assert_eq!(status(&served, "/v1/set_subscriptions", &[], &set_body(URL, &entries)).await, 200);
        let mut expected = EtagBuilder::new(URL).unwrap();
        entries.iter().for_each(|entry| expected.push(entry.interest, entry.recovery).unwrap());
        assert_eq!(etag(&served, URL).await, expected.finish());
        assert_eq!(notify(&served, b"cc", b"").await, Ok(1));
    }
    assert_eq!(status(&served, "/v1/set_subscriptions", &[], &set_body(URL, &[])).await, 200);
    assert_eq!((etag(&served, URL).await, notify(&served, b"cc", b"").await), (empty, Ok(0)));
}

#[actix_web::test]
async fn lists_that_are_not_what_their_etag_says_change_nothing() {
    let served = serve().await;
    assert_eq!(subscribe(&served, URL, Exact(b"kept")).await, 200);
    let entries = [Entry { interest: Exact(b"a"), recovery: None }, Entry { interest: Exact(b"b"), recovery: None }];
    let whole = set_body(URL, &entries);
    let mut wrong_etag = whole.clone();
    wrong_etag[40] ^= 1;
    let mut unsorted = whole.clone();
    let at = unsorted.iter().rposition(|byte| *byte == b'a').unwrap();
    unsorted[at] = b'c';
    for body in [&whole[..whole.len() - 1], &wrong_etag, &unsorted] {
        assert_eq!(status(&served, "/v1/set_subscriptions", &[], body).await, 400);
    }
    assert_eq!(notify(&served, b"kept", b"").await, Ok(1));
    assert_eq!(notify(&served, b"b", b"").await, Ok(0));
}

#[actix_web::test]
async fn lists_that_are_larger_than_the_setting_are_refused_with_413() {
    let mut making = Making::default();
    making.config.max_set_bytes = 10_000;
    let served = making.serve();
    served.broadcaster.ready().await;
    let topics: Vec<String> = (0..2000).map(|number| format!("topic/{number:05}")).collect();
    let entries: Vec<_> =
        topics.iter().map(|topic| Entry { interest: Exact(topic.as_bytes()), recovery: None }).collect();
    assert_eq!(status(&served, "/v1/set_subscriptions", &[], &set_body(URL, &entries)).await, 413);
    assert_eq!(status(&served, "/v1/set_subscriptions", &[], &set_body(URL, &entries[..200])).await, 200);
}

#[actix_web::test]
async fn lists_of_more_subscriptions_than_fit_in_memory_are_refused_with_413() {
    let mut making = Making::default();
    making.config.max_set_bytes = 10_000;
    let served = making.serve();
    served.broadcaster.ready().await;
    // 7 bytes each.
    let topics: Vec<String> = (0..400).map(|number| format!("{number:03}")).collect();
    let entries: Vec<_> =
        topics.iter().map(|topic| Entry { interest: Exact(topic.as_bytes()), recovery: None }).collect();
    assert_eq!(status(&served, "/v1/set_subscriptions", &[], &set_body(URL, &entries)).await, 413);
    assert_eq!(status(&served, "/v1/set_subscriptions", &[], &set_body(URL, &entries[..300])).await, 200);
}

#[actix_web::test]
async fn what_other_broadcasters_bring_is_checked_in_pythons_order() {
    let schemes = Schemes { to_subscriber: token("ours"), ..Schemes::default() };
    let served = Making { schemes, advertised: true, ..Making::default() }.serve();
    served.broadcaster.ready().await;
    let heard = std::sync::Arc::new(crate::harness::Heard::default());
    let joined = served.broadcaster.join(heard.clone());
    assert!(joined.subscribe(Exact(b"wanted")).await.unwrap());
    let target = "/v1/receive_for_websockets";
    let (wanted, other) = (receive_body(b"wanted", b"x"), receive_body(b"other", b"x"));
    let digest = repr_digest(&hash(b"x"));
    let wrong = repr_digest(&hash(b"y"));
    let ours = ("Authorization", "Bearer ours");
    for (target, headers, body, expected) in [
        (target, &[ours][..], &wanted[..], (400, &b"\0\x0a"[..])),
        ("/v1/receive_for_websockets?x", &[ours, ("Repr-Digest", &digest)], &wanted, (400, b"\0\x0a")),
        (target, &[ours, ("Repr-Digest", &digest)], &wanted[..5], (400, b"")),
        (target, &[ours, ("Repr-Digest", &digest)], &other, (400, b"\0\x0a")),
        (target, &[("Repr-Digest", &digest)], &wanted, (401, b"\0\x0a")),
        (target, &[("Authorization", "Bearer wrong"), ("Repr-Digest", &digest)], &wanted, (403, b"\0\x0a")),
        (target, &[ours, ("Repr-Digest", &wrong)], &wanted, (400, b"")),
        (target, &[ours, ("Repr-Digest", &digest)], &[&wanted[..], b"x"].concat(), (400, b"")),
    ] {
        let answered = exchange(served.address, &post(target, headers, body)).await;
        assert_eq!((answered.status, &answered.body[..]), expected, "{headers:?}");
    }
    assert!(heard.messages.lock().unwrap().is_empty());
    assert_eq!(status(&served, target, &[ours, ("Repr-Digest", &digest)], &wanted).await, 200);
    assert_eq!(heard.messages.lock().unwrap().len(), 1);
    assert_eq!(status(&served, "/v1/missed_for_websockets", &[ours], b"\0").await, 400, "Python answers 500");
}

#[actix_web::test]
async fn a_store_that_is_away_makes_changes_503_while_notifies_go_on() {
    let served = serve().await;
    assert_eq!(subscribe(&served, URL, Exact(b"a")).await, 200);
    served.store.be_away(true);
    assert_eq!(subscribe(&served, URL, Exact(b"b")).await, 503);
    assert_eq!(unsubscribe(&served, URL, Exact(b"a")).await, 503);
    assert_eq!(status(&served, "/v1/set_subscriptions", &[], &set_body(URL, &[])).await, 503);
    assert_eq!(notify(&served, b"a", b"x").await, Ok(1));
    served.store.be_away(false);
    assert_eq!(subscribe(&served, URL, Exact(b"b")).await, 200);
    assert_eq!(notify(&served, b"b", b"x").await, Ok(1));
}

#[actix_web::test]
async fn before_the_subscriptions_were_read_a_notify_is_503() {
    let making = Making::default();
    making.store.be_away(true);
    making.store.insert_elsewhere(URL, Exact(b"a"));
    let served = making.serve();
    assert_eq!(notify(&served, b"a", b"x").await, Err(503));
    served.store.be_away(false);
    served.broadcaster.ready().await;
    assert_eq!(notify(&served, b"a", b"x").await, Ok(1));
}

#[actix_web::test]
async fn what_others_change_in_the_store_is_followed() {
    let served = serve().await;
    let id = served.store.insert_elsewhere(URL, Exact(b"a"));
    let rows = || served.broadcaster.stats().index.rows;
    crate::harness::until("the row came", || rows() == 1).await;
    assert_eq!(notify(&served, b"a", b"").await, Ok(1));
    served.store.remove_elsewhere(id);
    crate::harness::until("the row went", || rows() == 0).await;
    assert_eq!(notify(&served, b"a", b"").await, Ok(0));
}
