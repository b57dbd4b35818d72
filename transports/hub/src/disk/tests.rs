//! The log against a list, through crashes and failing disks.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Instant;

use proptest::prelude::*;
use tempfile::{TempDir, tempdir};
use uuid::Uuid;

use super::segment::{HEAD, Head, Next, Previous, Records};
use super::writer::LogFile;
use super::*;
use crate::{CursorError, Draft, Hub, HubSettings, PublishRefused};

/// How long anything may take. Only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

fn wait<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("it hangs") })
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "it did not happen that {what}");
        thread::yield_now();
    }
}

fn try_add(log: &DiskBacklog, payload: &[u8], time: SystemTime) -> Result<Cursor, BacklogError> {
    let cursor = log.extent().newest.next();
    let draft = Draft::bytes("t", payload.to_vec());
    log.append(&Arc::new(Message::stamped(draft, Uuid::new_v4(), time, cursor)))?;
    Ok(cursor)
}

fn add(log: &DiskBacklog, payload: &[u8]) -> Cursor {
    try_add(log, payload, SystemTime::now()).unwrap()
}

/// Everything after a place, page by page.
fn rest(log: &DiskBacklog, mut place: Cursor) -> Result<Vec<Arc<Message>>, BacklogError> {
    let mut all = Vec::new();
    loop {
        let page = wait(log.read(place, 7))?;
        let Some(last) = page.last() else { return Ok(all) };
        place = last.cursor();
        all.extend(page);
    }
}

fn all(log: &DiskBacklog) -> Vec<Arc<Message>> {
    let place = wait(log.locate(Start::Oldest)).unwrap();
    rest(log, place).unwrap()
}

/// What of a message must survive.
fn essence(message: &Message) -> (Cursor, Uuid, SystemTime, Vec<u8>) {
    (message.cursor(), message.id(), message.time(), message.payload().to_vec())
}

fn small(folder: &TempDir) -> DiskSettings {
    DiskSettings::new(folder.path().join("log"))
}

fn files(settings: &DiskSettings) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(&settings.path).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|kind| kind == "log")).collect();
    files.sort();
    files
}

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<usize>),
    Reopen,
    /// The last file loses its end: this share of its records' bytes, in thousandths.
    Tear(u64),
    /// What was being written is rubbish.
    Rubbish(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(prop_oneof![9 => 0_usize..300, 1 => 20_000_usize..90_000], 1..40).prop_map(Step::Append),
        1 => Just(Step::Reopen),
        2 => (0_u64..=1000).prop_map(Step::Tear),
        1 => prop::collection::vec(any::<u8>(), 1..60).prop_map(Step::Rubbish),
    ]
}

/// Records of a file that lie wholly before an offset.
fn whole_before(path: &Path, cut: u64) -> usize {
    let mut records = Records::open(path, HEAD, Some(cut)).unwrap();
    std::iter::from_fn(|| match records.next().unwrap() {
        Next::Record { .. } => Some(()),
        Next::End | Next::Broken { .. } => None,
    })
    .count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// A crash at any byte: what was whole is there, what was torn is not, and the log goes on.
    #[test]
    fn a_log_is_the_list_of_what_was_appended_but_for_what_a_crash_tore(
        steps in prop::collection::vec(step(), 1..14), durable: bool,
    ) {
        let folder = tempdir().unwrap();
        let settings = DiskSettings { durable, max_bytes: u64::MAX, ..small(&folder) };
        // 64 KiB, so that there are several files.
        let settings = DiskSettings { max_bytes: 1 << 21, ..settings };
        let mut log = DiskBacklog::open(settings.clone()).unwrap();
        let (mut model, mut used, mut bytes) = (Vec::new(), std::collections::HashSet::new(), 0);
        for step in steps {
            match step {
                Step::Append(sizes) => {
                    for size in sizes {
                        // Not so much that the log would drop the oldest.
                        if bytes + size > 1 << 20 { continue; }
                        bytes += size;
                        let cursor = log.extent().newest.next();
                        let draft = Draft::bytes("t", vec![b'x'; size]);
                        let message = Arc::new(Message::stamped(draft, Uuid::new_v4(), SystemTime::now(), cursor));
                        log.append(&message).unwrap();
                        prop_assert!(used.insert(cursor), "a cursor is never given twice");
                        model.push(essence(&message));
                    }
                    wait(log.stored(log.extent().newest)).unwrap();
                }
                other => {
                    drop(log);
                    let last = files(&settings).pop();
                    match (other, last) {
                        (Step::Tear(share), Some(last)) => {
                            let size = std::fs::metadata(&last).unwrap().len();
                            let cut = HEAD + (size - HEAD) * share / 1000;
                            let lost = whole_before(&last, size) - whole_before(&last, cut);
                            OpenOptions::new().write(true).open(&last).unwrap().set_len(cut).unwrap();
                            model.truncate(model.len() - lost);
                        }
                        (Step::Rubbish(rubbish), Some(last)) => {
                            OpenOptions::new().append(true).open(&last).unwrap().write_all(&rubbish).unwrap();
                        }
                        _ => {}
                    }
                    log = DiskBacklog::open(settings.clone()).unwrap();
                }
            }
            let found: Vec<_> = all(&log).iter().map(|message| essence(message)).collect();
            prop_assert!(found == model, "{} found, {} expected", found.len(), model.len());
            prop_assert_eq!(log.len(), model.len() as u64);
        }
        for (at, (cursor, ..)) in model.iter().enumerate() {
            prop_assert_eq!(rest(&log, *cursor).unwrap().len(), model.len() - at - 1);
        }
    }

    #[test]
    fn a_time_leads_to_the_first_message_at_or_after_it(
        steps in prop::collection::vec((prop_oneof![20 => 0_u64..3, 1 => 3_u64..40], 0_usize..3000), 1..200), reopen: bool,
        set_back: bool,
    ) {
        let folder = tempdir().unwrap();
        let settings = DiskSettings { max_bytes: 1 << 21, ..small(&folder) };
        let mut log = DiskBacklog::open(settings.clone()).unwrap();
        let mut time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let began = time;
        let mut times = Vec::new();
        for (later, size) in steps {
            match Duration::from_secs(later) {
                far if set_back && later >= 3 => time = (time - far).max(began),
                later => time += later,
            }
            times.push((time, try_add(&log, &vec![b'x'; size], time).unwrap()));
        }
        if reopen {
            drop(log);
            log = DiskBacklog::open(settings).unwrap();
            prop_assert_eq!(Some(log.newest_time()), times.iter().map(|(time, _)| *time).max());
        }
        let latest = log.newest_time().max(time);
        for second in 0..=latest.duration_since(began).unwrap().as_secs() + 1 {
            let since = began + Duration::from_secs(second);
            let place = wait(log.locate(Start::Since(since))).unwrap();
            let expected: Vec<_> = times.iter().skip_while(|(time, _)| *time < since).map(|(_, cursor)| *cursor).collect();
            let found: Vec<_> = rest(&log, place).unwrap().iter().map(|message| message.cursor()).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn the_number_kept_is_exact_and_the_files_stay_within_their_bound(
        sizes in prop::collection::vec(0_usize..20_000, 1..150), most in 0_u64..60, reopen: bool,
    ) {
        let folder = tempdir().unwrap();
        let settings = DiskSettings { max_messages: most, max_bytes: 1 << 20, ..small(&folder) };
        let mut log = DiskBacklog::open(settings.clone()).unwrap();
        let mut cursors: Vec<_> = Vec::new();
        for size in &sizes {
            cursors.push(add(&log, &vec![0; *size]));
            prop_assert!(log.len() <= most);
        }
        wait(log.close());
        if reopen {
            drop(log);
            log = DiskBacklog::open(settings.clone()).unwrap();
        }
        let found: Vec<_> = all(&log).iter().map(|message| message.cursor()).collect();
        prop_assert_eq!(found.len() as u64, log.len());
        prop_assert!(cursors.ends_with(&found), "the newest are kept");
        let on_disk: u64 = files(&settings).iter().map(|path| std::fs::metadata(path).unwrap().len()).sum();
        prop_assert!(on_disk <= (1 << 20) + (64 << 10) + 21_000, "{on_disk}");
        // Of the messages, only as many are missing as the bounds ask for.
        let fit = sizes.iter().rev().scan(0, |sum, size| { *sum += size + 60; (*sum < 900_000).then_some(()) }).count();
        prop_assert!(found.len() >= fit.min(most as usize), "{} kept", found.len());
    }
}

#[test]
fn a_cursor_survives_a_restart_and_one_that_is_not_known_is_said() {
    let folder = tempdir().unwrap();
    let log = DiskBacklog::open(DiskSettings { max_messages: 3, ..small(&folder) }).unwrap();
    let cursors: Vec<_> = (0..5).map(|number| add(&log, &[number])).collect();
    drop(log);
    let log = DiskBacklog::open(DiskSettings { max_messages: 3, ..small(&folder) }).unwrap();
    assert_eq!(log.extent().oldest, Some(cursors[2]));
    let resumed = wait(log.locate(Start::After(cursors[3]))).unwrap();
    assert_eq!(rest(&log, resumed).unwrap()[0].payload()[..], [4]);
    for unknown in [cursors[0], Cursor::origin(), log.extent().newest.next()] {
        match wait(log.locate(Start::After(unknown))) {
            Err(BacklogError::Cursor(CursorError::Unknown { oldest })) => assert_eq!(oldest, Some(cursors[2])),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(wait(log.locate(Start::After(cursors[1]))).unwrap(), cursors[1], "what follows it is kept");
}

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

#[test]
fn damage_in_the_oldest_file_keeps_nothing_from_growing_too_old() {
    let folder = tempdir().unwrap();
    let settings = DiskSettings { max_bytes: 1 << 21, durable: true, ..small(&folder) };
    let log = DiskBacklog::open(settings.clone()).unwrap();
    let (hour, now) = (Duration::from_secs(3600), SystemTime::now());
    let add_at = |time| {
        let cursor = try_add(&log, &[0; 1000], time).unwrap();
        wait(log.stored(cursor)).unwrap();
        cursor
    };
    (0..30).for_each(|_| _ = add_at(now - 2 * hour));
    let kept = add_at(now);
    (0..100).for_each(|_| _ = add_at(now));
    drop(log);
    let mut bytes = std::fs::read(&files(&settings)[0]).unwrap();
    bytes[50_000] ^= 1;
    std::fs::write(&files(&settings)[0], bytes).unwrap();
    let log = DiskBacklog::open(DiskSettings { max_age: Some(hour), ..settings }).unwrap();
    until("the old ones are gone", || log.extent().oldest == Some(kept));
}

#[test]
fn two_hubs_cannot_have_one_log() {
    let folder = tempdir().unwrap();
    let first = DiskBacklog::open(small(&folder)).unwrap();
    let refused = DiskBacklog::open(small(&folder)).unwrap_err();
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    assert!(refused.to_string().contains("give this one another `path`"));
    drop(first);
    DiskBacklog::open(small(&folder)).unwrap();
}

#[test]
fn damage_in_the_middle_is_an_error_that_names_the_file_and_nothing_of_it_is_delivered() {
    let folder = tempdir().unwrap();
    let settings = DiskSettings { max_bytes: 1 << 21, durable: true, ..small(&folder) };
    let log = DiskBacklog::open(settings.clone()).unwrap();
    let cursors: Vec<_> = (0..3000).map(|number: u32| add(&log, &[number as u8; 500])).collect();
    drop(log);
    let file = files(&settings).remove(1);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let log = DiskBacklog::open(settings).unwrap();
    let error = rest(&log, cursors[0].previous()).unwrap_err().to_string();
    assert!(error.contains(&file.display().to_string()) && error.contains("is damaged at byte"), "{error}");
    assert_eq!(rest(&log, cursors[2900]).unwrap().len(), 99, "the rest can be read");
}

#[test]
fn damage_in_the_middle_of_a_file_without_a_successor_costs_the_damaged_messages_alone() {
    // In the newest file, and in one whose successor is missing.
    for missing in [false, true] {
        let folder = tempdir().unwrap();
        let settings = DiskSettings { max_bytes: 1 << 21, durable: true, ..small(&folder) };
        let log = DiskBacklog::open(settings.clone()).unwrap();
        for number in 0..(if missing { 600 } else { 90_u32 }) {
            let cursor = add(&log, &[number as u8; 500]);
            wait(log.stored(cursor)).unwrap();
        }
        drop(log);
        let mut files = files(&settings);
        assert_eq!(files.len() > 3, missing);
        if missing {
            std::fs::remove_file(files.remove(1)).unwrap();
        }
        let kept = || {
            let log = DiskBacklog::open(settings.clone()).unwrap();
            let kept: Vec<_> = all(&log).iter().map(|message| message.cursor().sequence()).collect();
            assert_eq!(log.len(), kept.len() as u64);
            kept
        };
        let mut expected = kept();
        let mut bytes = std::fs::read(&files[0]).unwrap();
        // The 3rd: its length; the 40th: its payload.
        let record = 8 + 47 + 1 + 500;
        bytes[HEAD as usize + 2 * record] ^= 0xFF;
        bytes[HEAD as usize + 39 * record + 300] ^= 1;
        std::fs::write(&files[0], bytes).unwrap();
        expected.retain(|sequence| ![3, 40].contains(sequence));
        assert_eq!(kept(), expected);
        assert_eq!(kept(), expected, "and again");
    }
}

#[test]
fn memory_does_not_grow_with_the_log() {
    let folder = tempdir().unwrap();
    let log = DiskBacklog::open(small(&folder)).unwrap();
    for _ in 0..4000 {
        add(&log, &[7; 4000]);
    }
    wait(log.stored(log.extent().newest)).unwrap();
    let state = lock(&log.shared.state);
    let held: usize = state.tail.iter().map(|message| message.weight()).sum();
    assert!(held <= state::TAIL_BYTES && state.tail.len() >= 64, "{held}");
    drop(state);
    assert_eq!(all(&log).len(), 4000);
}

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

#[test]
fn a_backlog_of_pypubsub_is_taken_over_with_times_topics_and_privacy() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("backlog.json");
    let lines = [
        r#"{"timestamp": 1695221122.2370172, "topics": ["c", "7"], "json": {"i": 7, "pubsub_timestamp": 1695221122.2370172, "pubsub_topics": ["c", "7"], "pubsub_path": "/c/7", "pubsub_cursor": "b3ea264d-ec23-40a1-b7d9-3c2aa071ecda"}, "private": false}"#,
        r#"{"timestamp": 1695221124.5193632, "topics": ["git", "privaterepo.git"], "json": {"i":  1e2, "pubsub_path": "/private/git/privaterepo.git", "pubsub_cursor": "53a29d02-e05b-49da-956d-b0cd5a9cb632"}, "private": true}"#,
        r#"{"timestamp": 1695221125.5, "topics": ["a", "b"], "json": {"pubsub_path": "//a//b"}, "private": false}"#,
        "no json",
        r#"{"timestamp": 1695221126, "topics": ["a"], "json": {"cut": "#,
    ];
    std::fs::write(&file, lines.join("\n")).unwrap();
    let log = DiskBacklog::open(small(&folder)).unwrap();
    assert!(log.is_new());
    assert_eq!(log.import_pypubsub(&file).unwrap(), Imported { events: 3, skipped: 2 });
    assert!(matches!(log.import_pypubsub(&file), Err(ImportError::NotNew)));
    drop(log);
    let log = DiskBacklog::open(small(&folder)).unwrap();
    assert!(!log.is_new());
    let found = all(&log);
    let [first, second, third] = &found[..] else { panic!("{found:?}") };
    assert_eq!((first.topic().as_str(), first.is_private()), (Some("c/7"), false));
    assert_eq!(first.id().to_string(), "b3ea264d-ec23-40a1-b7d9-3c2aa071ecda");
    let since = first.time().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(since.as_secs_f64(), 1_695_221_122.237_017_2);
    assert!(first.payload().starts_with(br#"{"i": 7, "pubsub_timestamp": 1695221122.2370172, "#));
    assert_eq!((second.topic().as_str(), second.is_private()), (Some("git/privaterepo.git"), true));
    assert!(second.payload().starts_with(br#"{"i":  1e2, "#), "to the letter");
    assert_eq!((first.attribute("pubsub_path"), second.attribute("pubsub_path")), (None, None));
    assert_eq!(third.attribute("pubsub_path").map(|path| &path[..]), Some(&b"//a//b"[..]));
}

/// The process ended when it had begun a file and written nothing to it. Who came to the end of the log was never told so.
#[test]
fn the_end_of_a_log_is_found_although_its_last_file_is_empty() {
    let folder = tempdir().unwrap();
    let log = DiskBacklog::open(small(&folder)).unwrap();
    let [.., last] = [(); 3].map(|()| add(&log, b"x"));
    drop(log);
    let head = {
        let bytes = std::fs::read(&files(&small(&folder))[0]).unwrap();
        let (epoch, base) = (Head::decode(&bytes).unwrap().epoch, last.sequence() + 1);
        Head { epoch, base, previous: Previous { base: 1, last: last.sequence(), time: 7 } }
    };
    std::fs::write(folder.path().join(format!("log/{:020}.log", head.base)), head.encode()).unwrap();
    let log = DiskBacklog::open(small(&folder)).unwrap();
    assert_eq!((log.len(), all(&log).len()), (3, 3));
    assert_eq!(log.recent(last, 64).map(|rest| rest.len()), Some(0), "there is no more to come");
    add(&log, b"more");
    assert_eq!(all(&log).len(), 4);
}

#[test]
fn a_backlog_is_taken_over_once_and_half_of_one_never() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("backlog.json");
    let line = r#"{"timestamp": 1695221122.5, "topics": ["c"], "json": {"i": 7}, "private": false}"#;
    std::fs::write(&file, format!("{line}\n{line}\n")).unwrap();
    let log = DiskBacklog::open_with_pypubsub(small(&folder), &file).unwrap();
    assert_eq!(log.len(), 2);
    drop(log);
    // As if the process had ended in the midst of it.
    std::fs::write(small(&folder).path.join("importing"), "").unwrap();
    assert!(DiskBacklog::open(small(&folder)).unwrap().is_new(), "what there is of it is no backlog");
    let log = DiskBacklog::open_with_pypubsub(small(&folder), &file).unwrap();
    add(&log, b"more");
    drop(log);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(DiskBacklog::open_with_pypubsub(small(&folder), &file).unwrap().len(), 3, "it is not needed any more");
    let other = DiskSettings::new(folder.path().join("other"));
    let error = DiskBacklog::open_with_pypubsub(other.clone(), &file).unwrap_err().to_string();
    assert!(error.contains("backlog.json cannot be read"), "{error}");
    assert!(check_import(&other.path, &file).is_err() && check_import(&small(&folder).path, &file).is_ok());
}

#[cfg(unix)]
#[test]
fn the_key_of_the_cursors_is_kept_where_only_the_owner_reads_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempdir().unwrap();
    let key = DiskBacklog::open(small(&folder)).unwrap().cursor_key();
    assert_eq!(DiskBacklog::open(small(&folder)).unwrap().cursor_key(), key);
    let path = small(&folder).path;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path.join("cursor.key")), mode(&path)), (0o600, 0o700));
    // As if the process had ended while the key was being written.
    std::fs::rename(path.join("cursor.key"), path.join("cursor.key.new")).unwrap();
    let log = DiskBacklog::open(small(&folder)).unwrap();
    assert_ne!(log.cursor_key(), key);
    drop(log);
    std::fs::write(path.join("cursor.key"), "short").unwrap();
    let error = DiskBacklog::open(small(&folder)).unwrap_err().to_string();
    assert!(error.contains("cursor.key is damaged (it has 5 bytes, not 16)"), "{error}");
    let other = DiskBacklog::open(DiskSettings::new(folder.path().join("other"))).unwrap();
    assert_ne!(other.cursor_key(), key);
}

/// The folder may be older than the log, and open to all.
#[cfg(unix)]
#[test]
fn only_the_owner_reads_any_file_of_a_log_in_whatever_folder_it_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempdir().unwrap();
    let file = folder.path().join("backlog.json");
    std::fs::write(&file, r#"{"timestamp": 1695221122.5, "topics": ["c"], "json": {"i": 7}, "private": true}"#)
        .unwrap();
    let settings = DiskSettings { max_bytes: 1 << 20, ..small(&folder) };
    std::fs::create_dir(&settings.path).unwrap();
    std::fs::set_permissions(&settings.path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let log = DiskBacklog::open_with_pypubsub(settings.clone(), &file).unwrap();
    for _ in 0..10 {
        add(&log, &[0; 20_000]);
    }
    drop(log);
    let entries = std::fs::read_dir(&settings.path).unwrap().map(Result::unwrap);
    let modes = entries.map(|entry| (entry.file_name(), entry.metadata().unwrap().permissions().mode() & 0o777));
    let modes: Vec<_> = modes.collect();
    assert!(modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
    for name in ["lock", "cursor.key", "00000000000000000001.log"] {
        assert!(modes.iter().any(|(found, _)| found == name), "{name} is not among {modes:?}");
    }
    assert!(files(&settings).len() > 1);
}

#[test]
fn a_folder_that_cannot_be_written_is_told_and_a_look_leaves_nothing_behind() {
    let folder = tempdir().unwrap();
    let below = folder.path().join("a/b/log");
    check_folder(&below).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    std::fs::write(folder.path().join("file"), "").unwrap();
    for bad in [folder.path().join("file"), folder.path().join("file/log")] {
        let error = check_folder(&bad).unwrap_err().to_string();
        assert!(error.contains(bad.to_str().unwrap()), "{error}");
    }
}
