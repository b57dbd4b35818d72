//! What a subscription wants. One type for both kinds, because everything but the last field of their bodies is alike.

use super::error::WireError;
use super::read::Reader;

/// What a subscription wants: one topic, or all that match a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Interest<'a> {
    /// This topic, byte for byte.
    Exact(&'a [u8]),
    /// Topics that match this pattern; see [`Glob`](super::glob::Glob).
    Glob(&'a str),
}

/// Which of the two an [`Interest`] is. The path of a request, or the type of a message, says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum InterestKind {
    /// A topic.
    Exact,
    /// A pattern.
    Glob,
}

impl<'a> Interest<'a> {
    /// Which of the two it is.
    #[must_use]
    pub fn kind(&self) -> InterestKind {
        match self {
            Self::Exact(_) => InterestKind::Exact,
            Self::Glob(_) => InterestKind::Glob,
        }
    }

    /// The topic or the pattern, as it is on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        match self {
            Self::Exact(topic) => topic,
            Self::Glob(glob) => glob.as_bytes(),
        }
    }

    pub(crate) fn read(kind: InterestKind, reader: &mut Reader<'a>) -> Result<Self, WireError> {
        Ok(match kind {
            InterestKind::Exact => Self::Exact(reader.l16(kind.field())?),
            InterestKind::Glob => Self::Glob(reader.text(kind.field())?),
        })
    }
}

impl InterestKind {
    /// The field's name in messages of errors.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::Exact => "topic",
            Self::Glob => "glob",
        }
    }
}
