//! Patterns of event names, as Python's `fnmatch.fnmatchcase` reads them.
//!
//! `*` is any run of characters, the separator included; `?` is one character; `[seq]` is one of, `[!seq]` none of the
//! characters and ranges in it; a `[` that nothing closes is itself. Nothing is escaped but by a class: `[*]`.
//! Source: CPython's `fnmatch.translate`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use crate::NameError;
use crate::name::MAX_NAME_BYTES;

/// A compiled pattern. Cheap to clone. Two globs are equal when their texts are.
#[derive(Clone)]
pub struct Glob(Arc<Compiled>);

struct Compiled {
    text: Box<str>,
    tokens: Box<[Token]>,
}

/// One piece of a pattern, for wires that have patterns of their own to translate to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// This character.
    Literal(char),
    /// `?`: any one character.
    One,
    /// `*`: any characters, or none. Two never follow each other.
    Run,
    /// `[..]`: one character.
    Class {
        /// Whether it is one that is in none of the ranges.
        negated: bool,
        /// First and last character of each range; equal for a single character. No range is inverted.
        ranges: Box<[(char, char)]>,
    },
}

impl Glob {
    /// Compiles a pattern. Every text is one, except the empty and the overlong.
    ///
    /// # Errors
    /// [`NameError`] for an empty text, or one of more than [`MAX_NAME_BYTES`] bytes.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > MAX_NAME_BYTES {
            return Err(NameError::TooLong(text.len()));
        }
        Ok(Self(Arc::new(Compiled { text: text.into(), tokens: compile(text).into() })))
    }

    /// The pattern's text, as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Whether the whole of `name` matches. Time is at most the product of both lengths, whatever the pattern; so that
    /// this is bounded, a text of more than [`MAX_NAME_BYTES`] bytes, which is no name, matches no pattern.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        name.len() <= MAX_NAME_BYTES && matches(&self.0.tokens, name)
    }

    /// The one name that the pattern matches, if it has no wildcard.
    #[must_use]
    pub fn literal(&self) -> Option<String> {
        let prefix = self.literal_prefix();
        (prefix.chars().count() == self.0.tokens.len()).then_some(prefix)
    }

    /// The text that every match starts with; may be empty.
    #[must_use]
    pub fn literal_prefix(&self) -> String {
        self.0.tokens.iter().map_while(as_literal).collect()
    }

    /// The pieces of the pattern, in order.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        &self.0.tokens
    }

    /// The runs of text between the wildcards, in order: every match has them all. None is empty.
    #[must_use]
    pub fn literals(&self) -> Vec<String> {
        let runs = self.0.tokens.split(|token| as_literal(token).is_none());
        runs.filter(|run| !run.is_empty()).map(|run| run.iter().filter_map(as_literal).collect()).collect()
    }

    /// A pattern that matches exactly `name`: its wildcards are put in classes.
    ///
    /// # Errors
    /// As [`Glob::new`], for the escaped text.
    pub fn escape(name: &str) -> Result<Self, NameError> {
        let mut text = String::with_capacity(name.len());
        for c in name.chars() {
            match c {
                '*' | '?' | '[' => text.extend(['[', c, ']']),
                other => text.push(other),
            }
        }
        Self::new(&text)
    }
}

/// Whether `text` has any wildcard, so that as a pattern it can match something other than itself.
#[must_use]
pub fn has_wildcard(text: &str) -> bool {
    Glob::new(text).is_ok_and(|glob| glob.literal().is_none_or(|literal| literal != text))
}

fn as_literal(token: &Token) -> Option<char> {
    match token {
        Token::Literal(c) => Some(*c),
        Token::Class { negated: false, ranges } => match **ranges {
            [(low, high)] if low == high => Some(low),
            _ => None,
        },
        _ => None,
    }
}

fn compile(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::with_capacity(chars.len());
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        at += 1;
        match c {
            '*' if tokens.last() == Some(&Token::Run) => {}
            '*' => tokens.push(Token::Run),
            '?' => tokens.push(Token::One),
            '[' => match class_end(&chars, at) {
                Some(end) => {
                    tokens.push(class(&chars[at..end]));
                    at = end + 1;
                }
                None => tokens.push(Token::Literal('[')),
            },
            other => tokens.push(Token::Literal(other)),
        }
    }
    tokens
}

/// Where the `]` of a class stands whose inside starts at `start`. A `]` in first place is a member, not the end.
fn class_end(chars: &[char], start: usize) -> Option<usize> {
    let mut from = start;
    if chars.get(from) == Some(&'!') {
        from += 1;
    }
    if chars.get(from) == Some(&']') {
        from += 1;
    }
    (from..chars.len()).find(|at| chars[*at] == ']')
}

/// The class whose inside this is. CPython turns it into a class of a regular expression in steps whose side effects
/// are part of what programs see: a range that holds nothing is cut out, and what is left is read as if it had been
/// written so. `[z-a!b]` is therefore `[!b]`.
fn class(inside: &[char]) -> Token {
    let members = without_empty_ranges(inside);
    match members.as_slice() {
        [Member::Char('!')] => Token::One,
        [Member::Char('!'), rest @ ..] => Token::Class { negated: true, ranges: ranges(rest) },
        all => Token::Class { negated: false, ranges: ranges(all) },
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Char(char),
    /// A `-` that makes a range of the characters beside it.
    To,
}

fn without_empty_ranges(inside: &[char]) -> Vec<Member> {
    let mut chunks = chunks(inside);
    for at in (1..chunks.len()).rev() {
        let (low, high) = (chunks[at - 1].last().copied(), chunks[at].first().copied());
        if low > high {
            let after = chunks.remove(at);
            chunks[at - 1].pop();
            chunks[at - 1].extend(after.into_iter().skip(1));
        }
    }
    let chunks: Vec<Vec<Member>> =
        chunks.into_iter().map(|chunk| chunk.into_iter().map(Member::Char).collect()).collect();
    chunks.join(&Member::To)
}

/// The inside of a class, cut at each `-` that stands between two characters of a range.
fn chunks(inside: &[char]) -> Vec<Vec<char>> {
    let mut chunks = Vec::new();
    let mut start = 0;
    let mut from = if inside.first() == Some(&'!') { 2 } else { 1 };
    while let Some(hyphen) = (from..inside.len()).find(|at| inside[*at] == '-') {
        chunks.push(inside[start..hyphen].to_vec());
        start = hyphen + 1;
        from = hyphen + 3;
    }
    match (inside.get(start..), chunks.last_mut()) {
        // A `-` at the end is itself.
        (None | Some([]), Some(last)) => last.push('-'),
        (rest, _) => chunks.push(rest.unwrap_or_default().to_vec()),
    }
    chunks
}

fn ranges(members: &[Member]) -> Box<[(char, char)]> {
    let as_char = |member: Member| if let Member::Char(c) = member { c } else { '-' };
    let mut ranges = Vec::new();
    let mut rest = members;
    while let [low, after @ ..] = rest {
        let low = as_char(*low);
        if let [Member::To, high, after @ ..] = after {
            ranges.push((low, as_char(*high)));
            rest = after;
        } else {
            ranges.push((low, low));
            rest = after;
        }
    }
    ranges.into()
}

fn accepts(token: &Token, c: char) -> bool {
    match token {
        Token::Literal(wanted) => *wanted == c,
        Token::One => true,
        Token::Run => false,
        Token::Class { negated, ranges } => ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated,
    }
}

/// Two pointers: on a mismatch the last run takes one character more. Earlier runs need no second look.
fn matches(tokens: &[Token], name: &str) -> bool {
    let mut token = 0;
    let mut rest = name.chars();
    let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        if tokens.get(token) == Some(&Token::Run) {
            token += 1;
            if token == tokens.len() {
                return true;
            }
            retry = Some((token, rest.clone()));
            continue;
        }
        match (tokens.get(token), rest.next()) {
            (None, None) => return true,
            (Some(wanted), Some(c)) if accepts(wanted, c) => token += 1,
            _ => {
                let Some((after_run, mut start)) = retry.take() else { return false };
                if start.next().is_none() {
                    return false;
                }
                token = after_run;
                rest = start.clone();
                retry = Some((after_run, start));
            }
        }
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Glob {}

impl Hash for Glob {
    fn hash<H: Hasher>(&self, state: &mut H) {
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

impl FromStr for Glob {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_range_that_holds_nothing_is_cut_out_and_the_rest_read_again_as_in_python() {
        let matches = |pattern: &str, name: &str| Glob::new(pattern).unwrap().matches(name);
        assert!(!matches("[z-a]", "z") && !matches("[z-a]", "b"));
        assert!(matches("[z-a!b]", "c") && !matches("[z-a!b]", "b"));
        assert!(matches("[z-a!]", "q"));
        assert!(matches("[b-a-c]", "-") && matches("[b-a-c]", "c") && !matches("[b-a-c]", "b"));
    }

    #[test]
    fn a_text_too_long_for_a_name_matches_nothing() {
        let anything = Glob::new("*").unwrap();
        assert!(anything.matches(&"a".repeat(MAX_NAME_BYTES)));
        assert!(!anything.matches(&"a".repeat(MAX_NAME_BYTES + 1)));
    }

    #[test]
    fn literal_patterns_know_their_name() {
        let literal = |text: &str| Glob::new(text).unwrap().literal();
        assert_eq!(literal("a/b"), Some("a/b".to_owned()));
        assert_eq!(literal("a[*]b"), Some("a*b".to_owned()));
        assert_eq!(literal("a[b"), Some("a[b".to_owned()));
        assert_eq!(literal("a?"), None);
        assert_eq!(Glob::new("net/work*r/x").unwrap().literal_prefix(), "net/work");
        assert_eq!(Glob::new("*ab?[c]d[ef]*").unwrap().literals(), ["ab", "cd"]);
    }

    /// The definition, by plain recursion. Slow, and short enough to be seen to be right.
    fn naive(tokens: &[Token], name: &[char]) -> bool {
        match (tokens.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((Token::Run, after)), None) => naive(after, name),
            (Some((Token::Run, after)), Some((_, rest))) => naive(after, name) || naive(tokens, rest),
            (Some((token, after)), Some((c, rest))) => accepts(token, *c) && naive(after, rest),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn the_matcher_agrees_with_the_naive_one(pattern in "[ab*?/\\[\\]!é-]{1,9}", name in "[ab/é\\[\\]!-]{0,9}") {
            let glob = Glob::new(&pattern).unwrap();
            let chars: Vec<char> = name.chars().collect();
            prop_assert_eq!(glob.matches(&name), naive(&glob.0.tokens, &chars), "{} {}", pattern, name);
        }

        #[test]
        fn an_escaped_name_matches_itself_only(name in "[ab*?\\[\\]!]{1,8}", other in "[ab*?\\[\\]!]{1,8}") {
            let glob = Glob::escape(&name).unwrap();
            prop_assert!(glob.matches(&name));
            prop_assert_eq!(glob.matches(&other), name == other);
            prop_assert_eq!(glob.literal(), Some(name));
        }
    }
}
