//! Globs by a piece of their literal text.
//!
//! Each pattern is filed under one *gram*: up to eight bytes of text that every match must have, and of those the one that
//! the fewest other patterns are filed under. A topic is cut into its grams, each is looked up, and what is filed there
//! is a candidate. Patterns that differ (`site/room17/*`, `site/room18/*`) so end in different places, whether they differ
//! at the start or after a wildcard; nothing is ever rebuilt.

use std::collections::{BTreeSet, HashMap};

use eventhive_transport::Glob;

const LONGEST: usize = 8;

/// A few bytes of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Gram {
    bytes: u64,
    length: u8,
}

impl Gram {
    fn new(window: &[u8]) -> Self {
        let mut bytes = [0; LONGEST];
        bytes[..window.len()].copy_from_slice(window);
        Self { bytes: u64::from_le_bytes(bytes), length: window.len() as u8 }
    }
}

/// Patterns by gram. The quick hasher will do: a peer who wants many patterns in one place need only give them one gram.
#[derive(Default)]
pub(super) struct Grams {
    filed: HashMap<Gram, BTreeSet<u32>, foldhash::fast::RandomState>,
    /// How many patterns are filed under grams of each length: lengths that nobody has are not looked up.
    lengths: [usize; LONGEST + 1],
}

impl Grams {
    /// Files a pattern; `None` if it has no literal text.
    pub(super) fn insert(&mut self, glob: &Glob, key: u32) -> Option<Gram> {
        let literals = glob.literals();
        let length = literals.iter().map(String::len).max()?.min(LONGEST);
        let windows = literals.iter().flat_map(|literal| literal.as_bytes().windows(length));
        let gram = windows.map(Gram::new).min_by_key(|gram| self.filed.get(gram).map_or(0, BTreeSet::len))?;
        self.filed.entry(gram).or_default().insert(key);
        self.lengths[length] += 1;
        Some(gram)
    }

    pub(super) fn remove(&mut self, gram: Gram, key: u32) {
        let Some(keys) = self.filed.get_mut(&gram) else { return };
        if keys.remove(&key) {
            self.lengths[usize::from(gram.length)] -= 1;
        }
        if keys.is_empty() {
            self.filed.remove(&gram);
        }
    }

    /// Calls `candidate` with every pattern that has a gram in common with the topic; repeatedly, if it has it repeatedly.
    pub(super) fn candidates(&self, topic: &[u8], mut candidate: impl FnMut(u32)) {
        for length in (1..=LONGEST).filter(|length| self.lengths[*length] > 0) {
            for window in topic.windows(length) {
                self.filed.get(&Gram::new(window)).into_iter().flatten().for_each(|key| candidate(*key));
            }
        }
    }
}
