//! Rows of the store by their number.

use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use slab::Slab;

use crate::store::RowId;

/// A row: where its urls are, and where it is a member.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) id: RowId,
    pub(super) urls: u32,
    pub(super) bucket: u32,
    pub(super) position: u32,
    /// The reading of the store that it was last seen in.
    pub(super) generation: u32,
}

/// All rows. Numbers are the store's own, so a quick hasher will do.
#[derive(Default)]
pub(super) struct RowTable {
    entries: Slab<Entry>,
    by_id: HashTable<u32>,
    hasher: RandomState,
}

impl RowTable {
    /// The key of the next row; `None` if all are taken.
    pub(super) fn vacant(&self) -> Option<u32> {
        u32::try_from(self.entries.vacant_key()).ok()
    }

    /// Adds a row that is not there, under the [`vacant`](Self::vacant) key.
    pub(super) fn insert(&mut self, entry: Entry) {
        let hash = self.hasher.hash_one(entry.id);
        let key = self.entries.insert(entry) as u32;
        let (entries, hasher) = (&self.entries, &self.hasher);
        let hash_of = |key: &u32| entries.get(*key as usize).map_or(0, |entry| hasher.hash_one(entry.id));
        self.by_id.insert_unique(hash, key, hash_of);
    }

    pub(super) fn key_of(&self, id: RowId) -> Option<u32> {
        let same = |key: &u32| self.entries.get(*key as usize).is_some_and(|entry| entry.id == id);
        self.by_id.find(self.hasher.hash_one(id), same).copied()
    }

    pub(super) fn remove(&mut self, key: u32) -> Option<Entry> {
        let entry = self.entries.try_remove(key as usize)?;
        if let Ok(found) = self.by_id.find_entry(self.hasher.hash_one(entry.id), |other| *other == key) {
            found.remove();
        }
        Some(entry)
    }

    pub(super) fn get(&self, key: u32) -> Option<&Entry> {
        self.entries.get(key as usize)
    }

    pub(super) fn get_mut(&mut self, key: u32) -> Option<&mut Entry> {
        self.entries.get_mut(key as usize)
    }

    /// Rows that were not seen in this reading of the store.
    pub(super) fn older_than(&self, generation: u32) -> Vec<RowId> {
        let older = self.entries.iter().filter(|(_, entry)| entry.generation != generation);
        older.map(|(_, entry)| entry.id).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
