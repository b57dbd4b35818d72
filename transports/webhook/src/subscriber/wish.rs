//! What a subscriber wants, kept.

use std::sync::Arc;

use super::error::SubscriberError;
use crate::wire::Interest;
use crate::wire::digest::hash;
use crate::wire::glob::{Glob, GlobError, Subject};

/// What a subscription wants: one topic, or all that match a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Wish {
    /// This topic, byte for byte.
    Exact(Arc<[u8]>),
    /// Topics that match this pattern.
    Glob(Glob),
}

impl Wish {
    /// One topic.
    #[must_use]
    pub fn exact(topic: impl AsRef<[u8]>) -> Self {
        Self::Exact(topic.as_ref().into())
    }

    /// All topics that match a pattern; see [`Glob`] for what patterns are.
    ///
    /// # Errors
    /// The pattern is too long.
    pub fn glob(pattern: &str) -> Result<Self, GlobError> {
        Glob::new(pattern).map(Self::Glob)
    }

    /// As it is on the wire.
    #[must_use]
    pub fn interest(&self) -> Interest<'_> {
        match self {
            Self::Exact(topic) => Interest::Exact(topic),
            Self::Glob(glob) => Interest::Glob(glob.as_str()),
        }
    }

    pub(crate) fn matches(&self, topic: &[u8], subject: &Subject<'_>) -> bool {
        match self {
            Self::Exact(wanted) => **wanted == *topic,
            Self::Glob(glob) => glob.matches(subject),
        }
    }

    /// Refuses what no field of the wire can hold.
    pub(crate) fn check(&self) -> Result<(), SubscriberError> {
        crate::wire::bodies::Subscribe { url: "", interest: self.interest(), recovery: None, tracing: b"" }
            .write(&mut Vec::new())
            .map_err(SubscriberError::from)
    }
}

/// The number of a pattern in receive urls. It is made of the pattern, so that it is the same after a restart.
pub(crate) fn number(glob: &Glob) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = hash(glob.as_str().as_bytes());
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}
