//! Hides secrets in the source lines that a message shows.
//!
//! It works on the text, not on the tree, because a text that is no YAML must not give its secrets away either. It
//! hides too much rather than too little: whatever follows a key that sounds like a secret (or like a misspelt one) to
//! the end of the line, the lines that belong to it, the user and password of a URL, and the query of one.

use eventhive_transport::settings::nearest;

/// What may be shown of one line: characters before this one.
pub(super) type Shown = Option<usize>;

/// For each line, where to stop showing it; `None` shows all of it.
pub(super) fn mask(text: &str) -> Vec<Shown> {
    let mut state = State::Open;
    text.lines().map(|line| state.line(line)).collect()
}

/// What the lines before mean for the next.
enum State {
    Open,
    /// The value was not on its key's line: the next line with anything on it is hidden, wherever it stands.
    Pending(usize),
    /// Lines indented deeper than this belong to the value.
    Deeper(usize),
    /// A quote is open; the lines up to the one that closes it are hidden.
    Quoted(char, usize),
}

impl State {
    fn line(&mut self, line: &str) -> Shown {
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        if line.trim().is_empty() {
            return None;
        }
        match *self {
            Self::Open => {}
            Self::Pending(column) => {
                *self = Self::Deeper(column);
                return Some(indent);
            }
            Self::Deeper(column) => {
                let item = line.trim_start().starts_with('-') && indent == column;
                if indent > column || item {
                    return Some(indent);
                }
                *self = Self::Open;
            }
            Self::Quoted(quote, column) => {
                if line.contains(quote) {
                    *self = Self::Deeper(column);
                }
                return Some(indent);
            }
        }
        [self.secret_on(line, indent), url_login(line), query(line)].into_iter().flatten().min()
    }

    /// Looks for a key that sounds like a secret, and notes what follows it.
    fn secret_on(&mut self, line: &str, indent: usize) -> Shown {
        let (colon, key) = secret_key(line)?;
        let behind = line.get(colon + 1..)?;
        let before = line.get(..colon)?;
        let column = if before.contains(['{', '[']) { indent } else { before.chars().count() - key.chars().count() };
        let value = behind.trim();
        *self = match value.chars().next() {
            None => Self::Pending(column),
            Some(quote @ ('"' | '\'')) if value.matches(quote).count() % 2 == 1 => Self::Quoted(quote, column),
            Some(_) => Self::Deeper(column),
        };
        let spaces = behind.chars().take_while(|c| c.is_whitespace()).count();
        Some(before.chars().count() + 1 + spaces)
    }
}

/// The first colon behind a secret's key (byte offset), and the key with what stands between the two.
fn secret_key(line: &str) -> Option<(usize, &str)> {
    line.match_indices(':').find_map(|(colon, _)| {
        let before = line.get(..colon)?;
        let word = before.trim_end().trim_end_matches(['"', '\'']);
        let start = word
            .rfind(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
            .map_or(0, |at| at + word.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8));
        sounds_secret(word.get(start..)?).then_some((colon, before.get(start..)?))
    })
}

/// Whether a key's value is to be hidden.
pub(super) fn sounds_secret(key: &str) -> bool {
    const WORDS: [&str; 5] = ["secret", "password", "token", "credential", "private_key"];
    let key = key.to_lowercase();
    // As near to `secret` as a slip, and not one.
    if matches!(key.as_str(), "server" | "servers" | "secure_topics") {
        return false;
    }
    WORDS.iter().any(|word| key.contains(word)) || nearest(&key, WORDS.into_iter()).is_some()
}

/// Where the login of a URL begins, if one has any.
fn url_login(line: &str) -> Shown {
    let scheme = line.find("://")?;
    let rest = line.get(scheme + 3..)?;
    rest.contains('@').then(|| line.get(..scheme + 3).map_or(0, |start| start.chars().count()))
}

/// Where a query such as `?token=..` begins, if there is one.
fn query(line: &str) -> Shown {
    let (before, behind) = line.split_once('?')?;
    behind.contains('=').then(|| before.chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text with what is hidden cut away.
    fn shown(text: &str) -> String {
        let cut = |(line, shown): (&str, Shown)| line.chars().take(shown.unwrap_or(usize::MAX)).collect::<String>();
        text.lines().zip(mask(text)).map(cut).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn no_way_to_write_a_secret_shows_it() {
        for text in [
            "a:\n  secret: hunter2\n  b: shown",
            "a: {b: shown, secret: hunter2}",
            "a: {b: shown, 'secret' : \"hunter2\"}",
            "secret:\n  - hunter2\n  - hunter2\nb: shown",
            "secret:\n- hunter2\n- hunter2\nb: shown",
            "secret: |\n  hunter2\n\n  hunter2\nb: shown",
            "secret: \"x\n  hunter2\"\nb: shown",
            "a: {b: shown, secret: 'x\nhunter2'\n}",
            "a: {b: shown, secret:\nhunter2}",
            "secert: hunter2\nb: shown",
            "server:\n  shown: 1\n  token: hunter2",
            "pasword: hunter2\nb: shown",
            "b: shown\ntokens: [hunter2]",
            "b: shown\nurl: redis://me:hunter2@host",
            "b: shown\nendpoint: /pubsub?token=hunter2",
            "{\"b\": \"shown\", \"endpoint\": \"/?key=hunter2\", \"token\": \"hunter2\"}",
            "b: shown\nÜber_SECRET: hunter2",
            "b: shown\n- secret:\n    hunter2\n    hunter2",
        ] {
            let shown = shown(text);
            assert!(!shown.contains("hunter2"), "{text:?} shows {shown:?}");
            assert!(shown.contains("shown"), "{text:?} hides too much: {shown:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "[a-c:'\"{\\[ä \\n-]{0,40}(secret|token)?[:'\" \\n]{0,4}.{0,20}") {
            proptest::prop_assert_eq!(mask(&text).len(), text.lines().count());
        }
    }
}
