use eventhive_transport::Overflow;
use eventhive_webhook::session::Settings;
use eventhive_webhook::wire::stateful::B2s;

use crate::harness::{Client, Served, received, serve};

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
async fn by_default_a_subscriber_that_is_too_slow_is_closed() {
    for (max_pending, queue_bytes) in [(2, 1000), (100, 30)] {
        for overflow in [Overflow::Disconnect, Overflow::Block] {
            let (served, mut client) = stuck(overflow, max_pending, queue_bytes).await;
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
