//! What a request says of who brings it: `Authorization: Basic`, read as leniently as the original reads it, and `Bearer`.

use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::token::Token;

/// A name and a password, as a request claims them.
#[derive(Clone)]
pub struct Credentials {
    /// Who.
    pub user: String,
    /// Its proof.
    pub password: Zeroizing<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Padding may be missing.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What a request says of who brings it.
#[derive(Debug, Clone)]
pub enum Claim {
    /// By a name and a password.
    Login(Credentials),
    /// By a token.
    Token(Token),
}

impl Claim {
    /// Reads the value of the header: what does not begin with `Bearer` is a [login](Credentials::read).
    #[must_use]
    pub fn read(header: &str) -> Option<Self> {
        match header.trim_start().split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                Some(token.trim()).filter(|token| !token.is_empty()).map(|token| Self::Token(Token::new(token)))
            }
            _ => Credentials::read(header).map(Self::Login),
        }
    }
}

impl From<Credentials> for Claim {
    fn from(credentials: Credentials) -> Self {
        Self::Login(credentials)
    }
}

impl Credentials {
    /// Reads the value of the header. The scheme may be missing and of any case, there may be several spaces, and what is
    /// no base64 is passed over. `None` if that makes no `user:password`; a password may have colons.
    #[must_use]
    pub fn read(header: &str) -> Option<Self> {
        const SCHEME: &str = "basic ";
        let header = header.trim_start();
        let rest = match header.split_at_checked(SCHEME.len()) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => rest,
            _ => header,
        };
        let digits: Zeroizing<String> =
            Zeroizing::new(rest.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/')).collect());
        let text = Zeroizing::new(String::from_utf8(LENIENT.decode(digits.as_bytes()).ok()?).ok()?);
        let (user, password) = text.split_once(':')?;
        Some(Self { user: user.to_owned(), password: Zeroizing::new(password.to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Option<(String, String)> {
        Credentials::read(header).map(|found| (found.user, found.password.to_string()))
    }

    #[test]
    fn credentials_are_read_leniently_and_never_shown() {
        let expected = Some(("testuser".to_owned(), "foobar".to_owned()));
        for header in [
            "Basic dGVzdHVzZXI6Zm9vYmFy",
            "basic dGVzdHVzZXI6Zm9vYmFy",
            "Basic   dGVzdHVzZXI6Zm9vYmFy",
            "dGVzdHVzZXI6Zm9vYmFy",
        ] {
            assert_eq!(read(header), expected, "{header}");
        }
        assert_eq!(read("Basic Ym90aDpwOnc="), Some(("both".into(), "p:w".into())));
        for header in ["", "Basic", "Basic !!!", "Basic dGVzdHVzZXI=", "Bearer x", "ä"] {
            assert_eq!(read(header), None, "{header}");
        }
        let token =
            |header: &str| matches!(Claim::read(header), Some(Claim::Token(token)) if token == Token::new("abc"));
        assert!(token("Bearer abc") && token(" bearer  abc ") && !token("Bearer abd") && !token("Basic abc"));
        // Not read as a login, though it is one in base64.
        assert!(matches!(Claim::read("Bearer dGVzdHVzZXI6Zm9vYmFy"), Some(Claim::Token(_))));
        assert!(Claim::read("Bearer ").is_none() && Claim::read("Bearer").is_none());
        assert!(!format!("{:?}", Credentials::read("Basic dGVzdHVzZXI6Zm9vYmFy")).contains("foobar"));
    }
}
