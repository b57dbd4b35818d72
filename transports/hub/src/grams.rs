//! Patterns by a piece of their literal text, for indexes of patterns.
//!
//! Each pattern is filed under one *gram*: up to eight bytes of text that every match must have, and of those the one that
//! the fewest other patterns are filed under. A topic is cut into its grams, each is looked up, and what is filed there
//! is a candidate. Patterns that differ (`site/room17/*`, `site/room18/*`) so end in different places, whether they differ
//! at the start or after a wildcard; nothing is ever rebuilt.

use std::collections::{BTreeSet, HashMap};

use smallvec::SmallVec;

const LONGEST: usize = 8;

/// Each gram of a topic longer than this brings its candidates once. The same few bytes, over and over, would bring the same as
/// often: a topic of 64 KiB all those of a common gram 65,000 times. Only grams that patterns are filed under are sorted out;
/// with grams of all eight lengths in use a random topic of 64 KiB takes 6 ms (22 ms with an ordered set of all its grams).
const LONG_TOPIC: usize = 512;

/// Among how many grams of a pattern the least common is chosen. Grams of eight bytes that are evenly spread among 64 places
/// leave no byte of up to 512 out. Looking up each of a pattern of 49 KB took 0.4 to 0.5 ms; this takes some microseconds, of
/// any pattern.
const CHOICES: usize = 64;

/// A few bytes of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gram {
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

/// The grams that a pattern may be filed under. It is made before whoever guards [`Grams`] is asked, as patterns may be long.
#[derive(Debug, Clone, Default)]
pub struct Choice(SmallVec<[Gram; 16]>);

impl Choice {
    /// Of a pattern whose every match has all of these literals in it.
    pub fn new<'a, L: Iterator<Item = &'a str>>(literals: impl Fn() -> L) -> Self {
        let longest = literals().map(str::len).max().unwrap_or(0);
        let length = longest.min(LONGEST);
        if length == 0 {
            return Self::default();
        }
        let places = |literal: &str| (literal.len() + 1).saturating_sub(length);
        let all: usize = literals().map(places).sum();
        let step = all.div_ceil(CHOICES).max(1);
        // So that the last is among them: patterns that differ often do so at their end.
        let mut next = (all.max(1) - 1) % step;
        let mut chosen = SmallVec::with_capacity(all.div_ceil(step));
        for literal in literals() {
            let (bytes, places) = (literal.as_bytes(), places(literal));
            chosen.extend((next..places).step_by(step).filter_map(|at| bytes.get(at..at + length)).map(Gram::new));
            next = if next < places { step - 1 - (places - 1 - next) % step } else { next - places };
        }
        Self(chosen)
    }
}

/// Patterns by gram. The quick hasher will do: a peer who wants many patterns in one place need only give them one gram.
#[derive(Debug, Default)]
pub struct Grams {
    filed: HashMap<Gram, BTreeSet<u32>, foldhash::fast::RandomState>,
    /// How many patterns are filed under grams of each length: lengths that nobody has are not looked up.
    lengths: [usize; LONGEST + 1],
}

impl Grams {
    /// Files a pattern. Says where, for [`remove`](Self::remove); `None`, and nothing is filed, if it has no literal text.
    pub fn insert(&mut self, choice: &Choice, key: u32) -> Option<Gram> {
        let patterns = |gram: &Gram| self.filed.get(gram).map_or(0, BTreeSet::len);
        let gram = choice.0.iter().copied().min_by_key(patterns)?;
        self.filed.entry(gram).or_default().insert(key);
        self.lengths[usize::from(gram.length)] += 1;
        Some(gram)
    }

    /// Takes a pattern out.
    pub fn remove(&mut self, gram: Gram, key: u32) {
        let Some(keys) = self.filed.get_mut(&gram) else { return };
        if keys.remove(&key) {
            self.lengths[usize::from(gram.length)] -= 1;
        }
        if keys.is_empty() {
            self.filed.remove(&gram);
        }
    }

    /// Calls `candidate` with every pattern that has a gram in common with the topic; repeatedly, if it has it repeatedly and
    /// is short.
    pub fn candidates(&self, topic: &[u8], mut candidate: impl FnMut(u32)) {
        for length in (1..=LONGEST).filter(|length| self.lengths[*length] > 0) {
            let grams = topic.windows(length).map(Gram::new);
            let mut look_up = |gram| self.filed.get(&gram).into_iter().flatten().for_each(|key| candidate(*key));
            if topic.len() <= LONG_TOPIC {
                grams.for_each(&mut look_up);
            } else {
                let mut found: Vec<Gram> = grams.filter(|gram| self.filed.contains_key(gram)).collect();
                found.sort_unstable();
                found.dedup();
                found.into_iter().for_each(&mut look_up);
            }
        }
    }
}

#[cfg(test)]
mod tests;
