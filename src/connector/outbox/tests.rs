use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use futures_util::FutureExt as _;
use proptest::prelude::*;
use tempfile::TempDir;

use super::super::pending::Pending;
use super::queue::ENTRY_BYTES;
use super::*;

fn memory(limit: usize, overflow: Overflow) -> Arc<Outbox> {
    Arc::new(Outbox::in_memory(limit, overflow))
}

fn disk(folder: &TempDir) -> Arc<Outbox> {
    Arc::new(Outbox::on_disk(folder.path(), 64 << 20, Overflow::DropNewest, true).unwrap())
}

fn push(outbox: &Outbox, text: &str) -> Pushed {
    put(outbox, "", text)
}

fn put(outbox: &Outbox, topic: &str, text: &str) -> Pushed {
    outbox.push(Topic::from(topic), Bytes::copy_from_slice(text.as_bytes()), None, true)
}

fn pop(outbox: &Outbox) -> Outgoing {
    loop {
        match outbox.pop() {
            Next::Event(event) => return event,
            Next::OnDisk => assert_eq!(outbox.load_now(), 0),
            Next::Nothing => panic!("nothing waits"),
        }
    }
}

fn text(event: &Outgoing) -> String {
    String::from_utf8(event.message.to_vec()).unwrap()
}

/// Everything that waits, taken out.
fn all(outbox: &Outbox) -> Vec<String> {
    (0..outbox.len()).map(|_| text(&pop(outbox))).collect()
}

fn segments(folder: &TempDir) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> = paths.filter(|path| path.extension().is_some()).collect();
    segments.sort();
    segments
}

/// Ends an outbox as a crash would, apart from the lock, which ends with a process.
fn crash(outbox: Arc<Outbox>) {
    outbox.disk.as_ref().unwrap().log().forget();
    drop(outbox);
}

fn close(outbox: &Arc<Outbox>) {
    outbox.disk.as_ref().unwrap().close();
}

#[test]
fn an_outbox_is_settled_when_every_event_is_finished() {
    let outbox = memory(1 << 20, Overflow::DropOldest);
    assert!(outbox.settled().now_or_never().is_some());
    push(&outbox, "1");
    let settled = outbox.settled();
    tokio::pin!(settled);
    assert!(settled.as_mut().now_or_never().is_none());
    let event = pop(&outbox);
    assert!(settled.as_mut().now_or_never().is_none(), "popped is not finished");
    outbox.put_back(std::iter::once(event));
    let event = pop(&outbox);
    assert!(settled.as_mut().now_or_never().is_none(), "put back is not finished");
    outbox.finish(event.number);
    assert!(settled.now_or_never().is_some());
}

#[test]
fn a_full_outbox_does_what_its_policy_says_in_memory_and_on_disk() {
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let limit = 3 * ENTRY_BYTES;
    let on_disk =
        |folder: &TempDir, overflow| Arc::new(Outbox::on_disk(folder.path(), limit, overflow, false).unwrap());
    for oldest in [memory(limit, Overflow::DropOldest), on_disk(&folders[0], Overflow::DropOldest)] {
        for _ in 0..3 {
            assert!(matches!(push(&oldest, ""), Pushed::Queued { dropped: 0 }));
        }
        assert!(matches!(push(&oldest, &"x".repeat(ENTRY_BYTES)), Pushed::Queued { dropped: 2 }));
        assert_eq!(all(&oldest), ["".to_owned(), "x".repeat(ENTRY_BYTES)]);
    }
    for newest in [memory(limit, Overflow::DropNewest), on_disk(&folders[1], Overflow::DropNewest)] {
        for _ in 0..3 {
            push(&newest, "");
        }
        assert!(matches!(push(&newest, ""), Pushed::Full));
        assert_eq!(newest.len(), 3);
    }
}

/// Requests of which the first is dropped, the second is past its time, and the third is waited for.
#[test]
fn requests_that_nobody_waits_for_any_more_make_room_before_an_event_does_or_is_refused() {
    let pending = Pending::new(100);
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        let outbox = memory(4 * ENTRY_BYTES, overflow);
        push(&outbox, "");
        let mut tickets: Vec<_> = (0..3).map(|id| pending.open(id).unwrap()).collect();
        for (at, ticket) in tickets.iter().enumerate() {
            let fate = ticket.fate().with_deadline((at == 1).then(Instant::now));
            outbox.push(Topic::from(""), Bytes::new(), Some(fate), false);
        }
        // While it is with the link: it comes back moot.
        let first = [pop(&outbox), pop(&outbox)];
        drop(tickets.remove(0));
        outbox.put_back(first.into_iter());
        for _ in 0..2 {
            assert!(matches!(push(&outbox, ""), Pushed::Queued { dropped: 0 }), "{overflow:?}");
        }
        assert_eq!((outbox.len(), outbox.expired()), (4, 2));
        // Now only what somebody waits for is left.
        let full = push(&outbox, "");
        assert!(matches!(full, Pushed::Queued { dropped: 1 } | Pushed::Full), "{full:?}");
        drop(tickets);
        assert!(matches!(push(&outbox, ""), Pushed::Queued { dropped: 0 }), "{overflow:?}");
        assert_eq!(outbox.expired(), 3);
    }
}

#[test]
fn an_event_larger_than_the_outbox_waits_alone() {
    let outbox = memory(10, Overflow::DropNewest);
    assert!(matches!(push(&outbox, &"x".repeat(1000)), Pushed::Queued { dropped: 0 }));
    assert!(matches!(push(&outbox, ""), Pushed::Full));
}

#[test]
fn what_is_put_back_comes_first_and_in_order() {
    let outbox = memory(10_000, Overflow::DropNewest);
    ["1", "2", "3"].into_iter().for_each(|text| drop(push(&outbox, text)));
    let popped = [pop(&outbox), pop(&outbox)];
    outbox.put_back(popped.into_iter());
    assert_eq!(all(&outbox), ["1", "2", "3"]);
}

#[test]
fn a_closed_outbox_takes_nothing_and_gives_what_it_has() {
    let outbox = memory(10_000, Overflow::DropNewest);
    push(&outbox, "1");
    outbox.close();
    assert!(matches!(push(&outbox, "2"), Pushed::Closed));
    assert_eq!(all(&outbox), ["1"]);
}

#[test]
fn what_was_taken_and_is_not_done_is_there_again_in_order_with_its_topic() {
    let folder = TempDir::new().unwrap();
    let outbox = disk(&folder);
    for number in 0..10 {
        put(&outbox, "net/w/x", &number.to_string());
    }
    let (first, _second, third) = (pop(&outbox), pop(&outbox), pop(&outbox));
    outbox.finish(first.number);
    // The third is done before the second: that is not noted, and both are sent again.
    outbox.finish(third.number);
    close(&outbox);
    let outbox = disk(&folder);
    assert_eq!(outbox.len(), 9);
    assert_eq!(pop(&outbox).topic.as_str(), Some("net/w/x"));
    assert_eq!(all(&outbox), ["2", "3", "4", "5", "6", "7", "8", "9"]);
}

#[test]
fn what_is_not_to_be_kept_is_sent_in_its_turn_and_is_gone_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let outbox = disk(&folder);
    for (text, keep) in [("1", true), ("request", false), ("2", true), ("answer", false)] {
        outbox.push(Topic::from(""), Bytes::from(text), None, keep);
    }
    outbox.finish(pop(&outbox).number);
    outbox.finish(pop(&outbox).number);
    assert_eq!(text(&pop(&outbox)), "2");
    close(&outbox);
    let outbox = disk(&folder);
    assert_eq!(all(&outbox), ["2"]);
}

#[test]
fn what_is_not_to_be_kept_costs_no_space_on_disk() {
    let folder = TempDir::new().unwrap();
    let outbox = disk(&folder);
    for _ in 0..100_000 {
        outbox.push(Topic::from(""), Bytes::from_static(b"answer"), None, false);
        outbox.finish(pop(&outbox).number);
    }
    outbox.disk.as_ref().unwrap().settle();
    let lengths: Vec<_> = segments(&folder).iter().map(|path| fs::metadata(path).unwrap().len()).collect();
    assert_eq!(lengths, [segment::MAGIC.len() as u64]);
}

#[test]
fn a_file_that_is_full_is_given_back_when_its_events_are_done_though_none_is_taken_any_more() {
    let folder = TempDir::new().unwrap();
    // Files of 64 KiB.
    let outbox = Arc::new(Outbox::on_disk(folder.path(), 1 << 19, Overflow::DropNewest, false).unwrap());
    push(&outbox, &"x".repeat(70_000));
    outbox.finish(pop(&outbox).number);
    outbox.disk.as_ref().unwrap().settle();
    let left: u64 = segments(&folder).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(left < 100, "{left}");
    crash(outbox);
    assert_eq!(disk(&folder).len(), 0);
}

#[test]
fn an_outbox_that_is_closed_empty_leaves_no_events_on_disk() {
    let folder = TempDir::new().unwrap();
    let outbox = disk(&folder);
    push(&outbox, "1");
    outbox.finish(pop(&outbox).number);
    close(&outbox);
    assert_eq!(segments(&folder).len(), 0);
    assert_eq!(disk(&folder).len(), 0);
}

#[test]
fn more_than_fits_into_memory_comes_back_in_order_also_while_more_is_taken() {
    let folder = TempDir::new().unwrap();
    let outbox = disk(&folder);
    let body = |number: usize| format!("{number:05}{}", "x".repeat(100_000));
    for number in 0..100 {
        push(&outbox, &body(number));
    }
    let mut next = 100;
    for number in 0..150 {
        let event = pop(&outbox);
        assert_eq!(text(&event), body(number));
        outbox.finish(event.number);
        if next < 150 {
            push(&outbox, &body(next));
            next += 1;
        }
    }
    assert!(matches!(outbox.pop(), Next::Nothing));
}

#[test]
fn space_is_given_back_as_events_are_done() {
    let folder = TempDir::new().unwrap();
    let limit = 1 << 20;
    let outbox = Arc::new(Outbox::on_disk(folder.path(), limit, Overflow::DropNewest, true).unwrap());
    let used = || segments(&folder).iter().filter_map(|path| fs::metadata(path).ok()).map(|it| it.len()).sum::<u64>();
    let body = "x".repeat(10_000);
    for _ in 0..1000 {
        push(&outbox, &body);
        outbox.finish(pop(&outbox).number);
    }
    outbox.disk.as_ref().unwrap().settle();
    assert!(used() <= 2 * limit as u64 / 8 + 20_000, "{} bytes for 10 MB that are done with", used());
}

#[test]
fn two_at_once_cannot_have_one_folder() {
    let folder = TempDir::new().unwrap();
    let first = disk(&folder);
    let error = Outbox::on_disk(folder.path(), 1, Overflow::DropNewest, true).err().unwrap().to_string();
    assert!(error.contains("in use") && error.contains(folder.path().to_str().unwrap()), "{error}");
    close(&first);
    disk(&folder);
}

#[test]
fn a_file_of_others_is_not_touched() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("00000000000000000007.log");
    fs::write(&path, "a diary").unwrap();
    let error = Outbox::on_disk(folder.path(), 1, Overflow::DropNewest, true).err().unwrap();
    assert!(error.to_string().contains("is no outbox"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"a diary");
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_what_waits() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("a/b");
    let _outbox = Outbox::on_disk(&folder, 1, Overflow::DropNewest, true).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for entry in fs::read_dir(&folder).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[test]
fn a_disk_that_failed_takes_nothing_more_and_what_was_taken_is_still_sent() {
    let folder = TempDir::new().unwrap();
    let outbox = disk(&folder);
    push(&outbox, "1");
    outbox.disk.as_ref().unwrap().log().break_off("no more".to_owned());
    let Pushed::Failed(error) = push(&outbox, "2") else { panic!() };
    assert_eq!(error.to_string(), "no more");
    assert_eq!(all(&outbox), ["1"]);
}

#[tokio::test]
async fn what_is_stored_is_known_once_it_is_synced() {
    let folder = TempDir::new().unwrap();
    let outbox = disk(&folder);
    push(&outbox, "1");
    assert!(outbox.stored().await);
}

#[test]
fn damage_at_the_end_of_an_older_file_costs_that_end_alone() {
    let folder = TempDir::new().unwrap();
    // Files of 64 KiB: the second event fills the first.
    let outbox = Arc::new(Outbox::on_disk(folder.path(), 1 << 19, Overflow::DropNewest, true).unwrap());
    ["a".to_owned(), "b".repeat(70_000), "c".to_owned()].iter().for_each(|text| drop(push(&outbox, text)));
    crash(outbox);
    let files = segments(&folder);
    assert_eq!(files.len(), 2);
    let mut bytes = fs::read(&files[0]).unwrap();
    let at = bytes.len() - 10;
    bytes[at] ^= 1;
    fs::write(&files[0], bytes).unwrap();
    assert_eq!(all(&disk(&folder)), ["a", "c"]);
}

#[test]
fn damage_in_the_midst_of_the_newest_file_costs_what_is_damaged_alone() {
    let folder = TempDir::new().unwrap();
    let outbox = disk(&folder);
    ["a", "bbbb", "c", "d"].into_iter().for_each(|text| drop(push(&outbox, text)));
    crash(outbox);
    let path = segments(&folder).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(4).position(|window| window == b"bbbb").unwrap();
    bytes[at] = 0;
    // And the last record is cut off.
    bytes.pop();
    fs::write(&path, &bytes).unwrap();
    let outbox = disk(&folder);
    push(&outbox, "e");
    crash(outbox);
    let outbox = disk(&folder);
    assert_eq!(all(&outbox), ["a", "c", "e"]);
    assert_eq!(fs::read(&path).unwrap()[..at + 4], bytes[..at + 4], "the damaged part is there to be looked at");
}

#[test]
fn a_newest_file_that_a_loss_of_power_left_as_zeros_is_as_if_cut_off() {
    let folder = TempDir::new().unwrap();
    let outbox = disk(&folder);
    push(&outbox, "a");
    crash(outbox);
    for zeros in [1, 19, 4096] {
        fs::write(folder.path().join(format!("{zeros:020}.log")), vec![0; zeros]).unwrap();
        let outbox = disk(&folder);
        assert_eq!(outbox.len(), 1);
        crash(outbox);
    }
    let outbox = disk(&folder);
    push(&outbox, "b");
    assert_eq!(all(&outbox), ["a", "b"]);
}

#[test]
fn a_file_whose_start_a_loss_of_power_left_as_zeros_gives_the_events_behind_it() {
    let folder = TempDir::new().unwrap();
    let outbox = disk(&folder);
    ["a", "b"].into_iter().for_each(|text| drop(push(&outbox, text)));
    crash(outbox);
    let path = segments(&folder).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[..segment::MAGIC.len() + 5].fill(0);
    fs::write(&path, bytes).unwrap();
    assert_eq!(all(&disk(&folder)), ["b"]);
}

#[test]
fn every_file_that_an_earlier_process_left_is_synced() {
    let folder = TempDir::new().unwrap();
    // Files of 64 KiB.
    let outbox = Arc::new(Outbox::on_disk(folder.path(), 1 << 19, Overflow::DropNewest, false).unwrap());
    (0..4).for_each(|_| drop(push(&outbox, &"x".repeat(70_000))));
    crash(outbox);
    let mut opened = log::Log::open(folder.path(), 1 << 19).unwrap().log;
    let files = segments(&folder);
    assert_eq!((files.len(), opened.take_unsynced().left), (4, files));
}

/// What a test does to an outbox.
#[derive(Debug, Clone)]
enum Step {
    Take(usize),
    Finish,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// For every byte at which a crash can have ended the last records: what is there again is what had been taken before,
    /// in order, without what was noted as done; and the outbox goes on from there.
    #[test]
    fn at_whatever_byte_a_crash_cuts_the_log_all_that_was_whole_is_there_again(
        steps in proptest::collection::vec(prop_oneof![3 => (0..90usize).prop_map(Step::Take), 1 => Just(Step::Finish)], 1..12),
    ) {
        let folder = TempDir::new().unwrap();
        let mut log = log::Log::open(folder.path(), 1 << 20).unwrap().log;
        let path = segments(&folder).remove(0);
        // After each step: the length of the file, and what must be there when it ends just there.
        let mut waiting = VecDeque::new();
        let mut states = vec![(fs::metadata(&path).unwrap().len(), waiting.clone())];
        let mut done = 0;
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Take(length) => {
                    let text = format!("{number}{}", "x".repeat(length));
                    log.append(log.next(), &Topic::from("t"), text.as_bytes()).unwrap();
                    waiting.push_back(text);
                }
                Step::Finish if waiting.pop_front().is_some() => {
                    done += 1;
                    log.done(done).1.unwrap();
                }
                Step::Finish => {}
            }
            states.push((fs::metadata(&path).unwrap().len(), waiting.clone()));
        }
        log.forget();
        let whole = fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            let copy = TempDir::new().unwrap();
            fs::write(copy.path().join(path.file_name().unwrap()), &whole[..length]).unwrap();
            let (_, expected) = states.iter().rfind(|(end, _)| *end <= length as u64).unwrap_or(&states[0]);
            // Without syncs, of which there would be thousands.
            let outbox = Outbox::on_disk(copy.path(), 1 << 20, Overflow::DropNewest, false).map(Arc::new).unwrap();
            push(&outbox, "one more");
            crash(outbox);
            let mut expected: Vec<String> = expected.iter().cloned().collect();
            expected.push("one more".to_owned());
            prop_assert_eq!(all(&disk(&copy)), expected, "cut at {}", length);
        }
    }
}
