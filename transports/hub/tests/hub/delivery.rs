//! Who gets what, how often, in what order.

use std::sync::Arc;

use bytes::Bytes;
use eventhive_hub::{
    Draft, Hub, HubSettings, Relay, ReplayError, SendError, SessionSettings, Start, SubscribeError, Tracker,
};
use eventhive_transport::{Filter, Topic};
use futures_util::FutureExt;

use crate::support::{glob, hub, next, publish, run, session, take};

fn segments(names: &[&str]) -> Filter {
    Filter::Segments(vec![names.iter().map(|name| Topic::from(*name)).collect()])
}

#[test]
fn an_event_reaches_every_kind_of_filter_that_matches_and_no_other() {
    run(async {
        let hub = hub();
        let filters = [Filter::exact("a/b/c"), glob("a/*/c"), segments(&["c", "a"]), Filter::All];
        let others = [Filter::exact("a/b"), glob("a/*/d"), segments(&["c", "d"]), Filter::Segments(vec![])];
        let mut matching: Vec<_> =
            filters.into_iter().map(|f| session(&hub, SessionSettings::default(), &[f])).collect();
        let rest: Vec<_> = others.into_iter().map(|f| session(&hub, SessionSettings::default(), &[f])).collect();
        assert_eq!(publish(&hub, "a/b/c", "1"), 4);
        for (_, outgoing) in &mut matching {
            assert_eq!(next(outgoing).await.unwrap(), "1");
        }
        assert_eq!(hub.stats().delivered, 4);
        assert_eq!(hub.stats().queue_bytes, 0);
        assert_eq!(hub.stats().sessions, 8);
        drop((matching, rest));
        assert_eq!((hub.stats().sessions, hub.stats().subscriptions, hub.stats().filters), (0, 0, 0));
    });
}

#[test]
fn an_event_comes_once_for_each_matching_subscription_of_a_session() {
    run(async {
        let hub = hub();
        let filters = [Filter::exact("a"), Filter::exact("a"), Filter::All];
        let (_session, mut outgoing) = session(&hub, SessionSettings::default(), &filters);
        assert_eq!(publish(&hub, "a", "1"), 1, "sessions are counted, not copies");
        publish(&hub, "b", "2");
        assert_eq!(take(&mut outgoing, 4).await, ["1", "1", "1", "2"]);
        assert_eq!(hub.stats().queue_bytes, 0);
    });
}

#[test]
fn a_session_that_deduplicates_gets_an_event_once() {
    run(async {
        let hub = hub();
        let settings = SessionSettings { deduplicate: true, ..SessionSettings::default() };
        let (_session, mut outgoing) = session(&hub, settings, &[Filter::exact("a"), Filter::exact("a"), Filter::All]);
        publish(&hub, "a", "1");
        publish(&hub, "b", "2");
        assert_eq!(take(&mut outgoing, 2).await, ["1", "2"]);
    });
}

#[test]
fn the_excluded_session_is_skipped_and_not_counted() {
    run(async {
        let hub = hub();
        let (publisher, mut own) = session(&hub, SessionSettings::default(), &[Filter::All]);
        let (_other, mut outgoing) = session(&hub, SessionSettings::default(), &[Filter::All]);
        let published = hub.publish(Draft::json("a", "1").exclude(publisher.id())).unwrap();
        assert_eq!(published.receivers, 1);
        assert_eq!(publish(&hub, "a", "2"), 2);
        assert_eq!(take(&mut outgoing, 2).await, ["1", "2"]);
        assert_eq!(next(&mut own).await.unwrap(), "2");
    });
}

#[test]
fn unsubscribing_ends_one_subscription_of_the_session_and_no_other() {
    run(async {
        let hub = hub();
        let (one, mut outgoing) = session(&hub, SessionSettings::default(), &[Filter::exact("b")]);
        let (other, _other_outgoing) = session(&hub, SessionSettings::default(), &[]);
        let id = one.subscribe(Filter::exact("a")).unwrap();
        assert!(!other.unsubscribe(id), "it is not its own");
        assert_eq!(publish(&hub, "a", "1"), 1);
        assert!(one.unsubscribe(id));
        assert!(!one.unsubscribe(id), "it is gone");
        assert_eq!(publish(&hub, "a", "2"), 0);
        assert_eq!(publish(&hub, "b", "3"), 1);
        assert_eq!(take(&mut outgoing, 2).await, ["1", "3"]);
    });
}

#[test]
fn own_frames_keep_their_place_among_the_events() {
    run(async {
        let hub = hub();
        let (session, mut outgoing) = session(&hub, SessionSettings::default(), &[Filter::All]);
        session.send(Bytes::from_static(b"first")).unwrap();
        publish(&hub, "a", "event");
        assert_eq!(take(&mut outgoing, 2).await, ["first", "event"]);
        session.send(Bytes::from_static(b"last")).unwrap();
        session.close();
        assert!(matches!(session.send(Bytes::new()), Err(SendError::Ended(_))));
        assert!(matches!(session.subscribe(Filter::All), Err(SubscribeError::Ended(_))));
        assert_eq!(next(&mut outgoing).await.unwrap(), "last", "what waits comes before the end");
        assert_eq!(next(&mut outgoing).await, None);
    });
}

#[test]
fn a_session_has_no_more_subscriptions_than_it_may() {
    run(async {
        let hub = hub();
        let settings = SessionSettings { max_subscriptions: 2, ..SessionSettings::default() };
        let (session, _outgoing) = session(&hub, settings, &[Filter::All, Filter::All]);
        assert_eq!(session.subscribe(Filter::All), Err(SubscribeError::TooMany { limit: 2 }));
    });
}

#[test]
fn a_tracker_resolves_when_every_receiver_is_done() {
    run(async {
        let hub = hub();
        let mut sessions: Vec<_> = (0..3).map(|_| session(&hub, SessionSettings::default(), &[Filter::All])).collect();
        let (tracker, mut tracked) = Tracker::new();
        hub.publish(Draft::json("a", "1").tracked(tracker)).unwrap();
        for (_, outgoing) in &mut sessions {
            assert!((&mut tracked).now_or_never().is_none());
            assert_eq!(next(outgoing).await.unwrap(), "1");
        }
        assert_eq!(tracked.await, 0, "nobody confirmed, all are done");
        let (tracker, tracked) = Tracker::new();
        drop(sessions);
        hub.publish(Draft::json("a", "2").tracked(tracker)).unwrap();
        tracked.await;
    });
}

#[test]
fn an_event_on_its_way_to_a_session_that_has_ended_does_not_reach_the_next_one() {
    run(async {
        let hub = hub();
        let _worker = hub.worker();
        drop({
            let gone = session(&hub, SessionSettings::default(), &[Filter::All]);
            publish(&hub, "a", "1");
            gone
        });
        let (_new, mut outgoing) = session(&hub, SessionSettings::default(), &[Filter::All]);
        publish(&hub, "a", "2");
        assert_eq!(next(&mut outgoing).await.unwrap(), "2");
        assert_eq!(hub.stats().drops.ended, 1);
    });
}

#[test]
fn the_same_thread_has_one_worker_for_each_hub() {
    run(async {
        let (one, other) = (hub(), hub());
        let workers = [one.worker(), one.worker(), other.worker()];
        assert_eq!((one.stats().workers, other.stats().workers), (1, 1));
        drop(workers);
        assert_eq!((one.stats().workers, other.stats().workers), (0, 0));
    });
}

#[test]
fn a_subscription_to_a_longer_topic_than_there_can_be_is_refused_live_and_from_the_past() {
    run(async {
        let hub = Hub::new(HubSettings { max_topic_bytes: 10, ..HubSettings::default() });
        let (session, _outgoing) = session(&hub, SessionSettings::default(), &[]);
        let refused = Err(SubscribeError::TopicTooLong { size: 11, largest: 10 });
        assert_eq!(session.subscribe(Filter::exact("0123456789a")).map(|_| ()), refused);
        assert_eq!(session.subscribe(segments(&["01234", "6789a"])).map(|_| ()), refused);
        let replayed = session.subscribe_from(Filter::exact("0123456789a"), Start::Oldest).await;
        assert!(matches!(replayed, Err(ReplayError::Subscribe(SubscribeError::TopicTooLong { .. }))));
        session.subscribe(Filter::exact("0123456789")).unwrap();
        session.subscribe(segments(&["0123", "56789"])).unwrap();
        assert_eq!(hub.stats().subscriptions, 2);
    });
}

#[test]
fn a_session_has_a_limit_of_patterns_beside_that_of_subscriptions() {
    run(async {
        let hub = hub();
        let settings = SessionSettings { max_patterns: 2, max_subscriptions: 4, ..SessionSettings::default() };
        let (session, _outgoing) = session(&hub, settings, &[Filter::All, glob("a/*"), glob("no/wildcard")]);
        assert_eq!(session.subscribe(segments(&["a"])).unwrap_err(), SubscribeError::TooManyPatterns { limit: 2 });
        let last = session.subscribe(Filter::exact("a")).unwrap();
        assert_eq!(session.subscribe(Filter::exact("b")).unwrap_err(), SubscribeError::TooMany { limit: 4 });
        assert!(session.unsubscribe(last));
        assert_eq!(session.subscribe(glob("b/*")).unwrap_err(), SubscribeError::TooManyPatterns { limit: 2 });
    });
}

#[test]
fn the_error_of_a_topic_that_is_too_long_does_not_repeat_it() {
    let topic = "é".repeat(100_000);
    let error = hub().publish(Draft::json(topic.as_str(), "1")).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&"é".repeat(200)) && text.contains("the topic has 200000 bytes"), "{text}");
    assert!(text.len() < 600, "{}", text.len());
}

#[test]
fn who_stands_for_others_is_no_receiver_and_those_are() {
    run(async {
        let hub = hub();
        let relay: Arc<dyn Relay> = Arc::new(|topic: &Topic| topic.as_bytes().len() as u64);
        let settings = SessionSettings { relay: Some(relay), ..SessionSettings::default() };
        let (passing_on, _first) = session(&hub, settings, &[Filter::All]);
        let (itself, _second) = session(&hub, SessionSettings::default(), &[Filter::exact("abc")]);
        let receivers = |draft: Draft| hub.publish(draft).unwrap().receivers;
        assert_eq!(receivers(Draft::json("abc", "1")), 3 + 1);
        assert_eq!(receivers(Draft::json("ab", "1")), 2);
        assert_eq!(receivers(Draft::json("abc", "1").exclude(passing_on.id())), 1);
        assert_eq!(receivers(Draft::json("abc", "1").exclude(itself.id())), 3);
        assert_eq!(receivers(Draft::json("abc", "1").private(true)), 0, "it may not see it");
    });
}
