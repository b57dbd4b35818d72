//! Distinguished names, compared as directories compare them.
//!
//! The original compares the text of names. Here `CN=Staff, DC=example` and `cn=staff,dc=example` are one name, as they
//! are to the server: case does not matter, nor do spaces around `,` `+` `=` or how many there are within a value, nor how
//! a character is escaped, nor the order of the parts of `a=1+b=2`. That holds for the attributes that names are made of in
//! practice (`cn`, `ou`, `uid`, `dc`, `o`); two names that a server tells apart by case alone are the same here. An
//! attribute has one spelling: `cn` and `2.5.4.3` are different.

/// A name in the form in which equality is equality.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Name(Vec<Vec<Part>>);

type Part = (String, Value);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Value {
    Text(String),
    /// `#04024869`: BER in hexadecimal digits, which only the server understands.
    Raw(String),
}

impl Name {
    /// Reads the text form of RFC 4514. `None` if it is none, or has no part.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (mut levels, mut level) = (Vec::new(), Vec::new());
        let mut rest = text;
        loop {
            let (attribute, behind) = rest.split_once('=')?;
            let (value, end) = value(behind)?;
            level.push((attribute_name(attribute)?, value));
            let (separator, behind) = behind.get(end..)?.split_at_checked(1).unwrap_or_default();
            if separator != "+" {
                level.sort();
                levels.push(std::mem::take(&mut level));
            }
            if separator.is_empty() {
                return Some(Self(levels));
            }
            rest = behind;
        }
    }
}

fn attribute_name(text: &str) -> Option<String> {
    let name = text.trim_matches(' ').to_ascii_lowercase();
    let fits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.;".contains(&byte));
    fits.then_some(name)
}

/// A value, and where in `text` it ends.
fn value(text: &str) -> Option<(Value, usize)> {
    let (mut bytes, mut chars) = (Vec::new(), text.char_indices());
    // Behind the last byte that is not a space by itself.
    let mut solid = 0;
    let end = loop {
        match chars.next() {
            None => break text.len(),
            Some((at, ',' | '+')) => break at,
            Some((_, '"' | ';' | '<' | '>' | '\0')) => return None,
            Some((_, '\\')) => {
                bytes.push(escaped(&mut chars)?);
                solid = bytes.len();
            }
            Some((_, ' ')) if bytes.is_empty() => {}
            Some((_, ' ')) => bytes.push(b' '),
            Some((_, other)) => {
                bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                solid = bytes.len();
            }
        }
    };
    bytes.truncate(solid);
    if text.trim_start_matches(' ').starts_with('#') {
        return Some((Value::Raw(String::from_utf8(bytes).ok()?.to_ascii_lowercase()), end));
    }
    Some((Value::Text(folded(&String::from_utf8(bytes).ok()?)), end))
}

/// What follows a backslash: two hexadecimal digits, or a character that would mean something else without it.
fn escaped(chars: &mut std::str::CharIndices<'_>) -> Option<u8> {
    let (_, first) = chars.next()?;
    match first.to_digit(16) {
        Some(high) => {
            let low = chars.next()?.1.to_digit(16)?;
            u8::try_from(high << 4 | low).ok()
        }
        None => u8::try_from(first).ok().filter(|byte| b" \"#+,;<=>\\".contains(byte)),
    }
}

/// Without regard to case and to the number of spaces within.
fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for char in text.chars().flat_map(char::to_lowercase) {
        if char != ' ' || !folded.ends_with(' ') {
            folded.push(char);
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_name_are_one_name() {
        for (one, other) in [
            ("cn=Staff,dc=example,dc=org", "CN = staff , DC=Example,dc=ORG"),
            (r"cn=a\,b,o=x", r"cn=a\2cb,o=x"),
            (r"cn=a\2Cb,o=x", r"cn=A\,B,o=x"),
            ("cn=a  b,o=x", "cn=a b,o=x"),
            ("cn=a+ou=b,o=x", "ou=b + cn=a,o=x"),
            (r"cn=M\c3\bcller", "cn=müller"),
            (r"cn=M\C3\9CLLER", "cn=Müller"),
            ("o=#0402AB", "o=#0402ab"),
        ] {
            assert_eq!(Name::parse(one).unwrap(), Name::parse(other).unwrap(), "{one} {other}");
        }
    }

    #[test]
    fn different_names_stay_different() {
        for (one, other) in [
            ("cn=a,o=x", "o=x,cn=a"),
            ("cn=a,o=x", "cn=a"),
            (r"cn=a\,o=x", "cn=a,o=x"),
            (r"cn=a\ ", "cn=a"),
            ("cn=ab", "cn=a b"),
            ("cn=a+ou=b", "cn=a,ou=b"),
            (r"o=\#0402", "o=#0402"),
        ] {
            assert_ne!(Name::parse(one), Name::parse(other), "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_name_is_none() {
        for text in
            ["", "staff", "=x", "cn=a,", "cn=a,,o=x", r"cn=a\", r"cn=a\x", "cn=\"a\"", "c n=a", "cn=a;o=b", "ä=b"]
        {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_escaped_value_is_one_part_whatever_it_is(value in "[^\\x00]{1,20}", text in ".{0,40}") {
            let _ = Name::parse(&text);
            let name = Name::parse(&format!("cn={},o=x", ldap3::dn_escape(value.as_str()))).unwrap();
            prop_assert_eq!(name.0.len(), 2);
            prop_assert_eq!(&name.0[0], &vec![("cn".to_owned(), Value::Text(folded(&value)))]);
        }
    }
}
