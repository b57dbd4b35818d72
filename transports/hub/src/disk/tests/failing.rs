//! Disks that fail, and those that stand still.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use super::super::writer::LogFile;
use super::*;
use crate::{Hub, HubSettings, PublishRefused};

const FINE: u8 = 0;
const FULL: u8 = 1;
const UNSAFE: u8 = 2;

/// A file on a disk that can be made to fail: full in the middle of a write, or unable to make things safe.
struct Frail {
    file: std::fs::File,
    mood: Arc<AtomicU8>,
    /// Bytes of it that are not safe.
    unsafe_bytes: usize,
    /// Those of files that were let go.
    let_go: Arc<AtomicUsize>,
}

impl Drop for Frail {
    fn drop(&mut self) {
        self.let_go.fetch_add(self.unsafe_bytes, Ordering::SeqCst);
    }
}

impl LogFile for Frail {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.mood.load(Ordering::Relaxed) == FULL {
            self.file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.unsafe_bytes += bytes.len();
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        match self.mood.load(Ordering::Relaxed) {
            UNSAFE => Err(io::Error::other("the device is gone")),
            _ => {
                self.unsafe_bytes = 0;
                Ok(())
            }
        }
    }
}

fn frail(settings: &DiskSettings) -> (DiskBacklog, Arc<AtomicU8>) {
    let (log, mood, _) = frail_and_counted(settings);
    (log, mood)
}

/// Counts the bytes of files that were let go before they were safe.
fn frail_and_counted(settings: &DiskSettings) -> (DiskBacklog, Arc<AtomicU8>, Arc<AtomicUsize>) {
    let (mood, counted) = (Arc::new(AtomicU8::new(FINE)), Arc::<AtomicUsize>::default());
    let (files, let_go) = (Arc::clone(&mood), Arc::clone(&counted));
    let create: Create = Box::new(move |path| {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(Box::new(Frail { file, mood: Arc::clone(&files), unsafe_bytes: 0, let_go: Arc::clone(&let_go) }))
    });
    (DiskBacklog::open_with(settings.clone(), create).unwrap(), mood, counted)
}

#[test]
fn a_disk_that_fails_is_told_to_the_publisher_and_the_log_goes_on_when_it_works_again() {
    for failure in [FULL, UNSAFE] {
        let folder = tempdir().unwrap();
        let settings = DiskSettings { durable: true, ..small(&folder) };
        let (log, mood) = frail(&settings);
        let mut stored = Vec::new();
        for round in 0..2_u8 {
            stored.push(add(&log, &[round, 1]));
            wait(log.stored(stored[stored.len() - 1])).unwrap();
            mood.store(failure, Ordering::Relaxed);
            let lost = add(&log, &[round, 2]);
            let told = wait(log.stored(lost)).unwrap_err();
            let BacklogError::Storage(error) = &told else { panic!("{told}") };
            assert_eq!(error.kind() == io::ErrorKind::StorageFull, failure == FULL, "{error}");
            assert!(wait(log.stored(lost)).is_err(), "who asks again is told again");
            let refused = try_add(&log, &[round, 3], SystemTime::now());
            assert!(matches!(refused, Err(BacklogError::Storage(_))), "{refused:?}");
            mood.store(FINE, Ordering::Relaxed);
            until("it is tried again", || match try_add(&log, &[round, 4], SystemTime::now()) {
                Ok(cursor) => {
                    stored.push(cursor);
                    true
                }
                Err(_) => false,
            });
            wait(log.stored(stored[stored.len() - 1])).unwrap();
            let found: Vec<_> = all(&log).iter().map(|message| message.cursor()).collect();
            assert_eq!(found, stored);
        }
        drop(log);
        let log = DiskBacklog::open(settings).unwrap();
        let found: Vec<_> = all(&log).iter().map(|message| message.cursor()).collect();
        assert_eq!(found, stored);
        assert_eq!(log.len(), 4);
    }
}

#[test]
fn what_was_written_before_a_failure_is_made_safe_although_nobody_waits_for_that() {
    let folder = tempdir().unwrap();
    let (log, mood, let_go) = frail_and_counted(&small(&folder));
    for round in 0..5 {
        mood.store(FINE, Ordering::Relaxed);
        until("it is tried again", || try_add(&log, &[round], SystemTime::now()).is_ok());
        wait(log.stored(log.extent().newest)).unwrap();
        mood.store(FULL, Ordering::Relaxed);
        let lost = add(&log, &[round]);
        wait(log.stored(lost)).unwrap_err();
    }
    drop(log);
    assert_eq!(let_go.load(Ordering::SeqCst), 0);
}

/// A batch of which the bound had dropped a part before it was lost.
#[test]
fn what_is_kept_is_counted_right_when_a_part_of_what_a_failing_disk_loses_was_dropped_before() {
    let folder = tempdir().unwrap();
    let settings = DiskSettings { max_messages: 3, ..small(&folder) };
    let (log, mood) = frail(&settings);
    for round in 0..3 {
        mood.store(FULL, Ordering::Relaxed);
        while try_add(&log, &[round], SystemTime::now()).is_ok() {}
        mood.store(FINE, Ordering::Relaxed);
        until("it is tried again", || try_add(&log, &[round], SystemTime::now()).is_ok());
        for more in 0..2 * round {
            let cursor = add(&log, &[round, more]);
            wait(log.stored(cursor)).unwrap();
        }
        wait(log.stored(log.extent().newest)).unwrap();
        let kept: Vec<_> = all(&log).iter().map(|message| message.cursor()).collect();
        assert_eq!((kept.len() as u64, kept.first().copied()), (log.len(), log.extent().oldest));
        // What came while the last batch failed may have been written after all.
        assert!((1..=3).contains(&kept.len()), "{kept:?}");
    }
    let kept = log.len();
    drop(log);
    assert_eq!(DiskBacklog::open(settings).unwrap().len(), kept);
}

#[test]
fn a_publish_on_a_full_disk_is_refused_with_its_draft_and_the_systems_reason() {
    let folder = tempdir().unwrap();
    let (log, mood) = frail(&DiskSettings { durable: true, ..small(&folder) });
    let hub = Hub::with_backlog(HubSettings::default(), Arc::new(log));
    mood.store(FULL, Ordering::Relaxed);
    let first = hub.publish(Draft::json("a", "1")).unwrap();
    let BacklogError::Storage(error) = wait(hub.stored(first.cursor)).unwrap_err() else { panic!("another error") };
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    let refused = hub.publish(Draft::json("a", "2")).unwrap_err();
    assert_eq!(refused.draft.payload(), "2");
    match &refused.reason {
        PublishRefused::Backlog(BacklogError::Storage(error)) => assert_eq!(error.kind(), io::ErrorKind::StorageFull),
        other => panic!("{other}"),
    }
    assert!(refused.to_string().contains("the backlog's storage failed"), "{refused}");
}

struct Stuck(std::fs::File, Arc<Mutex<std::sync::mpsc::Receiver<()>>>);

impl LogFile for Stuck {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Until the sender is gone.
        let _ = self.1.lock().unwrap().recv();
        self.0.write_all(bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A log whose disk stands still until the sender is dropped.
fn stuck(settings: DiskSettings) -> (DiskBacklog, std::sync::mpsc::Sender<()>) {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = Arc::new(Mutex::new(gone));
    let create: Create = Box::new(move |path| {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(Box::new(Stuck(file, Arc::clone(&gone))))
    });
    (DiskBacklog::open_with(settings, create).unwrap(), go)
}

#[test]
fn a_hub_closes_and_goes_although_its_disk_stands_still() {
    let folder = tempdir().unwrap();
    let (log, go) = stuck(small(&folder));
    let gone = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&gone);
    thread::spawn(move || {
        let hub = HubSettings { close_deadline: Duration::from_millis(10), ..HubSettings::default() };
        let hub = Hub::with_backlog(hub, Arc::new(log));
        hub.publish(Draft::json("a", "1")).unwrap();
        wait(hub.close());
        drop(hub);
        told.store(true, Ordering::SeqCst);
    });
    until("the hub is gone", || gone.load(Ordering::SeqCst));
    assert!(matches!(DiskBacklog::open(small(&folder)), Err(OpenError::InUse { .. })), "it is being written");
    drop(go);
    until("what waited is written", || DiskBacklog::open(small(&folder)).is_ok_and(|log| log.len() == 1));
}

#[test]
fn publishers_are_held_back_and_then_refused_while_the_disk_stands_still() {
    let folder = tempdir().unwrap();
    let (log, go) = stuck(small(&folder));
    let mut appended = 0;
    let refused = loop {
        if let Err(error) = try_add(&log, &[0; 1 << 20], SystemTime::now()) {
            break error;
        }
        appended += 1;
    };
    assert!(matches!(refused, BacklogError::Busy), "{refused}");
    assert!((64..=66).contains(&appended) && !log.is_ready(), "{appended}");
    drop(go);
    wait(log.ready());
    wait(log.stored(log.extent().newest)).unwrap();
    assert_eq!(all(&log).len(), appended);
}
