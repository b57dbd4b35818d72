//! What a log on disk knows of itself, under one lock that is held for microseconds.
//!
//! Sequences: what is at most `done` has been stored, or lost with a failing disk; what is above it waits in the tail.
//! `first` is the oldest that is kept; what is before it may
//! still be in a file, and is never read.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::segment::{Mark, Segment, mark};
use crate::{BacklogError, Cursor, Extent, Message};

/// Messages that stay in memory once they are written: at least so many of the newest, ...
const TAIL_MESSAGES: usize = 128;

/// ... and further ones up to this many bytes.
pub(super) const TAIL_BYTES: usize = 1 << 20;

/// What may wait for the disk before publishers are held back, ...
const CROWDED_BYTES: usize = 8 << 20;

/// ... and before they are refused.
const FULL_BYTES: usize = 64 << 20;

/// How long publishes are refused after the disk has failed, before it is tried again.
const FAILING: Duration = Duration::from_secs(1);

/// Failures that are remembered for those who ask late.
const REMEMBERED: usize = 1024;

pub(super) type Outcome = Result<(), BacklogError>;

pub(super) struct State {
    pub(super) epoch: u64,
    /// Sequence and time of the newest message; for a log that was opened, the latest time in it.
    pub(super) newest: u64,
    pub(super) newest_time: u64,
    pub(super) segments: VecDeque<Segment>,
    /// Every message after `tail_floor`, oldest first.
    pub(super) tail: VecDeque<Arc<Message>>,
    tail_bytes: usize,
    pub(super) tail_floor: u64,
    pub(super) done: u64,
    waiting_bytes: usize,
    pub(super) first: u64,
    /// Messages from `first` on.
    pub(super) kept: u64,
    max_messages: u64,
    waiters: BTreeMap<(u64, u64), oneshot::Sender<Outcome>>,
    next_waiter: u64,
    lost: VecDeque<(RangeInclusive<u64>, Arc<io::Error>)>,
    failing: Option<(Instant, Arc<io::Error>)>,
    /// The writer sleeps.
    pub(super) idle: bool,
    pub(super) closing: bool,
    /// The writer has gone.
    pub(super) ended: bool,
}

/// What is to be written to one file.
pub(super) struct Batch {
    pub(super) messages: Vec<Arc<Message>>,
}

/// A batch in its file.
pub(super) struct Written {
    pub(super) last: u64,
    /// The file's new size.
    pub(super) bytes: u64,
    pub(super) marks: Vec<Mark>,
}

impl State {
    /// A log with these segments; `newest` is where it goes on.
    pub(super) fn new(epoch: u64, newest: u64, segments: VecDeque<Segment>, max_messages: u64) -> Self {
        let kept = segments.iter().map(Segment::count).sum();
        let first = segments.iter().find(|segment| !segment.is_empty()).map_or(newest + 1, |segment| segment.base);
        // Behind the last that is stored nothing is missing, whatever number comes next.
        let tail_floor = segments.iter().rev().find(|segment| !segment.is_empty()).map_or(newest, |last| last.last);
        let newest_time = segments.iter().map(|segment| segment.time).max().unwrap_or_default();
        let mut state = Self {
            epoch,
            newest,
            newest_time,
            segments,
            tail: VecDeque::new(),
            tail_bytes: 0,
            tail_floor,
            done: newest,
            waiting_bytes: 0,
            first,
            kept,
            max_messages,
            waiters: BTreeMap::new(),
            next_waiter: 0,
            lost: VecDeque::new(),
            failing: None,
            idle: false,
            closing: false,
            ended: false,
        };
        state.drop_to(max_messages);
        state
    }

    /// Gives the tail what was read of the newest messages when the log was opened.
    pub(super) fn recall(&mut self, newest: VecDeque<Arc<Message>>) {
        if let Some(oldest) = newest.front() {
            self.tail_floor = oldest.cursor().sequence() - 1;
            self.tail_bytes = newest.iter().map(|message| message.weight()).sum();
            self.tail = newest;
        }
    }

    pub(super) fn cursor(&self, sequence: u64) -> Cursor {
        Cursor::new(self.epoch, sequence)
    }

    pub(super) fn extent(&self) -> Extent {
        Extent { oldest: (self.kept > 0).then(|| self.cursor(self.first)), newest: self.cursor(self.newest) }
    }

    pub(super) const fn is_crowded(&self) -> bool {
        self.waiting_bytes > CROWDED_BYTES
    }

    /// Whether publishers who were held back may go on. Half, so that they are not woken for one message each.
    pub(super) const fn has_room(&self) -> bool {
        self.waiting_bytes <= CROWDED_BYTES / 2
    }

    pub(super) fn append(&mut self, message: &Arc<Message>) -> Result<(), BacklogError> {
        if self.closing {
            return Err(storage(io::Error::other("the log is closed")));
        }
        if let Some((until, error)) = &self.failing {
            if Instant::now() < *until {
                return Err(BacklogError::Storage(Arc::clone(error)));
            }
            self.failing = None;
        }
        if self.waiting_bytes > FULL_BYTES {
            return Err(BacklogError::Busy);
        }
        self.newest = message.cursor().sequence();
        self.newest_time = super::record::nanos(message.time());
        if self.kept == 0 {
            self.first = self.newest;
        }
        self.kept += 1;
        self.waiting_bytes += message.weight();
        self.tail_bytes += message.weight();
        self.tail.push_back(Arc::clone(message));
        self.drop_to(self.max_messages);
        Ok(())
    }

    /// The messages that wait, up to about `bytes`.
    pub(super) fn batch(&self, bytes: usize) -> Batch {
        let from = self.tail.partition_point(|message| message.cursor().sequence() <= self.done);
        let mut sum = 0;
        let fits = |message: &&Arc<Message>| {
            let first = sum == 0;
            sum += message.weight();
            first || sum <= bytes
        };
        Batch { messages: self.tail.range(from..).take_while(fits).cloned().collect() }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.tail.back().is_some_and(|newest| newest.cursor().sequence() > self.done)
    }

    /// Takes note of a batch that is in the last segment. The outcomes are to be sent without the lock.
    pub(super) fn written(&mut self, batch: &Batch, written: Written) -> Vec<oneshot::Sender<Outcome>> {
        self.waiting_bytes -= batch.weight();
        if let Some(segment) = self.segments.back_mut() {
            (segment.last, segment.bytes) = (written.last, written.bytes);
            let marks = segment.marks.get_or_insert_default();
            written.marks.into_iter().for_each(|new| mark(marks, &mut segment.time, new));
        }
        let waiters = self.advance(written.last);
        self.trim_tail();
        waiters
    }

    /// All up to `sequence` is done; gives those who wait for that.
    fn advance(&mut self, sequence: u64) -> Vec<oneshot::Sender<Outcome>> {
        self.done = sequence;
        let later = self.waiters.split_off(&(sequence + 1, 0));
        std::mem::replace(&mut self.waiters, later).into_values().collect()
    }

    /// A batch could not be written: it is gone from the log, and publishes are refused for a while.
    pub(super) fn failed(&mut self, batch: &Batch, error: &Arc<io::Error>) -> Vec<oneshot::Sender<Outcome>> {
        let sequence =
            |message: Option<&Arc<Message>>| message.map_or(self.done, |message| message.cursor().sequence());
        let (from, to) = (sequence(batch.messages.first()), sequence(batch.messages.last()));
        let kept = |sequence: u64| (from.max(self.first)..=to).contains(&sequence);
        let gone = batch.messages.iter().filter(|message| kept(message.cursor().sequence())).count() as u64;
        self.tail.retain(|message| !(from..=to).contains(&message.cursor().sequence()));
        self.tail_bytes -= batch.weight();
        self.waiting_bytes -= batch.weight();
        self.kept -= gone;
        if (from..=to).contains(&self.first) {
            self.first = self.following(to).unwrap_or(self.newest + 1);
        }
        if self.lost.len() == REMEMBERED {
            self.lost.pop_front();
        }
        self.lost.push_back((from..=to, Arc::clone(error)));
        self.failing = Some((Instant::now() + FAILING, Arc::clone(error)));
        self.advance(to)
    }

    /// The word on one message: known, or to come. Who asks for a message that is older than what is remembered of
    /// failures is told that it is stored, so ask at once.
    pub(super) fn outcome(&mut self, sequence: u64) -> Result<Outcome, oneshot::Receiver<Outcome>> {
        if let Some((_, error)) = self.lost.iter().find(|(range, _)| range.contains(&sequence)) {
            return Ok(Err(BacklogError::Storage(Arc::clone(error))));
        }
        if sequence <= self.done {
            return Ok(Ok(()));
        }
        if self.ended {
            return Ok(Err(storage(io::Error::other("the log was closed before the message was stored"))));
        }
        let (sender, receiver) = oneshot::channel();
        self.next_waiter += 1;
        self.waiters.insert((sequence, self.next_waiter), sender);
        Err(receiver)
    }

    /// The writer goes; what waits has been written, if it could be.
    pub(super) fn end(&mut self) -> Vec<oneshot::Sender<Outcome>> {
        (self.closing, self.ended) = (true, true);
        std::mem::take(&mut self.waiters).into_values().collect()
    }

    /// Keeps at most this many messages.
    fn drop_to(&mut self, most: u64) {
        while self.kept > most {
            let surplus = self.kept - most;
            let segment = self.segments.iter().find(|segment| segment.last >= self.first);
            // Within a segment sequences have no gaps.
            let here = segment.map_or(1, |segment| segment.last - self.first.max(segment.base) + 1);
            let step = surplus.min(here);
            self.kept -= step;
            let last_gone = segment.map_or(self.first, |segment| self.first.max(segment.base) + step - 1);
            self.first = self.following(last_gone).unwrap_or(self.newest + 1);
        }
    }

    /// Drops what is before `sequence`, which is the sequence of a message in a segment.
    pub(super) fn drop_before(&mut self, sequence: u64) {
        let gone = |segment: &Segment| {
            let last = segment.last.min(sequence.saturating_sub(1));
            (last + 1).saturating_sub(self.first.max(segment.base))
        };
        if sequence > self.first {
            let gone: u64 = self.segments.iter().map(gone).sum();
            self.kept = self.kept.saturating_sub(gone);
            self.first = self.following(sequence - 1).unwrap_or(self.newest + 1);
        }
    }

    /// The first message after a sequence.
    fn following(&self, sequence: u64) -> Option<u64> {
        let segment = self.segments.iter().find(|segment| !segment.is_empty() && segment.last > sequence);
        if let Some(segment) = segment {
            return Some(segment.base.max(sequence + 1));
        }
        let at = self.tail.partition_point(|message| message.cursor().sequence() <= sequence);
        self.tail.get(at).map(|message| message.cursor().sequence())
    }

    /// The files of segments of which nothing is kept, but for the last. More, oldest first, where the files have more
    /// than `max_bytes`.
    pub(super) fn take_dead(&mut self, max_bytes: u64) -> Vec<PathBuf> {
        let mut dead = Vec::new();
        while self.segments.len() > 1 {
            let bytes: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
            let Some(oldest) = self.segments.front() else { break };
            if oldest.last >= self.first && bytes <= max_bytes {
                break;
            }
            self.drop_before(oldest.last + 1);
            dead.extend(self.segments.pop_front().map(|segment| segment.path));
        }
        dead
    }

    fn trim_tail(&mut self) {
        while self.tail.len() > TAIL_MESSAGES && self.tail_bytes > TAIL_BYTES {
            let Some(oldest) = self.tail.pop_front_if(|oldest| oldest.cursor().sequence() <= self.done) else { return };
            self.tail_floor = oldest.cursor().sequence();
            self.tail_bytes -= oldest.weight();
        }
    }

    /// Messages after a place, if all of them are in memory.
    pub(super) fn after(&self, place: u64) -> Option<impl ExactSizeIterator<Item = &Arc<Message>>> {
        let at = self.tail.partition_point(|message| message.cursor().sequence() <= place);
        (place >= self.tail_floor).then(|| self.tail.range(at..))
    }
}

impl Batch {
    fn weight(&self) -> usize {
        self.messages.iter().map(|message| message.weight()).sum()
    }
}

pub(super) fn storage(error: io::Error) -> BacklogError {
    BacklogError::Storage(Arc::new(error))
}
