//! Names of events and topics.
//!
//! An [`EventName`] is checked once, at the edge; inside the hive, equality of names is equality of strings. A
//! [`Topic`] is what travels: any bytes, because the peers of a wire follow no rule of ours.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

/// The longest event name, in bytes. Long enough for any path, short enough that a table of a million names stays small.
pub const MAX_NAME_BYTES: usize = 1024;

/// A checked event name: 1 to [`MAX_NAME_BYTES`] bytes of UTF-8 without control characters.
///
/// Cheap to clone: the text is shared. Case matters. Segments are told apart by the hive's separator, `/` by default;
/// the name itself does not know it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventName(Arc<str>);

/// Why a text is no event name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The text is empty.
    #[error("an event name must not be empty: use a name such as `worker/action`")]
    Empty,
    /// The text is longer than [`MAX_NAME_BYTES`].
    #[error("the event name has {0} bytes, the most is {MAX_NAME_BYTES}: shorten it")]
    TooLong(usize),
    /// The text has a control character, at this byte offset.
    #[error("the event name has a control character at byte {0}: remove it")]
    Control(usize),
}

/// What the second segment of a topic begins with on which a hive expects answers. Nobody reads such a topic once its hive is
/// gone, so a transport that keeps messages need not keep these for long.
pub const INBOX: &str = "inbox-";

impl EventName {
    /// Checks `text` and makes it a name.
    ///
    /// # Errors
    /// [`NameError`] says which rule `text` breaks.
    pub fn new(text: impl AsRef<str> + Into<Arc<str>>) -> Result<Self, NameError> {
        check(text.as_ref())?;
        Ok(Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part behind `first` and one `separator`, if the name starts with exactly that segment.
    ///
    /// Whole segments are compared: `worker2/act` does not start with the segment `worker`.
    #[must_use]
    pub fn strip_segment<'a>(&'a self, first: &str, separator: &str) -> Option<&'a str> {
        strip_segment(&self.0, first, separator)
    }

    /// The first segment, and the rest behind the separator if there is one.
    #[must_use]
    pub fn split_first<'a>(&'a self, separator: &str) -> (&'a str, Option<&'a str>) {
        match self.0.split_once(separator) {
            Some((first, rest)) => (first, Some(rest)),
            None => (&self.0, None),
        }
    }
}

/// The part of `text` behind `first` and one `separator`; `None` if `text` does not start with that whole segment.
#[must_use]
pub fn strip_segment<'a>(text: &'a str, first: &str, separator: &str) -> Option<&'a str> {
    text.strip_prefix(first)?.strip_prefix(separator)
}

fn check(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(NameError::TooLong(text.len()));
    }
    match text.char_indices().find(|(_, c)| c.is_control()) {
        Some((at, _)) => Err(NameError::Control(at)),
        None => Ok(()),
    }
}

impl AsRef<str> for EventName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for EventName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl FromStr for EventName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl TryFrom<&str> for EventName {
    type Error = NameError;
    fn try_from(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl TryFrom<String> for EventName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(text)
    }
}

/// What a message is published under: any bytes, shared. Matching is exact and by byte unless a filter says otherwise.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Bytes);

impl Topic {
    /// A topic of these bytes, without a copy.
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// A topic of text known at compile time.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// The topic's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The topic as text, if it is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl From<&str> for Topic {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Topic {
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}

impl From<&EventName> for Topic {
    fn from(name: &EventName) -> Self {
        Self::from(name.as_str())
    }
}

impl Borrow<[u8]> for Topic {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_refused_with_the_rule_it_breaks() {
        assert_eq!(EventName::new(""), Err(NameError::Empty));
        assert_eq!(EventName::new("a\u{7}b"), Err(NameError::Control(1)));
        assert_eq!(EventName::new("x".repeat(1025)), Err(NameError::TooLong(1025)));
        assert!(EventName::new("x".repeat(1024)).is_ok());
        assert!(EventName::new("Größe/ä b").is_ok());
    }

    #[test]
    fn segments_are_compared_whole() {
        let name = EventName::new("worker2/act").unwrap();
        assert_eq!(name.strip_segment("worker", "/"), None);
        assert_eq!(name.strip_segment("worker2", "/"), Some("act"));
        assert_eq!(name.split_first("/"), ("worker2", Some("act")));
        assert_eq!(name.split_first("::"), ("worker2/act", None));
    }
}
