//! Secrets, from where they are kept to where they are used.

use std::fmt;
use std::sync::Arc;

use eventhive_transport::secret::secrets;
use eventhive_transport::settings::{Node, Problem, Value};
use zeroize::Zeroizing;

/// The secrets of a connector: the first seals, all open. Never empty, and no secret in it is empty.
///
/// The memory is zeroed when the last clone goes. `Debug` shows only how many there are.
#[derive(Clone)]
pub struct Secrets(Arc<[Zeroizing<String>]>);

impl Secrets {
    /// One secret; `None` if the text is empty, which means "no secret".
    #[must_use]
    pub fn literal(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self([Zeroizing::new(text.to_owned())].into()))
    }

    /// The secret that seals.
    #[must_use]
    pub fn current(&self) -> &str {
        self.0.first().map_or("", |secret| secret.as_str())
    }

    /// Every secret that opens, the current one first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|secret| secret.as_str())
    }

    /// All of them, the current one first.
    #[must_use]
    pub fn as_slice(&self) -> &[Zeroizing<String>] {
        &self.0
    }

    /// Reads the value of a `secret` key at `path`, as [`eventhive_transport::secret::secrets`]. Empty text is `None`.
    pub(super) fn read(node: &Node, path: &str) -> Result<Option<Self>, Vec<Problem>> {
        match &node.value {
            Value::Text(text) if text.is_empty() => Ok(None),
            _ => Ok(Some(Self(secrets(node, path)?.into()))),
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} hidden)", self.0.len())
    }
}
