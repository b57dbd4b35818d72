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

/// Bits below which a secret is called weak: as many tries as nobody makes who has captured a message.
const STRONG: f64 = 80.0;

/// How many bits a secret can have at most, if that is too few. It is a guess from above: whatever the letters and their
/// number, a word that people choose has less.
pub(super) fn weak(secret: &str) -> Option<u32> {
    let mut distinct: Vec<char> = secret.chars().collect();
    let length = distinct.len();
    distinct.sort_unstable();
    distinct.dedup();
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let bits = length as f64 * (distinct.len() as f64).log2();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "less than 80, and not negative")]
    (bits < STRONG).then_some(bits as u32)
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} hidden)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_guessed_is_weak_and_what_a_machine_drew_is_not() {
        for secret in
            ["s", "sting", "hunter2", "correct horse", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "Tr0ub4dor&3"]
        {
            assert!(weak(secret).is_some(), "{secret}");
        }
        // Of 128 and 256 bits in hex and base64, with as few distinct digits as one may meet; and six words by dice.
        for secret in [
            "9f86d081884c7d659a2feaa0c55ad015",
            "0011223344556677889900aabbccddee",
            "hive-9f86d081884c7d659a2feaa0c55ad0159f86d081884c7d659a2feaa0c55ad015",
            "mEtH0dIcAlLyRaNdOm+/==",
            "cleft cam synod lacy yr wok",
        ] {
            assert_eq!(weak(secret), None, "{secret}");
        }
    }
}
