//! Urls of rows, each kept once.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use hashbrown::HashTable;
use slab::Slab;

use super::Urls;

/// Urls and how many rows have them. Strangers choose them, so the hasher is one that withstands that.
#[derive(Default)]
pub(super) struct UrlTable {
    urls: Slab<(Arc<Urls>, u32)>,
    by_text: HashTable<u32>,
    hasher: RandomState,
}

impl UrlTable {
    /// One more row has these; says their key.
    pub(super) fn acquire(&mut self, receive: &str, recovery: Option<&str>) -> u32 {
        let hash = self.hasher.hash_one((receive, recovery));
        let same = |key: &u32| {
            self.urls
                .get(*key as usize)
                .is_some_and(|(urls, _)| *urls.receive == *receive && urls.recovery.as_deref() == recovery)
        };
        if let Some(key) = self.by_text.find(hash, same).copied() {
            if let Some((_, rows)) = self.urls.get_mut(key as usize) {
                *rows += 1;
            }
            return key;
        }
        let urls = Urls { receive: receive.into(), recovery: recovery.map(Into::into) };
        // There are no more urls than rows, whose keys are known to fit.
        let key = self.urls.insert((Arc::new(urls), 1)) as u32;
        let (urls, hasher) = (&self.urls, &self.hasher);
        self.by_text.insert_unique(hash, key, |key| hash_of(hasher, urls, *key));
        key
    }

    /// One row fewer has them.
    pub(super) fn release(&mut self, key: u32) {
        let Some((urls, rows)) = self.urls.get_mut(key as usize) else { return };
        *rows -= 1;
        if *rows > 0 {
            return;
        }
        let hash = self.hasher.hash_one((&*urls.receive, urls.recovery.as_deref()));
        if let Ok(entry) = self.by_text.find_entry(hash, |other| *other == key) {
            entry.remove();
        }
        self.urls.try_remove(key as usize);
    }

    pub(super) fn get(&self, key: u32) -> Option<&Arc<Urls>> {
        self.urls.get(key as usize).map(|(urls, _)| urls)
    }

    pub(super) fn len(&self) -> usize {
        self.urls.len()
    }
}

fn hash_of(hasher: &RandomState, urls: &Slab<(Arc<Urls>, u32)>, key: u32) -> u64 {
    urls.get(key as usize).map_or(0, |(urls, _)| hasher.hash_one((&*urls.receive, urls.recovery.as_deref())))
}
