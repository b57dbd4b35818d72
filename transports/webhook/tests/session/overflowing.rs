use std::sync::Arc;
use std::time::Duration;

use actix_web::rt;
use eventhive_transport::Overflow;
use eventhive_webhook::broadcaster::Tracer;
use eventhive_webhook::message::Message;
use eventhive_webhook::session::Settings;
use eventhive_webhook::wire::stateful::B2s;

use crate::harness::{Client, Served, in_time, received, serve, until};

/// A subscriber that has three parts and acknowledges none of them.
async fn stuck(overflow: Overflow, max_pending: usize, queue_bytes: usize) -> (Served, Client) {
    let served = serve(Settings { overflow, max_pending, queue_bytes, ..Settings::default() }).await;
    let mut client = served.subscriber(&["a"]).await;
    for at in 0..3_u8 {
        assert_eq!(served.publish(b"a", vec![at]).await, 1);
        assert_eq!(received(&client.hear().await.unwrap()).payload, [at]);
    }
    // One more is on its way, and waits for room. It is not in the queue any more.
    assert_eq!(served.publish(b"a", vec![3]).await, 1);
    client.hears_nothing().await;
    (served, client)
}

#[actix_web::test]
async fn a_subscriber_that_is_too_slow_is_closed_where_that_is_configured() {
    for (max_pending, queue_bytes) in [(2, 1000), (100, 30)] {
        let (served, mut client) = stuck(Overflow::Disconnect, max_pending, queue_bytes).await;
        assert_eq!(served.publish(b"a", vec![4; 10]).await, 1);
        assert_eq!(served.publish(b"a", vec![5; 10]).await, 1);
        // It does not count.
        assert_eq!(served.publish(b"a", vec![6; 10]).await, 0);
        let (code, reason) = client.closed().await;
        assert!(code == 1013 && reason.contains("too slow"), "{code} {reason}");
        assert_eq!(served.publish(b"a", vec![7]).await, 0);
        let stats = served.sessions.stats();
        assert_eq!((stats.slow, stats.dropped), (1, 1));
    }
}

#[actix_web::test]
async fn by_default_publishers_wait_for_a_slow_subscriber_and_nothing_is_lost() {
    let served = serve(Settings { max_pending: 2, patience: Duration::from_secs(60), ..Settings::default() }).await;
    let mut client = served.subscriber(&["a"]).await;
    let broadcaster = Arc::clone(&served.broadcaster);
    let publishing = rt::spawn(async move {
        for at in 0..200_u8 {
            let message = Message::new(b"a", vec![at].into());
            assert_eq!(broadcaster.notify(message, &mut Tracer::off()).await.unwrap(), 1);
        }
    });
    // Those that are unacknowledged, one that waits for room, two in the queue, and one whose publisher waits.
    until("publishers to wait", || served.broadcaster.stats().to_peers == 7).await;
    let mut identifiers = Vec::new();
    for at in 0..3_u8 {
        let frame = client.hear().await.unwrap();
        assert_eq!(received(&frame).payload, [at]);
        identifiers.push(received(&frame).identifier.to_vec());
    }
    client.hears_nothing().await;
    assert_eq!(served.broadcaster.stats().to_peers, 7);
    assert!(!publishing.is_finished());
    for identifier in identifiers {
        client.acknowledge(&identifier, 0, true).await;
    }
    for at in 3..200_u8 {
        assert_eq!(client.receive().await.1, [at]);
    }
    in_time("the publisher", publishing).await.unwrap();
    assert_eq!(served.sessions.stats().slow, 0);
}

#[actix_web::test]
async fn by_default_a_subscriber_that_takes_nothing_for_long_is_closed() {
    let served = serve(Settings { max_pending: 2, patience: Duration::from_millis(300), ..Settings::default() }).await;
    let mut client = served.subscriber(&["a"]).await;
    for at in 0..7_u8 {
        assert_eq!(served.publish(b"a", vec![at]).await, 1);
    }
    let (code, reason) = client.closed().await;
    assert!(code == 1013 && reason.contains("too slow"), "{code} {reason}");
    assert_eq!(served.publish(b"a", "x").await, 0);
    assert_eq!(served.sessions.stats().slow, 1);
}

#[actix_web::test]
async fn the_newest_or_the_oldest_are_left_out_where_that_is_configured_and_told_as_missed() {
    for (overflow, kept) in [(Overflow::DropNewest, [4_u8, 5]), (Overflow::DropOldest, [6, 7])] {
        let served =
            serve(Settings { overflow, max_pending: 2, max_unacknowledged: 1.try_into().ok(), ..Settings::default() })
                .await;
        let mut client = served.subscriber(&["a"]).await;
        assert_eq!(served.publish(b"a", vec![2]).await, 1);
        let frame = client.hear().await.unwrap();
        assert_eq!(served.publish(b"a", vec![3]).await, 1);
        // This one is on its way, and waits for room.
        client.hears_nothing().await;
        for at in 4..8 {
            let counts = at < 6 || overflow == Overflow::DropOldest;
            assert_eq!(served.publish(b"a", vec![at]).await, u32::from(counts), "{at}");
        }
        client.acknowledge(received(&frame).identifier, 0, true).await;
        assert_eq!(client.receive().await.1, [3]);
        let frame = client.hear().await.unwrap();
        assert!(matches!(B2s::read(&frame).unwrap(), B2s::Missed { topic: b"a", .. }));
        for at in kept {
            assert_eq!(client.receive().await.1, [at]);
        }
        client.hears_nothing().await;
        let stats = served.sessions.stats();
        assert_eq!((stats.dropped, stats.missed, stats.slow), (2, 1, 0));
    }
}

#[actix_web::test]
async fn a_message_larger_than_the_queue_is_taken_when_nothing_waits() {
    let served = serve(Settings { queue_bytes: 10, ..Settings::default() }).await;
    let mut client = served.subscriber(&["a"]).await;
    for _ in 0..3 {
        assert_eq!(served.publish(b"a", vec![7; 1000]).await, 1);
        assert_eq!(client.receive().await.1, [7; 1000]);
    }
}

#[actix_web::test]
async fn a_subscriber_that_takes_a_message_now_and_then_does_not_hold_publishers_for_ever() {
    let patience = Duration::from_millis(200);
    let served = serve(Settings { max_pending: 100, patience, ..Settings::default() }).await;
    let mut client = served.subscriber(&["a"]).await;
    let broadcaster = Arc::clone(&served.broadcaster);
    let publishing = rt::spawn(async move {
        while broadcaster.notify(Message::new(b"a", "x".into()), &mut Tracer::off()).await.unwrap() > 0 {}
    });
    until("publishers to wait", || served.broadcaster.stats().to_peers >= 105).await;
    // One in half of what a publisher waits: it would have to take 100 in 12 times as long.
    let closed = loop {
        match client.hear().await {
            Ok(frame) => client.acknowledge(received(&frame).identifier, 0, true).await,
            Err(closed) => break closed,
        }
        rt::time::sleep(patience / 2).await;
        assert!(served.sessions.stats().delivered < 100, "it has taken them one by one");
    };
    assert!(closed.0 == 1013 && closed.1.contains("too slow"), "{closed:?}");
    in_time("the publisher", publishing).await.unwrap();
}

#[actix_web::test]
async fn an_end_of_a_subscription_does_not_wait_for_ever_for_who_acknowledges_nothing() {
    let served = serve(Settings { patience: Duration::from_millis(300), ..Settings::default() }).await;
    let mut client = served.subscriber(&["a"]).await;
    for at in 0..5_u8 {
        assert_eq!(served.publish(b"a", vec![at]).await, 1);
    }
    let interest = eventhive_webhook::wire::Interest::Exact(b"a");
    let proof = eventhive_webhook::wire::Proof::default();
    client.say(eventhive_webhook::wire::stateful::S2b::Unsubscribe { interest, proof }).await;
    assert_eq!(client.closed().await.0, 1013);
}
