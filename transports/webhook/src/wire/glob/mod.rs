//! Patterns of topics. There is one matcher, for every store and both protocols.
//!
//! It is SQLite's `GLOB`, by which Python's broadcaster chooses whom a message goes to:
//!
//! | in a pattern | matches |
//! |---|---|
//! | `*` | any run of characters, also none, and `/` like any other |
//! | `?` | one character |
//! | `[abc]`, `[a-c]` | one of them; `]` in first place is a member. What nothing closes matches never |
//! | `[^abc]` | one that is none of them; `!` is a member like any other |
//! | everything else, `\` and `{` too | itself, in this case |
//!
//! A topic ends at its first NUL byte, as far as patterns are concerned, and so does a pattern. Bytes of a topic that
//! are not UTF-8 are characters too; see [`Subject`].
//!
//! Python's subscribers look at what they get with a matcher of their own, which takes no topic that is not UTF-8, and
//! knows `[!abc]` in place of `[^abc]`. A pattern of text, `*` and `?` means the same to all.
//!
//! # Cost
//! Time grows with the length of the topic and not with how often a pattern could be tried in vain: what stands between
//! two `*` is looked for once from left to right, plain text by a search that is linear, and text with `?` or `[..]` in
//! it by comparing at each place. For the latter the pattern may have at most [`MAX_PIECE`] characters between two `*`.
//!
//! # How to read it
//! - `compile`: from a text to pieces, split at each `*`.
//! - `subject`: a topic made ready.
//! - `search`: pieces against a topic.

mod compile;
mod search;
mod subject;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use compile::{Pieces, Token};
pub use subject::Subject;

/// The most bytes of a pattern. Longer ones are an error to SQLite.
pub const MAX_BYTES: usize = 50_000;

/// The most characters between two `*`, where there is a `?` or `[..]` among them.
pub const MAX_PIECE: usize = 256;

/// A compiled pattern. Cheap to clone.
#[derive(Clone)]
pub struct Glob(Arc<Compiled>);

struct Compiled {
    text: Box<str>,
    /// `None` if it matches nothing.
    pieces: Option<Pieces>,
}

/// A text that cannot be a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GlobError {
    /// It has more than [`MAX_BYTES`] bytes.
    #[error("the glob has {0} bytes, the most is {MAX_BYTES}: shorten it")]
    TooLong(usize),
    /// It has a piece with more than [`MAX_PIECE`] characters.
    #[error("the glob has {0} characters between two `*`, with a `?` or `[` among them; the most is {MAX_PIECE}")]
    PieceTooLong(usize),
}

impl Glob {
    /// Compiles a pattern. Every text is one, also the empty, which matches the empty topic.
    ///
    /// # Errors
    /// It is too long.
    pub fn new(text: &str) -> Result<Self, GlobError> {
        if text.len() > MAX_BYTES {
            return Err(GlobError::TooLong(text.len()));
        }
        let pieces = Pieces::compile(Subject::new(text.as_bytes()).as_str())?;
        Ok(Self(Arc::new(Compiled { text: text.into(), pieces })))
    }

    /// The pattern's text, as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Whether the whole of a topic matches.
    #[must_use]
    pub fn matches(&self, topic: &Subject<'_>) -> bool {
        self.0.pieces.as_ref().is_some_and(|pieces| search::matches(pieces, topic.as_str()))
    }

    /// Whether it can match any topic; a class that nothing closes cannot.
    #[must_use]
    pub fn can_match(&self) -> bool {
        self.0.pieces.is_some()
    }

    /// The runs of plain text in it, in order, for an index of patterns: the [`Subject::as_str`] of each topic that
    /// matches has them all.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        self.0.pieces.iter().flat_map(Pieces::tokens).filter_map(Token::as_text)
    }

    /// The text that each topic that matches begins with; may be empty.
    #[must_use]
    pub fn prefix(&self) -> &str {
        let first = self.0.pieces.as_ref().and_then(|pieces| pieces.first.first());
        first.and_then(Token::as_text).unwrap_or_default()
    }

    /// The one text that it matches, if it has neither `*`, `?` nor `[`.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        let Pieces { first, last, .. } = self.0.pieces.as_ref()?;
        match (&**first, last) {
            ([], None) => Some(""),
            ([Token::Text(text)], None) => Some(text),
            _ => None,
        }
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Glob {}

impl std::hash::Hash for Glob {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.text.hash(state);
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0.text, f)
    }
}
