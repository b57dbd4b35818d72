//! How far each stream has been read.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eventhive_transport::{Gap, Topic};

use super::answers::{StreamId, StreamInfo};
use crate::config::Mode;

/// The place in one stream. Shared by the reader that moves it and the link that outlives the reader.
#[derive(Debug, Default)]
pub(crate) struct Position {
    /// The last entry that was handed out; before the first, the last that was there when the subscription was made.
    pub(super) last: StreamId,
    /// How many entries of the stream lie up to `last`. `None` where the server does not count.
    pub(super) passed: Option<u64>,
    /// Entries of a group that the sinks have and Redis has no acknowledgement of yet. At most one batch.
    pub(super) unacknowledged: HashSet<StreamId>,
}

impl Position {
    /// Where a subscription begins that is made now.
    pub(crate) fn at_the_end_of(info: StreamInfo) -> Self {
        Self { last: info.last, passed: info.added, ..Self::default() }
    }

    /// What was lost between this place and what the stream has now; moves the place behind it.
    pub(super) fn lost(&mut self, info: StreamInfo) -> Loss {
        if info.last < self.last {
            // A stream's ids only grow: this is another one, and all of it is new.
            (self.last, self.passed) = (StreamId::default(), info.added.map(|_| 0));
            return Loss::Everything;
        }
        let (Some(added), Some(trimmed)) = (info.added, info.trimmed()) else { return Loss::Nothing };
        let counted = (info.last == self.last).then_some(added);
        let Some(passed) = self.passed else {
            self.passed = counted;
            return Loss::Nothing;
        };
        if added < passed {
            self.passed = counted;
            return Loss::Unknown;
        }
        match trimmed.checked_sub(passed) {
            None | Some(0) => Loss::Nothing,
            Some(lost) => {
                self.passed = Some(trimmed);
                Loss::Some(lost)
            }
        }
    }
}

/// What a stream no longer has.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Loss {
    Nothing,
    Some(u64),
    /// The stream was lost and made again before this was noticed; nobody knows how much of it was unread.
    Unknown,
    /// The same, and nothing of the new one has been read.
    Everything,
}

impl Loss {
    pub(super) const fn gap(&self) -> Option<Gap> {
        match self {
            Self::Nothing => None,
            Self::Some(lost) => Some(Gap { lost: Some(*lost) }),
            Self::Unknown | Self::Everything => Some(Gap { lost: None }),
        }
    }
}

/// The places in all streams of a link.
#[derive(Default)]
pub(crate) struct Positions(HashMap<Topic, SharedPosition>);

#[derive(Clone)]
pub(crate) struct SharedPosition(Arc<Mutex<Position>>);

impl SharedPosition {
    pub(super) fn lock(&self) -> MutexGuard<'_, Position> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Positions {
    pub(crate) fn get(&self, stream: &Topic) -> Option<SharedPosition> {
        self.0.get(stream).cloned()
    }

    /// Begins a stream, unless it was begun before.
    pub(crate) fn begin(&mut self, stream: Topic, info: StreamInfo) {
        let begun = || SharedPosition(Arc::new(Mutex::new(Position::at_the_end_of(info))));
        self.0.entry(stream).or_insert_with(begun);
    }

    /// Nobody reads the stream any more. A group's place is Redis's to keep; what is not acknowledged must be known
    /// again when the stream is read again.
    pub(crate) fn forget(&mut self, mode: &Mode, stream: &Topic) {
        if !matches!(mode, Mode::Streams(streams) if streams.group.is_some()) {
            self.0.remove(stream);
        }
    }

    pub(crate) fn streams(&self) -> impl Iterator<Item = &Topic> {
        self.0.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(last: u64, added: Option<u64>, length: u64) -> StreamInfo {
        StreamInfo { last: StreamId(last, 0), added, length }
    }

    #[test]
    fn what_was_trimmed_before_it_was_read_is_a_loss_told_once() {
        let mut position = Position::at_the_end_of(info(10, Some(10), 5));
        assert_eq!(position.lost(info(12, Some(12), 2)), Loss::Nothing);
        assert_eq!(position.lost(info(20, Some(20), 4)), Loss::Some(6));
        assert_eq!(position.lost(info(20, Some(20), 4)), Loss::Nothing);
    }

    #[test]
    fn a_stream_made_anew_is_read_from_its_beginning() {
        let mut position = Position::at_the_end_of(info(10, Some(10), 5));
        assert_eq!(position.lost(StreamInfo::NONE), Loss::Everything);
        assert_eq!((position.last, position.passed), (StreamId::default(), Some(0)));
        assert_eq!(position.lost(info(3, Some(3), 3)), Loss::Nothing);
    }

    #[test]
    fn a_stream_that_was_replaced_while_it_was_read_is_a_loss_told_once_and_counted_on() {
        let mut position = Position::at_the_end_of(info(10, Some(10), 5));
        // The new one has three, of which one was read.
        (position.last, position.passed) = (StreamId(21, 0), Some(11));
        assert_eq!(position.lost(info(23, Some(3), 3)), Loss::Unknown);
        assert_eq!((position.last, position.lost(info(23, Some(3), 3))), (StreamId(21, 0), Loss::Nothing));
        position.last = StreamId(23, 0);
        assert_eq!(position.lost(info(23, Some(3), 3)), Loss::Nothing);
        assert_eq!(position.lost(info(30, Some(10), 2)), Loss::Some(5));
    }

    #[test]
    fn a_server_that_does_not_count_tells_no_loss() {
        let mut position = Position::at_the_end_of(info(10, None, 5));
        assert_eq!(position.lost(info(20, None, 1)), Loss::Nothing);
    }
}
