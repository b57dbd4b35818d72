//! Where a message stands in a hub's one order.

use std::fmt;

use uuid::Uuid;

const EPOCH_MASK: u64 = (1 << 60) - 1;
const SEQUENCE_MASK: u64 = (1 << 61) - 1;

/// A message's place in a hub's order: the *epoch* of the log (60 random bits, new with each new log) and the message's
/// *sequence* in it (61 bits, from 1). Cursors of one log compare in the order of its messages; those of different logs
/// compare, but it means nothing.
///
/// It has no text, because it tells how much was published, private messages included. Clients have a
/// [`PublicCursor`](crate::PublicCursor).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    epoch: u64,
    sequence: u64,
}

impl Cursor {
    /// The cursor of message `sequence` of the log `epoch`; bits beyond 61 and 60 are cut off. Sequence 0 is the place
    /// before the first message.
    #[must_use]
    pub const fn new(epoch: u64, sequence: u64) -> Self {
        Self { epoch: epoch & EPOCH_MASK, sequence: sequence & SEQUENCE_MASK }
    }

    /// The start of a new log: a random epoch, sequence 0.
    #[must_use]
    pub fn origin() -> Self {
        // The bits of this half that are not random are cut off.
        let (_, random) = Uuid::new_v4().as_u64_pair();
        Self::new(random, 0)
    }

    /// Which log.
    #[must_use]
    pub const fn epoch(self) -> u64 {
        self.epoch
    }

    /// Which message of the log.
    #[must_use]
    pub const fn sequence(self) -> u64 {
        self.sequence
    }

    /// The place of the next message.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::new(self.epoch, self.sequence + 1)
    }

    /// The place just before.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self::new(self.epoch, self.sequence.saturating_sub(1))
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}#{}", self.epoch, self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cursors_of_one_log_have_the_order_of_its_messages(epoch: u64, one in 1_u64..1 << 61, other in 1_u64..1 << 61) {
            let (a, b) = (Cursor::new(epoch, one), Cursor::new(epoch, other));
            prop_assert_eq!(a.cmp(&b), one.cmp(&other));
            prop_assert!(a.previous() < a && a.previous().next() == a);
        }
    }
}
