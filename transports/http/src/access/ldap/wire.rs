//! LDAP messages: the few that logging in and searching need (RFC 4511, in BER).
//!
//! Answers come from the network. They are read here and not by `ldap3`, whose reader calls itself for each level of
//! nesting that an answer has and panics at some of what it does not expect. Here nothing recurses, nothing is read
//! beyond the end of its element, and a message has at most [`MAX_MESSAGE`] bytes.

use zeroize::Zeroizing;

/// The largest answer. Entries come without attributes, so there is little in them but a name.
pub(super) const MAX_MESSAGE: usize = 64 << 10;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const BOOLEAN: u8 = 0x01;
const ENUMERATED: u8 = 0x0a;

const BIND: u8 = 0x60;
const BIND_DONE: u8 = 0x61;
const UNBIND: u8 = 0x42;
const SEARCH: u8 = 0x63;
const SEARCH_ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const EXTENDED: u8 = 0x77;
const EXTENDED_DONE: u8 = 0x78;

/// The operation of RFC 4511, section 4.14.
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
/// The name of no attribute: entries come without any (RFC 4511, section 4.5.1.8).
const NO_ATTRIBUTES: &[u8] = b"1.1";
/// Kept in memory once and zeroed when it goes: it may have a password in it.
pub(super) type Message = Zeroizing<Vec<u8>>;

/// A simple bind.
pub(super) fn bind(id: u32, name: &str, password: &str) -> Message {
    const SIMPLE: u8 = 0x80;
    let (name, password) = (element(OCTETS, &[name.as_bytes()]), element(SIMPLE, &[password.as_bytes()]));
    let version = element(INTEGER, &[&[3]]);
    message(id, &element(BIND, &[&version, &name, &password]))
}

/// What to search below `base`, which is included; aliases are not followed. `filter` is BER already.
pub(super) struct Search<'a> {
    pub(super) base: &'a str,
    pub(super) filter: &'a [u8],
    pub(super) most_entries: u16,
    pub(super) seconds: u16,
}

impl Search<'_> {
    pub(super) fn message(&self, id: u32) -> Message {
        const SUBTREE: u8 = 2;
        const NEVER: u8 = 0;
        let base = element(OCTETS, &[self.base.as_bytes()]);
        let (scope, aliases) = (element(ENUMERATED, &[&[SUBTREE]]), element(ENUMERATED, &[&[NEVER]]));
        let (size, time) = (number(self.most_entries.into()), number(self.seconds.into()));
        let types_only = element(BOOLEAN, &[&[0xff]]);
        let attributes = element(SEQUENCE, &[&element(OCTETS, &[NO_ATTRIBUTES])]);
        let parts: [&[u8]; 8] = [&base, &scope, &aliases, &size, &time, &types_only, self.filter, &attributes];
        message(id, &element(SEARCH, &parts))
    }
}

/// Asks for TLS on this connection.
pub(super) fn start_tls(id: u32) -> Message {
    const NAME: u8 = 0x80;
    message(id, &element(EXTENDED, &[&element(NAME, &[START_TLS])]))
}

/// Says goodbye.
pub(super) fn unbind(id: u32) -> Message {
    message(id, &element(UNBIND, &[]))
}

fn message(id: u32, operation: &[u8]) -> Message {
    element(SEQUENCE, &[&number(id), operation])
}

/// In as few bytes as keep it from being negative: BER knows no other form.
fn number(number: u32) -> Message {
    let bytes = u64::from(number).to_be_bytes();
    let start = bytes.windows(2).take_while(|pair| matches!(pair, [0, 0..=0x7f])).count();
    element(INTEGER, &[bytes.get(start..).unwrap_or_default()])
}

/// One element. Its room is taken at once, so that no part of it is left behind in memory by growing.
fn element(tag: u8, parts: &[&[u8]]) -> Message {
    let size: usize = parts.iter().map(|part| part.len()).sum();
    let mut element = Zeroizing::new(Vec::with_capacity(size + 6));
    element.push(tag);
    match u8::try_from(size) {
        Ok(short) if short < 0x80 => element.push(short),
        _ => {
            element.push(0x84);
            // Requests have a name and a password of bounded length, and a filter of the configuration.
            element.extend_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes());
        }
    }
    parts.iter().for_each(|part| element.extend_from_slice(part));
    element
}

/// What a server answered is no LDAP, or none that could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// One answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) id: u32,
    pub(super) kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The end of an operation.
    Done { code: u32, text: String },
    /// An entry was found, of this name.
    Entry(String),
    /// Something else, such as a reference to another server.
    Other,
}

/// How many bytes the first message of `bytes` has; `None` if that cannot be seen yet.
pub(super) fn size(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    match bytes {
        [] | [SEQUENCE] => Ok(None),
        [SEQUENCE, rest @ ..] => match length(rest)? {
            // A length may have 32 bits, and so may all numbers here.
            Some((head, size)) => {
                let whole = size.checked_add(1 + head).filter(|whole| *whole <= MAX_MESSAGE);
                whole.map(Some).ok_or(Malformed)
            }
            None => Ok(None),
        },
        _ => Err(Malformed),
    }
}

/// Reads one whole message.
pub(super) fn read(bytes: &[u8]) -> Result<Answer, Malformed> {
    let (content, _) = expect(SEQUENCE, bytes)?;
    let (id, rest) = expect(INTEGER, content)?;
    let (operation, content, _) = split(rest)?;
    let kind = match operation {
        BIND_DONE | SEARCH_DONE | EXTENDED_DONE => done(content)?,
        SEARCH_ENTRY => Kind::Entry(text(expect(OCTETS, content)?.0)),
        _ => Kind::Other,
    };
    Ok(Answer { id: unsigned(id)?, kind })
}

fn done(content: &[u8]) -> Result<Kind, Malformed> {
    let (code, rest) = expect(ENUMERATED, content)?;
    let (_matched, rest) = expect(OCTETS, rest)?;
    let (diagnosis, _) = expect(OCTETS, rest)?;
    Ok(Kind::Done { code: unsigned(code)?, text: text(diagnosis) })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn unsigned(bytes: &[u8]) -> Result<u32, Malformed> {
    let fits = (1..=5).contains(&bytes.len()) && bytes.first().is_none_or(|first| *first < 0x80);
    let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    u32::try_from(number).ok().filter(|_| fits).ok_or(Malformed)
}

fn expect(tag: u8, bytes: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let (found, content, rest) = split(bytes)?;
    if found == tag { Ok((content, rest)) } else { Err(Malformed) }
}

/// The first element's tag and content, and what follows it.
fn split(bytes: &[u8]) -> Result<(u8, &[u8], &[u8]), Malformed> {
    let (tag, rest) = bytes.split_first().ok_or(Malformed)?;
    let (head, size) = length(rest)?.ok_or(Malformed)?;
    let (content, rest) = rest.get(head..).and_then(|rest| rest.split_at_checked(size)).ok_or(Malformed)?;
    Ok((*tag, content, rest))
}

/// How many bytes a length takes, and what it says.
fn length(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
    match first {
        0..=0x7f => Ok(Some((1, first.into()))),
        0x81..=0x84 => {
            let count = usize::from(first & 0x7f);
            let size =
                rest.get(..count).map(|digits| digits.iter().fold(0, |size, &byte| size << 8 | usize::from(byte)));
            Ok(size.map(|size| (1 + count, size)))
        }
        // Among them the indefinite length, which LDAP does not allow.
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bind_is_the_message_that_the_standard_shows() {
        let expected = b"\x30\x0f\x02\x01\x01\x60\x0a\x02\x01\x03\x04\x01u\x80\x02pw";
        assert_eq!(bind(1, "u", "pw").as_slice(), expected);
    }

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        for (value, bytes) in [
            (0, &[0][..]),
            (127, &[127]),
            (128, &[0, 128]),
            (255, &[0, 255]),
            (256, &[1, 0]),
            (0x7fff_ffff, &[0x7f, 0xff, 0xff, 0xff]),
            (u32::MAX, &[0, 0xff, 0xff, 0xff, 0xff]),
        ] {
            assert_eq!(number(value).as_slice(), [&[INTEGER, u8::try_from(bytes.len()).unwrap()], bytes].concat());
            assert_eq!(unsigned(bytes), Ok(value));
        }
    }

    #[test]
    fn answers_are_read_and_long_lengths_too() {
        let done = b"\x30\x0c\x02\x01\x07\x61\x07\x0a\x01\x31\x04\x00\x04\x00";
        assert_eq!(size(done), Ok(Some(done.len())));
        let kind = Kind::Done { code: 49, text: String::new() };
        assert_eq!(read(done), Ok(Answer { id: 7, kind }));
        let name = "cn=x".repeat(60);
        let entry =
            message(3, &element(SEARCH_ENTRY, &[&element(OCTETS, &[name.as_bytes()]), &element(SEQUENCE, &[])]));
        assert_eq!(read(&entry), Ok(Answer { id: 3, kind: Kind::Entry(name) }));
    }

    #[test]
    fn what_is_too_large_or_has_no_end_is_refused_before_it_is_there() {
        assert_eq!(size(b"\x30\x84\x7f\xff\xff\xff"), Err(Malformed));
        assert_eq!(size(b"\x30\x84\xff\xff\xff\xff"), Err(Malformed));
        assert_eq!(size(b"\x30\x80"), Err(Malformed));
        assert_eq!(size(b"\x30\x88\x00"), Err(Malformed));
        assert_eq!(size(b"HTTP/1.1 400"), Err(Malformed));
        assert_eq!(size(b"\x30\x82\x01"), Ok(None));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), deep in 0_usize..20_000) {
            let _ = (size(&bytes), read(&bytes));
            let nested = [b"\x30\x84\x00\x00\xff\xff".repeat(deep), bytes].concat();
            let _ = (size(&nested), read(&nested));
        }

        #[test]
        fn every_beginning_of_an_answer_says_that_more_is_to_come(code in 0_u32..200, id in any::<u32>(), text in ".{0,300}") {
            let id = id >> 1;
            let parts = [element(ENUMERATED, &[&code.to_be_bytes()]), element(OCTETS, &[]), element(OCTETS, &[text.as_bytes()])];
            let whole = message(id, &element(BIND_DONE, &[&parts[0], &parts[1], &parts[2]]));
            prop_assert_eq!(size(&whole), Ok(Some(whole.len())));
            prop_assert_eq!(read(&whole), Ok(Answer { id, kind: Kind::Done { code, text } }));
            for end in 0..whole.len() {
                prop_assert!(matches!(size(&whole[..end]), Ok(None | Some(_))) && read(&whole[..end]).is_err());
            }
        }
    }
}
