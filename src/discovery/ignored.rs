//! Announcements that do not count, told once each.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Found, Signature};

/// Announcements that were told of; more are ignored in silence. About 200 bytes each.
const MOST: usize = 64;

/// What was told already. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Ignored(Arc<Mutex<BTreeSet<String>>>);

impl Ignored {
    /// Logs that the announcement is ignored, unless it was said before.
    pub(super) fn tell(&self, found: &Found) {
        let why = match found.signature {
            Signature::Missing => "it is not signed, and this network has a secret",
            Signature::Wrong | Signature::Unchecked | Signature::Valid => "it is not signed with this network's secret",
        };
        if self.is_new(format!("{}\n{found}\n{why}", found.name.to_lowercase())) {
            tracing::warn!(server = found.name, at = %found, "an announcement is ignored: {why}");
        }
    }

    fn is_new(&self, text: String) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.len() < MOST && told.insert(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once_and_a_flood_of_them_is_not_kept() {
        let ignored = Ignored::default();
        assert!(ignored.is_new("a".to_owned()));
        assert!(!ignored.clone().is_new("a".to_owned()));
        let told = (0..1000).filter(|n| ignored.is_new(n.to_string())).count();
        assert_eq!(told, MOST - 1);
    }
}
