//! The hub on a log on disk: what survives, who sees what, and when a publisher is answered.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use eventhive_hub::{
    Access, Backlog, BacklogError, Cursor, CursorError, DiskBacklog, DiskSettings, Draft, Hub, HubSettings, LocalLink,
    Message, Outbound, PublishRefused, ReplayError, SessionSettings, Start,
};
use eventhive_transport::{Delivery, Filter, Link, Overflow};
use futures_util::StreamExt;
use tempfile::{TempDir, tempdir};

use crate::support::{glob, publish, run, session, take, text};

fn open(folder: &TempDir, change: impl FnOnce(DiskSettings) -> DiskSettings) -> Hub {
    let backlog = DiskBacklog::open(change(DiskSettings::new(folder.path().join("log")))).unwrap();
    Hub::with_backlog(HubSettings::default(), Arc::new(backlog))
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[test]
fn a_session_resumes_by_its_cursor_after_a_restart_and_goes_live() {
    run(async {
        let folder = tempdir().unwrap();
        let hub = open(&folder, |settings| settings);
        let cursors: Vec<Cursor> =
            (0..500).map(|n| hub.publish(Draft::json("a", n.to_string())).unwrap().cursor).collect();
        let given = hub.public(cursors[9], false).to_string();
        hub.close().await;
        assert!(matches!(hub.publish(Draft::json("a", "1")).unwrap_err().reason, PublishRefused::Closed));
        drop(hub);
        let hub = open(&folder, |settings| settings);
        let known = hub.find(given.parse().unwrap(), None).await.unwrap();
        let (session, mut outgoing) = session(&hub, SessionSettings::default(), &[]);
        session.subscribe_from(Filter::All, Start::After(known)).await.unwrap();
        publish(&hub, "a", "500");
        assert_eq!(take(&mut outgoing, 491).await, numbers(10..501));
        assert!(hub.newest() > cursors[499]);
        let error = session.subscribe_from(Filter::All, Start::After(Cursor::origin())).await.unwrap_err();
        let ReplayError::Backlog(BacklogError::Cursor(CursorError::Unknown { oldest })) = error else {
            panic!("{error}")
        };
        assert_eq!(oldest, Some(cursors[0]));
    });
}

#[test]
fn what_was_published_since_a_time_is_had_after_a_restart() {
    run(async {
        let folder = tempdir().unwrap();
        let hub = open(&folder, |settings| settings);
        publish(&hub, "a", "old");
        let now = SystemTime::now() + Duration::from_nanos(1);
        while SystemTime::now() < now {}
        publish(&hub, "a", "new");
        drop(hub);
        let hub = open(&folder, |settings| settings);
        let (session, mut outgoing) = session(&hub, SessionSettings::default(), &[]);
        session.subscribe_from(Filter::All, Start::Since(now)).await.unwrap();
        publish(&hub, "a", "live");
        assert_eq!(take(&mut outgoing, 2).await, ["new", "live"]);
    });
}

/// Some 40 MB of history, of which the log holds one in memory, and more while it is read.
#[test]
fn a_history_far_larger_than_memory_is_replayed_without_gap_or_duplicate_while_more_comes() {
    let folder = tempdir().unwrap();
    let hub = open(&folder, |settings| DiskSettings { max_bytes: 1 << 28, ..settings });
    let (before, total) = (20_000, 24_000);
    let payload = |number: usize| format!("\"{number}{}\"", "x".repeat(2000));
    let topic = |number: usize| if number.is_multiple_of(2) { "a/even" } else { "a/odd" };
    let add = move |hub: &Hub, number: usize| loop {
        match hub.publish(Draft::json(topic(number), payload(number))) {
            Ok(_) => return,
            Err(error) => assert!(matches!(error.reason, PublishRefused::Busy), "{error}"),
        }
        thread::yield_now();
    };
    (0..before).for_each(|number| add(&hub, number));
    let publisher = thread::spawn({
        let hub = hub.clone();
        move || (before..total).for_each(|number| add(&hub, number))
    });
    run(async {
        let reader = |filter: Filter, expected: Vec<usize>| {
            let hub = hub.clone();
            tokio::task::spawn_local(async move {
                let settings =
                    SessionSettings { overflow: Overflow::Block, queue_bytes: 64 << 10, ..SessionSettings::default() };
                let (session, mut outgoing) = session(&hub, settings, &[]);
                let reading = async {
                    let mut got = Vec::new();
                    while got.len() < expected.len() {
                        let item = text(outgoing.next().await.unwrap());
                        got.push(item[1..].split('x').next().unwrap().parse::<usize>().unwrap());
                    }
                    got
                };
                let (subscription, got) = tokio::join!(session.subscribe_from(filter, Start::Oldest), reading);
                subscription.unwrap();
                assert!(got == expected, "{} of {}", got.len(), expected.len());
            })
        };
        let everything = reader(glob("a/*"), (0..total).collect());
        let odd = reader(Filter::exact("a/odd"), (0..total).filter(|number| number % 2 == 1).collect());
        everything.await.unwrap();
        odd.await.unwrap();
    });
    publisher.join().unwrap();
}

#[test]
fn private_messages_stay_private_in_a_replay_from_disk() {
    run(async {
        let folder = tempdir().unwrap();
        let hub = open(&folder, |settings| settings);
        for (topic, private) in [("green/1", true), ("open/1", false), ("red/1", true)] {
            hub.publish(Draft::json(topic, "1").private(private)).unwrap();
        }
        drop(hub);
        let hub = open(&folder, |settings| settings);
        let green: Arc<dyn Access> = Arc::new(|message: &Message| message.topic().as_bytes().starts_with(b"green"));
        let may = SessionSettings { access: Some(green), ..SessionSettings::default() };
        for (settings, expected) in [(may, vec!["green/1", "open/1"]), (SessionSettings::default(), vec!["open/1"])] {
            let (session, mut outgoing) = session(&hub, settings, &[]);
            session.subscribe_from(Filter::All, Start::Oldest).await.unwrap();
            session.close();
            let mut topics = Vec::new();
            while let Some(Outbound::Event { message, .. }) = outgoing.next().await {
                topics.push(message.topic().to_string());
            }
            assert_eq!(topics, expected);
        }
    });
}

#[test]
fn a_session_does_not_get_its_own_from_disk_and_no_other_is_taken_for_it_after_a_restart() {
    run(async {
        let folder = tempdir().unwrap();
        let hub = open(&folder, |settings| settings);
        let (one, mut outgoing) = session(&hub, SessionSettings::default(), &[]);
        let id = one.id();
        // More than memory has.
        for number in 0..3000 {
            hub.publish(Draft::bytes("a", vec![b'x'; 1000]).exclude((number % 2 == 0).then_some(id))).unwrap();
        }
        let replay = one.subscribe_from(Filter::All, Start::Oldest);
        let (replayed, taken) = tokio::join!(replay, take(&mut outgoing, 1500));
        replayed.unwrap();
        assert_eq!(taken.len(), 1500);
        assert!(outgoing.try_next().is_none());
        drop((one, outgoing, hub));
        let backlog = DiskBacklog::open(DiskSettings::new(folder.path().join("log"))).unwrap();
        let first = backlog.locate(Start::Oldest).await.unwrap();
        assert!(backlog.read(first, 10).await.unwrap().iter().all(|message| message.excluded().is_none()));
    });
}

#[test]
fn a_local_link_is_answered_when_the_event_is_stored() {
    run(async {
        let folder = tempdir().unwrap();
        let hub = open(&folder, |settings| DiskSettings { durable: true, ..settings });
        assert!(hub.is_durable());
        let link = LocalLink::new(hub.clone()).unwrap();
        for number in 0..50 {
            let receipt = link.publish("a".into(), number.to_string().into()).unwrap();
            assert_eq!(receipt.await, Ok(Delivery::Counted(0)));
        }
        hub.stored(hub.newest()).await.unwrap();
        drop((link, hub));
    });
}

#[test]
fn many_publishers_share_the_work_of_storing() {
    run(async {
        let folder = tempdir().unwrap();
        let hub = open(&folder, |settings| DiskSettings { durable: true, ..settings });
        let publishers: Vec<_> = (0..100)
            .map(|publisher| {
                let hub = hub.clone();
                tokio::task::spawn_local(async move {
                    let mut cursors = Vec::new();
                    for number in 0..20 {
                        hub.ready().await;
                        let cursor =
                            hub.publish(Draft::json("a", format!("{}", publisher * 100 + number))).unwrap().cursor;
                        hub.stored(cursor).await.unwrap();
                        cursors.push(cursor);
                    }
                    cursors
                })
            })
            .collect();
        let mut all = BTreeSet::new();
        for publisher in publishers {
            all.extend(publisher.await.unwrap());
        }
        assert_eq!((all.len(), all.last().copied()), (2000, Some(hub.newest())));
    });
}
