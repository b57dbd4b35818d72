//! From a filter to what broadcasters are asked for.

use eventhive_transport::glob::Token;
use eventhive_transport::{Filter, LinkError};

use crate::subscriber::Wish;

/// What to ask for so that everything comes that passes the filter; more may come.
///
/// A topic ends at its first NUL byte as far as patterns are concerned, so that `?` and `[..]` find none behind it.
pub(super) fn wish(filter: &Filter) -> Result<Wish, LinkError> {
    match filter {
        Filter::All => pattern("*"),
        Filter::Exact(topic) => Ok(Wish::exact(topic.as_bytes())),
        Filter::Glob(glob) => match glob.literal() {
            Some(name) => Ok(Wish::exact(name)),
            None => pattern(&translate(glob.tokens())),
        },
        _ => Err(LinkError::Unsupported(
            "webhooks have no sets of segments: subscribe a pattern, or everything".to_owned(),
        )),
    }
}

fn pattern(text: &str) -> Result<Wish, LinkError> {
    Wish::glob(text).map_err(|error| LinkError::Unsupported(error.to_string()))
}

/// Text, `*` and `?`. A class becomes `?`, which matches more; what stands behind a NUL byte is left out.
fn translate(tokens: &[Token]) -> String {
    let mut text = String::new();
    for token in tokens {
        match token {
            Token::Literal('\0') => break,
            Token::Literal(special @ ('*' | '?' | '[')) => text.extend(['[', *special, ']']),
            Token::Literal(plain) => text.push(*plain),
            Token::Run => text.push('*'),
            Token::One => text.push('?'),
            Token::Class { negated: false, ranges } => match **ranges {
                [(low, high)] if low == high => text.push_str(&translate(&[Token::Literal(low)])),
                _ => text.push('?'),
            },
            Token::Class { .. } => text.push('?'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use eventhive_transport::{Glob, Topic};
    use proptest::prelude::*;

    use super::*;
    use crate::wire::glob::Subject;

    fn text_of(pattern: &str) -> String {
        let wish = wish(&Filter::Glob(Glob::new(pattern).unwrap())).unwrap();
        String::from_utf8(wish.interest().as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn broadcasters_are_asked_for_text_stars_and_question_marks() {
        for (pattern, expected) in [
            ("a/*", "a/*"),
            ("a/[!b]*", "a/?*"),
            ("[a-c]?", "??"),
            ("x[*]y*", "x[*]y*"),
            ("[[]*", "[[]*"),
            ("a[*]b", "a*b"),
        ] {
            assert_eq!(text_of(pattern), expected, "{pattern}");
        }
        assert!(wish(&Filter::Segments(vec![])).is_err());
        assert!(wish(&Filter::Glob(Glob::new(&format!("*{}*", "?".repeat(300))).unwrap())).is_err());
    }

    proptest! {
        #[test]
        fn whatever_passes_a_filter_is_asked_for(pattern in "[ab*?/\\[\\]!é-]{1,9}", topic in "[ab/é\\[\\]!*?-]{0,9}") {
            let filter = Filter::Glob(Glob::new(&pattern).unwrap());
            let wish = wish(&filter).unwrap();
            if filter.matches(&Topic::from(topic.as_str())) {
                prop_assert!(wish.matches(topic.as_bytes(), &Subject::new(topic.as_bytes())), "{:?}", wish);
            }
        }
    }
}
