//! The receiver in an application of its user's own.

use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use eventhive_conformance::free_port;
use eventhive_webhook::delivery::BackOff;
use eventhive_webhook::subscriber::{Broadcaster, Event, Receiver, Subscriber};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use crate::door::listen;

const PATIENCE: Duration = Duration::from_secs(30);

/// Something of the user's, and beside it the receiver.
fn serve(receiver: Receiver, port: u16) -> ServerHandle {
    let app = move || App::new().route("/mine", web::get().to(async || "mine")).service(receiver.scope());
    let server = HttpServer::new(app).workers(1).disable_signals().bind(("127.0.0.1", port)).unwrap().run();
    let handle = server.handle();
    tokio::spawn(server);
    handle
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_in_an_application_of_ones_own_gets_messages_and_is_told_what_it_missed() {
    let folder = tempfile::tempdir().unwrap();
    let running = listen(&folder, 0, None, |config| {
        config.delivery.sweep_interval = Duration::from_millis(50);
        config.delivery.missed = BackOff { expo_factor: 0.0, constant: 0.1, jitter: 0.0, ..BackOff::default() };
    });
    let port = free_port();
    let subscriber = Subscriber::builder()
        .broadcaster(Broadcaster::new(&format!("http://{}", running.address)).unwrap())
        .receive_url(format!("http://127.0.0.1:{port}/hooks"))
        .build()
        .unwrap();
    let receiver = subscriber.receiver().unwrap();
    let app = serve(receiver.clone(), port);
    let mut events = subscriber.subscribe_glob("news/*").await.unwrap().with_gaps();
    assert_eq!(subscriber.notify("news/today", "one").await.unwrap().count, 1);
    let Some(Event::Message(message)) = timeout(PATIENCE, events.next()).await.unwrap() else { panic!("no message") };
    assert_eq!((&*message.topic, message.body.piece(0, 3).await.unwrap()), (&b"news/today"[..], "one".into()));

    app.stop(true).await;
    assert_eq!(subscriber.notify("news/today", "two").await.unwrap().count, 0);
    assert_eq!(subscriber.condition().borrow().gaps, 0);
    let app = serve(receiver, port);
    assert!(matches!(timeout(PATIENCE, events.next()).await.unwrap(), Some(Event::Gap)));
    assert_eq!(subscriber.notify("news/today", "three").await.unwrap().count, 1);
    assert!(matches!(timeout(PATIENCE, events.next()).await.unwrap(), Some(Event::Message(_))));
    subscriber.close().await;
    app.stop(true).await;
    running.stop().await;
}
