use proptest::prelude::*;

use super::*;

fn matches(pattern: &str, topic: &[u8]) -> bool {
    Glob::new(pattern).unwrap().matches(&Subject::new(topic))
}

/// The definition, by plain recursion over the pattern's text. Slow, and short enough to be seen to be right.
fn naive(pattern: &[char], topic: &[char]) -> bool {
    match (pattern.split_first(), topic.split_first()) {
        (None, rest) => rest.is_none(),
        (Some(('*', after)), None) => naive(after, topic),
        (Some(('*', after)), Some((_, rest))) => naive(after, topic) || naive(pattern, rest),
        (Some(('[', after)), Some((character, rest))) => {
            naive_class(after, *character).is_some_and(|(is_member, after)| is_member && naive(after, rest))
        }
        (Some((wanted, after)), Some((character, rest))) => {
            (*wanted == '?' || wanted == character) && naive(after, rest)
        }
        (Some(_), None) => false,
    }
}

/// Whether a class accepts a character, and what is behind it: SQLite's loop, step for step.
fn naive_class(mut pattern: &[char], character: char) -> Option<(bool, &[char])> {
    let mut take = || {
        let (first, rest) = pattern.split_first()?;
        pattern = rest;
        Some((*first, rest.first().copied()))
    };
    let (mut seen, mut prior) = (false, None);
    let mut member = take()?;
    let invert = member.0 == '^';
    if invert {
        member = take()?;
    }
    if member.0 == ']' {
        seen = character == ']';
        member = take()?;
    }
    while member.0 != ']' {
        if member.0 == '-' && member.1.is_some_and(|next| next != ']') && prior.is_some() {
            member = take()?;
            seen |= prior <= Some(character) && character <= member.0;
            prior = None;
        } else {
            seen |= character == member.0;
            prior = Some(member.0);
        }
        member = take()?;
    }
    Some((seen != invert, pattern))
}

#[test]
fn a_pattern_at_the_bounds_is_quick_on_a_topic_of_the_greatest_length() {
    let topic = vec![b'a'; 65_535];
    let subject = Subject::new(&topic);
    let half = "a".repeat(24_000);
    let wild = "a?".repeat(MAX_PIECE / 2);
    let stars = "*a".repeat(20_000);
    let class = format!("*[{}]b*", ('\u{100}'..'\u{3000}').chain(['a']).collect::<String>());
    for pattern in [format!("*{half}b{half}*"), format!("*{wild}*b"), format!("{stars}*b*"), class] {
        assert!(!Glob::new(&pattern).unwrap().matches(&subject));
    }
    assert!(Glob::new(&format!("{stars}*")).unwrap().matches(&subject));
}

#[test]
fn what_is_too_long_is_refused_with_its_length() {
    let problem = |pattern: &str| Glob::new(pattern).unwrap_err();
    assert_eq!(problem(&"a".repeat(MAX_BYTES + 1)), GlobError::TooLong(MAX_BYTES + 1));
    assert_eq!(problem(&format!("*?{}*", "a".repeat(MAX_PIECE))), GlobError::PieceTooLong(MAX_PIECE + 1));
    let at_the_edges = "?".repeat(MAX_PIECE + 1);
    assert!(Glob::new(&format!("{at_the_edges}*{at_the_edges}")).is_ok());
    assert!(Glob::new(&format!("*{}*", "a".repeat(MAX_BYTES - 2))).is_ok());
}

#[test]
fn the_first_and_the_last_piece_do_not_share_characters() {
    assert!(!matches("ab*ba", b"aba"));
    assert!(matches("ab*ba", b"abba"));
    assert!(!matches("?*?", b"a"));
}

#[test]
fn an_index_can_ask_for_the_plain_text() {
    let glob = Glob::new("a/b?*c[d]*ef").unwrap();
    assert_eq!(glob.literals().collect::<Vec<_>>(), ["a/b", "c", "ef"]);
    assert_eq!((glob.prefix(), glob.literal()), ("a/b", None));
    assert_eq!(Glob::new("a/b").unwrap().literal(), Some("a/b"));
    assert_eq!(Glob::new("").unwrap().literal(), Some(""));
    assert!(!Glob::new("a[b").unwrap().can_match());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn the_matcher_agrees_with_the_naive_one(pattern in "[abc*?/\\[\\]^!é-]{0,12}", topic in "[abc/é\\[\\]^!-]{0,9}") {
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        prop_assert_eq!(matches(&pattern, topic.as_bytes()), naive(&letters(&pattern), &letters(&topic)));
    }

    #[test]
    fn a_topic_that_matches_has_the_plain_text_of_the_pattern(pattern in "[ab*?]{0,9}", topic in "[ab]{0,9}") {
        let glob = Glob::new(&pattern).unwrap();
        if glob.matches(&Subject::new(topic.as_bytes())) {
            prop_assert!(topic.starts_with(glob.prefix()));
            prop_assert!(glob.literals().all(|literal| topic.contains(literal)));
            prop_assert!(glob.literal().is_none_or(|literal| literal == topic));
        }
    }

    #[test]
    fn a_topic_of_any_bytes_matches_itself_as_far_as_it_is_text(topic in prop::collection::vec(any::<u8>(), 0..20)) {
        let subject = Subject::new(&topic);
        prop_assert!(Glob::new("*").unwrap().matches(&subject));
        let questions = "?".repeat(subject.as_str().chars().count());
        prop_assert!(Glob::new(&questions).unwrap().matches(&subject));
    }
}
