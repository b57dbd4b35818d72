//! Where a message stands in a hub's one order.

use std::fmt;
use std::str::FromStr;

use uuid::{Uuid, Variant};

use crate::CursorError;

const EPOCH_MASK: u64 = (1 << 60) - 1;
const SEQUENCE_MASK: u64 = (1 << 62) - 1;

/// A message's place in a hub's order.
///
/// Outside it is opaque text: a version 8 UUID of 36 characters, which fits where protocols expect a UUID. Inside it is
/// the *epoch* of the log (60 random bits, new with each new log) and the message's *sequence* in it (62 bits, from 1).
/// Cursors of one log compare in the order of its messages; those of different logs compare, but it means nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    epoch: u64,
    sequence: u64,
}

impl Cursor {
    /// The cursor of message `sequence` of the log `epoch`; bits beyond 62 and 60 are cut off. Sequence 0 is the place
    /// before the first message.
    #[must_use]
    pub const fn new(epoch: u64, sequence: u64) -> Self {
        Self { epoch: epoch & EPOCH_MASK, sequence: sequence & SEQUENCE_MASK }
    }

    /// The start of a new log: a random epoch, sequence 0.
    #[must_use]
    pub fn origin() -> Self {
        let (epoch, _) = Uuid::new_v4().as_u64_pair();
        Self::new(epoch, 0)
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

    /// The cursor as a UUID, whose text is the cursor's.
    #[must_use]
    pub const fn to_uuid(self) -> Uuid {
        let (high, low) = (self.epoch >> 12, self.epoch & 0xFFF);
        Uuid::from_u64_pair((high << 16) | (8 << 12) | low, (0b10 << 62) | self.sequence)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_uuid().as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}#{}", self.epoch, self.sequence)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let uuid = match Uuid::try_parse(text) {
            Ok(uuid) if text.len() == 36 => uuid,
            _ => return Err(CursorError::Malformed),
        };
        if uuid.get_version_num() != 8 || uuid.get_variant() != Variant::RFC4122 {
            return Err(CursorError::Malformed);
        }
        let (high, low) = uuid.as_u64_pair();
        Ok(Self::new(((high >> 16) << 12) | (high & 0xFFF), low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_that_is_no_cursor_is_malformed() {
        for text in ["", "7", "b1ea3bd0-fa1d-48e2-9a86-f70f9f79ed66", "b1ea3bd0fa1d88e29a86f70f9f79ed66"] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError::Malformed), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_cursor_survives_its_text_and_keeps_its_order(epoch: u64, one: u64, other: u64) {
            let (a, b) = (Cursor::new(epoch, one), Cursor::new(epoch, other));
            prop_assert_eq!(a.to_string().parse::<Cursor>().unwrap(), a);
            prop_assert_eq!(a.to_string().len(), 36);
            prop_assert_eq!(a.to_string().cmp(&b.to_string()), a.cmp(&b));
        }
    }
}
