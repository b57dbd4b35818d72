//! SHA-512 of messages: the header `Repr-Digest`, and hashing what arrives in pieces.
//!
//! The header is a list `algorithm=value` with commas between and no spaces; the value is plain base64. (RFC 9530 puts
//! the value between colons. That is read too.)

use sha2::{Digest as _, Sha512};

use super::base64;
use super::error::{Problem, WireError};

/// A SHA-512.
pub type Hash = [u8; 64];

const ALGORITHM: &str = "sha-512=";

/// The SHA-512 of `bytes`.
#[must_use]
pub fn hash(bytes: &[u8]) -> Hash {
    Sha512::digest(bytes).into()
}

/// The value of a `Repr-Digest` header.
#[must_use]
pub fn repr_digest(hash: &Hash) -> String {
    let mut text = String::with_capacity(ALGORITHM.len() + base64::CHARACTERS);
    text.push_str(ALGORITHM);
    base64::append(hash, &mut text);
    text
}

/// The SHA-512 that a `Repr-Digest` header has. `None` if it has none, or one that is not 64 bytes in base64.
#[must_use]
pub fn read_repr_digest(value: &str) -> Option<Hash> {
    base64::lenient(value.split(',').find_map(|item| item.strip_prefix(ALGORITHM))?.as_bytes())
}

/// Hashes a message of a known length that arrives in pieces.
#[derive(Clone)]
pub struct Hasher {
    length: u64,
    arrived: u64,
    hash: Sha512,
}

impl Hasher {
    /// For a message of this length.
    #[must_use]
    pub fn new(length: u64) -> Self {
        Self { length, arrived: 0, hash: Sha512::new() }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// The message is longer than it was to be. Nothing of the piece is hashed then.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), WireError> {
        let arrived = self.arrived.saturating_add(piece.len() as u64);
        if arrived > self.length {
            return Err(WireError::new("message", 0, Problem::Length { expected: self.length, found: arrived }));
        }
        self.arrived = arrived;
        self.hash.update(piece);
        Ok(())
    }

    /// How many bytes are still to come.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.length - self.arrived
    }

    /// The hash of the message.
    ///
    /// # Errors
    /// The message is shorter than it was to be.
    pub fn finish(self) -> Result<Hash, WireError> {
        if self.arrived < self.length {
            return Err(WireError::new("message", 0, Problem::Length { expected: self.length, found: self.arrived }));
        }
        Ok(self.hash.finalize().into())
    }

    /// Ends the message and compares its hash.
    ///
    /// # Errors
    /// The message is shorter than it was to be, or has another hash.
    pub fn verify(self, expected: &Hash) -> Result<(), WireError> {
        if self.finish()? != *expected {
            return Err(WireError::new("sha512", 0, Problem::Differs("the hash of the message")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_item_of_the_header_is_found_without_trimming_anything() {
        let digest = repr_digest(&[7; 64]);
        assert_eq!(read_repr_digest(&digest), Some([7; 64]));
        assert_eq!(read_repr_digest(&format!("sha-256=AAAA,{digest}")), Some([7; 64]));
        assert_eq!(read_repr_digest(&format!("sha-256=AAAA, {digest}")), None);
        assert_eq!(read_repr_digest("sha-512=AAAA"), None);
        assert_eq!(read_repr_digest(""), None);
    }

    proptest! {
        #[test]
        fn pieces_hash_like_the_whole(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9)) {
            let message = pieces.concat();
            let mut hasher = Hasher::new(message.len() as u64);
            pieces.iter().for_each(|piece| hasher.push(piece).unwrap());
            prop_assert_eq!(hasher.left(), 0);
            prop_assert!(hasher.clone().push(b"x").is_err());
            prop_assert!(hasher.clone().verify(&hash(&message)).is_ok());
            prop_assert!(hasher.verify(&hash(b"another")).is_err());
            let mut short = Hasher::new(message.len() as u64 + 1);
            short.push(&message).unwrap();
            prop_assert!(short.finish().is_err());
        }

        #[test]
        fn no_header_makes_it_panic(text in "(sha-512=|[a-zA-Z0-9=,:é ]){0,9}") {
            let _ = read_repr_digest(&text);
        }
    }
}
