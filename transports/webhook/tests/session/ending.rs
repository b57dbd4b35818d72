use std::time::Duration;

use eventhive_webhook::session::Settings;
use eventhive_webhook::wire::Interest;
use eventhive_webhook::wire::stateful::B2s;
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{Client, in_time, serve, until};

fn quick() -> Settings {
    let moment = Duration::from_millis(200);
    Settings { configure_timeout: moment, ping_interval: moment, ping_timeout: moment, ..Settings::default() }
}

#[actix_web::test]
async fn who_does_not_configure_in_time_is_closed() {
    let served = serve(quick()).await;
    let mut client = served.connect().await;
    let (code, reason) = client.closed().await;
    assert!(code == 1000 && reason.contains("CONFIGURE did not come"), "{code} {reason}");
    assert_eq!(served.sessions.stats().silent, 1);
}

#[actix_web::test]
async fn a_peer_that_answers_pings_lives_and_one_that_does_not_is_cut() {
    let served = serve(quick()).await;
    let mut client = served.subscriber(&["a"]).await;
    // Reading answers the pings. It outlives three of them.
    let quiet = tokio::time::timeout(Duration::from_millis(1500), client.hear()).await;
    assert!(quiet.is_err(), "{quiet:?}");
    assert_eq!(served.sessions.count(), 1);
    // Nobody reads any more, and nobody closes.
    until("the end", || served.sessions.count() == 0).await;
    let stats = served.sessions.stats();
    assert_eq!((stats.silent, stats.cut), (1, 1));
    assert_eq!(served.publish(b"a", "x").await, 0);
}

#[actix_web::test]
async fn a_reader_that_stalls_is_cut_and_its_messages_are_let_go() {
    let served = serve(Settings { max_unacknowledged: None, ..quick() }).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream: TcpStream = socket.connect(served.address).await.unwrap();
    let mut client = Client::over(stream).await;
    client.configure(false, false, 0).await;
    client.subscribe(Interest::Exact(b"a")).await;
    // More than the kernel takes.
    for _ in 0..20 {
        served.publish(b"a", vec![7; 1 << 20]).await;
    }
    until("the end", || served.sessions.count() == 0).await;
    assert_eq!(served.sessions.stats().cut, 1);
    assert!(served.sessions.stats().delivered < 20);
}

#[actix_web::test]
async fn draining_closes_for_a_restart_after_what_is_being_handled() {
    let served = serve(Settings::default()).await;
    served.broadcaster.subscribe("http://127.0.0.1:9/r", Interest::Exact(b"slow"), None).await.unwrap();
    let (mut idle, mut busy) = (served.subscriber(&["a"]).await, served.client().await);
    busy.notify(b"id", b"slow", b"x").await;
    until("the notify", || served.sessions.stats().notified == 1).await;
    let sessions = std::sync::Arc::clone(&served.sessions);
    let draining = actix_web::rt::spawn(async move { sessions.drain(Duration::from_secs(10)).await });
    assert_eq!(idle.closed().await.0, 1012);
    // It has to answer the close frame.
    assert!(idle.hear().await.is_err());
    served.until_sessions(1).await;
    served.urls.0.add_permits(1);
    let frame = busy.hear().await.unwrap();
    assert!(matches!(B2s::read(&frame).unwrap(), B2s::ConfirmNotify { identifier: b"id", subscribers: 1, .. }));
    assert_eq!(busy.closed().await.0, 1012);
    in_time("the drain", draining).await.unwrap();
    assert_eq!(served.sessions.count(), 0);
    // Nobody comes in any more.
    let stream = TcpStream::connect(served.address).await.unwrap();
    let refused = tokio_tungstenite::client_async("ws://127.0.0.1/v1/websocket", stream).await.unwrap_err();
    assert!(refused.to_string().contains("503"), "{refused}");
}

#[actix_web::test]
async fn more_sessions_than_allowed_are_put_off() {
    let served = serve(Settings { max_sessions: 2, max_sessions_per_address: 3, ..Settings::default() }).await;
    let first = served.client().await;
    let _second = served.client().await;
    let connect = || async {
        let stream = TcpStream::connect(served.address).await.unwrap();
        tokio_tungstenite::client_async("ws://127.0.0.1/v1/websocket", stream).await
    };
    assert!(connect().await.unwrap_err().to_string().contains("503"));
    drop(first);
    served.until_sessions(1).await;
    assert!(connect().await.is_ok());
    assert_eq!(served.sessions.stats().put_off, 1);
}

#[actix_web::test]
async fn a_close_frame_is_answered_with_its_code() {
    let served = serve(Settings::default()).await;
    let mut client = served.client().await;
    let close = tokio_tungstenite::tungstenite::protocol::CloseFrame { code: 1001.into(), reason: "bye".into() };
    client.socket.close(Some(close)).await.unwrap();
    assert_eq!(client.closed().await, (1001, String::new()));
    served.until_sessions(0).await;
    assert_eq!(served.sessions.stats().faulty, 0);
}

#[actix_web::test]
async fn a_drain_waits_for_a_notify_whose_sender_has_gone() {
    let served = serve(Settings::default()).await;
    served.broadcaster.subscribe("http://127.0.0.1:9/r", Interest::Exact(b"slow"), None).await.unwrap();
    let mut client = served.client().await;
    client.notify(b"id", b"slow", b"x").await;
    until("the notify", || served.sessions.stats().notified == 1).await;
    drop(client);
    served.until_sessions(0).await;
    let mut draining = Box::pin(served.sessions.drain(Duration::from_secs(20)));
    assert!(futures_util::FutureExt::now_or_never(draining.as_mut()).is_none());
    served.urls.0.add_permits(1);
    in_time("the drain", draining).await;
    assert_eq!(served.broadcaster.stats().confirmed, 1);
}
