//! Texts with `%s` for the name of a user, as the configuration has them, and how a name is put there.
//!
//! A name comes from whoever wants to log in. In a distinguished name it is escaped by RFC 4514, in a filter by RFC 4515,
//! and in a distinguished name within a filter (`member=uid=%s,ou=people`) by the one and then the other. So it is a value
//! there and never syntax. That `%s` stands in a distinguished name is seen by what stands before it: its value in
//! the filter already has an `=`.

use std::borrow::Cow;

use ldap3::asn1::{ASNTag, write};
use ldap3::{dn_escape, ldap_escape};

/// A distinguished name, or another name that a server takes in its place, with `%s`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NameTemplate(Vec<Piece>);

/// A search filter with `%s`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FilterTemplate(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    User(Place),
}

/// What the name of a user is put into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Name,
    Filter,
    NameInFilter,
}

impl Place {
    fn escape(self, user: &str) -> Cow<'_, str> {
        match self {
            Self::Name => dn_escape(user),
            Self::Filter => ldap_escape(user),
            Self::NameInFilter => ldap_escape(dn_escape(user)),
        }
    }
}

impl NameTemplate {
    /// # Errors
    /// What is wrong with the text, for people.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        pieces(text, |_| Place::Name).map(Self)
    }

    pub(super) fn fill(&self, user: &str) -> String {
        filled(&self.0, user)
    }
}

impl FilterTemplate {
    /// Takes a filter with or without its outer parentheses.
    ///
    /// # Errors
    /// What is wrong with the text, for people.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let whole = if text.starts_with('(') { text.to_owned() } else { format!("({text})") };
        let template = Self(pieces(&whole, place_in_filter)?);
        match template.fill("x") {
            Some(_) => Ok(template),
            None => {
                Err("this is no search filter: write it as `(member=uid=%s,ou=people,dc=example,dc=org)`".to_owned())
            }
        }
    }

    /// The filter for a user, in BER. `None` is only for what is no filter with any user.
    pub(super) fn fill(&self, user: &str) -> Option<Vec<u8>> {
        let tag = ldap3::parse_filter(filled(&self.0, user)).ok()?;
        let mut bytes = bytes::BytesMut::new();
        write::encode_into(&mut bytes, tag.into_structure()).ok()?;
        Some(bytes.to_vec())
    }
}

fn filled(pieces: &[Piece], user: &str) -> String {
    let piece = |piece| match piece {
        &Piece::User(place) => place.escape(user),
        Piece::Text(text) => Cow::Borrowed(text.as_str()),
    };
    pieces.iter().map(piece).collect()
}

/// Cuts at `%s`; `%%` is a percent sign, as it is to the original.
fn pieces(text: &str, place: impl Fn(&str) -> Place) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut before, mut plain) = (Vec::new(), String::new(), String::new());
    let mut rest = text;
    while let Some((head, behind)) = rest.split_once('%') {
        plain.push_str(head);
        before.push_str(head);
        match behind.chars().next() {
            Some('s') => {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                pieces.push(Piece::User(place(&before)));
                before.push('x');
            }
            Some('%') => {
                plain.push('%');
                before.push('%');
            }
            _ => {
                return Err(
                    "a `%` has to be `%s`, which stands for the user, or `%%`, which is a percent sign".to_owned()
                );
            }
        }
        rest = behind.get(1..).unwrap_or_default();
    }
    if pieces.is_empty() {
        return Err("there is no `%s` in it, which stands for the user".to_owned());
    }
    plain.push_str(rest);
    pieces.push(Piece::Text(plain));
    Ok(pieces)
}

/// What a user's name is part of, by all that stands before it in the filter.
fn place_in_filter(before: &str) -> Place {
    // A parenthesis within a value is escaped, and then it is not there.
    let item = before.rsplit(['(', ')']).next().unwrap_or_default();
    match item.split_once('=') {
        Some((_, value)) if value.contains('=') => Place::NameInFilter,
        _ => Place::Filter,
    }
}

#[cfg(test)]
mod tests {
    use ldap3::ldap_unescape;
    use proptest::prelude::*;

    use super::super::name::Name;
    use super::*;

    fn filter(template: &str, user: &str) -> String {
        filled(&FilterTemplate::parse(template).unwrap().0, user)
    }

    fn name(template: &str, user: &str) -> String {
        NameTemplate::parse(template).unwrap().fill(user)
    }

    #[test]
    fn the_user_goes_where_the_configuration_says() {
        assert_eq!(name("uid=%s,ou=people,dc=org", "bob"), "uid=bob,ou=people,dc=org");
        assert_eq!(name("%s@example.org", "bob"), "bob@example.org");
        assert_eq!(name("uid=100%%-%s", "bob"), "uid=100%-bob");
        assert_eq!(filter("uid=%s", "bob"), "(uid=bob)");
        assert_eq!(filter(" (uid=%s) ", "bob"), "(uid=bob)");
        assert_eq!(
            filter("&(objectClass=group)(|(uid=%s)(mail=%s@x))", "b"),
            "(&(objectClass=group)(|(uid=b)(mail=b@x)))"
        );
    }

    #[test]
    fn a_name_that_has_syntax_in_it_is_a_value_all_the_same() {
        for (template, user, expected) in [
            ("uid=%s", "*", r"(uid=\2a)"),
            ("uid=%s", "x)(uid=*", r"(uid=x\29\28uid=\2a)"),
            ("uid=%s", "\\", r"(uid=\5c)"),
            ("uid=%s", "a\0", r"(uid=a\00)"),
            ("uid=%s", "a,b", "(uid=a,b)"),
            ("member=uid=%s,ou=people", "a,ou=x", r"(member=uid=a\5c2cou\5c3dx,ou=people)"),
            ("(&(a=b)(member=uid=%s,ou=people))", "*)", r"(&(a=b)(member=uid=\2a\29,ou=people))"),
            ("member:1.2.840.113556.1.4.1941:=cn=%s,dc=x", "a+b", r"(member:1.2.840.113556.1.4.1941:=cn=a\5c2bb,dc=x)"),
        ] {
            assert_eq!(filter(template, user), expected);
        }
        assert_eq!(name("uid=%s,ou=people", "o'neil (x),*"), r"uid=o'neil (x)\2c*,ou=people");
        assert_eq!(name("uid=%s,ou=people", "bob,ou=admins"), r"uid=bob\2cou\3dadmins,ou=people");
        assert_eq!(name("uid=%s,ou=people", " # "), r"uid=\20#\20,ou=people");
    }

    #[test]
    fn what_is_no_template_says_why() {
        for (text, why) in [("uid=x", "no `%s`"), ("uid=%d", "`%%`"), ("uid=%s%", "`%%`"), ("uid=%ä", "`%%`")] {
            assert!(NameTemplate::parse(text).unwrap_err().contains(why), "{text}");
        }
        for text in ["%s", "(uid=%s", "uid=%s)", "()%s", "(&(uid=%s)"] {
            assert!(FilterTemplate::parse(text).unwrap_err().contains("no search filter"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whoever_logs_in_is_one_value_of_one_item(user in "\\PC{1,20}|[ #*()\\\\,=+<>;\"&|!a\\x00]{1,12}") {
            let text = filter("uid=%s", &user);
            let value = text.strip_prefix("(uid=").and_then(|rest| rest.strip_suffix(')')).unwrap();
            prop_assert!(!value.contains(['(', ')', '*', '\0']));
            let unescaped = ldap_unescape(value).unwrap();
            prop_assert_eq!(unescaped.as_ref(), user.as_str());
            prop_assert!(FilterTemplate::parse("(&(a=b)(member=uid=%s,ou=people))").unwrap().fill(&user).is_some());
            // The same number of levels with any name, and the levels above it untouched.
            let name = name("uid=%s,ou=people,dc=org", &user);
            prop_assert!(name.ends_with(",ou=people,dc=org"));
            let commas = name.replace("\\,", "").matches(',').count();
            prop_assert_eq!(commas, 2);
            if !user.contains('\0') {
                prop_assert!(Name::parse(&name).is_some());
            }
        }
    }
}
