//! The files in which operators keep the secrets of both directions, `broadcaster-secrets.json` and
//! `subscriber-secrets.json`. Both have the same content.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::hmac::HmacKey;
use super::{Scheme, Token};

/// The one version of the file that there is.
const VERSION: &str = "2";

/// The secrets of both directions; a direction that needs none has none.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// For what subscribers say.
    pub to_broadcaster: Option<Secret>,
    /// For what broadcasters say.
    pub to_subscriber: Option<Secret>,
}

/// A secret, and what it is for. It is zeroed when it goes, and no `Debug` shows it.
#[derive(Clone)]
pub enum Secret {
    /// The token itself.
    Token(Zeroizing<String>),
    /// A key of 64 bytes in URL-safe base64.
    Hmac(Zeroizing<String>),
}

/// Why a file of secrets cannot be used. No text of these shows a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretsError {
    /// It is not JSON of the right form.
    #[error(
        "these are no secrets as `hive-cli setup webhook` and Python's `lonelypss --setup` write them, near line {line}, column {column}"
    )]
    Form {
        /// Where, from 1 on.
        line: usize,
        /// Where, from 1 on.
        column: usize,
    },
    /// It has another version.
    #[error("the secrets have a version other than \"{VERSION}\", which is the only one that is known")]
    Version,
    /// The secret of a direction cannot be used.
    #[error("`{direction}.secret`: {reason}")]
    Secret {
        /// `to-broadcaster` or `to-subscriber`.
        direction: &'static str,
        /// What is expected.
        reason: String,
    },
}

impl Secrets {
    /// Reads a file's text. What it does not know is passed over.
    ///
    /// # Errors
    /// It is not JSON of the right form, or has another version.
    pub fn read(text: &str) -> Result<Self, SecretsError> {
        let file: File<'_> = serde_json::from_str(text)
            .map_err(|error| SecretsError::Form { line: error.line(), column: error.column() })?;
        if file.version != VERSION {
            return Err(SecretsError::Version);
        }
        Ok(Self {
            to_broadcaster: file.to_broadcaster.map(Secret::from),
            to_subscriber: file.to_subscriber.map(Secret::from),
        })
    }

    /// The file's text, as Python writes it.
    #[must_use]
    pub fn write(&self) -> Zeroizing<String> {
        let file = File {
            version: VERSION.into(),
            to_broadcaster: self.to_broadcaster.as_ref().map(Entry::of),
            to_subscriber: self.to_subscriber.as_ref().map(Entry::of),
        };
        // Texts alone always become JSON.
        let mut text = Zeroizing::new(serde_json::to_string_pretty(&file).unwrap_or_default());
        text.push('\n');
        text
    }

    /// The schemes of both directions: to broadcasters, and to subscribers.
    ///
    /// # Errors
    /// A secret cannot be used for what it is said to be for.
    pub fn schemes(&self) -> Result<(Scheme, Scheme), SecretsError> {
        Ok((
            scheme("to-broadcaster", self.to_broadcaster.as_ref())?,
            scheme("to-subscriber", self.to_subscriber.as_ref())?,
        ))
    }
}

fn scheme(direction: &'static str, secret: Option<&Secret>) -> Result<Scheme, SecretsError> {
    let wrong = |reason: String| SecretsError::Secret { direction, reason };
    match secret {
        None => Ok(Scheme::None),
        Some(Secret::Token(text)) => Token::new(text).map(Scheme::Token).map_err(|error| wrong(error.to_string())),
        Some(Secret::Hmac(text)) => {
            HmacKey::from_text(text).map(Scheme::Hmac).map_err(|error| wrong(error.to_string()))
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File<'a> {
    version: std::borrow::Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    to_broadcaster: Option<Entry>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    to_subscriber: Option<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: Kind,
    secret: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Token,
    Hmac,
}

impl Entry {
    fn of(secret: &Secret) -> Self {
        match secret {
            Secret::Token(text) => Self { kind: Kind::Token, secret: text.to_string() },
            Secret::Hmac(text) => Self { kind: Kind::Hmac, secret: text.to_string() },
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.secret);
    }
}

impl From<Entry> for Secret {
    fn from(mut entry: Entry) -> Self {
        let text = Zeroizing::new(std::mem::take(&mut entry.secret));
        match entry.kind {
            Kind::Token => Self::Token(text),
            Kind::Hmac => Self::Hmac(text),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token",
            Self::Hmac(_) => "Hmac",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_is_told_without_its_secrets() {
        let problem = |text: &str| Secrets::read(text).and_then(|secrets| secrets.schemes()).unwrap_err().to_string();
        assert!(problem("{").contains("line 1"));
        assert!(problem(r#"{"version": "1"}"#).contains("version"));
        assert!(
            problem(r#"{"version": "2", "to-subscriber": {"type": "x", "secret": "s3cr3t"}}"#)
                .contains("no secrets as")
        );
        for (kind, expected) in [("hmac", "86 characters"), ("token", "visible ASCII")] {
            let text = format!(r#"{{"version": "2", "to-subscriber": {{"type": "{kind}", "secret": "s3c r3t"}}}}"#);
            let problem = problem(&text);
            assert!(problem.contains("to-subscriber") && problem.contains(expected), "{problem}");
            assert!(!problem.contains("s3c"), "{problem}");
        }
    }
}
