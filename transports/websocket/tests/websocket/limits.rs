//! Limits: what is too large, too many, too deep.

use bytes::Bytes;
use eventhive_hub::{Draft, HubSettings};
use eventhive_listener::Limits;
use eventhive_websocket::Config;
use futures_util::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::support::{Client, Server};

#[tokio::test]
async fn a_publish_of_nearly_the_limit_arrives_and_one_that_subscribers_could_not_take_is_refused() {
    let server = Server::start(Config::default());
    let (mut subscriber, mut publisher) = (server.client().await, server.client().await);
    subscriber.subscribe(&["t"]).await;
    let data = "x".repeat((1 << 20) - 400);
    let publish = |data: &str| json!({"topics": ["t"], "data": data, "sync": false});
    assert_eq!(publisher.call("publish", publish(&data)).await, true);
    assert_eq!(subscriber.notified().await.1, data);
    let data = "x".repeat((1 << 20) - 200);
    assert_eq!(publisher.call("publish", publish(&data)).await, false);
    subscriber.nothing_came().await;
}

#[tokio::test]
async fn an_event_of_another_door_that_is_too_large_here_is_left_out_and_counted() {
    let server = Server::start(Config::default());
    let mut subscriber = server.client().await;
    subscriber.subscribe(&["t"]).await;
    server.hub.publish(Draft::bytes("t", vec![b'x'; 1 << 20])).unwrap();
    server.hub.publish(Draft::json("t", "2")).unwrap();
    assert_eq!(subscriber.notified().await.1, 2);
    assert_eq!(server.door.stats().too_large, 1);
}

#[tokio::test]
async fn messages_and_frames_beyond_the_limit_close_with_1009() {
    let config = Config { max_message: 10_000, max_frame: 4000, ..Config::default() };
    let server = Server::start(config);
    let frame = |size: usize, code, last| {
        Message::Frame(Frame::message(Bytes::from(vec![b' '; size]), OpCode::Data(code), last))
    };
    let mut client = server.client().await;
    client.send_raw(frame(4001, Data::Text, true)).await;
    client.closed(1009).await;
    let mut client = server.client().await;
    client.send_raw(frame(4000, Data::Text, false)).await;
    client.send_raw(frame(4000, Data::Continue, false)).await;
    client.send_raw(frame(4000, Data::Continue, true)).await;
    client.closed(1009).await;
    server.until_empty().await;
}

/// A frame's header may announce any size; the bytes must not be collected until then.
#[tokio::test]
async fn an_announced_terabyte_is_refused_at_its_header() {
    let server = Server::start(Config::default());
    let mut socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let request = "GET /pubsub HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 2048];
    let size = socket.read(&mut answer).await.unwrap();
    assert!(answer[..size].starts_with(b"HTTP/1.1 101"));
    socket.write_all(&[0x81, 0xFF, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4]).await.unwrap();
    let size = socket.read(&mut answer).await.unwrap();
    assert_eq!(answer[..4], [0x88, u8::try_from(size - 2).unwrap(), 0x03, 0xF1]);
}

#[tokio::test]
async fn data_nested_deeper_than_readers_go_is_refused() {
    let server = Server::start(Config::default());
    let mut client = server.client().await;
    for (levels, taken) in [(128, true), (129, false), (100_000, false)] {
        let data = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let frame = format!(
            r#"{{"request":{{"method":"publish","arguments":{{"topics":["t"],"data":{data}}},"call_id":"p"}}}}"#
        );
        client.send(frame).await;
        assert_eq!(client.receive().await["response"]["result"], taken, "{levels}");
    }
}

#[tokio::test]
async fn subscriptions_beyond_the_limit_are_answered_false_and_none_of_the_call_is_kept() {
    let server = Server::start(Config { max_subscriptions: 3, ..Config::default() });
    let mut client = server.client().await;
    client.subscribe(&["a", "b"]).await;
    assert_eq!(client.call("subscribe", json!({"topics": ["c", "d"]})).await, false);
    assert_eq!(server.hub.stats().subscriptions, 2);
    client.subscribe(&["c"]).await;
}

#[tokio::test]
async fn sessions_beyond_the_limit_are_told_to_come_later() {
    let server = Server::start(Config { max_sessions: 2, ..Config::default() });
    let first = server.client().await;
    let _second = server.client().await;
    match Client::connect(server.url()).await {
        Err(Error::Http(response)) => {
            assert_eq!(response.status(), 503);
            assert!(response.headers().contains_key("retry-after"));
        }
        other => panic!("expected 503, got {:?}", other.map(|_| ())),
    }
    assert_eq!(server.door.stats().put_off, 1);
    drop(first);
    server.until("there is room again", |stats| stats.sessions == 1).await;
    server.client().await.nothing_came().await;
}

#[tokio::test]
async fn a_thousand_sessions_come_and_go_and_leave_nothing() {
    let server = Server::start(Config::default());
    for _ in 0..4 {
        let mut clients = join_all((0..250).map(|_| server.client())).await;
        join_all(clients.iter_mut().map(|client| client.subscribe(&["t", "u"]))).await;
        assert_eq!(server.hub.stats().subscriptions, 500);
        server.hub.publish(Draft::json("t", "1")).unwrap();
        join_all(clients.iter_mut().map(Client::notified)).await;
        // Half of them say goodbye, half of them vanish.
        for (at, mut client) in clients.into_iter().enumerate() {
            if at % 2 == 0 {
                client.socket.close(None).await.unwrap();
            }
        }
        server.until_empty().await;
    }
    let stats = server.door.stats();
    assert_eq!((stats.accepted, stats.cut, stats.faulty), (1000, 0, 0));
    assert_eq!(server.hub.stats().queue_bytes, 0);
}

#[tokio::test]
async fn a_publish_that_the_hub_has_no_room_for_waits_and_loses_nothing() {
    let hub = HubSettings { worker_inbox_max_bytes: 200, ..HubSettings::default() };
    let server = Server::start_on(hub, Config::default(), Limits::default(), None);
    let (mut subscriber, mut publisher) = (server.client().await, server.client().await);
    subscriber.subscribe(&["t"]).await;
    for data in 0..8 {
        let topics = vec!["t"; 256];
        assert_eq!(publisher.call("publish", json!({"topics": topics, "data": data, "sync": false})).await, true);
        for _ in 0..256 {
            assert_eq!(subscriber.notified().await.1, data);
        }
    }
}

#[tokio::test]
async fn a_publish_to_too_many_topics_is_refused_as_a_whole() {
    let server = Server::start(Config::default());
    let (mut subscriber, mut publisher) = (server.client().await, server.client().await);
    subscriber.subscribe(&["t"]).await;
    assert_eq!(publisher.call("publish", json!({"topics": vec!["t"; 257], "sync": false})).await, false);
    subscriber.nothing_came().await;
}

/// A client from this address of the loopback network.
async fn from(server: &Server, address: [u8; 4]) -> Result<Client, u16> {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((std::net::Ipv4Addr::from(address), 0).into()).unwrap();
    let stream = socket.connect(server.address).await.unwrap();
    Client::on(server.url(), stream).await.map_err(|error| match error {
        Error::Http(response) => response.status().as_u16(),
        other => panic!("{other}"),
    })
}

#[tokio::test]
async fn an_address_that_has_all_its_sessions_is_put_off_and_others_are_not() {
    let server = Server::start(Config { max_sessions_per_address: 2, ..Config::default() });
    let first = from(&server, [127, 0, 0, 2]).await.unwrap();
    let _second = from(&server, [127, 0, 0, 2]).await.unwrap();
    assert_eq!(from(&server, [127, 0, 0, 2]).await.err(), Some(503));
    from(&server, [127, 0, 0, 3]).await.unwrap().nothing_came().await;
    assert_eq!(server.door.stats().put_off, 1);
    drop(first);
    server.until("its place is free", |stats| stats.sessions == 1).await;
    from(&server, [127, 0, 0, 2]).await.unwrap().nothing_came().await;
}

/// A client that reaches the server through this machine as a proxy.
async fn through_proxy(server: &Server, forwarded_for: &str) -> Result<Client, u16> {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
    let mut request = server.url().into_client_request().unwrap();
    request.headers_mut().insert("x-forwarded-for", forwarded_for.parse().unwrap());
    Client::connect(request).await.map_err(|error| match error {
        Error::Http(response) => response.status().as_u16(),
        other => panic!("{other}"),
    })
}

#[tokio::test]
async fn behind_a_trusted_proxy_sessions_are_counted_by_the_clients_address() {
    let trusted = eventhive_listener::Networks::parse(["127.0.0.1"]).unwrap();
    let proxies = eventhive_listener::Proxies { trusted, protocol: false };
    let server = Server::start(Config { max_sessions_per_address: 1, proxies, ..Config::default() });
    let _first = through_proxy(&server, "203.0.113.9").await.unwrap();
    assert_eq!(through_proxy(&server, "203.0.113.9").await.err(), Some(503));
    assert_eq!(
        through_proxy(&server, "198.51.100.1, 203.0.113.9").await.err(),
        Some(503),
        "it is the last that counts"
    );
    through_proxy(&server, "198.51.100.1").await.unwrap().nothing_came().await;
}

/// Else guesses would go as fast as the network, and one guesser would take the pause from clients that need it.
#[tokio::test]
async fn an_address_with_too_many_refusals_held_back_is_put_off_unheard_and_others_are_heard() {
    let delay = std::time::Duration::from_secs(3600);
    let tokens = vec!["secret".to_owned().into()];
    let server = Server::start(Config { tokens, refusal_delay: delay, ..Config::default() });
    let request = "GET /pubsub HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let guess = || async {
        let mut socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        socket
    };
    let guesses = join_all((0..100).map(|_| guess())).await;
    server.until("the guesses are held back", |stats| stats.refused == 100).await;
    let mut answer = vec![0; 2048];
    let size = guess().await.read(&mut answer).await.unwrap();
    assert!(answer[..size].starts_with(b"HTTP/1.1 503"), "{}", String::from_utf8_lossy(&answer[..size]));
    let url = format!("{}?token=secret", server.url());
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let stream = socket.connect(server.address).await.unwrap();
    Client::on(url, stream).await.unwrap().nothing_came().await;
    drop(guesses);
    // The places come back with those who hang up.
    let deadline = tokio::time::Instant::now() + crate::support::PATIENCE;
    while Client::connect(format!("{}?token=secret", server.url())).await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "it stays put off");
    }
}
