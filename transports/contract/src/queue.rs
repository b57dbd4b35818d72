//! The words for what a full queue does.

use std::fmt;
use std::str::FromStr;

/// What a bounded queue does with one more item when it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Overflow {
    /// The sender waits until there is room.
    #[default]
    Block,
    /// The oldest waiting items go, the new one comes in.
    DropOldest,
    /// The new item goes.
    DropNewest,
    /// The slow consumer is disconnected.
    Disconnect,
}

impl Overflow {
    /// Every policy's word, as in a configuration.
    pub const WORDS: &'static [&'static str] = &["block", "drop_oldest", "drop_newest", "disconnect"];

    /// The policy's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::DropOldest => "drop_oldest",
            Self::DropNewest => "drop_newest",
            Self::Disconnect => "disconnect",
        }
    }
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The text is no policy's word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no overflow policy: use block, drop_oldest, drop_newest or disconnect")]
pub struct UnknownOverflow(String);

impl FromStr for Overflow {
    type Err = UnknownOverflow;
    fn from_str(word: &str) -> Result<Self, UnknownOverflow> {
        match word {
            "block" => Ok(Self::Block),
            "drop_oldest" => Ok(Self::DropOldest),
            "drop_newest" => Ok(Self::DropNewest),
            "disconnect" => Ok(Self::Disconnect),
            other => Err(UnknownOverflow(other.to_owned())),
        }
    }
}
