//! Servers that are gone, hang, or come back.

use std::time::Duration;

use eventhive_conformance::free_port;
use eventhive_conformance::proxy::{FaultProxy, Mode};
use eventhive_http::access::DirectoryError;

use crate::slapd::Slapd;
use crate::support::{ENTRIES, directory, lookup, pair, segments, until};

#[tokio::test]
async fn a_server_that_is_gone_denies_and_one_that_is_back_is_asked_again() {
    let (mut slapd, directory) = pair("");
    assert_eq!(segments(&directory, "bob", "builder").await.unwrap(), ["git"]);
    slapd.stop();
    assert_eq!(lookup(&directory, "bob", "builder").await, Err(DirectoryError::Unavailable));
    assert_eq!(lookup(&directory, "bob", "builder").await, Err(DirectoryError::Unavailable));
    slapd.start_again();
    let directory = &directory;
    until("it is asked again", || async move { lookup(directory, "bob", "builder").await.is_ok() }).await;
    assert_eq!(segments(directory, "bob", "builder").await.unwrap(), ["git"]);
}

#[tokio::test]
async fn a_connection_that_broke_while_nobody_used_it_costs_no_login() {
    let (mut slapd, directory) = pair("");
    assert!(lookup(&directory, "bob", "builder").await.is_ok());
    slapd.stop();
    slapd.start_again();
    assert_eq!(segments(&directory, "bob", "builder").await.unwrap(), ["git"]);
    assert_eq!((directory.stats().connections, directory.stats().unanswered), (2, 0));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_waited_for_twice_and_not_by_everyone() {
    let slapd = Slapd::start(ENTRIES);
    let proxy = FaultProxy::start(([127, 0, 0, 1], slapd.port).into()).await.unwrap();
    let uri = format!("ldap://{}", proxy.address());
    let directory = directory(&uri, "timeout_secs: 0.3\nretry_secs: 3600");
    proxy.set(Mode::Stall).await.unwrap();
    for _ in 0..2 {
        assert_eq!(lookup(&directory, "bob", "builder").await, Err(DirectoryError::Unavailable));
    }
    let connections = directory.stats().connections;
    for round in 0..100 {
        assert_eq!(lookup(&directory, &format!("u{round}"), "x").await, Err(DirectoryError::Unavailable));
    }
    assert_eq!(directory.stats().connections, connections, "nobody asked");
}

#[tokio::test]
async fn a_server_that_stops_in_the_middle_of_a_login_is_left_and_found_again() {
    let slapd = Slapd::start(ENTRIES);
    let proxy = FaultProxy::start(([127, 0, 0, 1], slapd.port).into()).await.unwrap();
    let uri = format!("ldap://{}", proxy.address());
    let directory = directory(&uri, "timeout_secs: 0.5");
    assert!(lookup(&directory, "bob", "builder").await.is_ok());
    // The connection that waits looks alive.
    proxy.set(Mode::LoseFromBroker).await.unwrap();
    assert_eq!(lookup(&directory, "bob", "builder").await, Err(DirectoryError::Unavailable));
    proxy.set(Mode::Pass).await.unwrap();
    let directory = &directory;
    until("it is found again", || async move { lookup(directory, "bob", "builder").await.is_ok() }).await;
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_cannot_be_reached() {
    let slapd = Slapd::start(ENTRIES);
    let gone = format!("127.0.0.1:{}", free_port());
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("[ldap://{gone}, ldaps://{}, {}]", silent.local_addr().unwrap(), slapd.tls_uri());
    let directory = directory(&uri, &format!("tls_ca: {}\nconnect_timeout_secs: 0.5", slapd.ca()));
    assert_eq!(segments(&directory, "bob", "builder").await.unwrap(), ["git"]);
    assert_eq!(directory.stats().unanswered, 0);
}

#[tokio::test]
async fn a_login_goes_on_when_who_asked_has_gone() {
    let (_slapd, directory) = pair("cache_secs: 3600");
    let left = tokio::time::timeout(Duration::ZERO, lookup(&directory, "bob", "builder")).await;
    assert!(left.is_err(), "it had no time");
    let directory = &directory;
    until("it is done", || async move { directory.stats().asked == 1 }).await;
    assert_eq!(segments(directory, "bob", "builder").await.unwrap(), ["git"]);
    assert_eq!(directory.stats().remembered, 1);
}
