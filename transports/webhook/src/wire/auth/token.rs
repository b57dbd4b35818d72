//! A token: `Bearer ` and a text that both ends know, with every message.

use std::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{Reason, Refused};

const PREFIX: &str = "Bearer ";

/// A token. It is zeroed when it goes, and no `Debug` shows it.
#[derive(Clone)]
pub struct Token {
    authorization: Zeroizing<String>,
}

impl Token {
    /// The token with this text.
    ///
    /// # Errors
    /// The text is empty, or has characters other than those that are visible in ASCII: it could not be a header, or
    /// would be another one at the other end.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError);
        }
        Ok(Self { authorization: Zeroizing::new([PREFIX, text].concat()) })
    }

    /// The text that is sent with every message.
    #[must_use]
    pub fn authorization(&self) -> &str {
        &self.authorization
    }

    /// Compares the whole text, in constant time for texts of its length.
    pub(super) fn verify(&self, authorization: Option<&str>) -> Result<(), Refused> {
        let text = authorization.ok_or(Refused::Unauthorized)?;
        if bool::from(text.as_bytes().ct_eq(self.authorization.as_bytes())) {
            return Ok(());
        }
        Err(Refused::Forbidden(Reason::Token))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// A text that cannot be a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token is one or more visible ASCII characters, without spaces")]
pub struct TokenError;
