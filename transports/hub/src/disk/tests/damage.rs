//! Files that are not as they were written.

use super::super::segment::HEAD;
use super::*;

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
