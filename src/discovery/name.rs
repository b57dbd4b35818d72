//! Server names as instance names of DNS-SD.

use super::{DiscoveryError, SERVICE_TYPE};

/// A DNS label's limit (RFC 1035 section 2.3.4).
const LABEL_BYTES: usize = 63;
/// What `mdns-sd` takes behind the first dot; see [`Instance::dotted`].
const AFTER_DOT_BYTES: usize = 19;

/// A name that can be announced.
///
/// RFC 6763 makes an instance name one label, dots included; python-zeroconf makes it one label for each part between
/// dots, and asks for it that way. `mdns-sd` writes it as the RFC says and does not recognise the question for it. So a
/// name with dots is announced both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instance<'a>(&'a str);

impl<'a> Instance<'a> {
    pub(super) fn new(name: &'a str) -> Result<Self, DiscoveryError> {
        let why = if name.is_empty() {
            "the name is empty"
        } else if name.len() > LABEL_BYTES {
            "the name is longer than 63 bytes"
        } else if name.contains('\\') || name.chars().any(char::is_control) {
            "the name has a backslash or a control character"
        } else if name.split('.').any(str::is_empty) {
            "the name starts or ends with a dot, or has two in a row"
        } else if name.split_once('.').is_some_and(|(_, rest)| rest.len() > AFTER_DOT_BYTES) {
            "the part after the name's first dot is longer than 19 bytes"
        } else {
            return Ok(Self(name));
        };
        Err(DiscoveryError::Name { name: name.to_owned(), why })
    }

    /// The name without a suffix.
    pub(super) const fn as_str(self) -> &'a str {
        self.0
    }

    /// For a name with dots: its first part, and the rest as if it belonged to the service type. Registered so, it is
    /// written as python-zeroconf writes it.
    pub(super) fn dotted(self) -> Option<(&'a str, String)> {
        let (first, rest) = self.0.split_once('.')?;
        Some((first, format!("{rest}.{SERVICE_TYPE}")))
    }
}

/// The server's name in a full name as it came from the network.
pub(super) fn server_name(full: &str) -> Option<&str> {
    let at = full.len().checked_sub(SERVICE_TYPE.len() + 1)?;
    let (name, suffix) = (full.get(..at)?, full.get(at + 1..)?);
    (full.as_bytes().get(at) == Some(&b'.') && suffix.eq_ignore_ascii_case(SERVICE_TYPE)).then_some(name)
}

/// Whether two names are one to DNS, which does not look at case.
pub(super) fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_spaces_dots_and_letters_of_any_script_can_be_announced() {
        for name in ["my-hive", "my hive", "my.hive", "Bienenstöcke", "蜂の巣", "a.b.c"] {
            assert_eq!(Instance::new(name).unwrap().as_str(), name);
        }
        assert_eq!(Instance::new("a.b.c").unwrap().dotted(), Some(("a", "b.c._eventhive._tcp.local.".to_owned())));
        assert_eq!(Instance::new("my hive").unwrap().dotted(), None);
    }

    #[test]
    fn names_that_dns_cannot_carry_are_refused_with_the_reason() {
        let long = "x".repeat(64);
        for (name, reason) in [
            ("", "empty"),
            (long.as_str(), "63 bytes"),
            ("a\\b", "backslash"),
            (".a", "dot"),
            ("a..b", "dot"),
            ("a.", "dot"),
        ] {
            let error = Instance::new(name).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn the_name_is_what_stands_before_the_service_type() {
        assert_eq!(server_name("My.Hive._eventhive._tcp.local."), Some("My.Hive"));
        assert_eq!(server_name("x._EVENTHIVE._tcp.local."), Some("x"));
        assert_eq!(server_name("x._http._tcp.local."), None);
        assert_eq!(server_name("_eventhive._tcp.local."), None);
        assert_eq!(server_name("é"), None);
        assert!(same("BIENENSTÖCKE", "bienenstöcke"));
    }
}
