//! Clocks that are wrong, and events that grow too old.

use super::*;
use crate::{Hub, HubSettings};

#[test]
fn what_has_grown_too_old_is_dropped_in_files_and_across_them() {
    let folder = tempdir().unwrap();
    let settings =
        DiskSettings { max_age: Some(Duration::from_secs(3600)), max_bytes: 1 << 21, durable: true, ..small(&folder) };
    let log = DiskBacklog::open(settings.clone()).unwrap();
    let old = SystemTime::now() - Duration::from_secs(3601);
    for _ in 0..300 {
        try_add(&log, &[0; 1000], old).unwrap();
        wait(log.stored(log.extent().newest)).unwrap();
    }
    let kept = add(&log, b"kept");
    until("the old ones are gone", || log.extent().oldest == Some(kept));
    assert_eq!((log.len(), all(&log).len()), (1, 1));
    until("their files too", || files(&settings).len() == 1);
}

#[test]
fn messages_of_a_clock_that_was_wrong_go_with_the_first_after_them_that_is_too_old() {
    let folder = tempdir().unwrap();
    let (hour, now) = (Duration::from_secs(3600), SystemTime::now());
    let settings = DiskSettings { max_age: Some(hour), max_bytes: 1 << 21, durable: true, ..small(&folder) };
    let log = DiskBacklog::open(settings.clone()).unwrap();
    // Over several files.
    for time in [now + 100 * hour, now - 2 * hour] {
        for _ in 0..100 {
            let cursor = try_add(&log, &[0; 2000], time).unwrap();
            wait(log.stored(cursor)).unwrap();
        }
    }
    let wrong = try_add(&log, b"wrong", now + 100 * hour).unwrap();
    let kept = add(&log, b"kept");
    until("the old ones are gone", || log.extent().oldest == Some(wrong));
    assert_eq!(all(&log).last().unwrap().cursor(), kept);
}

#[test]
fn an_imported_time_that_is_ahead_of_the_clock_is_that_of_no_other_event() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("backlog.json");
    let times = [4_000_000_000_u64, 1_695_221_122, 4_000_000_000, 1_695_221_124, 1_695_221_123];
    let line = |time: &u64| format!("{{\"timestamp\": {time}, \"topics\": [], \"json\": {{}}, \"private\": false}}\n");
    std::fs::write(&file, times.iter().map(line).collect::<String>()).unwrap();
    let log = DiskBacklog::open_with_pypubsub(small(&folder), &file).unwrap();
    let seconds = |message: &Arc<Message>| message.time().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let found: Vec<_> = all(&log).iter().map(seconds).collect();
    assert_eq!(found[1..], [1_695_221_122, 1_695_221_122, 1_695_221_124, 1_695_221_124]);
    assert!(found[0] < times[0], "the first has the time of the import");
    let hub = Hub::with_backlog(HubSettings::default(), Arc::new(log));
    let live = hub.publish(Draft::json("a", "1")).unwrap().cursor;
    assert_eq!(wait(hub.locate(Start::Since(SystemTime::now() + Duration::from_secs(9)))).unwrap(), live);
}

#[test]
fn a_hub_does_not_go_on_with_the_time_of_a_clock_that_was_wrong() {
    let folder = tempdir().unwrap();
    let log = DiskBacklog::open(small(&folder)).unwrap();
    let wrong = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    try_add(&log, b"wrong", wrong).unwrap();
    drop(log);
    let log = Arc::new(DiskBacklog::open(small(&folder)).unwrap());
    assert_eq!(log.newest_time(), wrong);
    let hub = Hub::with_backlog(HubSettings::default(), Arc::clone(&log) as _);
    let began = SystemTime::now();
    hub.publish(Draft::json("a", "1")).unwrap();
    let time = all(&log).last().unwrap().time();
    assert!((began..=SystemTime::now()).contains(&time), "{time:?}");
}
