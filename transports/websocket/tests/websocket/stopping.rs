//! The end of a door.

use std::time::{Duration, Instant};

use eventhive_hub::Draft;
use eventhive_listener::Door;
use eventhive_websocket::Config;
use futures_util::future::join_all;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::error::Error;

use crate::support::{Client, Server, until};

#[tokio::test]
async fn draining_closes_with_1012_after_what_waits_and_nobody_is_cut() {
    let server = Server::start(Config::default());
    let (hub, door) = (server.hub.clone(), server.door.clone());
    let mut clients = join_all((0..50).map(|_| server.client())).await;
    join_all(clients.iter_mut().map(|client| client.subscribe(&["t"]))).await;
    hub.publish(Draft::json("t", "1")).unwrap();
    until("the events wait or are sent", || hub.stats().delivered == 50).await;
    let address = server.address;
    let stopping = tokio::spawn(server.listeners.stop(Duration::from_secs(10)));
    for client in &mut clients {
        client.notified().await;
        assert_eq!(client.closed(1012).await, "");
    }
    let began = Instant::now();
    stopping.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    assert_eq!((door.stats().sessions, door.stats().cut), (0, 0));
}

#[tokio::test]
async fn peers_that_do_not_react_do_not_hold_up_the_end() {
    let server = Server::start(Config::default());
    let mut stuck = server.client().await;
    stuck.subscribe(&["t"]).await;
    let began = Instant::now();
    server.listeners.stop(Duration::from_millis(300)).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    until("the session is gone", || server.hub.stats().sessions == 0).await;
}

/// An application may drain a door and go on: it must not take the clients in again.
#[tokio::test]
async fn a_drained_door_tells_clients_to_come_later() {
    let server = Server::start(Config::default());
    let mut client = server.client().await;
    let drained = server.door.drain(Duration::from_secs(10));
    let (_, reason) = tokio::join!(drained, client.closed(1012));
    assert_eq!(reason, "");
    let Err(Error::Http(response)) = Client::connect(server.url()).await else { panic!("it was let in") };
    assert_eq!(response.status(), 503);
}

#[tokio::test]
async fn a_closing_hub_ends_its_sessions_with_1012() {
    let server = Server::start(Config::default());
    let mut client = server.client().await;
    client.subscribe(&["t"]).await;
    server.hub.publish(Draft::json("t", "1")).unwrap();
    let hub = server.hub.clone();
    let closing = tokio::spawn(async move { hub.close().await });
    client.notified().await;
    client.closed(1012).await;
    closing.await.unwrap();
    assert!(matches!(Client::connect(server.url()).await, Err(Error::Http(_))));
}

#[tokio::test]
async fn dropping_the_listeners_ends_everything_at_once() {
    let server = Server::start(Config::default());
    let mut client = server.client().await;
    client.send_raw(Message::Ping(bytes::Bytes::new())).await;
    let hub = server.hub.clone();
    drop(server);
    while client.next().await.is_some() {}
    until("no session is left", || hub.stats().sessions == 0).await;
}
