//! Passwords as the access list has them: as hashes of argon2id and bcrypt, or plain. And how hashes are made.
//!
//! Which it is, the text's beginning says: `$argon2id$`, `$2a$`, `$2b$`, `$2y$`. Everything else is plain.

use std::fmt;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Argon2, Params};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// What a password is compared with.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret {
    text: Zeroizing<String>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Argon2,
    Bcrypt,
}

/// The most memory that a hash may ask for, in KiB: what one login then takes while it is checked.
const MAX_MEMORY: u32 = 1 << 20;
/// The most rounds of argon2.
const MAX_ROUNDS: u32 = 100;
/// The most that bcrypt may cost: some seconds. Each further one takes twice as long.
const MAX_COST: u32 = 16;

impl Secret {
    /// Reads what the list has.
    ///
    /// # Errors
    /// It begins like a hash and is none that can be used; the text says why.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let kind = if text.starts_with("$argon2") {
            check_argon2(text)?;
            Kind::Argon2
        } else if ["$2a$", "$2b$", "$2y$", "$2x$"].iter().any(|prefix| text.starts_with(prefix)) {
            check_bcrypt(text)?;
            Kind::Bcrypt
        } else {
            Kind::Plain
        };
        Ok(Self { text: Zeroizing::new(text.to_owned()), kind })
    }

    pub(super) const fn is_plain(&self) -> bool {
        matches!(self.kind, Kind::Plain)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether this is the password. A plain one takes as long whatever the password, so that its beginning cannot be
    /// found out by the clock. A hash takes long on purpose, and its memory: not for a thread that must not wait.
    pub(super) fn fits(&self, password: &str) -> bool {
        match self.kind {
            Kind::Plain => self.text.as_bytes().ct_eq(password.as_bytes()).into(),
            Kind::Argon2 => PasswordHash::new(&self.text)
                .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()),
            Kind::Bcrypt => bcrypt::verify(password, &self.text).unwrap_or(false),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("kind", &self.kind).finish_non_exhaustive()
    }
}

fn check_argon2(text: &str) -> Result<(), String> {
    let hash = PasswordHash::new(text).map_err(|error| error.to_string())?;
    if hash.algorithm.as_str() != "argon2id" {
        return Err(format!("it is of the kind {}; only argon2id is taken", hash.algorithm));
    }
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err("its end is missing".to_owned());
    }
    if !matches!(hash.version, None | Some(0x10 | 0x13)) {
        return Err("its version is unknown".to_owned());
    }
    let params = Params::try_from(&hash).map_err(|error| error.to_string())?;
    if params.m_cost() > MAX_MEMORY || params.t_cost() > MAX_ROUNDS {
        return Err(format!("each login would take more than {MAX_MEMORY} KiB (m) or {MAX_ROUNDS} rounds (t)"));
    }
    Ok(())
}

fn check_bcrypt(text: &str) -> Result<(), String> {
    if text.starts_with("$2x$") {
        return Err("`$2x$` marks hashes of a faulty program, which are not taken".to_owned());
    }
    let hash: bcrypt::HashParts = text.parse().map_err(|error: bcrypt::BcryptError| error.to_string())?;
    match hash.get_cost() {
        4..=MAX_COST => Ok(()),
        cost => Err(format!("its cost is {cost}; from 4 to {MAX_COST} are taken")),
    }
}

/// What passwords are hashed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scheme {
    /// argon2id with 19 MiB, two rounds and one lane, as OWASP recommends it.
    #[default]
    Argon2id,
    /// bcrypt with cost 12, for those who need it elsewhere too. It knows the first 72 bytes of a password only.
    Bcrypt,
}

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// There is none.
    #[error("the password is empty")]
    Empty,
    /// bcrypt would cut it off.
    #[error("bcrypt takes passwords of up to 71 bytes: take a shorter one, or argon2id, which takes any")]
    TooLong,
    /// The system gives no random bytes, or no memory.
    #[error("the password cannot be hashed: {0}")]
    Failed(String),
}

/// Hashes a password for the access list, with a salt of its own. Takes about as long as a login.
///
/// # Errors
/// As [`HashError`] says.
pub fn hash(password: &str, scheme: Scheme) -> Result<String, HashError> {
    if password.is_empty() {
        return Err(HashError::Empty);
    }
    match scheme {
        Scheme::Argon2id => {
            let hash = Argon2::default().hash_password(password.as_bytes());
            hash.map(|hash| hash.to_string()).map_err(|error| HashError::Failed(error.to_string()))
        }
        Scheme::Bcrypt => bcrypt::non_truncating_hash(password, bcrypt::DEFAULT_COST).map_err(|error| match error {
            bcrypt::BcryptError::Truncation(_) => HashError::TooLong,
            other => HashError::Failed(other.to_string()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `argon2-cffi`, `htpasswd -B` and Python's `bcrypt` made these of `correct horse`.
    const OF_OTHERS: [&str; 3] = [
        "$argon2id$v=19$m=64,t=1,p=2$KQt54NA9s+OH51LOrW0v3w$KOVCApzwHI2anRCXSpG3GkcBh9SOEsu9VKuwI5mXIdk",
        "$2y$04$L0aLw9W2e4Xs6aRjCcLn9udsmdaT.wgoUeDiRw6fM3wZEuJdbq7g6",
        "$2b$04$/RbXeHiUWSfBLTtgBnai.eBSbH8qccGI3x5j8BP34JtZ0VVjp7YEm",
    ];

    #[test]
    fn hashes_that_other_programs_made_are_understood() {
        for text in OF_OTHERS {
            let secret = Secret::read(text).unwrap();
            assert!(!secret.is_plain() && secret.fits("correct horse") && !secret.fits("correct hors"), "{text}");
        }
    }

    #[test]
    fn what_is_made_here_is_read_here_and_is_another_each_time() {
        for scheme in [Scheme::Argon2id, Scheme::Bcrypt] {
            let (one, other) = (hash("ä:b", scheme).unwrap(), hash("ä:b", scheme).unwrap());
            assert_ne!(one, other);
            assert!(Secret::read(&one).unwrap().fits("ä:b") && !Secret::read(&one).unwrap().fits("a:b"));
        }
        assert!(matches!(hash("", Scheme::Argon2id), Err(HashError::Empty)));
        let long = "x".repeat(72);
        assert!(matches!(hash(&long, Scheme::Bcrypt), Err(HashError::TooLong)));
        assert!(Secret::read(&hash(&long, Scheme::Argon2id).unwrap()).unwrap().fits(&long));
    }

    #[test]
    fn what_begins_like_a_hash_and_is_none_says_why() {
        let argon2 = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQxMjM$";
        for (text, why) in [
            ("$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQxMjM$R1NDs7ZXWKpNBTPrLxiJDGhMWEBvGhNvYYcIKXwrvJo", "only argon2id"),
            ("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQxMjM", "its end is missing"),
            ("$argon2id$v=18$m=64,t=1,p=1$c29tZXNhbHQxMjM$R1NDs7ZXWKpNBTPrLxiJDGhMWEBvGhNvYYcIKXwrvJo", "version"),
            ("$argon2id$v=19$m=9999999,t=1,p=1$c29tZXNhbHQxMjM$R1NDs7ZXWKpNBTPrLxiJDGhMWEBvGhNvYYcIKXwrvJo", "KiB"),
            (argon2, ""),
            ("$argon2id$", ""),
            ("$2b$12$short", "60"),
            ("$2b$31$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u", "cost is 31"),
            ("$2x$12$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u", "faulty"),
        ] {
            let error = Secret::read(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        for plain in ["", "x", "$1$", "$2", "argon2id$"] {
            assert!(Secret::read(plain).unwrap().is_plain());
        }
    }
}
