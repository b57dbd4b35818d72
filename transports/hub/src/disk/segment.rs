//! The files of a log.
//!
//! A log is a folder of *segments*, each named by the sequence of its first message: `00000000000000000001.log`. A segment
//! has a head and then records, one after the other; within it sequences follow each other without a gap. All numbers are
//! little-endian.
//!
//! | bytes | head |
//! |---|---|
//! | 8 | `EVHLOG1` and a line feed |
//! | 8, 8 | epoch of the log, sequence of the first record |
//! | 8, 8, 8 | of the segment before this: first and last sequence, and the latest time of its records; 0 if there is none |
//! | 4, 4 | CRC-32 (IEEE) of the above; 0 |
//!
//! Times follow each other too, but where the clock was set back. So what is looked for by time is looked for by the latest
//! time so far.
//!
//! Since each head tells of the segment before it, only the last one has to be read whole when a log is opened.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes};

use super::record;

const MAGIC: &[u8; 8] = b"EVHLOG1\n";

/// Bytes of a segment's head.
pub(super) const HEAD: u64 = 56;

/// Bytes between two marks: what has to be read to find one record. A mark costs 24 bytes of memory.
pub(super) const MARK_EVERY: u64 = 64 << 10;

/// Where a record begins, and its time; of those that a segment keeps, the latest time up to there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) sequence: u64,
    pub(super) time: u64,
    pub(super) offset: u64,
}

/// The last record of a segment, as the head of the next tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Previous {
    pub(super) base: u64,
    pub(super) last: u64,
    pub(super) time: u64,
}

/// A segment as far as it is written.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// The sequence of its first record.
    pub(super) base: u64,
    /// That of its last; less than `base` while there is none.
    pub(super) last: u64,
    /// The latest time of its records.
    pub(super) time: u64,
    /// Bytes up to the end of the last record.
    pub(super) bytes: u64,
    /// `None` until somebody has to look for something in it.
    pub(super) marks: Option<Vec<Mark>>,
}

impl Segment {
    pub(super) fn new(folder: &Path, base: u64) -> Self {
        let path = folder.join(format!("{base:020}.log"));
        Self { path, base, last: base.saturating_sub(1), time: 0, bytes: HEAD, marks: Some(Vec::new()) }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.last < self.base
    }

    pub(super) const fn count(&self) -> u64 {
        (self.last + 1).saturating_sub(self.base)
    }

    pub(super) const fn as_previous(&self) -> Previous {
        Previous { base: self.base, last: self.last, time: self.time }
    }

    /// Where to begin reading for what `before` says lies before it; `None` if there are no marks yet.
    pub(super) fn offset(&self, before: impl Fn(&Mark) -> bool) -> Option<u64> {
        let marks = self.marks.as_ref()?;
        let at = marks.partition_point(before);
        Some(at.checked_sub(1).and_then(|at| marks.get(at)).map_or(HEAD, |mark| mark.offset))
    }
}

/// Notes a record where enough lies between it and the last that was noted. `latest` is the latest time of the segment so
/// far.
pub(super) fn mark(marks: &mut Vec<Mark>, latest: &mut u64, new: Mark) {
    *latest = new.time.max(*latest);
    if new.offset >= marks.last().map_or(HEAD, |last| last.offset) + MARK_EVERY {
        marks.push(Mark { time: *latest, ..new });
    }
}

/// A segment's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) epoch: u64,
    pub(super) base: u64,
    pub(super) previous: Previous,
}

impl Head {
    pub(super) fn encode(&self) -> Vec<u8> {
        let Previous { base, last, time } = self.previous;
        let numbers = [self.epoch, self.base, base, last, time];
        let mut out: Vec<u8> = MAGIC.iter().copied().chain(numbers.into_iter().flat_map(u64::to_le_bytes)).collect();
        out.extend(crc32fast::hash(&out).to_le_bytes());
        out.extend([0; 4]);
        out
    }

    /// `None` if it is none.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (checked, mut rest) = bytes.split_at_checked(HEAD as usize - 8)?;
        if rest.len() < 4 || rest.get_u32_le() != crc32fast::hash(checked) {
            return None;
        }
        let mut numbers = checked.strip_prefix(MAGIC)?;
        let mut next = || numbers.get_u64_le();
        let (epoch, base) = (next(), next());
        Some(Self { epoch, base, previous: Previous { base: next(), last: next(), time: next() } })
    }
}

/// Reads records one after the other.
pub(super) struct Records {
    file: BufReader<File>,
    offset: u64,
    end: u64,
}

/// What comes next in a file.
pub(super) enum Next {
    /// A record that is whole.
    Record { mark: Mark, body: Bytes },
    /// Nothing.
    End,
    /// Something that is no whole record: the bytes from `offset` on.
    Broken { offset: u64 },
}

impl Records {
    /// From `offset` on, up to `end`; of the whole file if that is not given.
    pub(super) fn open(path: &Path, offset: u64, end: Option<u64>) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let end = end.map_or_else(|| file.metadata().map(|data| data.len()), Ok)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self { file: BufReader::with_capacity(MARK_EVERY as usize, file), offset, end })
    }

    pub(super) fn next(&mut self) -> io::Result<Next> {
        let (offset, left) = (self.offset, self.end.saturating_sub(self.offset));
        if left == 0 {
            return Ok(Next::End);
        }
        let broken = Ok(Next::Broken { offset });
        if left < record::HEAD as u64 {
            return broken;
        }
        let mut head = [0; record::HEAD];
        self.file.read_exact(&mut head)?;
        let [a, b, c, d, rest @ ..] = head;
        let (length, checksum) = ([a, b, c, d], u32::from_le_bytes(rest));
        let size = u64::from(u32::from_le_bytes(length));
        // Before it is believed: a torn length may be anything.
        if size > left - record::HEAD as u64 {
            return broken;
        }
        let mut body = vec![0; size as usize];
        self.file.read_exact(&mut body)?;
        match record::place(&body) {
            Some((sequence, time)) if record::checksum(length, &body) == checksum => {
                self.offset += record::HEAD as u64 + size;
                Ok(Next::Record { mark: Mark { sequence, time, offset }, body: body.into() })
            }
            _ => broken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_survives_its_bytes_and_no_damaged_one_is_taken() {
        let head = Head { epoch: 1, base: 2, previous: Previous { base: 3, last: 4, time: 5 } };
        let bytes = head.encode();
        assert_eq!(bytes.len() as u64, HEAD);
        assert_eq!(Head::decode(&bytes), Some(head));
        for at in 0..bytes.len() - 4 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(Head::decode(&damaged), None, "{at}");
            assert_eq!(Head::decode(&bytes[..at]), None, "{at}");
        }
    }
}
