//! Filters as Redis patterns.
//!
//! Redis matches bytes, a [`Glob`] matches characters, and their classes differ: `[^a]` against `[!a]`, escapes by `\`
//! against none. A pattern made here matches *at least* what its filter does; every message that comes by a pattern is
//! tried again on the filter itself. Source of Redis's rules: `stringmatchlen` in its `util.c`.

use eventhive_transport::glob::Token;
use eventhive_transport::{Filter, Glob, Topic};

/// What everything is subscribed by.
const EVERYTHING: &[u8] = b"*";

/// The pattern to subscribe a filter by; `None` if the filter names one topic.
pub(crate) fn of(filter: &Filter) -> Option<Topic> {
    match filter {
        Filter::Exact(_) => None,
        Filter::Glob(glob) => Some(Topic::new(of_glob(glob))),
        Filter::Segments(sets) => Some(Topic::new(match sets.as_slice() {
            [set] => of_segment(set.iter().max_by_key(|segment| segment.as_bytes().len())),
            // One pattern a subscription: of two, Redis would send what matches both twice.
            _ => EVERYTHING.to_vec(),
        })),
        _ => Some(Topic::new(EVERYTHING)),
    }
}

fn of_segment(segment: Option<&Topic>) -> Vec<u8> {
    let mut pattern = EVERYTHING.to_vec();
    if let Some(segment) = segment.filter(|segment| !segment.as_bytes().is_empty()) {
        segment.as_bytes().iter().for_each(|byte| escape(*byte, &mut pattern));
        pattern.extend_from_slice(EVERYTHING);
    }
    pattern
}

fn of_glob(glob: &Glob) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(glob.as_str().len() + 8);
    // A run is written as late as may be, so that `?*?` becomes `??*`: Redis gives up at 1,000 runs.
    let mut run = false;
    for token in glob.tokens() {
        match token {
            Token::Run => run = true,
            Token::One => one_or_more(&mut pattern, &mut run),
            Token::Class { negated: false, ranges } if ranges.iter().all(|(_, high)| high.is_ascii()) => {
                end_run(&mut pattern, &mut run);
                class(ranges, &mut pattern);
            }
            // Redis would take one byte of a longer character.
            Token::Class { .. } => one_or_more(&mut pattern, &mut run),
            Token::Literal(c) => {
                end_run(&mut pattern, &mut run);
                c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| escape(byte, &mut pattern));
            }
        }
    }
    end_run(&mut pattern, &mut run);
    pattern
}

/// A character is one to four bytes.
fn one_or_more(pattern: &mut Vec<u8>, run: &mut bool) {
    pattern.push(b'?');
    *run = true;
}

fn end_run(pattern: &mut Vec<u8>, run: &mut bool) {
    if std::mem::take(run) {
        pattern.push(b'*');
    }
}

fn class(ranges: &[(char, char)], pattern: &mut Vec<u8>) {
    if ranges.iter().any(|(low, high)| low != high && !(low.is_ascii_alphanumeric() && high.is_ascii_alphanumeric())) {
        // The ends of a range cannot be escaped.
        return pattern.push(b'?');
    }
    pattern.push(b'[');
    for (low, high) in ranges {
        if low == high {
            pattern.extend(['\\', *low].iter().map(|c| *c as u8));
        } else {
            pattern.extend([*low, '-', *high].iter().map(|c| *c as u8));
        }
    }
    pattern.push(b']');
}

fn escape(byte: u8, pattern: &mut Vec<u8>) {
    if b"*?[]\\".contains(&byte) {
        pattern.push(b'\\');
    }
    pattern.push(byte);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(glob: &str) -> String {
        String::from_utf8(of_glob(&Glob::new(glob).unwrap())).unwrap()
    }

    #[test]
    fn globs_become_the_patterns_of_redis() {
        for (glob, expected) in [
            ("net/in/*", "net/in/*"),
            ("a?b", "a?*b"),
            ("a?*?", "a??*"),
            ("[*]\\[", "[\\*]\\\\\\["),
            ("[a-c^]", "[a-c\\^]"),
            ("[!a]", "?*"),
            ("[+-/]", "?"),
            ("[ä]x", "?*x"),
            ("[z-a]", "[]"),
            ("ä", "ä"),
        ] {
            assert_eq!(pattern(glob), expected, "{glob}");
        }
        assert_eq!(pattern(&"?*".repeat(512)).matches('*').count(), 1);
    }

    #[test]
    fn segments_are_looked_for_anywhere() {
        let set = |names: &[&str]| names.iter().map(|name| Topic::from(*name)).collect();
        assert_eq!(of(&Filter::Segments(vec![set(&["a", "lon*g"])])), Some("*lon\\*g*".into()));
        assert_eq!(of(&Filter::Segments(vec![set(&["a"]), set(&["b"])])), Some("*".into()));
        assert_eq!(of(&Filter::Segments(vec![set(&[])])), Some("*".into()));
        assert_eq!(of(&Filter::exact("a*")), None);
    }

    /// `stringmatchlen` of Redis 7 as its source has it, without the case folding.
    fn redis_matches(mut pattern: &[u8], mut text: &[u8]) -> bool {
        while let (Some(&first), false) = (pattern.first(), text.is_empty()) {
            match first {
                b'*' => {
                    while pattern.get(1) == Some(&b'*') {
                        pattern = &pattern[1..];
                    }
                    return pattern.len() == 1 || (0..=text.len()).any(|at| redis_matches(&pattern[1..], &text[at..]));
                }
                b'?' => text = &text[1..],
                b'[' => {
                    pattern = &pattern[1..];
                    let not = pattern.first() == Some(&b'^');
                    if not {
                        pattern = &pattern[1..];
                    }
                    let mut found = false;
                    loop {
                        match *pattern {
                            [b'\\', c, ..] => {
                                pattern = &pattern[1..];
                                found |= c == text[0];
                            }
                            [b']', ..] => break,
                            [] => break,
                            [low, b'-', high, ..] => {
                                pattern = &pattern[2..];
                                found |= (low.min(high)..=low.max(high)).contains(&text[0]);
                            }
                            [c, ..] => found |= c == text[0],
                        }
                        pattern = &pattern[1..];
                    }
                    if found == not {
                        return false;
                    }
                    text = &text[1..];
                }
                _ => {
                    if first == b'\\' && pattern.len() >= 2 {
                        pattern = &pattern[1..];
                    }
                    if pattern[0] != text[0] {
                        return false;
                    }
                    text = &text[1..];
                }
            }
            pattern = pattern.get(1..).unwrap_or_default();
            if text.is_empty() {
                let stars = pattern.iter().take_while(|byte| **byte == b'*').count();
                pattern = &pattern[stars..];
                break;
            }
        }
        pattern.is_empty() && text.is_empty()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn what_the_glob_matches_the_pattern_matches(glob in "[ab*?/\\[\\]!^é\\\\-]{1,9}", name in "[ab/é\\[\\]!^*?\\\\-]{1,7}") {
            let glob = Glob::new(&glob).unwrap();
            if glob.matches(&name) {
                let pattern = of_glob(&glob);
                prop_assert!(redis_matches(&pattern, name.as_bytes()), "{} {:?}", glob, String::from_utf8_lossy(&pattern));
            }
        }

        #[test]
        fn an_escaped_name_is_matched_by_itself_only(name in "[ab*?\\[\\]!^\\\\-]{1,8}", other in "[ab*?\\[\\]!^\\\\-]{1,8}") {
            let pattern = of_glob(&Glob::escape(&name).unwrap());
            prop_assert!(redis_matches(&pattern, name.as_bytes()));
            prop_assert_eq!(redis_matches(&pattern, other.as_bytes()), name == other);
        }
    }
}
