//! Pieces against a topic: the first at its beginning, the last at its end, each other at the first place behind the
//! one before.
//!
//! No choice is ever taken back: a piece that stands further left leaves no less for those behind it.

use memchr::memmem;

use super::compile::{Piece, Pieces, Token};

pub(super) fn matches(pieces: &Pieces, topic: &str) -> bool {
    let Some(behind_first) = strip_from(&pieces.first, topic) else { return false };
    let Some(last) = &pieces.last else { return behind_first.is_empty() };
    let rest = pieces.inner.iter().try_fold(behind_first, |rest, piece| find_in(rest, piece));
    rest.is_some_and(|rest| ends_with(rest, last))
}

/// What is behind the piece in a text that begins with it.
fn strip_from<'t>(piece: &Piece, text: &'t str) -> Option<&'t str> {
    piece.iter().try_fold(text, |rest, token| match token {
        Token::Text(text) => rest.strip_prefix(&**text),
        one => {
            let mut rest = rest.chars();
            one.accepts(rest.next()?).then_some(rest.as_str())
        }
    })
}

fn ends_with(text: &str, piece: &Piece) -> bool {
    let before = piece.iter().rev().try_fold(text, |rest, token| match token {
        Token::Text(text) => rest.strip_suffix(&**text),
        one => {
            let mut rest = rest.chars();
            one.accepts(rest.next_back()?).then_some(rest.as_str())
        }
    });
    before.is_some()
}

/// What is behind the first place in a text where the piece stands.
fn find_in<'t>(text: &'t str, piece: &Piece) -> Option<&'t str> {
    if let [Token::Text(wanted)] = &**piece {
        // A text of whole characters is found at whole characters only.
        return text.get(memmem::find(text.as_bytes(), wanted.as_bytes())? + wanted.len()..);
    }
    let mut from = text.chars();
    loop {
        if let Some(behind) = strip_from(piece, from.as_str()) {
            return Some(behind);
        }
        from.next()?;
    }
}

impl Token {
    /// Whether this is one character, and the given one can be it.
    fn accepts(&self, character: char) -> bool {
        match self {
            Self::Text(_) => false,
            Self::One => true,
            Self::Class { negated, ranges } => {
                let at = ranges.partition_point(|(_, high)| *high < character);
                ranges.get(at).is_some_and(|(low, _)| *low <= character) != *negated
            }
        }
    }
}
