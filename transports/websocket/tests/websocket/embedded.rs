//! The door in an application of the user's own, which may lack what our listeners have.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, rt};
use bytes::Bytes;
use eventhive_hub::{Draft, Hub, HubSettings};
use eventhive_listener::Door;
use eventhive_websocket::{Config, WebSocketDoor};
use tokio_tungstenite::tungstenite::error::Error;

use crate::support::{Client, until};

/// An application without `on_connect`, in a thread of its own.
fn application(door: &Arc<WebSocketDoor>) -> (SocketAddr, ServerHandle) {
    let (door, (told, tell)) = (Arc::clone(door), mpsc::channel());
    thread::spawn(move || {
        rt::System::new().block_on(async {
            let server = HttpServer::new(move || App::new().service(door.scope())).workers(2).disable_signals();
            let server = server.bind(("127.0.0.1", 0)).unwrap();
            let address = server.addrs()[0];
            let server = server.run();
            told.send((address, server.handle())).unwrap();
            server.await.unwrap();
        });
    });
    tell.recv().unwrap()
}

#[tokio::test]
async fn an_embedded_door_is_drained_by_its_application_on_all_threads() {
    let hub = Hub::new(HubSettings::default());
    let door = Arc::new(WebSocketDoor::new(hub.clone(), Config::default()));
    let (address, server) = application(&door);
    let url = format!("ws://{address}/pubsub");
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = Client::connect(url.as_str()).await.unwrap();
        client.subscribe(&["t"]).await;
        clients.push(client);
    }
    hub.publish(Draft::json("t", "1")).unwrap();
    let drained = tokio::spawn(door.drain(Duration::from_secs(20)));
    for client in &mut clients {
        assert_eq!(client.notified().await.1, 1);
        client.closed(1012).await;
    }
    drained.await.unwrap();
    assert_eq!(door.stats().sessions, 0);
    let Err(Error::Http(response)) = Client::connect(url.as_str()).await else { panic!("it was let in") };
    assert_eq!(response.status(), 503);
    server.stop(true).await;
}

#[tokio::test]
async fn without_a_handle_of_the_socket_the_hub_still_lets_go_of_a_session_that_stalls() {
    let hub = Hub::new(HubSettings::default());
    let door = Arc::new(WebSocketDoor::new(hub.clone(), Config::default()));
    let (address, server) = application(&door);
    let mut stuck = Client::connect(format!("ws://{address}/pubsub")).await.unwrap();
    stuck.subscribe(&["t"]).await;
    while hub.stats().sessions == 1 {
        hub.ready().await;
        hub.publish(Draft::bytes("t", Bytes::from(vec![b'x'; 100_000]))).unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!((hub.stats().subscriptions, hub.stats().queue_bytes), (0, 0));
    until("the watchdog has given up on it", || door.stats().cut == 1).await;
    assert_eq!(door.stats().sessions, 1, "its socket is the application's");
    drop(stuck);
    until("it goes with its client", || door.stats().sessions == 0).await;
    server.stop(true).await;
}
