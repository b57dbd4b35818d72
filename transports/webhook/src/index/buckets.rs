//! Topics and patterns, and who wants each.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};

use eventhive_hub::grams::{Choice, Gram, Grams};
use hashbrown::HashTable;
use slab::Slab;
use smallvec::SmallVec;

use super::{IndexError, OwnedInterest};
use crate::wire::Interest;
use crate::wire::glob::{Glob, GlobError, Subject};

/// Those who want the same. Most topics have one row and no peer, so that is what takes the least room.
pub(super) struct Bucket {
    what: What,
    /// Keys of rows.
    pub(super) rows: SmallVec<[u32; 2]>,
    /// Keys of peers.
    pub(super) peers: SmallVec<[u32; 2]>,
}

enum What {
    Topic(Box<[u8]>),
    Glob { glob: Glob, home: Home },
}

/// Where a pattern is to be found.
enum Home {
    /// By a piece of its text.
    Gram(Gram),
    /// It has no text, and is looked at each time.
    Everywhere,
    /// It matches nothing.
    Nowhere,
}

/// A pattern, made ready to be filed: this takes up to milliseconds, and so is done before the lock is taken.
pub(super) struct Compiled {
    glob: Glob,
    choice: Choice,
}

impl Compiled {
    pub(super) fn new(text: &str) -> Result<Self, GlobError> {
        let glob = Glob::new(text)?;
        Ok(Self { choice: Choice::new(|| glob.literals()), glob })
    }
}

/// All buckets. Strangers choose what is wanted, so the hasher is one that withstands that.
#[derive(Default)]
pub(super) struct Buckets {
    buckets: Slab<Bucket>,
    by_interest: HashTable<u32>,
    hasher: RandomState,
    grams: Grams,
    everywhere: BTreeSet<u32>,
}

impl Bucket {
    pub(super) fn interest(&self) -> Interest<'_> {
        match &self.what {
            What::Topic(topic) => Interest::Exact(topic),
            What::Glob { glob, .. } => Interest::Glob(glob.as_str()),
        }
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.peers.is_empty()
    }
}

impl Buckets {
    pub(super) fn get(&self, key: u32) -> Option<&Bucket> {
        self.buckets.get(key as usize)
    }

    pub(super) fn get_mut(&mut self, key: u32) -> Option<&mut Bucket> {
        self.buckets.get_mut(key as usize)
    }

    pub(super) fn len(&self) -> usize {
        self.buckets.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Bucket> {
        self.buckets.iter().map(|(_, bucket)| bucket)
    }

    /// The bucket of an interest, if there is one.
    pub(super) fn of(&self, interest: Interest<'_>) -> Option<u32> {
        let same = |key: &u32| self.get(*key).is_some_and(|bucket| bucket.interest() == interest);
        self.by_interest.find(self.hasher.hash_one(interest), same).copied()
    }

    /// The bucket of an interest, made if there is none; of what is compiled, if it is a pattern and was.
    pub(super) fn settle(&mut self, interest: Interest<'_>, compiled: Option<Compiled>) -> Result<u32, IndexError> {
        if let Some(key) = self.of(interest) {
            return Ok(key);
        }
        let key = u32::try_from(self.buckets.vacant_key()).map_err(|_| IndexError::Full)?;
        let what = match interest {
            Interest::Exact(topic) => What::Topic(topic.into()),
            Interest::Glob(text) => self.file(compiled.map_or_else(|| Compiled::new(text), Ok)?, key),
        };
        self.buckets.insert(Bucket { what, rows: SmallVec::new(), peers: SmallVec::new() });
        let (buckets, hasher) = (&self.buckets, &self.hasher);
        let hash_of = |key: &u32| buckets.get(*key as usize).map_or(0, |bucket| hasher.hash_one(bucket.interest()));
        self.by_interest.insert_unique(hasher.hash_one(interest), key, hash_of);
        Ok(key)
    }

    fn file(&mut self, Compiled { glob, choice }: Compiled, key: u32) -> What {
        let home = if !glob.can_match() {
            Home::Nowhere
        } else if let Some(gram) = self.grams.insert(&choice, key) {
            Home::Gram(gram)
        } else {
            self.everywhere.insert(key);
            Home::Everywhere
        };
        What::Glob { glob, home }
    }

    /// Takes a bucket out if nobody wants it any more.
    pub(super) fn vacate_if_empty(&mut self, key: u32) {
        let Some(bucket) = self.buckets.get(key as usize).filter(|bucket| bucket.is_empty()) else { return };
        let hash = self.hasher.hash_one(bucket.interest());
        if let Ok(entry) = self.by_interest.find_entry(hash, |other| *other == key) {
            entry.remove();
        }
        match self.buckets.remove(key as usize).what {
            What::Glob { home: Home::Gram(gram), .. } => self.grams.remove(gram, key),
            What::Glob { home: Home::Everywhere, .. } => drop(self.everywhere.remove(&key)),
            What::Glob { home: Home::Nowhere, .. } | What::Topic(_) => {}
        }
    }

    /// The buckets that a topic concerns, each once.
    pub(super) fn matching(&self, topic: &[u8]) -> SmallVec<[u32; 8]> {
        let mut found: SmallVec<[u32; 8]> = self.of(Interest::Exact(topic)).into_iter().collect();
        let subject = Subject::new(topic);
        let matches = |key: &u32| match self.get(*key).map(|bucket| &bucket.what) {
            Some(What::Glob { glob, .. }) => glob.matches(&subject),
            Some(What::Topic(_)) | None => false,
        };
        found.extend(self.candidates(subject.as_str().as_bytes()).into_iter().filter(matches));
        found.extend(self.everywhere.iter().copied().filter(matches));
        found
    }

    /// Patterns whose gram is in the topic, each once.
    fn candidates(&self, topic: &[u8]) -> SmallVec<[u32; 8]> {
        let mut candidates: SmallVec<[u32; 8]> = SmallVec::new();
        self.grams.candidates(topic, |key| candidates.push(key));
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }
}

impl From<&Bucket> for OwnedInterest {
    fn from(bucket: &Bucket) -> Self {
        bucket.interest().into()
    }
}
