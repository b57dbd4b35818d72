use std::num::NonZeroUsize;

use eventhive_webhook::session::Settings;
use eventhive_webhook::wire::stateful::{B2s, S2b};
use eventhive_webhook::wire::{Interest, Proof};

use crate::harness::{received, serve, until};

#[actix_web::test]
async fn no_more_than_three_parts_go_unacknowledged() {
    let served = serve(Settings { max_outgoing_bytes: 100, ..Settings::default() }).await;
    let mut client = served.subscriber(&["a"]).await;
    // Two parts each.
    assert_eq!(served.publish(b"a", vec![1; 600]).await, 1);
    assert_eq!(served.publish(b"a", vec![2; 600]).await, 1);
    let mut identifiers = Vec::new();
    for id in [0, 1, 0] {
        let frame = client.hear().await.unwrap();
        assert_eq!(received(&frame).id(), id);
        identifiers.push(received(&frame).identifier.to_vec());
    }
    // The fourth waits, and other answers go.
    client.hears_nothing().await;
    client.subscribe(Interest::Exact(b"b")).await;
    client.acknowledge(&identifiers[0], 0, false).await;
    let frame = client.hear().await.unwrap();
    assert_eq!((received(&frame).id(), received(&frame).identifier), (1, &*identifiers[2]));
    client.acknowledge(&identifiers[0], 1, true).await;
    client.acknowledge(&identifiers[2], 0, false).await;
    client.acknowledge(&identifiers[2], 1, true).await;
    client.hears_nothing().await;
    assert_eq!(served.sessions.stats().delivered, 2);
}

#[actix_web::test]
async fn without_a_limit_everything_goes() {
    let served = serve(Settings { max_unacknowledged: None, ..Settings::default() }).await;
    let mut client = served.subscriber(&["a"]).await;
    for at in 0..50_u8 {
        assert_eq!(served.publish(b"a", vec![at]).await, 1);
    }
    for at in 0..50_u8 {
        assert_eq!(received(&client.hear().await.unwrap()).payload, [at]);
    }
}

#[actix_web::test]
async fn an_acknowledgement_of_something_else_closes() {
    let settings =
        Settings { max_outgoing_bytes: 100, max_unacknowledged: NonZeroUsize::new(1), ..Settings::default() };
    let served = serve(settings).await;
    for (identifier, part_id, is_last) in
        [(Some(b"else"), 0, false), (None, 0, true), (None, 1, false), (Some(b"else"), 0, true)]
    {
        let mut client = served.subscriber(&["a"]).await;
        served.publish(b"a", vec![1; 600]).await;
        let frame = client.hear().await.unwrap();
        let identifier = identifier.map_or(received(&frame).identifier, |identifier| identifier);
        client.acknowledge(identifier, part_id, is_last).await;
        let (code, reason) = client.closed().await;
        assert_eq!(code, 1000);
        assert!(reason.contains("something else than part 0"), "{reason}");
    }
    let mut client = served.subscriber(&["a"]).await;
    served.publish(b"a", "x").await;
    client.receive().await;
    client.acknowledge(b"more", 0, true).await;
    let (code, reason) = client.closed().await;
    assert!(code == 1000 && reason.contains("all has been acknowledged"), "{code} {reason}");
}

#[actix_web::test]
async fn messages_go_on_to_a_subscriber_whose_own_notify_takes_long() {
    let served = serve(Settings::default()).await;
    served.broadcaster.subscribe("http://127.0.0.1:9/r", Interest::Exact(b"slow"), None).await.unwrap();
    let mut client = served.subscriber(&["a"]).await;
    client.notify(b"slow one", b"slow", b"x").await;
    // It waits behind that.
    client.say(S2b::Subscribe { interest: Interest::Exact(b"b"), proof: Proof::default() }).await;
    for at in 0..10_u8 {
        assert_eq!(served.publish(b"a", vec![at]).await, 1);
        assert_eq!(client.receive().await.1, [at]);
    }
    served.urls.0.add_permits(1);
    let frame = client.hear().await.unwrap();
    let message = B2s::read(&frame).unwrap();
    assert!(matches!(message, B2s::ConfirmNotify { identifier: b"slow one", subscribers: 1, .. }), "{message:?}");
    let frame = client.hear().await.unwrap();
    assert!(matches!(B2s::read(&frame).unwrap(), B2s::ConfirmSubscribe { .. }));
}

#[actix_web::test]
async fn a_subscriber_that_sends_faster_than_is_handled_is_read_no_further_until_it_is() {
    let served = serve(Settings { max_unprocessed: 4, ..Settings::default() }).await;
    served.broadcaster.subscribe("http://127.0.0.1:9/r", Interest::Exact(b"slow"), None).await.unwrap();
    let mut client = served.client().await;
    // 64 MiB are more than the kernel and a few messages take.
    let body = vec![7; 1 << 20];
    let mut sent = 0;
    let blocked = loop {
        let sending = client.notify(b"id", b"slow", &body);
        if tokio::time::timeout(std::time::Duration::from_secs(1), sending).await.is_err() {
            break true;
        }
        sent += 1;
        if sent == 64 {
            break false;
        }
    };
    assert!(blocked, "everything was taken");
    assert_eq!(served.sessions.stats().notified, 1);
    // What waits is handled when it can be, in order, and the session lives.
    served.urls.0.add_permits(100);
    until("the messages", || served.sessions.stats().notified > sent / 2).await;
    assert_eq!(served.sessions.stats().faulty, 0);
}

/// Sends 1,000 messages at once, and acknowledges what comes only then.
async fn in_a_burst(client: &mut crate::harness::Client, topic: &[u8]) {
    for _ in 0..1000 {
        client.notify(b"id", topic, b"x").await;
    }
}

/// Takes as many messages and as many confirmations.
async fn takes_all(client: &mut crate::harness::Client) {
    let (mut messages, mut confirmed) = (0, 0);
    while messages < 1000 || confirmed < 1000 {
        let frame = client.hear().await.unwrap();
        match B2s::read(&frame).unwrap() {
            B2s::ReceiveStream(part) => {
                messages += 1;
                client.acknowledge(part.identifier, 0, true).await;
            }
            B2s::ConfirmNotify { subscribers: 1, .. } => confirmed += 1,
            other => panic!("{other:?}"),
        }
    }
}

#[actix_web::test]
async fn a_subscriber_that_publishes_a_burst_to_itself_does_not_lock_itself_up() {
    let served = serve(Settings::default()).await;
    let mut client = served.subscriber(&["a"]).await;
    in_a_burst(&mut client, b"a").await;
    takes_all(&mut client).await;
    assert_eq!(served.sessions.stats().slow, 0);
}

#[actix_web::test]
async fn two_subscribers_that_publish_bursts_to_each_other_do_not_lock_each_other_up() {
    let served = serve(Settings::default()).await;
    let (mut one, mut other) = (served.subscriber(&["a"]).await, served.subscriber(&["b"]).await);
    in_a_burst(&mut one, b"b").await;
    in_a_burst(&mut other, b"a").await;
    tokio::join!(takes_all(&mut one), takes_all(&mut other));
    assert_eq!(served.sessions.stats().slow, 0);
}
