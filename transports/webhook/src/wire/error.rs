//! What is wrong with bytes from a peer, or with values that do not fit the wire.

/// A field that cannot be read, or cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` at byte {at}: {problem}")]
pub struct WireError {
    /// The field's name in the protocol.
    pub field: &'static str,
    /// Where it begins: bytes from the start of the body or message.
    pub at: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The bytes end inside the field.
    #[error("{expected} bytes expected, only {left} are left")]
    Short {
        /// How many bytes the field has from its `at` on.
        expected: usize,
        /// How many of them are there.
        left: usize,
    },
    /// It is a text, and not UTF-8.
    #[error("UTF-8 expected, which it is for its first {0} bytes only")]
    NotUtf8(usize),
    /// It has a fixed number of bytes, and another number came.
    #[error("exactly {expected} bytes expected, {found} came")]
    Length {
        /// How many bytes it has to have.
        expected: u64,
        /// How many it has.
        found: u64,
    },
    /// It has more bytes than the protocol allows.
    #[error("at most {most} bytes expected, there are {found}")]
    TooLong {
        /// How many bytes the protocol allows.
        most: usize,
        /// How many it has.
        found: usize,
    },
    /// It is a number that means nothing here.
    #[error("{expected} expected, {found} came")]
    Unknown {
        /// What may stand here.
        expected: &'static str,
        /// What does.
        found: u64,
    },
    /// The message has no header of this name.
    #[error("the header is missing")]
    Missing,
    /// Two fields that must agree do not, or a hash is not that of the message.
    #[error("it is not {0}")]
    Differs(&'static str),
    /// A number is greater than what its field holds.
    #[error("at most {most} expected, the number is {found}")]
    TooLarge {
        /// The greatest number that the field holds.
        most: u64,
        /// The number.
        found: u64,
    },
    /// A number is negative where that cannot be written.
    #[error("a number from 0 on expected, it is {0}")]
    Negative(i64),
    /// A list of subscriptions is not in strictly ascending order.
    #[error("greater than the entry before it expected: lists are sorted bytewise, without repetitions")]
    Unsorted,
}

impl WireError {
    pub(crate) fn new(field: &'static str, at: usize, problem: Problem) -> Self {
        Self { field, at, problem }
    }

    /// How many bytes from the start are needed to read on, if all that is wrong is that more have to come.
    pub(crate) fn needed(&self) -> Option<usize> {
        match self.problem {
            Problem::Short { expected, .. } => self.at.checked_add(expected),
            _ => None,
        }
    }
}
