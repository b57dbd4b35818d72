//! Bearer tokens: long random texts that stand for a user, `Authorization: Bearer TOKEN`.
//!
//! Only their SHA-256 is kept and looked up, so the time of a look-up tells nothing of a token. Unlike a password a token
//! needs no slow hash: nobody can try all that there may be.

use std::fmt;
use std::hash::{Hash, Hasher};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The SHA-256 of a token.
#[derive(Clone, Copy, Eq)]
pub struct Token([u8; 32]);

/// What a hash in the access list begins with.
const PREFIX: &str = "sha256:";
/// Fewer characters than these could be guessed.
const SHORTEST: usize = 20;
/// A plain token of the list is refused if it has fewer.
const SHORTEST_PLAIN: usize = 16;

impl Token {
    /// That of a request.
    #[must_use]
    pub fn new(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Reads what the access list has: a hash, or a token that is plain, which the flag says.
    pub(super) fn listed(text: &str) -> Result<(Self, bool), String> {
        let hex = match text.split_at_checked(PREFIX.len()) {
            Some((prefix, hex)) if prefix.eq_ignore_ascii_case(PREFIX) => hex,
            _ if text.len() < SHORTEST_PLAIN => {
                return Err(format!(
                    "it has fewer than {SHORTEST_PLAIN} characters, and could be guessed: `hive-cli keygen` makes one"
                ));
            }
            _ => return Ok((Self::new(text), true)),
        };
        let wrong = || format!("`{PREFIX}` must be followed by 64 hex digits");
        let mut digest = [0; 32];
        let pairs = hex.as_bytes().chunks(2);
        if !hex.is_ascii() || hex.len() != 2 * digest.len() {
            return Err(wrong());
        }
        for (byte, pair) in digest.iter_mut().zip(pairs) {
            let digits = std::str::from_utf8(pair).ok().filter(|digits| digits.chars().all(|c| c.is_ascii_hexdigit()));
            *byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or_else(wrong)?;
        }
        Ok((Self(digest), false))
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// A token that could be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token must be random, and have at least {SHORTEST} characters without blanks: `hive-cli keygen` makes one")]
pub struct WeakToken;

/// The hash of a token for the access list.
///
/// # Errors
/// It is too short, or has characters that no header can have.
pub fn hash(token: &str) -> Result<String, WeakToken> {
    if token.len() < SHORTEST || !token.chars().all(|c| c.is_ascii_graphic()) {
        return Err(WeakToken);
    }
    let digits = Token::new(token).0.into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let hex = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
    Ok(PREFIX.chars().chain(hex).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_as_it_is_made_and_fits_its_token_only() {
        let token = "hive-0123456789abcdef";
        let made = hash(token).unwrap();
        // `printf %s hive-0123456789abcdef | sha256sum`
        assert_eq!(made, "sha256:ffd1b602981c65cd7540990c455b4fc5a89d9783181f7fad6799d30756450247");
        assert_eq!(Token::listed(&made).unwrap(), (Token::new(token), false));
        assert_eq!(Token::listed(&made.to_uppercase()).unwrap(), (Token::new(token), false));
        assert_eq!(Token::listed(token).unwrap(), (Token::new(token), true));
        assert_ne!(Token::new(token), Token::new("hive-0123456789abcdeg"));
        for wrong in ["sha256:", "sha256:12", "sha256:+1", &made[..made.len() - 1], &made.replace('f', "ä")] {
            assert!(Token::listed(wrong).is_err(), "{wrong}");
        }
        assert!(Token::listed(&format!("sha256:{}", "+1".repeat(32))).is_err());
        assert!(Token::listed("SHA256:0123456789abcdef").is_err());
        for (plain, taken) in [("a", false), ("hive-0123456789", false), ("hive-0123456789a", true), ("ä", false)] {
            assert_eq!(Token::listed(plain).is_ok(), taken, "{plain}");
        }
        for weak in ["", "short", "has a blank 0123456789abcdef", "ünïcödé-0123456789abcdef"] {
            assert_eq!(hash(weak), Err(WeakToken));
        }
    }
}
