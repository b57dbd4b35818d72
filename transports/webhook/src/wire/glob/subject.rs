//! A topic made ready for matching.

use std::borrow::Cow;

/// A topic as patterns see it. Made once for each message, and used for all patterns.
///
/// It ends at the first NUL byte. Bytes that are not UTF-8 are read as SQLite reads them: a byte from `80` to `BF` that
/// continues nothing is the character of that number; any other begins a character that goes on for as long as such
/// bytes follow. What that gives, if it is no character, is U+FFFD. (SQLite keeps numbers that are too great for a
/// character, which only a pattern with U+FFFD in it could tell.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject<'a>(Cow<'a, str>);

impl<'a> Subject<'a> {
    /// From a topic's bytes. Nothing is copied, unless it has bytes that are not UTF-8 or a noncharacter.
    #[must_use]
    pub fn new(topic: &'a [u8]) -> Self {
        let visible = memchr::memchr(0, topic).and_then(|nul| topic.get(..nul)).unwrap_or(topic);
        match str::from_utf8(visible) {
            Ok(text) if !has_noncharacter(visible) => Self(Cow::Borrowed(text)),
            _ => Self(Cow::Owned(lenient(visible))),
        }
    }

    /// What patterns are matched against.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// U+FFFE and U+FFFF, which are EF BF BE and EF BF BF, and which SQLite reads as U+FFFD.
fn has_noncharacter(text: &[u8]) -> bool {
    memchr::memchr_iter(0xef, text).any(|at| matches!(text.get(at + 1..at + 3), Some([0xbf, 0xbe | 0xbf])))
}

fn lenient(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes.iter().copied().peekable();
    while let Some(first) = rest.next() {
        if first < 0xc0 {
            text.push(char::from(first));
            continue;
        }
        // How many bits of a first byte count. Of F8 to FF, which UTF-8 does not have, it is what SQLite's table says.
        let mut code = u32::from(match first {
            0xc0..=0xdf => first & 0x1f,
            0xe0..=0xef => first & 0x0f,
            0xf0..=0xf7 => first & 0x07,
            0xf8..=0xfb => first & 0x03,
            0xfc..=0xfd => first & 0x01,
            _ => 0,
        });
        while let Some(next) = rest.next_if(|next| next & 0xc0 == 0x80) {
            code = code << 6 | u32::from(next & 0x3f);
        }
        if code < 0x80 || matches!(code, 0xfffe | 0xffff) {
            code = char::REPLACEMENT_CHARACTER.into();
        }
        text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_utf_8_is_borrowed_and_the_rest_is_read_as_sqlite_reads_it() {
        assert!(matches!(Subject::new("fü/€/😀".as_bytes()).0, Cow::Borrowed("fü/€/😀")));
        for (topic, read) in [
            (&b"a\0b"[..], "a"),
            (b"a\xff", "a\u{fffd}"),
            (b"\x80\xbf", "\u{80}\u{bf}"),
            (b"\xc3(", "\u{fffd}("),
            (b"\xe0\x83\xa9", "é"),
            (b"\xed\xa0\x80", "\u{fffd}"),
            ("a\u{fffe}".as_bytes(), "a\u{fffd}"),
            (b"\xf7\xbf\xbf\xbf!", "\u{fffd}!"),
            (b"\xc3\xa9\xa9", "\u{3a69}"),
        ] {
            assert_eq!(Subject::new(topic).as_str(), read, "{topic:?}");
        }
    }
}
