//! From a pattern's text to its pieces, which stand between its `*`.

use std::str::Chars;

use super::{GlobError, MAX_PIECE};

/// A pattern that can match.
pub(super) struct Pieces {
    /// What the topic is to begin with; all of it, if there is no `*`.
    pub(super) first: Piece,
    /// What is to stand in the topic after that, in this order. None is empty.
    pub(super) inner: Box<[Piece]>,
    /// What the topic is to end with; `None` if there is no `*`.
    pub(super) last: Option<Piece>,
}

/// Texts and single characters, one behind the other.
pub(super) type Piece = Box<[Token]>;

pub(super) enum Token {
    /// Text that is to stand here. Never empty.
    Text(Box<str>),
    /// `?`
    One,
    /// `[..]`. The ranges ascend and have gaps between them.
    Class { negated: bool, ranges: Box<[(char, char)]> },
}

impl Pieces {
    /// `None` if there is a class that nothing closes.
    pub(super) fn compile(text: &str) -> Result<Option<Self>, GlobError> {
        let Some(pieces) = split(text) else { return Ok(None) };
        let mut pieces = pieces.into_iter();
        let first = pieces.next().unwrap_or_default();
        let last = pieces.next_back();
        let inner: Box<[Piece]> = pieces.collect();
        match inner.iter().map(|piece| compared(piece)).max() {
            Some(longest) if longest > MAX_PIECE => Err(GlobError::PieceTooLong(longest)),
            _ => Ok(Some(Self { first, inner, last })),
        }
    }

    pub(super) fn tokens(&self) -> impl Iterator<Item = &Token> {
        let inner = self.inner.iter().flatten();
        self.first.iter().chain(inner).chain(self.last.iter().flatten())
    }
}

impl Token {
    pub(super) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// How many characters of an inner piece are compared at each place of a topic; plain text is searched for instead.
fn compared(piece: &[Token]) -> usize {
    match piece {
        [Token::Text(_)] => 0,
        tokens => tokens.iter().map(|token| token.as_text().map_or(1, |text| text.chars().count())).sum(),
    }
}

/// The pieces: one more than there are `*`, those that follow each other taken for one.
fn split(text: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut builder = Builder::default();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '*' if builder.is_empty() && !pieces.is_empty() => {}
            '*' => pieces.push(builder.take()),
            '?' => builder.push(Token::One),
            '[' => builder.push(class(&mut rest)?),
            other => builder.text.push(other),
        }
    }
    pieces.push(builder.take());
    Some(pieces)
}

/// A piece while it is read.
#[derive(Default)]
struct Builder {
    tokens: Vec<Token>,
    text: String,
}

impl Builder {
    fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.text.is_empty()
    }

    fn push(&mut self, token: Token) {
        self.end_text();
        self.tokens.push(token);
    }

    fn end_text(&mut self) {
        if !self.text.is_empty() {
            self.tokens.push(Token::Text(std::mem::take(&mut self.text).into()));
        }
    }

    fn take(&mut self) -> Piece {
        self.end_text();
        std::mem::take(&mut self.tokens).into()
    }
}

/// Reads a class up to its `]`; `None` if there is none. The steps are SQLite's, with their side effects: behind a
/// range, and behind a `]` in first place, a `-` is a member.
fn class(rest: &mut Chars<'_>) -> Option<Token> {
    let mut ranges = Vec::new();
    let mut member = rest.next()?;
    let negated = member == '^';
    if negated {
        member = rest.next()?;
    }
    if member == ']' {
        ranges.push((']', ']'));
        member = rest.next()?;
    }
    let mut low = None;
    while member != ']' {
        match (low, rest.clone().next()?) {
            (Some(from), high) if member == '-' && high != ']' => {
                rest.next();
                ranges.push((from, high));
                low = None;
            }
            _ => {
                ranges.push((member, member));
                low = Some(member);
            }
        }
        member = rest.next()?;
    }
    Some(Token::Class { negated, ranges: ascending(ranges) })
}

/// Sorted and joined where they overlap, so that one search suffices. A range that ends before it begins has nothing.
fn ascending(mut ranges: Vec<(char, char)>) -> Box<[(char, char)]> {
    ranges.retain(|(low, high)| low <= high);
    ranges.sort_unstable();
    ranges.dedup_by(|next, before| {
        let overlaps = next.0 <= before.1;
        if overlaps {
            before.1 = before.1.max(next.1);
        }
        overlaps
    });
    ranges.into()
}
