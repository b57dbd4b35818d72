//! The door as a scope of somebody's own application.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use actix_web::{App, HttpServer};
use eventhive_http::{Config, HttpDoor};
use eventhive_hub::{Hub, HubSettings};
use eventhive_listener::Door;

use crate::support::{Client, End, config_of_vectors, header};

#[tokio::test]
async fn in_an_application_of_ones_own_each_event_is_one_chunk_too_and_the_end_is_one_end() {
    let hub = Hub::new(HubSettings::default());
    let door = Arc::new(HttpDoor::new(hub, Config { endpoint: "/events".to_owned(), ..config_of_vectors() }));
    let (served, (tell, told)) = (Arc::clone(&door), mpsc::channel());
    let thread = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let application = move || App::new().service(served.scope());
            let server = HttpServer::new(application).workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
            let address = server.addrs()[0];
            let server = server.run();
            tell.send((address, server.handle())).unwrap();
            server.await.unwrap();
        });
    });
    let (address, handle) = told.recv().unwrap();
    let (mut stream, mut publisher) = (Client::connect(address).await, Client::connect(address).await);
    stream.get("/events/a", "").await;
    let head = stream.head().await;
    assert_eq!((header(&head, "transfer-encoding"), header(&head, "content-length")), (Some("chunked"), None));
    stream.ping().await;
    for n in 0..3 {
        let (head, _) = publisher.put("/events/a", &format!("{{\"n\":{n}}}"), "").await;
        assert!(head.starts_with("HTTP/1.1 202 "), "{head}");
        assert_eq!(stream.event().await["n"], n);
    }
    let drained = door.drain(Duration::from_secs(10));
    let end = async {
        loop {
            match stream.chunk().await {
                Ok(ping) => assert!(ping.starts_with(b"{\"stillalive\": ")),
                Err(end) => break end,
            }
        }
    };
    assert_eq!(tokio::join!(drained, end).1, End::Complete);
    assert!(stream.buffer.is_empty());
    handle.stop(false).await;
    thread.join().unwrap();
}
