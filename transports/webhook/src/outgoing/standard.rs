//! Headers of Standard Webhooks (<https://www.standardwebhooks.com>), beside the protocol's own: who knows that scheme and not
//! ours can tell with its libraries that a request is genuine.
//!
//! `webhook-id` is the request's identifier, so each copy of a message and each later attempt has its own; `webhook-timestamp`
//! is when the request was made, in seconds; `webhook-signature` has, for each secret, `v1,` and the HMAC-SHA-256 of
//! `<id>.<timestamp>.<what is signed>` in base64. A list of secrets is a rotation: receivers accept any one of them.
//!
//! It costs a SHA-256 over all that is signed for each request, as the id stands before it. A message in a file is read once
//! more for that.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use futures_util::TryStreamExt as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::body::Parts;
use crate::message::Body;

const PREFIX: &str = "whsec_";

/// How requests are signed.
#[derive(Debug, Clone)]
pub struct StandardWebhooks {
    /// Each signs; at least one.
    pub secrets: Vec<WebhookSecret>,
    /// What they sign.
    pub signed: Signed,
}

/// What of a request is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Signed {
    /// The message alone, which receivers take out of the body before they verify it. Of a MISSED it is the topic.
    #[default]
    Message,
    /// The request's body as it is, as the scheme wants. It has numbers before the message, so it is hardly ever text; and
    /// `standardwebhooks` of PyPI and of npm decode what they verify as text, while those for Go and Rust take any bytes.
    Body,
}

/// A secret: 24 to 64 bytes. It is zeroed when it goes, and no `Debug` shows it.
#[derive(Clone)]
pub struct WebhookSecret(Hmac<Sha256>);

/// A text that is no secret. It does not show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret of Standard Webhooks is `{PREFIX}` and 24 to 64 bytes in base64")]
pub struct WebhookSecretError;

impl WebhookSecret {
    /// Reads `whsec_` and base64, with or without its padding. The prefix may be missing.
    ///
    /// # Errors
    /// It is something else.
    pub fn from_text(text: &str) -> Result<Self, WebhookSecretError> {
        const LOOSE: GeneralPurpose = GeneralPurpose::new(
            &ALPHABET,
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
        );
        let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
        let key = Zeroizing::new(LOOSE.decode(encoded).map_err(|_| WebhookSecretError)?);
        match key.len() {
            24..=64 => Hmac::new_from_slice(&key).map(Self).map_err(|_| WebhookSecretError),
            _ => Err(WebhookSecretError),
        }
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret")
    }
}

impl StandardWebhooks {
    /// The header `webhook-signature` of a request. `message` is what is signed of it where not all is.
    pub(super) async fn sign(
        &self,
        id: &str,
        timestamp: u64,
        parts: &Parts,
        message: &Body,
    ) -> std::io::Result<String> {
        let mut signatures: Vec<_> = self.secrets.iter().map(|WebhookSecret(keyed)| keyed.clone()).collect();
        let mut put = |bytes: &[u8]| signatures.iter_mut().for_each(|signature| signature.update(bytes));
        put(format!("{id}.{timestamp}.").as_bytes());
        let rest = match self.signed {
            Signed::Message => Some(message),
            Signed::Body => {
                put(&parts.head);
                parts.message.as_ref()
            }
        };
        if let Some(rest) = rest {
            let mut pieces = rest.pieces();
            while let Some(piece) = pieces.try_next().await? {
                put(&piece);
                tokio::task::coop::consume_budget().await;
            }
        }
        let mut header = String::new();
        for signature in signatures {
            header.push_str(if header.is_empty() { "v1," } else { " v1," });
            STANDARD.encode_string(signature.finalize().into_bytes(), &mut header);
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::Arc;

    use super::*;
    use crate::message::SpooledFile;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    async fn signed(secrets: &[&str], signed: Signed, body: &Body) -> String {
        let secrets = secrets.iter().map(|text| WebhookSecret::from_text(text).unwrap()).collect();
        let parts = Parts::new(Vec::new(), body);
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        StandardWebhooks { secrets, signed }.sign(id, 1_614_265_330, &parts, body).await.unwrap()
    }

    /// The vector that the libraries of Standard Webhooks test themselves with.
    #[tokio::test]
    async fn the_published_vector_is_signed_alike_in_memory_and_in_a_file() {
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let text = br#"{"test": 2432232314}"#;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        let file = Body::File(Arc::new(SpooledFile::new(file, text.len() as u64)));
        for body in [Body::Memory(text.as_slice().into()), file] {
            for covers in [Signed::Body, Signed::Message] {
                assert_eq!(signed(&[SECRET], covers, &body).await, expected);
            }
        }
    }

    #[tokio::test]
    async fn each_secret_of_a_rotation_signs() {
        let body = Body::Memory(br#"{"test": 2432232314}"#.as_slice().into());
        let other = format!("whsec_{}", "A".repeat(32));
        let both = signed(&[&other, SECRET], Signed::Body, &body).await;
        let alone = signed(&[&other], Signed::Body, &body).await;
        assert_eq!(both, format!("{alone} v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn a_secret_has_24_to_64_bytes_and_is_never_shown() {
        for text in [&SECRET[PREFIX.len()..], SECRET, &format!("{PREFIX}{}", "A".repeat(86))] {
            assert_eq!(format!("{:?}", WebhookSecret::from_text(text).unwrap()), "WebhookSecret");
        }
        for text in ["", PREFIX, "whsec_AAAA", "whsec_%%%%", &format!("{PREFIX}{}", "A".repeat(88))] {
            assert!(!WebhookSecret::from_text(text).unwrap_err().to_string().contains("AAAA"));
        }
    }
}
