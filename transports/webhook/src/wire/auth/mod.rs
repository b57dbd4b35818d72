//! Authorizations: a text with each message that says that its sender may say so.
//!
//! There are two directions, to broadcasters and to subscribers, each with a [`Scheme`] of its own. What is vouched for
//! is a [`Claim`]: the fields of a message that matter, and its tracing. Whoever sends makes the claim and
//! [signs](Scheme::sign) it; whoever receives makes the same claim from what it read, and [verifies](Scheme::verify)
//! the text against it.
//!
//! # How to read it
//! - `claim`: what is vouched for: the 21 kinds, and the bytes that are signed.
//! - `stamp`: the time and the nonce in a signature.
//! - `token`, `hmac`: the two schemes that are more than nothing.
//! - `secrets`: the files in which operators keep the secrets of both directions.

mod claim;
mod hmac;
mod secrets;
mod stamp;
mod token;

use std::time::Duration;

pub use claim::{Claim, Direction};
pub use hmac::{HmacHeader, HmacKey, KeyError, MAX_CLOCK_DIFFERENCE};
pub use secrets::{Secret, Secrets, SecretsError};
pub use stamp::{Nonce, Stamp};
pub use token::{Token, TokenError};

use super::error::WireError;

/// How the messages of one direction are authorized.
#[derive(Debug, Clone)]
pub enum Scheme {
    /// Not at all: nothing is sent, and everything is accepted.
    None,
    /// By one text, the same in every message.
    Token(Token),
    /// By a signature over each message.
    Hmac(HmacKey),
}

impl Scheme {
    /// The authorization of a message that makes this claim.
    ///
    /// # Errors
    /// The claim cannot be signed: a field is longer, or a number greater, than the signed bytes can say.
    pub fn sign(&self, claim: &Claim<'_>, tracing: &[u8], stamp: Stamp<'_>) -> Result<Option<String>, WireError> {
        match self {
            Self::None => Ok(None),
            Self::Token(token) => Ok(Some(token.authorization().to_owned())),
            Self::Hmac(key) => key.sign(claim, tracing, stamp).map(Some),
        }
    }

    /// Whether `authorization` vouches for this claim at the time `now`, since the epoch.
    ///
    /// # Errors
    /// It does not.
    pub fn verify(
        &self,
        authorization: Option<&str>,
        claim: &Claim<'_>,
        tracing: &[u8],
        now: Duration,
    ) -> Result<Accepted, Refused> {
        match self {
            Self::None => Ok(Accepted::Always),
            Self::Token(token) => token.verify(authorization).map(|()| Accepted::Always),
            Self::Hmac(key) => key.verify(authorization, claim, tracing, now).map(Accepted::Once),
        }
    }
}

/// An authorization that vouches for its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "one that counts only once may have been used before"]
pub enum Accepted {
    /// The message is authorized.
    Always,
    /// The message is authorized if this code was not used before.
    Once(Code),
}

/// A code that counts only once. Whoever verifies keeps it until `forget_at`, and refuses it if it comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The signature itself.
    pub code: [u8; 64],
    /// From when on its time alone makes it refused; seconds since the epoch.
    pub forget_at: u64,
}

/// Why a message is not authorized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has no authorization, and needs one.
    #[error("the authorization is missing")]
    Unauthorized,
    /// It has one that does not vouch for it.
    #[error("the authorization is refused: {0}")]
    Forbidden(Reason),
}

/// What is wrong with an authorization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// It is not the token.
    #[error("it is not the token: compare both ends' secrets")]
    Token,
    /// It does not have the form of a signature.
    #[error("`X-HMAC <seconds>:<nonce>:<code in base64>` expected")]
    Form,
    /// Its time is too far from the receiver's.
    #[error("its time differs by more than 120 s: set the clocks of both ends")]
    Clock,
    /// It is the signature of something else, or by another key.
    #[error(
        "the signature is of another message or by another key: compare both ends' secrets, and the urls they know"
    )]
    Signature,
    /// It came before.
    #[error("it was used before")]
    Replayed,
}

impl Refused {
    /// The status that a request is answered with.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Unauthorized => 401,
            Self::Forbidden(_) => 403,
        }
    }
}
