//! Events as they travel: the plain message, and the envelopes that seal it.

pub(crate) mod canonical;
mod eventhive_0_5;
mod message;
mod sealed;

/// Why a received text could not be opened. The text is dropped with a log line that has this.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The message is not JSON.
    #[error("not JSON: {0}")]
    Syntax(#[source] serde_json::Error),
    /// The message is not a JSON object.
    #[error("the message is not a JSON object")]
    NotAnObject,
    /// The metadata cannot be read, or has no `id`.
    #[error("the metadata under `{key}` is not an object with an `id`")]
    Metadata {
        /// The metadata key of this hive.
        key: String,
    },
    /// This connector has a secret, and the message is not sealed.
    #[error("not sealed: the sender has no secret, or another cipher")]
    NotSealed,
    /// The envelope is damaged; the text says how.
    #[error("a malformed envelope: {0}")]
    Malformed(&'static str),
    /// The message was sealed with another secret.
    #[error("sealed with another secret, or damaged")]
    WrongKey,
    /// The envelope has no signature inside.
    #[error("the sealed message is not signed")]
    Unsigned,
    /// The signature is wrong.
    #[error("the signature is wrong: sealed with another secret, or altered")]
    BadSignature,
    /// The message came before.
    #[error("a replayed message")]
    Replayed,
    /// The message's time is too far from now.
    #[error("outside the time window: an old message replayed, or the clocks of the two machines differ")]
    OutsideWindow,
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
