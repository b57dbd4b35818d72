//! Users' names as directories compare them: RFC 4518, by which `BOB`, ` bob ` and `bob` with a soft hyphen are one name.

use icu_normalizer::ComposingNormalizerBorrowed;

/// A name in the form in which equality is what a directory takes for equality: without regard to case, to the way in
/// which a character is composed, to how many spaces there are, and to characters that nobody sees.
///
/// A directory may tell apart what is the same here, and may have rules of its own, such as taking `é` for `e`.
pub(super) fn folded(name: &str) -> String {
    let normalizer = ComposingNormalizerBorrowed::new_nfkc();
    let visible: String = name.chars().filter(|char| !is_ignored(*char)).map(spaced).collect();
    // Composing may make a letter that has a small form, and a small form may be composed of several.
    let small = normalizer.normalize(&visible).to_lowercase();
    let small = normalizer.normalize(&small).replace('ς', "σ").replace('ß', "ss");
    small.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What RFC 4518, 2.2 maps to a space; what it calls a separator is white space already.
fn spaced(char: char) -> char {
    if matches!(char, '\t'..='\r' | '\u{85}') || char.is_whitespace() { ' ' } else { char }
}

/// What RFC 4518, 2.2 maps to nothing, and further characters that are not seen.
const fn is_ignored(char: char) -> bool {
    matches!(char,
        '\0'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{115f}' | '\u{1160}'
        | '\u{17b4}' | '\u{17b5}' | '\u{1806}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffc}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_name_are_one_name() {
        for (one, other) in [
            ("bob", "BOB"),
            ("bob", "  bob\t"),
            ("bob", "b\u{ad}o\u{200b}b\u{feff}"),
            ("bob", "bob\0"),
            ("bob", "\u{ff42}\u{ff2f}\u{1d41b}"),
            ("bob b", "bob \u{a0} B"),
            ("bob b", "bob\u{3000}b"),
            ("k", "\u{212a}"),
            ("sam", "\u{17f}am"),
            ("fine", "\u{fb01}ne"),
            ("jos\u{e9}", "JOSE\u{301}"),
            ("STRASSE", "straße"),
            ("STRASSE", "stra\u{1e9e}e"),
            ("ΟΔΟΣ", "οδος"),
            ("οδοσ", "οδος"),
        ] {
            assert_eq!(folded(one), folded(other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn different_names_stay_different() {
        for (one, other) in [("bob", "bobb"), ("bo b", "bob"), ("josé", "jose"), ("bob", "bob@example.org"), ("a", "")]
        {
            assert_ne!(folded(one), folded(other), "{one:?} {other:?}");
        }
    }

    proptest! {
        #[test]
        fn a_folded_name_is_folded(name in ".{0,20}") {
            let once = folded(&name);
            prop_assert_eq!(folded(&once), once.clone());
            prop_assert_eq!(folded(&format!(" {name}\u{ad} ")), once);
        }
    }
}
