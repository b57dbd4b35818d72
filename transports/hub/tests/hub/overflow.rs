//! What a full queue does, policy by policy.

use std::time::Duration;

use bytes::Bytes;
use eventhive_hub::{Draft, Drops, Ended, Hub, HubSettings, PublishRefused, SendError, SessionSettings, Tracker};
use eventhive_transport::{Filter, Overflow};
use futures_util::FutureExt;
use tokio::task::yield_now;

use crate::support::{hub, next, publish, run, session, take};

/// Room for four events of one byte under a topic of one byte, whose weight is 66.
fn tight(overflow: Overflow) -> SessionSettings {
    SessionSettings { queue_bytes: 4 * 66, overflow, ..SessionSettings::default() }
}

/// Publishes `1` to `6` and lets the worker hand out what it can.
async fn publish_six(hub: &Hub) {
    for number in 1..=6 {
        publish(hub, "a", &number.to_string());
    }
    until(|| hub.stats().inbox_bytes == 0).await;
}

/// Lets the other tasks of the thread run until the condition holds; the test's own limit bounds it.
async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        yield_now().await;
    }
}

#[test]
fn drop_newest_keeps_what_waits_and_counts_what_it_drops() {
    run(async {
        let hub = hub();
        let (session, mut outgoing) = session(&hub, tight(Overflow::DropNewest), &[Filter::All]);
        publish_six(&hub).await;
        assert_eq!(take(&mut outgoing, 4).await, ["1", "2", "3", "4"]);
        assert_eq!((session.drops().newest, session.drops().total()), (2, 2));
        assert_eq!(hub.stats().drops, session.drops());
        publish(&hub, "a", "7");
        assert_eq!(next(&mut outgoing).await.unwrap(), "7");
    });
}

#[test]
fn drop_oldest_makes_room_but_never_of_the_doors_own_frames() {
    run(async {
        let hub = hub();
        let (session, mut outgoing) = session(&hub, tight(Overflow::DropOldest), &[Filter::All]);
        session.send(Bytes::from_static(b"answer")).unwrap();
        publish_six(&hub).await;
        assert_eq!(take(&mut outgoing, 5).await, ["answer", "3", "4", "5", "6"]);
        assert_eq!((session.drops().oldest, session.drops().total()), (2, 2));
        assert_eq!((hub.stats().delivered, hub.stats().queue_bytes), (4, 0));
    });
}

#[test]
fn disconnect_ends_the_slow_session_and_leaves_the_others_alone() {
    run(async {
        let hub = hub();
        let (slow, mut outgoing) = session(&hub, tight(Overflow::Disconnect), &[Filter::All]);
        let (_other, mut others) = session(&hub, SessionSettings::default(), &[Filter::All]);
        publish_six(&hub).await;
        assert_eq!(next(&mut outgoing).await, None, "what waited is gone");
        assert_eq!(outgoing.ended(), Some(Ended::SlowConsumer));
        assert_eq!((slow.drops().slow_consumer, slow.drops().total()), (5, 5), "four waited, the fifth did not fit");
        assert!(matches!(slow.send(Bytes::new()), Err(SendError::Ended(Ended::SlowConsumer))));
        assert_eq!(take(&mut others, 6).await, ["1", "2", "3", "4", "5", "6"]);
        assert_eq!((hub.stats().sessions, hub.stats().queue_bytes), (1, 0));
        assert_eq!(hub.stats().drops.total(), 6, "the sixth found the session gone");
    });
}

#[test]
fn a_burst_larger_than_the_queue_does_not_hurt_a_session_that_reads() {
    run(async {
        let hub = hub();
        let (session, mut outgoing) = session(&hub, tight(Overflow::Disconnect), &[Filter::All]);
        let reader = tokio::task::spawn_local(async move { take(&mut outgoing, 1000).await.len() });
        yield_now().await;
        for _ in 0..1000 {
            publish(&hub, "a", "x");
        }
        assert_eq!(reader.await.unwrap(), 1000);
        assert_eq!(session.drops(), Drops::default());
    });
}

#[test]
fn block_holds_the_worker_and_tells_publishers_until_there_is_room() {
    run(async {
        let hub = Hub::new(HubSettings { worker_inbox_bytes: 2 * 66, ..HubSettings::default() });
        let (session, mut outgoing) = session(&hub, tight(Overflow::Block), &[Filter::All]);
        for number in 0..10 {
            publish(&hub, "a", &number.to_string());
        }
        until(|| session.monitor().queued_bytes() == 4 * 66).await;
        assert!(!hub.is_ready());
        assert!(hub.ready().now_or_never().is_none());
        let expected: Vec<String> = (0..10).map(|number| number.to_string()).collect();
        assert_eq!(take(&mut outgoing, 10).await, expected);
        hub.ready().await;
        assert_eq!(session.drops(), Drops::default());
    });
}

#[test]
fn block_ends_a_session_that_blocks_for_too_long() {
    run(async {
        let hub = hub();
        let settings = SessionSettings { longest_block: Duration::from_millis(20), ..tight(Overflow::Block) };
        let (session, outgoing) = session(&hub, settings, &[Filter::All]);
        for _ in 0..10 {
            publish(&hub, "a", "x");
        }
        while outgoing.ended().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(outgoing.ended(), Some(Ended::SlowConsumer));
        until(|| hub.stats().inbox_bytes == 0).await;
        assert_eq!((session.drops().slow_consumer, hub.stats().drops.total()), (5, 10));
        hub.ready().await;
    });
}

#[test]
fn a_session_that_blocks_may_end_without_harm() {
    run(async {
        let hub = hub();
        let (session, outgoing) = session(&hub, tight(Overflow::Block), &[Filter::All]);
        for _ in 0..10 {
            publish(&hub, "a", "x");
        }
        until(|| session.monitor().queued_bytes() == 4 * 66).await;
        drop(outgoing);
        until(|| hub.stats().inbox_bytes == 0).await;
        assert_eq!((hub.stats().sessions, hub.stats().queue_bytes), (0, 0));
        assert_eq!(hub.stats().drops.ended, 10);
    });
}

#[test]
fn an_event_larger_than_the_queue_comes_when_nothing_else_waits() {
    for overflow in [Overflow::Block, Overflow::DropOldest, Overflow::Disconnect] {
        run(async {
            let hub = hub();
            let (_session, mut outgoing) = session(&hub, tight(overflow), &[Filter::All]);
            let large = "x".repeat(1000);
            publish(&hub, "a", &large);
            assert_eq!(next(&mut outgoing).await.unwrap(), large, "{overflow}");
            publish(&hub, "a", "small");
            assert_eq!(next(&mut outgoing).await.unwrap(), "small", "{overflow}");
        });
    }
}

#[test]
fn answers_that_nobody_reads_are_refused_when_they_fill_the_queue() {
    run(async {
        let hub = hub();
        let (session, mut outgoing) = session(&hub, tight(Overflow::DropNewest), &[Filter::All]);
        let answer = || Bytes::from_static(b"xx");
        for _ in 0..4 {
            session.send(answer()).unwrap();
        }
        assert_eq!(session.send(answer()), Err(SendError::Full(answer())));
        publish(&hub, "a", "event");
        assert_eq!(take(&mut outgoing, 5).await.last().unwrap(), "event", "events have their own bound");
        session.send(answer()).unwrap();
    });
}

#[test]
fn dropped_events_are_done_for_their_tracker() {
    run(async {
        let hub = hub();
        let (_session, _outgoing) = session(&hub, tight(Overflow::DropOldest), &[Filter::All]);
        let (tracker, tracked) = Tracker::new();
        hub.publish(Draft::json("a", "0").tracked(tracker)).unwrap();
        publish_six(&hub).await;
        tracked.await;
    });
}

#[test]
fn a_publisher_that_does_not_wait_is_refused_and_gets_its_draft_back() {
    run(async {
        let hub = Hub::new(HubSettings { worker_inbox_max_bytes: 200, ..HubSettings::default() });
        let (_session, mut outgoing) = session(&hub, SessionSettings::default(), &[Filter::exact("a")]);
        let refused = (0..10).find_map(|_| hub.publish(Draft::json("a", "1")).err()).unwrap();
        assert!(matches!(refused.reason, PublishRefused::Busy));
        assert_eq!(refused.draft.payload(), "1");
        assert_eq!(publish(&hub, "nobody", "1"), 0, "a worker that is not concerned refuses nothing");
        next(&mut outgoing).await;
        until(|| hub.stats().inbox_bytes == 0).await;
        hub.publish(*refused.draft).unwrap();
    });
}

#[test]
fn a_monitor_sees_a_stall_and_can_end_it() {
    run(async {
        let hub = hub();
        let (session, mut outgoing) = session(&hub, SessionSettings::default(), &[Filter::All]);
        let monitor = session.monitor();
        publish_six(&hub).await;
        assert_eq!(monitor.queued_bytes(), 6 * 66);
        while monitor.stalled_for() < Duration::from_millis(2) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        next(&mut outgoing).await;
        assert_eq!(monitor.stalled_for(), Duration::ZERO, "something was taken");
        monitor.disconnect(Ended::SlowConsumer);
        assert_eq!(next(&mut outgoing).await, None);
        assert_eq!((session.drops().slow_consumer, monitor.ended()), (5, Some(Ended::SlowConsumer)));
        assert_eq!(hub.stats().sessions, 0);
    });
}
