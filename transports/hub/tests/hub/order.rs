//! One order for all, from many threads to many threads.

use std::collections::HashSet;
use std::sync::mpsc;
use std::thread;

use eventhive_hub::{Cursor, Draft, Hub, HubSettings, Outbound, SessionSettings};
use eventhive_transport::{Filter, Overflow};
use futures_util::StreamExt;

use crate::support::{glob, hub, run, session};

const PUBLISHERS: usize = 4;
const EACH: usize = 2000;

/// What a subscriber saw: cursor, topic, payload.
type Seen = Vec<(Cursor, String, usize)>;

/// A subscriber on a thread of its own; tells when it stands.
fn subscriber(hub: &Hub, filter: Filter, expected: usize, standing: mpsc::Sender<()>) -> thread::JoinHandle<Seen> {
    let hub = hub.clone();
    thread::spawn(move || {
        run(async {
            let settings =
                SessionSettings { overflow: Overflow::Block, queue_bytes: 8192, ..SessionSettings::default() };
            let (_session, outgoing) = session(&hub, settings, &[filter]);
            standing.send(()).unwrap();
            let seen = outgoing.take(expected).map(|item| match item {
                Outbound::Event { message, .. } => {
                    let number = std::str::from_utf8(message.payload()).unwrap().parse().unwrap();
                    (message.cursor(), message.topic().to_string(), number)
                }
                Outbound::Own(frame) => panic!("{frame:?}"),
            });
            seen.collect().await
        })
    })
}

#[test]
fn many_publishers_make_one_order_that_all_subscribers_see() {
    let hub = Hub::new(HubSettings { worker_inbox_bytes: 4096, ..HubSettings::default() });
    let (standing, stands) = mpsc::channel();
    let all = PUBLISHERS * EACH;
    let subscribers = [
        subscriber(&hub, Filter::All, all, standing.clone()),
        subscriber(&hub, glob("p/*"), all, standing.clone()),
        subscriber(&hub, Filter::exact("p/1"), EACH, standing),
    ];
    assert_eq!(stands.iter().take(3).count(), 3);
    let published: Vec<Cursor> = thread::scope(|scope| {
        let publishers = (0..PUBLISHERS).map(|publisher| {
            let hub = &hub;
            scope.spawn(move || {
                run(async {
                    let mut cursors = Vec::new();
                    for number in 0..EACH {
                        hub.ready().await;
                        let draft = Draft::json(format!("p/{publisher}"), number.to_string());
                        cursors.push(hub.publish(draft).unwrap().cursor);
                    }
                    assert!(cursors.is_sorted(), "one publisher's cursors increase");
                    cursors
                })
            })
        });
        let publishers: Vec<_> = publishers.collect();
        publishers.into_iter().flat_map(|publisher| publisher.join().unwrap()).collect()
    });
    assert_eq!(published.iter().collect::<HashSet<_>>().len(), all, "no cursor is given twice");
    let seen = subscribers.map(|subscriber| subscriber.join().unwrap());
    assert!(seen[0].iter().map(|(cursor, ..)| cursor).is_sorted());
    assert_eq!(seen[0], seen[1]);
    let of_one: Seen = seen[0].iter().filter(|(_, topic, _)| topic == "p/1").cloned().collect();
    assert_eq!(of_one, seen[2]);
    assert!(of_one.iter().map(|(.., number)| *number).eq(0..EACH), "a publisher's order is kept");
    assert_eq!(hub.stats().drops.total(), 0);
}

#[test]
fn a_thread_that_ends_takes_its_sessions_along_and_stops_no_publisher() {
    let hub = Hub::new(HubSettings { worker_inbox_bytes: 100, ..HubSettings::default() });
    thread::scope(|scope| {
        scope.spawn(|| run(async { std::mem::forget(session(&hub, SessionSettings::default(), &[Filter::All])) }));
    });
    for _ in 0..10 {
        hub.publish(Draft::json("a", "1")).unwrap();
        assert!(hub.is_ready(), "nobody reads there, so nobody is waited for");
    }
    assert_eq!(hub.stats().drops.ended, 10);
}

#[test]
fn sessions_that_come_and_go_while_events_flow_leave_nothing_behind() {
    let hub = hub();
    thread::scope(|scope| {
        let (stop, stopped) = mpsc::channel::<()>();
        let hub = &hub;
        scope.spawn(move || {
            while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                hub.publish(Draft::json("a/b", "1")).unwrap();
                thread::yield_now();
            }
        });
        run(async {
            for round in 0..300 {
                let (session, mut outgoing) = session(hub, SessionSettings::default(), &[]);
                let filter = if round % 2 == 0 { glob("a/*") } else { Filter::exact("a/b") };
                let subscription = session.subscribe(filter).unwrap();
                outgoing.next().await.unwrap();
                if round % 3 == 0 {
                    session.unsubscribe(subscription);
                }
            }
        });
        drop(stop);
    });
    let stats = hub.stats();
    assert_eq!((stats.sessions, stats.subscriptions, stats.filters, stats.workers), (0, 0, 0, 0));
    assert_eq!((stats.queue_bytes, stats.inbox_bytes), (0, 0));
    assert!(stats.delivered >= 300);
}
