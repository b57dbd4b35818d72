//! What holds over HTTP and over a websocket.

use std::io::Write as _;
use std::time::Duration;

use eventhive_conformance::free_port;
use eventhive_webhook::subscriber::{Broadcaster, Event, Payload, Status, Subscriber, SubscriberError, Wish};
use eventhive_webhook::wire::digest::hash;
use futures_util::StreamExt as _;

use crate::lonely::{Lonely, PAIRS};
use crate::support::{WIRES, anywhere, builder, expect, next, soon, subscriber};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_and_patterns_are_delivered_with_every_pair_of_authorizations() {
    for (pair, secrets) in PAIRS {
        let lonely = Lonely::start(Some(secrets));
        for wire in WIRES {
            let told = format!("{pair} over {wire:?}");
            let (receiver, notifier) = (subscriber(&lonely, wire), subscriber(&lonely, wire));
            let mut exact = soon(&told, receiver.subscribe_exact("news/today")).await.expect(&told);
            let mut glob = soon(&told, receiver.subscribe_glob("weather/*")).await.expect(&told);
            for (topic, messages) in [("news/today", &mut exact), ("weather/oslo/wind", &mut glob)] {
                for round in ["first", "second"] {
                    let notified = soon(&told, notifier.notify(topic, round)).await.expect(&told);
                    assert_eq!(notified.count, 1, "{told}");
                    expect(messages, topic, round).await;
                }
            }
            assert_eq!(soon(&told, notifier.notify("nobody", "x")).await.expect(&told).count, 0, "{told}");
            soon("closing", async { tokio::join!(receiver.close(), notifier.close()) }).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_files_and_readers_of_any_size_arrive_whole() {
    let lonely = Lonely::start(Some(PAIRS[2].1));
    for wire in WIRES {
        let subscriber = subscriber(&lonely, wire);
        let mut messages = subscriber.subscribe_exact("sizes").await.unwrap();
        let large: Vec<u8> = (0..50_u32 << 20).map(|at| (at ^ (at >> 7)) as u8).collect();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&large).unwrap();
        let every: Vec<u8> = (0..=255).collect();
        let payloads: [(Payload, &[u8]); 6] = [
            (Payload::from(""), b""),
            (Payload::from(every.clone()), &every),
            (Payload::path(file.path()), &large),
            (Payload::reader(std::io::Cursor::new(large.clone())), &large),
            (Payload::from(large[..3_670_016].to_vec()), &large[..3_670_016]),
            (Payload::from("after"), b"after"),
        ];
        for (payload, expected) in payloads {
            let notify = subscriber.notify("sizes", payload);
            assert_eq!(soon("a notify", notify).await.unwrap().count, 1);
            let message = soon("a message", messages.next()).await.unwrap();
            assert_eq!(message.sha512, hash(expected));
            assert_eq!(message.body.len(), expected.len() as u64);
            let got = message.body.piece(0, expected.len()).await.unwrap();
            assert!(got == expected, "{} bytes differ over {wire:?}", expected.len());
        }
        subscriber.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_small_messages_arrive_in_order_and_once() {
    let lonely = Lonely::start(None);
    for wire in WIRES {
        let subscriber = builder(&lonely, wire).compression(false).build().unwrap();
        let mut messages = subscriber.subscribe_exact("many").await.unwrap();
        for number in 0..1000 {
            soon("a notify", subscriber.notify("many", number.to_string())).await.unwrap();
        }
        for number in 0..1000 {
            expect(&mut messages, "many", &number.to_string()).await;
        }
        subscriber.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_are_shared_within_a_subscriber_and_end_with_the_last() {
    let lonely = Lonely::start(None);
    for wire in WIRES {
        let subscriber = subscriber(&lonely, wire);
        let mut one = subscriber.subscribe_exact("shared").await.unwrap();
        let mut other = subscriber.subscribe_multi([Wish::exact("shared"), Wish::exact("else")]).await.unwrap();
        assert_eq!(subscriber.notify("shared", "both").await.unwrap().count, 1);
        expect(&mut one, "shared", "both").await;
        expect(&mut other, "shared", "both").await;
        drop(one);
        assert_eq!(subscriber.notify("shared", "one").await.unwrap().count, 1);
        expect(&mut other, "shared", "one").await;
        drop(other);
        let ended = async { while subscriber.notify("shared", "nobody").await.unwrap().count > 0 {} };
        soon("the end of a subscription", ended).await;
        subscriber.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_with_a_timeout_yields_nothing_when_nothing_comes_and_goes_on() {
    let lonely = Lonely::start(None);
    for wire in WIRES {
        let subscriber = subscriber(&lonely, wire);
        let messages = subscriber.subscribe_exact("slow").await.unwrap();
        let mut messages = messages.with_timeout(Duration::from_millis(50));
        assert!(soon("nothing", messages.next()).await.unwrap().is_none());
        subscriber.notify("slow", "x").await.unwrap();
        let came = async {
            loop {
                if let Some(message) = messages.next().await.unwrap() {
                    return message;
                }
            }
        };
        assert_eq!(soon("the message", came).await.body.len(), 1);
        subscriber.close().await;
        let ended = async { while messages.next().await.is_some() {} };
        soon("the end", ended).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_broadcaster_is_survived_with_all_subscriptions() {
    let lonely = Lonely::start(Some(PAIRS[2].1));
    for wire in WIRES {
        let subscriber = subscriber(&lonely, wire);
        let mut messages = subscriber.subscribe_multi([Wish::exact("a"), Wish::glob("b/*").unwrap()]).await.unwrap();
        subscriber.notify("a", "before").await.unwrap();
        expect(&mut messages, "a", "before").await;
        lonely.stop();
        lonely.start_again();
        for topic in ["a", "b/c"] {
            let arrived = async { while subscriber.notify(topic, "after").await.map_or(0, |done| done.count) == 0 {} };
            soon("a broadcaster's restart", arrived).await;
            let (mut its, mut bytes) = next(&mut messages).await;
            // One that came twice, because nobody knew of the first.
            while its != topic {
                (its, bytes) = next(&mut messages).await;
            }
            assert_eq!(bytes, b"after");
        }
        subscriber.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broadcaster_that_cannot_be_reached_is_passed_over_and_if_none_is_left_it_is_said() {
    let lonely = Lonely::start(None);
    let nowhere = Broadcaster::new(&format!("http://127.0.0.1:{}", free_port())).unwrap().with_priority(1);
    for wire in WIRES {
        let both = builder(&lonely, wire).broadcaster(nowhere.clone()).build().unwrap();
        let mut messages = soon("subscribing", both.subscribe_exact("a")).await.unwrap();
        soon("a notify", both.notify("a", "x")).await.unwrap();
        expect(&mut messages, "a", "x").await;
        both.close().await;

        let alone = Subscriber::builder().broadcaster(nowhere.clone()).listen(anywhere()).upgrade(wire).rounds(2);
        let alone = alone.build().unwrap();
        let refused = soon("a subscribe", alone.subscribe_exact("a")).await;
        assert!(matches!(refused, Err(SubscriberError::Exhausted(_) | SubscriberError::Closed)), "{refused:?}");
        let refused = soon("a notify", alone.notify("a", "x")).await;
        assert!(matches!(refused, Err(SubscriberError::Exhausted(_) | SubscriberError::Closed)), "{refused:?}");
        alone.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_secret_is_refused_by_both_ends() {
    let lonely = Lonely::start(Some(PAIRS[1].1));
    let other = Lonely::start(Some(PAIRS[2].1));
    for wire in WIRES {
        let wrong = Subscriber::builder().broadcaster(Broadcaster::new(&lonely.url()).unwrap());
        let wrong = wrong.schemes(other.schemes()).listen(anywhere()).upgrade(wire).rounds(1).build().unwrap();
        let refused = soon("a subscribe", wrong.subscribe_exact("a")).await;
        assert!(matches!(refused, Err(SubscriberError::Refused(_) | SubscriberError::Closed)), "{refused:?}");
        let refused = soon("a notify", wrong.notify("a", "x")).await;
        assert!(matches!(refused, Err(SubscriberError::Refused(_) | SubscriberError::Closed)), "{refused:?}");
        wrong.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_condition_says_when_messages_come_and_when_it_is_over() {
    let lonely = Lonely::start(None);
    for wire in WIRES {
        let subscriber = subscriber(&lonely, wire);
        let mut condition = subscriber.condition();
        let messages = subscriber.subscribe_exact("a").await.unwrap().with_gaps();
        soon("being connected", condition.wait_for(|now| now.status == Status::Ok)).await.unwrap();
        assert_eq!(condition.borrow().gaps, 0);
        soon("closing", subscriber.close()).await;
        assert_eq!(condition.borrow().status, Status::Abandoned);
        let rest: Vec<Event> = soon("the end", messages.collect()).await;
        assert!(rest.is_empty(), "{rest:?}");
        assert!(matches!(subscriber.notify("a", "x").await, Err(SubscriberError::Closed)));
        assert!(matches!(subscriber.subscribe_exact("a").await, Err(SubscriberError::Closed)));
    }
}
