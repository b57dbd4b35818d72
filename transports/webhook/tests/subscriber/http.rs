//! What holds over HTTP, and with both wires.

use std::time::Duration;

use eventhive_conformance::free_port;
use eventhive_webhook::subscriber::{Event, Upgrade, Wish};
use futures_util::StreamExt as _;

use crate::lonely::{Lonely, PAIRS};
use crate::support::{anywhere, builder, expect, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_that_a_broadcaster_has_lost_are_made_again_and_the_gap_is_told() {
    let lonely = Lonely::start(Some(PAIRS[2].1));
    let subscriber = builder(&lonely, Upgrade::Never).check_interval(Duration::from_millis(200)).build().unwrap();
    let wishes = [Wish::exact("a"), Wish::exact("b"), Wish::glob("c/*").unwrap()];
    let mut events = subscriber.subscribe_multi(wishes).await.unwrap().with_gaps();
    lonely.sql("DELETE FROM httppubsub_subscription_exacts WHERE exact = CAST('a' AS BLOB)");
    lonely.sql("DELETE FROM httppubsub_subscription_globs");
    for _ in 0..2 {
        assert!(matches!(soon("a gap", events.next()).await, Some(Event::Gap)));
    }
    for topic in ["a", "b", "c/d"] {
        assert_eq!(soon("a notify", subscriber.notify(topic, "x")).await.unwrap().count, 1, "{topic}");
        assert!(matches!(soon("a message", events.next()).await, Some(Event::Message(_))));
    }
    subscriber.close().await;
    assert_eq!(lonely.sql("SELECT * FROM httppubsub_subscription_exacts"), "");
    assert_eq!(lonely.sql("SELECT * FROM httppubsub_subscription_globs"), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_was_killed_takes_over_its_url_and_drops_what_it_no_longer_wants() {
    let lonely = Lonely::start(None);
    let mut listen = anywhere();
    let port = free_port();
    listen.port = port;
    let url = format!("http://127.0.0.1:{port}/v1/receive");
    // What a subscriber has left behind that could not say that it ends.
    let left = |topic: &str| {
        format!("INSERT INTO httppubsub_subscription_exacts (url, exact) VALUES ('{url}', CAST('{topic}' AS BLOB))")
    };
    lonely.sql(&left("old"));
    lonely.sql(&left("kept"));
    let glob = format!("{url}?glob=0123456789abcdef");
    lonely.sql(&format!("INSERT INTO httppubsub_subscription_globs (url, glob) VALUES ('{glob}', 'old/*')"));
    let subscriber = builder(&lonely, Upgrade::Never).listen(listen).build().unwrap();
    let mut messages = soon("subscribing", subscriber.subscribe_exact("kept")).await.unwrap();
    assert_eq!(subscriber.notify("kept", "x").await.unwrap().count, 1);
    expect(&mut messages, "kept", "x").await;
    assert_eq!(lonely.sql("SELECT CAST(exact AS TEXT) FROM httppubsub_subscription_exacts"), "kept\n");
    assert_eq!(subscriber.notify("old/pattern", "x").await.unwrap().count, 0);
    assert_eq!(lonely.sql("SELECT glob FROM httppubsub_subscription_globs"), "");
    subscriber.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_topic_changes_to_the_websocket_and_back_without_loss_or_repetition() {
    let lonely = Lonely::start(Some(PAIRS[2].1));
    let auto = Upgrade::Auto { busy: 20.0, quiet: 2.0 };
    let subscriber = builder(&lonely, auto).build().unwrap();
    let notifier = builder(&lonely, Upgrade::Websocket).build().unwrap();
    let mut messages = subscriber.subscribe_exact("busy").await.unwrap();
    let ours = "SELECT count(*) FROM httppubsub_subscription_exacts WHERE url LIKE '%/v1/receive'";
    let theirs = "SELECT count(*) FROM httppubsub_subscription_exacts WHERE url LIKE '%/v1/receive_for_websockets'";
    assert_eq!((lonely.sql(ours), lonely.sql(theirs)), ("1\n".to_owned(), "0\n".to_owned()));
    let mut sent = 0;
    let change = async {
        while lonely.sql(ours) != "0\n" {
            for _ in 0..40 {
                notifier.notify("busy", sent.to_string()).await.unwrap();
                sent += 1;
            }
        }
    };
    soon("the change to the websocket", change).await;
    assert_eq!(lonely.sql(theirs), "1\n");
    let back = async {
        while lonely.sql(theirs) != "0\n" {
            tokio::task::yield_now().await;
        }
    };
    soon("the change back", back).await;
    assert_eq!(lonely.sql(ours), "1\n");
    notifier.notify("busy", "last").await.unwrap();
    for number in 0..sent {
        expect(&mut messages, "busy", &number.to_string()).await;
    }
    expect(&mut messages, "busy", "last").await;
    tokio::join!(subscriber.close(), notifier.close());
}
