//! The bytes that name one message between two ends, so that an answer can say what it answers.
//!
//! HTTP takes 0 to 255 of them, a websocket 0 to 64. Whoever answers copies them; nobody else gives them a meaning. An
//! answer comes on the connection of its question, so they need not be secret, only differ among what is under way.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::error::{Problem, WireError};

/// The most bytes of an identifier over HTTP.
pub const MAX_STATELESS: usize = 255;

/// The most bytes of an identifier on a websocket.
pub const MAX_STATEFUL: usize = 64;

/// An identifier of a websocket's message that is kept while the message is under way. It is on the stack: 65 bytes.
#[derive(Clone, Copy)]
pub struct Identifier {
    bytes: [u8; MAX_STATEFUL],
    length: u8,
}

impl Identifier {
    /// The identifier with these bytes.
    ///
    /// # Errors
    /// More than [`MAX_STATEFUL`] bytes.
    pub fn new(bytes: &[u8]) -> Result<Self, WireError> {
        let too_long =
            || WireError::new("x-identifier", 0, Problem::TooLong { most: MAX_STATEFUL, found: bytes.len() });
        let mut kept = [0; MAX_STATEFUL];
        kept.get_mut(..bytes.len()).ok_or_else(too_long)?.copy_from_slice(bytes);
        let length = u8::try_from(bytes.len()).map_err(|_| too_long())?;
        Ok(Self { bytes: kept, length })
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length.into()).unwrap_or_default()
    }
}

impl PartialEq for Identifier {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Identifier {}

impl Hash for Identifier {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_to_64_bytes_are_kept_as_they_are() {
        for length in [0, 1, 8, 64] {
            let bytes = vec![7; length];
            assert_eq!(Identifier::new(&bytes).unwrap().as_bytes(), bytes);
        }
        let problem = Identifier::new(&[7; 65]).unwrap_err().to_string();
        assert_eq!(problem, "`x-identifier` at byte 0: at most 64 bytes expected, there are 65");
        assert_ne!(Identifier::new(b"a").unwrap(), Identifier::new(b"a\0").unwrap());
        assert_eq!(format!("{:?}", Identifier::new(b"a\x01").unwrap()), "6101");
    }
}
