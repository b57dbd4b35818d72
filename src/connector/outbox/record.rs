//! Records of the log, as bytes.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | length of the body |
//! | 4 | CRC-32 (IEEE) of the length and the body |
//! | 1 | kind: 1 event, 2 done |
//! | 8 | event: its number. Done: every event below this number is done with |
//! | 4, n, m | event only: length of the topic, topic, message |
//!
//! Numbers are little-endian. A record that was cut off, or never reached the disk, fails its checksum: it covers the
//! length too, so that zeros are no record.

use bytes::Bytes;
use eventhive_transport::Topic;

const EVENT: u8 = 1;
const DONE: u8 = 2;
/// Length and checksum.
const HEAD: usize = 8;

/// What a record says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record {
    Event { number: u64, topic: Topic, message: Bytes },
    Done { below: u64 },
}

/// Appends an event's record to `buffer`. Fails if the parts are beyond what the lengths can say (4 GiB).
pub(super) fn write_event(buffer: &mut Vec<u8>, number: u64, topic: &[u8], message: &[u8]) -> Option<()> {
    let topic_length = u32::try_from(topic.len()).ok()?;
    let length = u32::try_from(13 + topic.len() + message.len()).ok()?;
    write(buffer, length, &[&[EVENT], &number.to_le_bytes(), &topic_length.to_le_bytes(), topic, message]);
    Some(())
}

/// Appends the record that every event below `number` is done with.
pub(super) fn write_done(buffer: &mut Vec<u8>, below: u64) {
    write(buffer, 9, &[&[DONE], &below.to_le_bytes()]);
}

fn write(buffer: &mut Vec<u8>, length: u32, parts: &[&[u8]]) {
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&length.to_le_bytes());
    parts.iter().for_each(|part| checksum.update(part));
    buffer.extend_from_slice(&length.to_le_bytes());
    buffer.extend_from_slice(&checksum.finalize().to_le_bytes());
    parts.iter().for_each(|part| buffer.extend_from_slice(part));
}

/// The record at the start of `bytes`, and its length; `None` if there is no whole one.
pub(super) fn read(bytes: &[u8]) -> Option<(Record, usize)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let body = rest.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    let mut found = crc32fast::Hasher::new();
    found.update(length);
    found.update(body);
    if found.finalize() != u32::from_le_bytes(*checksum) {
        return None;
    }
    Some((parse(body)?, HEAD + body.len()))
}

/// The first record in `bytes`, with what is no record before it left out: where it begins, the record, and its length.
///
/// No text that travels looks like one: each has bytes that JSON never has.
pub(super) fn find(bytes: &[u8]) -> Option<(usize, Record, usize)> {
    (0..bytes.len()).find_map(|at| {
        let rest = bytes.get(at..).filter(|rest| may_begin(rest))?;
        read(rest).map(|(record, length)| (at, record, length))
    })
}

/// Whether the lengths fit each other. The checksum tells; this is to try few, for it reads all of what it is told.
fn may_begin(bytes: &[u8]) -> bool {
    let number = |at: usize| bytes.get(at..)?.first_chunk::<4>().map(|bytes| u64::from(u32::from_le_bytes(*bytes)));
    match (number(0), bytes.get(HEAD), number(HEAD + 9)) {
        (Some(length), Some(&DONE), _) => length == 9,
        (Some(length), Some(&EVENT), Some(topic)) => length >= 13 + topic,
        _ => false,
    }
}

fn parse(body: &[u8]) -> Option<Record> {
    let (kind, rest) = body.split_first()?;
    let (number, rest) = rest.split_first_chunk::<8>()?;
    let number = u64::from_le_bytes(*number);
    match *kind {
        EVENT => {
            let (topic_length, rest) = rest.split_first_chunk::<4>()?;
            let (topic, message) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*topic_length)).ok()?)?;
            let topic = Topic::new(Bytes::copy_from_slice(topic));
            Some(Record::Event { number, topic, message: Bytes::copy_from_slice(message) })
        }
        DONE => Some(Record::Done { below: number }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_record_reads_as_it_was_written_and_no_part_of_it_or_altered_form_does(
            number in any::<u64>(), topic in "[a-z/]{0,9}", message in proptest::collection::vec(any::<u8>(), 0..40), flip in any::<prop::sample::Index>(),
        ) {
            let mut buffer = Vec::new();
            write_event(&mut buffer, number, topic.as_bytes(), &message).unwrap();
            let (record, length) = read(&buffer).unwrap();
            prop_assert_eq!(length, buffer.len());
            let behind = [topic.as_bytes(), &[0; 30], &buffer].concat();
            let (at, found, _) = find(&behind).unwrap();
            prop_assert_eq!((at, &found), (behind.len() - length, &record));
            prop_assert_eq!(record, Record::Event { number, topic: topic.as_str().into(), message: message.into() });
            for end in 0..buffer.len() {
                prop_assert!(read(&buffer[..end]).is_none());
            }
            let at = flip.index(buffer.len());
            buffer[at] ^= 1;
            prop_assert!(read(&buffer).is_none());
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = (read(&bytes), parse(&bytes), find(&bytes));
        }
    }

    #[test]
    fn zeros_are_no_record() {
        assert_eq!(read(&[0; 64]), None);
    }

    #[test]
    fn done_reads_as_it_was_written() {
        let mut buffer = Vec::new();
        write_done(&mut buffer, 7);
        assert_eq!(read(&buffer), Some((Record::Done { below: 7 }, buffer.len())));
        assert_eq!(find(&buffer), Some((0, Record::Done { below: 7 }, buffer.len())));
    }
}
