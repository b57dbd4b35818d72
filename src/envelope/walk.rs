//! Reads JSON text that is known to be well-formed, in one pass, without losing how its numbers are written.
//!
//! The readers of serde turn numbers into machine types, in which `1.0`, `1e0` and integers of 30 digits are no longer what
//! was sent. This one is only ever given text that serde_json has accepted; what it does not expect all the same is an error.

use std::borrow::Cow;

use serde::de::Error as _;

use super::canonical::{Json, Members};

/// How deep values may nest: what serde_json allows where it builds values.
const DEEPEST: usize = 127;

type Error = serde_json::Error;

pub(super) struct Walk<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, depth: 0 }
    }

    /// The value that comes next.
    pub(super) fn json(&mut self) -> Result<Json<'a>, Error> {
        match self.next_byte() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.text().map(Json::Text),
            Some(b't' | b'n') => self.take(4).map(|text| Json::Atom(text.into())),
            Some(b'f') => self.take(5).map(|text| Json::Atom(text.into())),
            Some(_) => {
                let end = self.rest.find([',', ']', '}', ' ', '\n', '\r', '\t']).unwrap_or(self.rest.len());
                // An empty number would let bad text stand still for ever.
                if end == 0 { Err(unexpected()) } else { self.take(end).map(Json::number) }
            }
            None => Err(unexpected()),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Json<'a>, Error>) -> Result<Json<'a>, Error> {
        if self.depth == DEEPEST {
            return Err(Error::custom("nested more than 128 deep"));
        }
        self.depth += 1;
        self.take(1)?;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Json<'a>, Error> {
        let mut members = Vec::new();
        while self.next_byte() != Some(b'}') {
            let key = self.text()?;
            self.expect(b':')?;
            members.push((key, self.json()?));
            self.separator()?;
        }
        self.take(1)?;
        Ok(Json::Object(Members::new(members)))
    }

    fn array(&mut self) -> Result<Json<'a>, Error> {
        let mut items = Vec::new();
        while self.next_byte() != Some(b']') {
            items.push(self.json()?);
            self.separator()?;
        }
        self.take(1)?;
        Ok(Json::Array(items))
    }

    /// A string; serde_json reads those with escapes.
    fn text(&mut self) -> Result<Cow<'a, str>, Error> {
        let bytes = self.rest.as_bytes();
        let mut end = 1;
        let mut escaped = false;
        loop {
            let found = bytes.get(end..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest));
            end += found.ok_or_else(unexpected)?;
            if bytes.get(end) == Some(&b'"') {
                break;
            }
            escaped = true;
            end += 2;
        }
        let quoted = self.take(end + 1)?;
        if escaped {
            return serde_json::from_str(quoted).map(Cow::Owned);
        }
        quoted.get(1..end).map(Cow::Borrowed).ok_or_else(unexpected)
    }

    /// The comma between two members or items, if there is one.
    fn separator(&mut self) -> Result<(), Error> {
        if self.next_byte() == Some(b',') {
            self.take(1)?;
            self.next_byte();
        }
        Ok(())
    }

    fn expect(&mut self, byte: u8) -> Result<(), Error> {
        if self.next_byte() != Some(byte) {
            return Err(unexpected());
        }
        self.take(1).map(|_| ())
    }

    /// What comes next, behind white space.
    fn next_byte(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_start_matches([' ', '\n', '\r', '\t']);
        self.rest.as_bytes().first().copied()
    }

    fn take(&mut self, length: usize) -> Result<&'a str, Error> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(unexpected)?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cold]
fn unexpected() -> Error {
    Error::custom("not JSON")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        use serde_json::Value;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a-z\"\\\\\\n\u{e9}\u{1f41d}]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::vec(("[a-z\"\\\\]{0,3}", inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_serde_json_reads(value in any_json(), pretty in any::<bool>()) {
            let text = if pretty { format!(" {value:#}\n") } else { value.to_string() };
            let canonical = Json::parse(&text).unwrap().to_text();
            let back: serde_json::Value = serde_json::from_str(&canonical).unwrap();
            // Maps are equal whatever their order.
            prop_assert_eq!(back, value);
        }

        #[test]
        fn no_text_panics_and_a_bad_one_is_an_error(text in "[\\[\\]{}\",:a0-9.e\\\\ -]{0,24}") {
            let known = serde_json::from_str::<serde_json::Value>(&text);
            let read = Json::parse(&text);
            prop_assert!(known.is_err() || read.is_ok(), "{:?}", text);
            let _ = Walk::new(&text).json();
        }
    }
}
