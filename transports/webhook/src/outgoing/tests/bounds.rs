//! How many requests there may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::support::{LONG, Peer, Server, hello, http, looking_up, outgoing, settings, until};
use crate::outgoing::{Load, Outgoing, OutgoingSettings};
use crate::store::Outcome;

/// A server that answers as often as the semaphore lets it.
async fn held() -> (Server, Arc<Semaphore>) {
    held_at("127.0.0.1:0").await
}

async fn held_at(address: &str) -> (Server, Arc<Semaphore>) {
    let go = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&go);
    let server = Server::at(address, move |mut peer: Peer| {
        let held = Arc::clone(&held);
        async move {
            while let Some(asked) = peer.asked().await {
                held.acquire().await.unwrap().forget();
                peer.say(&http("200 OK", &asked.confirmed(1))).await;
            }
        }
    })
    .await;
    (server, go)
}

fn narrow(settings: &mut OutgoingSettings) {
    (settings.per_host, settings.per_host_waiting) = (2, 3);
}

fn ask(outgoing: &Arc<Outgoing>, url: String) -> tokio::task::JoinHandle<Outcome> {
    let outgoing = Arc::clone(outgoing);
    tokio::spawn(async move { outgoing.receive(&url, &hello()).await.outcome })
}

#[tokio::test]
async fn beyond_those_under_way_and_those_that_wait_a_host_is_crowded_and_others_are_not() {
    let (mut server, go) = held().await;
    let outgoing = Arc::new(outgoing(narrow));
    let asked: Vec<_> = (0..5).map(|at| ask(&outgoing, server.url(&format!("/{at}")))).collect();
    until("all wait", || outgoing.load().requests == 5).await;
    let report = outgoing.receive(&server.url("/"), &hello()).await;
    assert_eq!((report.outcome, report.status), (Outcome::Crowded, None));
    assert!(report.detail.contains('5'), "{}", report.detail);
    let other = Server::start(Peer::confirm_all).await;
    assert_eq!(outgoing.receive(&other.url("/"), &hello()).await.outcome, Outcome::Confirmed);
    server.asked().await;
    server.asked().await;
    assert_eq!(outgoing.load(), Load { hosts: 2, addresses: 1, requests: 5, idle: 1, crowded: 1 });
    go.add_permits(5);
    for outcome in join_all(asked).await {
        assert_eq!(outcome.unwrap(), Outcome::Confirmed);
    }
    assert_eq!(server.connections(), 2);
    assert_eq!(outgoing.load(), Load { hosts: 2, addresses: 1, requests: 0, idle: 3, crowded: 1 });
}

#[tokio::test]
async fn those_that_wait_have_their_turn_in_the_order_in_which_they_came() {
    let (mut server, go) = held().await;
    let outgoing = Arc::new(outgoing(|settings| settings.per_host = 1));
    let mut asked = Vec::new();
    for at in 0..5 {
        asked.push(ask(&outgoing, server.url(&format!("/{at}"))));
        until("it waits", || outgoing.load().requests == at + 1).await;
    }
    go.add_permits(5);
    for at in 0..5 {
        assert!(server.asked().await.head.starts_with(&format!("POST /{at} ")));
    }
    join_all(asked).await;
}

#[tokio::test]
async fn the_spelling_of_a_host_makes_no_other_host() {
    let (server, go) = held().await;
    let outgoing = Arc::new(outgoing(|settings| (settings.per_host, settings.per_host_waiting) = (1, 1)));
    let port = server.address.port();
    let asked =
        [format!("http://localhost:{port}/"), format!("HTTP://LocalHost.:{port}/x#y")].map(|url| ask(&outgoing, url));
    until("both wait", || outgoing.load().requests == 2).await;
    let report = outgoing.receive(&format!("http://LOCALHOST:{port}/"), &hello()).await;
    assert_eq!((report.outcome, outgoing.load().hosts), (Outcome::Crowded, 1));
    go.add_permits(2);
    join_all(asked).await;
}

#[tokio::test]
async fn a_request_that_is_given_up_leaves_its_place() {
    let (mut server, go) = held().await;
    let outgoing = Arc::new(outgoing(narrow));
    let asked: Vec<_> = (0..5).map(|_| ask(&outgoing, server.url("/"))).collect();
    server.asked().await;
    server.asked().await;
    asked.iter().for_each(tokio::task::JoinHandle::abort);
    until("nothing is left", || outgoing.load() == Load::default()).await;
    go.add_permits(LONG.as_secs() as usize);
    assert_eq!(outgoing.receive(&server.url("/"), &hello()).await.outcome, Outcome::Confirmed);
}

#[tokio::test]
async fn a_turn_that_does_not_come_in_time_is_a_crowd() {
    let (server, _go) = held().await;
    let outgoing = outgoing(|settings| {
        settings.per_host = 1;
        settings.total_timeout = Duration::from_millis(100);
    });
    let url = server.url("/");
    let message = hello();
    let (first, second) = tokio::join!(outgoing.receive(&url, &message), outgoing.receive(&url, &message));
    assert_eq!((first.outcome, second.outcome), (Outcome::TimedOut, Outcome::Crowded));
}

#[tokio::test]
async fn a_turn_that_leaves_no_time_for_a_connection_is_none() {
    let (mut server, go) = held().await;
    let outgoing = Arc::new(outgoing(|settings| {
        settings.per_host = 1;
        settings.total_timeout = Duration::from_secs(4);
        settings.connect_timeout = Duration::from_secs(2);
    }));
    let first = ask(&outgoing, server.url("/"));
    server.asked().await;
    let second = outgoing.receive(&server.url("/"), &hello()).await;
    assert_eq!((second.outcome, outgoing.load().crowded), (Outcome::Crowded, 1));
    assert!(second.detail.contains("at its host"), "{}", second.detail);
    go.add_permits(1);
    assert_eq!(first.await.unwrap(), Outcome::Confirmed);
}

#[tokio::test]
async fn all_hosts_together_have_a_bound_too() {
    let (mut slow, go) = held().await;
    let mut other = Server::start(Peer::confirm_all).await;
    let outgoing = Arc::new(outgoing(|settings| settings.requests = 1));
    let first = ask(&outgoing, slow.url("/"));
    slow.asked().await;
    let second = ask(&outgoing, other.url("/"));
    until("it waits", || outgoing.load().requests == 2).await;
    assert_eq!(other.connections(), 0);
    go.add_permits(1);
    other.asked().await;
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (Outcome::Confirmed, Outcome::Confirmed));
}

/// Names of one address that never answers, and one of another.
#[tokio::test]
async fn two_hundred_names_of_one_stalled_address_do_not_hold_up_another() {
    let (stalled, go) = held().await;
    let other = Server::at("127.0.0.2:0", Peer::confirm_all).await;
    let (there, here) = (stalled.address, other.address);
    let settings = OutgoingSettings { requests: 16, per_host: 2, ..settings() };
    let outgoing = Arc::new(looking_up(settings, move |name, _| {
        Ok(vec![if name.ends_with("example.org") { there } else { here }])
    }));
    let urls = (0..200).map(|at| format!("http://{at}.example.org:{}/", there.port()));
    let asked: Vec<_> = urls.map(|url| ask(&outgoing, url)).collect();
    until("its part of all requests is under way", || stalled.connections() == 4).await;
    until("all wait", || outgoing.load().requests == 200).await;
    for _ in 0..2 {
        let url = format!("http://hooks.example.net:{}/", here.port());
        assert_eq!(outgoing.receive(&url, &hello()).await.outcome, Outcome::Confirmed);
    }
    assert_eq!((stalled.connections(), outgoing.load().addresses), (4, 2));
    go.add_permits(200);
    for outcome in join_all(asked).await {
        assert_eq!(outcome.unwrap(), Outcome::Confirmed);
    }
}

#[tokio::test]
async fn a_kept_connection_counts_at_its_address_too() {
    let (mut server, go) = held().await;
    let there = server.address;
    let settings = OutgoingSettings { requests: 2, per_host: 1, ..settings() };
    let outgoing = Arc::new(looking_up(settings, move |_, _| Ok(vec![there])));
    let url = |name: &str| format!("http://{name}.example.org:{}/", there.port());
    for name in ["a", "b"] {
        go.add_permits(1);
        assert_eq!(ask(&outgoing, url(name)).await.unwrap(), Outcome::Confirmed);
        server.asked().await;
    }
    let first = ask(&outgoing, url("a"));
    server.asked().await;
    let second = ask(&outgoing, url("b"));
    until("it waits", || outgoing.load().requests == 2).await;
    assert_eq!(outgoing.load(), Load { hosts: 2, addresses: 1, requests: 2, idle: 1, crowded: 0 });
    go.add_permits(2);
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (Outcome::Confirmed, Outcome::Confirmed));
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn an_address_is_forgotten_with_its_last_request_and_connection() {
    let server = Server::start(Peer::confirm_all).await;
    let outgoing = outgoing(|settings| settings.idle_connections = 0);
    assert_eq!(outgoing.receive(&server.url("/"), &hello()).await.outcome, Outcome::Confirmed);
    assert_eq!(outgoing.load(), Load::default());
}

#[tokio::test]
async fn a_name_of_two_addresses_waits_at_the_second_without_the_turn_of_the_first() {
    let (mut server, go) = held().await;
    let there = server.address;
    // Nobody listens at the first.
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 3], there.port()));
    let settings = OutgoingSettings { requests: 2, per_host: 1, ..settings() };
    let outgoing = Arc::new(looking_up(settings, move |_, _| Ok(vec![nowhere, there])));
    let url = |name: &str| format!("http://{name}.example.org:{}/", there.port());
    let asked = ["a", "b"].map(|name| ask(&outgoing, url(name)));
    server.asked().await;
    until("one is forgotten", || outgoing.load().addresses == 1).await;
    assert_eq!(outgoing.load().requests, 2);
    go.add_permits(2);
    for outcome in join_all(asked).await {
        assert_eq!(outcome.unwrap(), Outcome::Confirmed);
    }
}

/// A server and a name with a kept connection, which closes when it is told to: while a request waits for the turn of its
/// address, or after it has read one. Whoever waits after that request comes after it.
async fn whose_connection_is_gone_keeps_its_turn(reads: bool) {
    let (go, close) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (held, closing) = (Arc::clone(&go), Arc::clone(&close));
    let mut server = Server::start(move |mut peer: Peer| {
        let (held, closing) = (Arc::clone(&held), Arc::clone(&closing));
        async move {
            while let Some(asked) = peer.asked().await {
                held.acquire().await.unwrap().forget();
                peer.say(&http("200 OK", &asked.confirmed(1))).await;
                if peer.number == 1 {
                    if reads {
                        peer.asked().await;
                    }
                    closing.acquire().await.unwrap().forget();
                    return;
                }
            }
        }
    })
    .await;
    let there = server.address;
    let settings = OutgoingSettings { requests: 4, per_host: 1, ..settings() };
    let lookups = Arc::new(AtomicUsize::new(0));
    let looked_up = Arc::clone(&lookups);
    let outgoing = Arc::new(looking_up(settings, move |_, _| {
        looked_up.fetch_add(1, Relaxed);
        Ok(vec![there])
    }));
    let url = |name: &str| format!("http://{name}.example.org:{}/", there.port());
    go.add_permits(1);
    assert_eq!(ask(&outgoing, url("gone")).await.unwrap(), Outcome::Confirmed);
    server.asked().await;
    let mut asked = Vec::new();
    if !reads {
        asked.push(ask(&outgoing, url("first")));
        server.asked().await;
    }
    asked.push(ask(&outgoing, url("gone")));
    until("it waits or is read", || outgoing.load().requests == asked.len()).await;
    if reads {
        server.asked().await;
    }
    let before = lookups.load(Relaxed);
    asked.push(ask(&outgoing, url("last")));
    until("it is looked up", || lookups.load(Relaxed) == before + 1).await;
    close.add_permits(1);
    if !reads {
        until("it is found closed", || outgoing.load().idle == 0).await;
    }
    go.add_permits(asked.len());
    for name in ["gone", "last"] {
        let next = server.asked().await;
        assert_eq!(next.header("host"), Some(&*format!("{name}.example.org:{}", there.port())));
    }
    for outcome in join_all(asked).await {
        assert_eq!(outcome.unwrap(), Outcome::Confirmed);
    }
}

#[tokio::test]
async fn whose_connection_was_closed_while_it_waited_does_not_wait_anew() {
    whose_connection_is_gone_keeps_its_turn(false).await;
}

#[tokio::test]
async fn whose_connection_is_closed_under_it_does_not_wait_anew() {
    whose_connection_is_gone_keeps_its_turn(true).await;
}

#[tokio::test]
async fn a_name_with_a_free_address_does_not_wait_for_its_crowded_one() {
    let (mut crowded, go) = held().await;
    let there = crowded.address;
    let free = Server::at(&format!("127.0.0.2:{}", there.port()), Peer::confirm_all).await;
    let here = free.address;
    let settings = OutgoingSettings { requests: 4, per_host: 1, ..settings() };
    let outgoing = Arc::new(looking_up(settings, move |name, _| {
        Ok(if name.starts_with("both") { vec![there, here] } else { vec![there] })
    }));
    let url = |name: &str| format!("http://{name}.example.org:{}/", there.port());
    let first = ask(&outgoing, url("one"));
    crowded.asked().await;
    assert_eq!(outgoing.receive(&url("both"), &hello()).await.outcome, Outcome::Confirmed);
    assert_eq!((crowded.connections(), free.connections()), (1, 1));
    go.add_permits(1);
    assert_eq!(first.await.unwrap(), Outcome::Confirmed);
}

#[tokio::test]
async fn a_kept_connection_to_a_free_address_goes_before_one_to_a_crowded_address() {
    let (mut crowded, go) = held().await;
    let there = crowded.address;
    let (mut free, free_go) = held_at(&format!("127.0.0.2:{}", there.port())).await;
    let here = free.address;
    let settings = OutgoingSettings { requests: 8, per_host: 2, ..settings() };
    let first = AtomicBool::new(true);
    let outgoing = Arc::new(looking_up(settings, move |name, _| {
        let to_free = name.starts_with("both") && first.swap(false, Relaxed);
        Ok(vec![if to_free { here } else { there }])
    }));
    let url = |name: &str| format!("http://{name}.example.org:{}/", there.port());
    let to_free = ask(&outgoing, url("both"));
    free.asked().await;
    let to_crowded = ask(&outgoing, url("both"));
    crowded.asked().await;
    free_go.add_permits(2);
    assert_eq!(to_free.await.unwrap(), Outcome::Confirmed);
    go.add_permits(1);
    assert_eq!(to_crowded.await.unwrap(), Outcome::Confirmed);
    let others = ["one", "two"].map(|name| ask(&outgoing, url(name)));
    crowded.asked().await;
    crowded.asked().await;
    assert_eq!(outgoing.receive(&url("both"), &hello()).await.outcome, Outcome::Confirmed);
    assert_eq!((free.connections(), free.asked().await.connection), (1, 1));
    go.add_permits(2);
    for outcome in join_all(others).await {
        assert_eq!(outcome.unwrap(), Outcome::Confirmed);
    }
}
