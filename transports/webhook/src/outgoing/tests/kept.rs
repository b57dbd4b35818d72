//! Connections that are kept, and what becomes of them.

use std::sync::Arc;
use std::time::Duration;

use super::support::{Hmacs, Peer, Server, hello, http, outgoing, until};
use crate::outgoing::Outgoing;
use crate::store::Outcome;
use crate::wire::auth::Claim;

async fn confirmed(outgoing: &Outgoing, url: &str) {
    let report = outgoing.receive(url, &hello()).await;
    assert_eq!(report.outcome, Outcome::Confirmed, "{report:?}");
}

#[tokio::test]
async fn one_connection_serves_one_request_after_the_other() {
    let mut server = Server::start(Peer::confirm_all).await;
    let outgoing = outgoing(|_| ());
    for path in ["/a", "/b?c", "/d#e"] {
        confirmed(&outgoing, &server.url(path)).await;
        assert_eq!(server.asked().await.connection, 1);
        assert_eq!(outgoing.load().idle, 1);
    }
}

#[tokio::test]
async fn a_connection_that_is_closed_under_a_request_is_replaced_once_and_the_request_is_signed_anew() {
    let mut server = Server::start(async |mut peer: Peer| {
        let asked = peer.asked().await.unwrap();
        let (head, message) = asked.receive();
        let url = format!("http://{}/", asked.header("host").unwrap());
        let sha512 = crate::wire::digest::hash(message);
        assert!(matches!(head.claim(&url, &sha512), Claim::Receive { .. }));
        let claim = head.answer_claim(&url, 1);
        let text = Hmacs::authorize(&claim, std::time::UNIX_EPOCH.elapsed().unwrap());
        let proof = crate::wire::Proof { authorization: Some(&text), tracing: b"" };
        let (identifier, num_subscribers) = (head.identifier, 1);
        let response = crate::wire::responses::Response::ConfirmReceive { proof, identifier, num_subscribers };
        peer.say(&http("200 OK", &super::support::written(response))).await;
        // Reads the next, and closes without a word.
        peer.asked().await;
    })
    .await;
    let outgoing = outgoing(|settings| settings.vouch = Arc::new(Hmacs::default()));
    confirmed(&outgoing, &server.url("/")).await;
    confirmed(&outgoing, &server.url("/")).await;
    let asked = [server.asked().await, server.asked().await, server.asked().await];
    assert_eq!(asked.each_ref().map(|asked| asked.connection), [1, 1, 2]);
    let [_, refused, again] = asked;
    assert_eq!(refused.receive(), again.receive());
    assert_ne!(refused.header("authorization"), again.header("authorization"));
}

#[tokio::test]
async fn a_request_that_was_answered_in_part_is_not_made_again() {
    let server = Server::start(async |mut peer: Peer| {
        let confirmed = http("200 OK", &peer.asked().await.unwrap().confirmed(1));
        peer.say(&confirmed).await;
        peer.asked().await;
        peer.say(b"HTTP/1.1 200").await;
    })
    .await;
    let outgoing = outgoing(|_| ());
    confirmed(&outgoing, &server.url("/")).await;
    assert_eq!(outgoing.receive(&server.url("/"), &hello()).await.outcome, Outcome::Unreachable);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_forgotten() {
    let server = Server::start(async |mut peer: Peer| {
        let confirmed = http("200 OK", &peer.asked().await.unwrap().confirmed(1));
        peer.say(&confirmed).await;
    })
    .await;
    let outgoing = outgoing(|_| ());
    confirmed(&outgoing, &server.url("/")).await;
    until("it is forgotten", || outgoing.load().idle == 0).await;
    until("its host is", || outgoing.load().hosts == 0).await;
    confirmed(&outgoing, &server.url("/")).await;
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_connection_is_kept_for_its_time_and_no_longer() {
    let (sender, mut closed) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |peer: Peer| {
        let sender = sender.clone();
        async move {
            peer.confirm_all().await;
            sender.send(()).unwrap();
        }
    })
    .await;
    let outgoing = outgoing(|settings| settings.idle_timeout = Duration::from_millis(50));
    confirmed(&outgoing, &server.url("/")).await;
    closed.recv().await.unwrap();
    until("nothing is kept", || outgoing.load().idle == 0).await;
}

#[tokio::test]
async fn no_more_connections_are_kept_than_may_be() {
    let servers = [Server::start(Peer::confirm_all).await, Server::start(Peer::confirm_all).await];
    let outgoing = outgoing(|settings| settings.idle_connections = 1);
    for server in &servers {
        confirmed(&outgoing, &server.url("/")).await;
        assert_eq!(outgoing.load().idle, 1);
    }
    confirmed(&outgoing, &servers[0].url("/")).await;
    confirmed(&outgoing, &servers[1].url("/")).await;
    assert_eq!(servers.map(|server| server.connections()), [1, 2]);
}

#[test]
fn each_runtime_has_its_own_connections_and_those_of_one_that_ended_are_forgotten() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let servers = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = servers.block_on(Server::start(Peer::confirm_all));
    let outgoing = Arc::new(outgoing(|_| ()));
    let ask = |runtime: &tokio::runtime::Runtime| runtime.block_on(confirmed(&outgoing, &server.url("/")));
    let (first, second) = (runtime(), runtime());
    ask(&first);
    ask(&second);
    ask(&first);
    assert_eq!((server.connections(), outgoing.load().idle), (2, 2));
    drop(first);
    ask(&second);
    assert_eq!(server.connections(), 2);
    second.block_on(until("what the other had is forgotten", || outgoing.load().idle == 1));
    ask(&second);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn what_is_kept_goes_with_its_owner() {
    let (sender, mut closed) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(move |peer: Peer| {
        let sender = sender.clone();
        async move {
            peer.confirm_all().await;
            sender.send(()).unwrap();
        }
    })
    .await;
    let outgoing = outgoing(|_| ());
    confirmed(&outgoing, &server.url("/")).await;
    drop(outgoing);
    closed.recv().await.unwrap();
}
