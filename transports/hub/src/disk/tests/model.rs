//! Random steps against a list, and what a restart keeps.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use proptest::prelude::*;

use super::super::segment::{HEAD, Head, Next, Previous, Records};
use super::*;
use crate::CursorError;

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
