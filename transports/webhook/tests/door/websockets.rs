//! Real websockets of a door, and its numbers.

use std::collections::BTreeSet;

use eventhive_hub::{Draft, Hub, HubSettings};
use eventhive_transport::Overflow;
use eventhive_webhook::budget::Budget;
use eventhive_webhook::door::DoorStats;
use eventhive_webhook::wire::Interest::Exact;
use eventhive_webhook::wire::digest;
use eventhive_webhook::wire::stateful::stream::Stream;
use eventhive_webhook::wire::stateful::{B2s, MessageHead};
use tokio::net::TcpStream;

use crate::client::{Client, Closed, first_part, next_part};
use crate::harness::{Making, Served, exchange, post, until};
use crate::hub::joined;
use crate::requests::{URL, notify, subscribe};

const EVENTS: usize = 1000;

async fn connect(served: &Served) -> Client {
    let mut client = Client::over(TcpStream::connect(served.address).await.unwrap()).await;
    client.configure(false, false, 0).await;
    client
}

async fn burst(hub: &Hub) {
    for number in 0..EVENTS {
        hub.ready().await;
        hub.publish(Draft::bytes("a", number.to_string())).unwrap();
    }
}

/// What a websocket is sent.
#[derive(Default)]
struct Sent {
    numbers: Vec<usize>,
    missed: usize,
}

/// Takes what comes until there is nothing more, or the end.
async fn take(client: &mut Client, is_all: impl Fn(&Sent) -> bool) -> (Sent, Option<Closed>) {
    let (mut sent, mut stream) = (Sent::default(), Stream::new());
    while !is_all(&sent) {
        let frame = match client.hear().await {
            Ok(frame) => frame,
            Err(closed) => return (sent, Some(closed)),
        };
        match B2s::read(&frame).unwrap() {
            B2s::Missed { topic: b"a", .. } => sent.missed += 1,
            B2s::ReceiveStream(part) => {
                assert!(stream.push(&part).unwrap().is_some());
                sent.numbers.push(std::str::from_utf8(part.payload).unwrap().parse().unwrap());
                client.acknowledge(part.identifier, part.id(), true).await;
            }
            other => panic!("{other:?}"),
        }
    }
    (sent, None)
}

/// A door with a websocket that has room for few messages, and reads none before a burst has been taken from the hub.
async fn after_burst(overflow: Overflow) -> (Served, Client) {
    let mut making = Making { queue_bytes: 16 << 20, ..Making::default() };
    (making.config.session.overflow, making.config.session.max_pending) = (overflow, 20);
    let (hub, served) = joined(HubSettings::default(), making).await;
    let mut client = connect(&served).await;
    client.subscribe(Exact(b"a")).await;
    burst(&hub).await;
    until("the burst was taken", || served.broadcaster.stats().from_hub == EVENTS as u64).await;
    (served, client)
}

#[actix_web::test]
async fn a_burst_of_another_door_reaches_a_websocket_in_order_and_nothing_is_lost_with_block() {
    let (served, mut client) = after_burst(Overflow::Block).await;
    let (sent, closed) = take(&mut client, |sent| sent.numbers.len() == EVENTS).await;
    assert_eq!((sent.numbers, sent.missed, closed), ((0..EVENTS).collect::<Vec<_>>(), 0, None));
    assert_eq!(served.broadcaster.stats().dropped, 0);
}

#[actix_web::test]
async fn where_messages_are_dropped_a_websocket_gets_the_others_in_order_and_is_told() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        let (served, mut client) = after_burst(overflow).await;
        let left_out = served.broadcaster.stats().refused_by_peers as usize;
        assert_eq!(left_out > 0, overflow == Overflow::DropNewest, "what is new is not taken then");
        let is_last = |sent: &Sent| match overflow {
            Overflow::DropOldest => sent.numbers.last() == Some(&(EVENTS - 1)),
            _ => sent.numbers.len() == EVENTS - left_out,
        };
        let (sent, closed) = take(&mut client, |sent| sent.missed > 0 && is_last(sent)).await;
        assert!(sent.numbers.is_sorted() && closed.is_none(), "{overflow:?}: {:?}", sent.numbers);
        assert!(sent.numbers.len() < EVENTS, "{overflow:?}");
    }
}

#[actix_web::test]
async fn where_slow_websockets_are_disconnected_a_burst_ends_one_and_it_knows_why() {
    let (_served, mut client) = after_burst(Overflow::Disconnect).await;
    let (sent, closed) = take(&mut client, |_| false).await;
    assert!(sent.numbers.len() < EVENTS && sent.numbers.is_sorted());
    assert_eq!(closed.map(|(code, _)| code), Some(1013));
}

/// It was closed for having too much to be told.
#[actix_web::test]
async fn a_websocket_with_many_subscriptions_is_told_of_all_when_a_hub_has_lost_events() {
    const SUBSCRIPTIONS: usize = 600;
    let (hub, served) = joined(HubSettings::default(), Making::default()).await;
    let mut client = connect(&served).await;
    for number in 0..SUBSCRIPTIONS {
        client.subscribe(Exact(number.to_string().as_bytes())).await;
    }
    // More than the hub hands out at once.
    for _ in 0..1000 {
        hub.publish(Draft::bytes("other", vec![b'x'; 1000])).unwrap();
    }
    served.broadcaster.close();
    let mut missed = BTreeSet::new();
    while missed.len() < SUBSCRIPTIONS {
        let frame = client.hear().await.unwrap();
        let B2s::Missed { topic, .. } = B2s::read(&frame).unwrap() else { panic!("no MISSED") };
        missed.insert(topic.to_vec());
    }
}

#[actix_web::test]
async fn a_message_of_a_websocket_for_which_there_is_no_memory_arrives_from_a_file_and_is_counted() {
    let mut making = Making::default();
    making.config.memory = Budget::new(50_000);
    let served = making.serve();
    served.broadcaster.ready().await;
    assert_eq!(subscribe(&served, URL, Exact(b"a")).await, 200);
    let mut client = connect(&served).await;
    let body: Vec<u8> = (0..200_000_u32).map(|at| at as u8).collect();
    for (length, out_of_memory) in [(40_000, 0), (200_000, 1), (40_000, 1)] {
        let (body, sha512) = (&body[..length], digest::hash(&body[..length]));
        let head = MessageHead { topic: b"a", compression: None, length: length as u64, sha512: &sha512 };
        let (first, rest) = body.split_at(length / 2);
        client.say(first_part(b"id", head, first)).await;
        let frame = client.hear().await.unwrap();
        assert!(matches!(B2s::read(&frame).unwrap(), B2s::ContinueNotify(_)));
        client.say(next_part(b"id", 1, rest)).await;
        let frame = client.hear().await.unwrap();
        let answer = B2s::read(&frame).unwrap();
        assert!(matches!(answer, B2s::ConfirmNotify { subscribers: 1, .. }), "{answer:?}");
        let DoorStats { memory, out_of_memory: counted, .. } = served.door.stats();
        assert_eq!((memory, counted), (0, out_of_memory), "{length}");
        assert!(served.called.bodies_of(URL).last().unwrap() == body, "{length}");
    }
}

#[actix_web::test]
async fn a_door_counts_requests_refusals_websockets_and_what_is_under_way() {
    let mut making = Making::default();
    making.config.max_message = 100_000;
    let served = making.serve();
    served.broadcaster.ready().await;
    let counted = |stats: DoorStats| (stats.requests, stats.refused);
    assert_eq!(subscribe(&served, URL, Exact(b"a")).await, 200);
    assert_eq!(notify(&served, b"a", b"x").await, Ok(1));
    assert_eq!(counted(served.door.stats()), (2, 0));
    assert_eq!(subscribe(&served, URL, Exact(b"a")).await, 409);
    assert_eq!(notify(&served, b"a", &[0; 100_001]).await, Err(413));
    assert_eq!(exchange(served.address, &post("/v1/websocket", &[], b"")).await.status, 405);
    let no_handshake = b"GET /v1/websocket HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(exchange(served.address, no_handshake).await.status, 400);
    assert_eq!(counted(served.door.stats()), (6, 4));
    assert_eq!(exchange(served.address, &post("/v1/other", &[], b"")).await.status, 404);
    assert_eq!(counted(served.door.stats()), (6, 4), "no path of the protocol");

    let client = connect(&served).await;
    assert_eq!((served.door.stats().sessions, counted(served.door.stats())), (1, (7, 4)));
    drop(client);
    until("it has gone", || served.door.stats().sessions == 0).await;

    served.called.hold("http");
    let slow = notify(&served, b"a", &[1; 50_000]);
    tokio::pin!(slow);
    let under_way = until("it is under way", || served.door.stats().under_way == 1);
    tokio::select! {
        _ = &mut slow => panic!("it is held"),
        () = under_way => {}
    }
    assert_eq!(served.door.stats().memory, 50_000, "until it has been delivered");
    served.called.free();
    assert_eq!(slow.await, Ok(1));
    let DoorStats { under_way, memory, .. } = served.door.stats();
    assert_eq!((under_way, memory), (0, 0));
}
