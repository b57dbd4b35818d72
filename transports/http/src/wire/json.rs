//! Checks the text of an object and writes it as Python's `json.dumps` does, in one pass.
//!
//! The form: one line, `, ` and `: ` between, ASCII with lower-case escapes, the publisher's key order, of a repeated key
//! the last value at the first place, whole numbers of any size exact, others as Python's `repr`. `NaN`, `Infinity` and
//! numbers too large for a float are refused: written out they would be no JSON.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;

use smallvec::SmallVec;

/// The deepest nesting: half of what the original takes, and what a thread's stack bears easily.
const MAX_DEPTH: usize = 500;

/// Why a text is no payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// It is no JSON.
    #[error("it is no JSON: see byte {0}")]
    Syntax(usize),
    /// It is JSON, and no object.
    #[error("it is JSON, and no object")]
    NoObject,
}

/// An object, written as Python writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    text: String,
    members: Members,
    /// Whether a string in it has half a surrogate pair, which JSON allows and no Unicode text has.
    pub has_lone_surrogate: bool,
}

/// Where each key and each value stands.
type Members = SmallVec<[(Range<usize>, Range<usize>); 8]>;

/// Room that a text has for the end of its line.
const LINE_FEED: usize = 1;

/// The object without members.
impl Default for Object {
    fn default() -> Self {
        Self { text: "{}".to_owned(), members: Members::new(), has_lone_surrogate: false }
    }
}

impl Object {
    /// Reads a text.
    ///
    /// # Errors
    /// It is no JSON, or no object.
    pub fn read(text: &str) -> Result<Self, JsonError> {
        Self::read_by(Writer::new(text))
    }

    /// As [`read`](Self::read), with U+FFFD in place of each half of a surrogate pair.
    ///
    /// # Errors
    /// It is no JSON, or no object.
    pub fn mended(text: &str) -> Result<Self, JsonError> {
        Self::read_by(Writer { mend: true, ..Writer::new(text) })
    }

    fn read_by(mut writer: Writer<'_>) -> Result<Self, JsonError> {
        writer.space();
        let members = match writer.peek() {
            Some(b'{') => Some(writer.object(0)?),
            _ => writer.value(0).map(|()| None)?,
        };
        writer.end()?;
        let members = members.ok_or(JsonError::NoObject)?;
        Ok(Self { text: writer.out, members, has_lone_surrogate: writer.lone })
    }

    /// The object's text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its members: keys as they are written between the quotes, and the texts of their values.
    pub fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.members.iter().map(|(key, value)| {
            let (key, value) = (self.text.get(key.clone()), self.text.get(value.clone()));
            (key.unwrap_or_default(), value.unwrap_or_default())
        })
    }

    /// The text of the value that has this key, as it is written between the quotes.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&str> {
        self.members().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The text with these members: in place of one of the same key, else at the end. A line feed can be put behind it
    /// without a copy.
    #[must_use]
    pub fn with(&self, added: &[(&str, &str)]) -> String {
        let room = added.iter().map(|(key, value)| key.len() + value.len() + 6).sum::<usize>();
        let known = |key: &str| self.members().any(|(own, _)| own == key);
        let mut out = String::with_capacity(self.text.len() + room + LINE_FEED);
        if added.iter().any(|(key, _)| known(key)) {
            let of = |key| added.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
            let own = self.members().map(|(key, value)| (key, of(key).unwrap_or(value)));
            write_members(&mut out, own.chain(added.iter().copied().filter(|(key, _)| !known(key))));
        } else {
            out.push_str(self.text.strip_suffix('}').unwrap_or(&self.text));
            for (key, value) in added {
                out.push_str(if out.len() > 1 { ", \"" } else { "\"" });
                out.extend([key, "\": ", value]);
            }
            out.push('}');
        }
        out
    }

    /// The text without the members that `unwanted` names.
    #[must_use]
    pub fn without(&self, unwanted: impl Fn(&str) -> bool) -> String {
        let mut out = String::with_capacity(self.text.len());
        write_members(&mut out, self.members().filter(|(key, _)| !unwanted(key)));
        out
    }
}

fn write_members<'a>(out: &mut String, members: impl Iterator<Item = (&'a str, &'a str)>) {
    out.push('{');
    for (number, (key, value)) in members.enumerate() {
        out.push_str(if number > 0 { ", \"" } else { "\"" });
        out.extend([key, "\": ", value]);
    }
    out.push('}');
}

/// The text of any JSON value, written as Python writes it.
#[must_use]
pub fn value(text: &str) -> Option<String> {
    let mut writer = Writer::new(text);
    writer.space();
    writer.value(0).and_then(|()| writer.end()).ok()?;
    Some(writer.out)
}

/// Appends `text` as a JSON string.
pub fn write_string(out: &mut String, text: &str) {
    out.push('"');
    text.chars().for_each(|c| write_char(out, c));
    out.push('"');
}

fn write_char(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        ' '..='~' => out.push(c),
        _ => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| write_unit(out, *unit)),
    }
}

fn write_unit(out: &mut String, unit: u16) {
    // Writing to a string does not fail.
    let _ = write!(out, "\\u{unit:04x}");
}

/// Appends a finite number as Python's `repr` writes it: the fewest digits that read back the same, in plain notation
/// from 1e-4 to below 1e16.
pub fn write_float(out: &mut String, number: f64) {
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let _ = match exponent {
        -4..16 => write!(out, "{number:?}"),
        _ => write!(out, "{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs()),
    };
}

/// Reads a text and writes it again.
struct Writer<'a> {
    text: &'a str,
    at: usize,
    out: String,
    lone: bool,
    mend: bool,
}

type Written<T = ()> = Result<T, JsonError>;

impl<'a> Writer<'a> {
    fn new(text: &'a str) -> Self {
        // Room for the separators' spaces and for what a door adds.
        Self { text, at: 0, out: String::with_capacity(text.len() + text.len() / 8), lone: false, mend: false }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn end(&mut self) -> Written {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { self.bad() }
    }

    const fn bad<T>(&self) -> Written<T> {
        Err(JsonError::Syntax(self.at))
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_it = self.peek() == Some(byte);
        self.at += usize::from(is_it);
        is_it
    }

    fn value(&mut self, depth: usize) -> Written {
        match self.peek() {
            Some(b'{') => self.object(depth).map(drop),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str) -> Written {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return self.bad();
        }
        self.at += word.len();
        self.out.push_str(word);
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Written {
        if depth >= MAX_DEPTH {
            return self.bad();
        }
        self.at += 1;
        self.out.push('[');
        self.space();
        if self.take(b']') {
            self.out.push(']');
            return Ok(());
        }
        loop {
            self.space();
            self.value(depth + 1)?;
            self.space();
            if self.take(b']') {
                self.out.push(']');
                return Ok(());
            }
            if !self.take(b',') {
                return self.bad();
            }
            self.out.push_str(", ");
        }
    }

    fn object(&mut self, depth: usize) -> Written<Members> {
        if depth >= MAX_DEPTH {
            return self.bad();
        }
        let (start, mut members) = (self.out.len(), Members::new());
        self.at += 1;
        self.out.push('{');
        self.space();
        if !self.take(b'}') {
            loop {
                self.space();
                members.push(self.member(depth)?);
                self.space();
                if self.take(b'}') {
                    break;
                }
                if !self.take(b',') {
                    return self.bad();
                }
                self.out.push_str(", ");
            }
        }
        self.out.push('}');
        if self.repeats(&members) {
            members = self.unite(start, &members);
        }
        Ok(members)
    }

    fn member(&mut self, depth: usize) -> Written<(Range<usize>, Range<usize>)> {
        if self.peek() != Some(b'"') {
            return self.bad();
        }
        let from = self.out.len();
        self.string()?;
        let key = from + 1..self.out.len() - 1;
        self.space();
        if !self.take(b':') {
            return self.bad();
        }
        self.out.push_str(": ");
        self.space();
        let from = self.out.len();
        self.value(depth + 1)?;
        Ok((key, from..self.out.len()))
    }

    fn written(&self, range: &Range<usize>) -> &str {
        self.out.get(range.clone()).unwrap_or_default()
    }

    /// Whether a key stands twice. Comparing each with each is quickest for the few that objects usually have.
    fn repeats(&self, members: &Members) -> bool {
        let key = |at: usize| members.get(at).map_or("", |(key, _)| self.written(key));
        if members.len() <= 16 {
            return (1..members.len()).any(|one| (0..one).any(|other| key(one) == key(other)));
        }
        let distinct: std::collections::HashSet<&str> = (0..members.len()).map(key).collect();
        distinct.len() < members.len()
    }

    /// Writes the object from `start` on anew, each key once.
    fn unite(&mut self, start: usize, members: &Members) -> Members {
        let mut last: Vec<(&str, &str)> = Vec::with_capacity(members.len());
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (key, value) in members {
            let (key, value) = (self.written(key), self.written(value));
            let place = *places.entry(key).or_insert(last.len());
            match last.get_mut(place) {
                Some(known) => known.1 = value,
                None => last.push((key, value)),
            }
        }
        let mut text = String::new();
        write_members(&mut text, last.iter().copied());
        let mut at = start + 1;
        let mut ranges = Members::new();
        for (number, (key, value)) in last.iter().enumerate() {
            at += if number > 0 { 3 } else { 1 };
            let key = at..at + key.len();
            let value = key.end + 3..key.end + 3 + value.len();
            at = value.end;
            ranges.push((key, value));
        }
        self.out.truncate(start);
        self.out.push_str(&text);
        ranges
    }

    fn string(&mut self) -> Written {
        self.at += 1;
        self.out.push('"');
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let plain = rest.bytes().position(|byte| !matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~'));
            let Some(plain) = plain else { return self.bad() };
            self.out.push_str(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            match rest.as_bytes().get(plain) {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(..b' ') | None => return self.bad(),
                Some(_) => {
                    let Some(c) = rest.get(plain..).and_then(|rest| rest.chars().next()) else { return self.bad() };
                    self.at += c.len_utf8();
                    write_char(&mut self.out, c);
                }
            }
        }
        self.at += 1;
        self.out.push('"');
        Ok(())
    }

    fn escape(&mut self) -> Written {
        self.at += 1;
        let c = match self.peek() {
            Some(b'u') => return self.unicode(),
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return self.bad(),
        };
        self.at += 1;
        write_char(&mut self.out, c);
        Ok(())
    }

    /// One `\uXXXX`, or two that are a pair.
    fn unicode(&mut self) -> Written {
        let Some(unit) = self.unit(self.at + 1) else { return self.bad() };
        self.at += 5;
        let follower = if self.text.get(self.at..self.at + 2) == Some("\\u") { self.unit(self.at + 2) } else { None };
        match (unit, follower) {
            (0xD800..0xDC00, Some(low @ 0xDC00..0xE000)) => {
                write_unit(&mut self.out, unit);
                write_unit(&mut self.out, low);
                self.at += 6;
            }
            (0xD800..0xE000, _) => {
                self.lone = true;
                write_unit(&mut self.out, if self.mend { 0xFFFD } else { unit });
            }
            _ => write_char(&mut self.out, char::from_u32(u32::from(unit)).unwrap_or('\u{fffd}')),
        }
        Ok(())
    }

    fn unit(&self, at: usize) -> Option<u16> {
        let digits = self.text.get(at..at + 4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        u16::from_str_radix(digits, 16).ok()
    }

    fn number(&mut self) -> Written {
        let from = self.at;
        self.take(b'-');
        if !self.take(b'0') && !self.digits() {
            return self.bad();
        }
        let whole = self.at;
        if self.take(b'.') && !self.digits() {
            return self.bad();
        }
        if (self.take(b'e') || self.take(b'E')) && {
            let _sign = self.take(b'+') || self.take(b'-');
            !self.digits()
        } {
            return self.bad();
        }
        let number = self.text.get(from..self.at).unwrap_or_default();
        if self.at == whole {
            self.out.push_str(if number == "-0" { "0" } else { number });
            return Ok(());
        }
        match number.parse::<f64>() {
            Ok(float) if float.is_finite() => write_float(&mut self.out, float),
            _ => return self.bad(),
        }
        Ok(())
    }

    /// At least one digit.
    fn digits(&mut self) -> bool {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at > from
    }
}
