//! What the lock of an index guards.

use std::sync::Arc;

use super::buckets::{Bucket, Buckets, Compiled};
use super::peers::PeerTable;
use super::rows::{Entry, RowTable};
use super::urls::UrlTable;
use super::{Found, IndexError, IndexStats, OwnedInterest, PeerKey, Removed, Subscribed, Target, Unsubscribed};
use crate::store::{Row, RowId};
use crate::wire::Interest;

/// All tables. A row is a member of one bucket, a peer of any number; both know their position there, so that the last
/// member can take the place of one that leaves.
pub(super) struct Table<P> {
    buckets: Buckets,
    rows: RowTable,
    urls: UrlTable,
    peers: PeerTable<P>,
    generation: u32,
}

impl<P: Clone> Table<P> {
    /// What has to be compiled before it can be filed: a pattern that is not here.
    pub(super) fn lacks<'i>(&self, interest: Interest<'i>) -> Option<&'i str> {
        match interest {
            Interest::Glob(text) if self.buckets.of(interest).is_none() => Some(text),
            Interest::Glob(_) | Interest::Exact(_) => None,
        }
    }

    /// Files a row; its pattern is compiled here if it has not been.
    pub(super) fn insert(&mut self, row: &Row, compiled: Option<Compiled>) -> Result<(), IndexError> {
        if self.refresh(row) {
            return Ok(());
        }
        self.remove(row.id);
        let interest = row.interest().ok_or(IndexError::NotText(row.id))?;
        let key = self.rows.vacant().ok_or(IndexError::Full)?;
        let bucket = self.buckets.settle(interest, compiled)?;
        let urls = self.urls.acquire(&row.url, row.recovery.as_deref());
        let Some(members) = self.buckets.get_mut(bucket).map(|bucket| &mut bucket.rows) else { return Ok(()) };
        // There are no more members than rows, whose keys are known to fit.
        let position = members.len() as u32;
        members.push(key);
        self.rows.insert(Entry { id: row.id, urls, bucket, position, generation: self.generation });
        Ok(())
    }

    /// Whether the row is here as it is; if so, it has been seen.
    fn refresh(&mut self, row: &Row) -> bool {
        let Some(entry) = self.rows.key_of(row.id).and_then(|key| self.rows.get_mut(key)) else { return false };
        entry.generation = self.generation;
        let same_urls =
            self.urls.get(entry.urls).is_some_and(|urls| urls.receive == row.url && urls.recovery == row.recovery);
        let same_interest = self.buckets.get(entry.bucket).map(|bucket| bucket.interest()) == row.interest();
        same_urls && same_interest
    }

    pub(super) fn remove(&mut self, id: RowId) -> Option<Removed> {
        let entry = self.rows.key_of(id).and_then(|key| self.rows.remove(key))?;
        let of_peers =
            self.buckets.get(entry.bucket).filter(|bucket| !bucket.peers.is_empty()).map(OwnedInterest::from);
        let removed = self.urls.get(entry.urls).map(|urls| Removed { urls: Arc::clone(urls), of_peers });
        self.urls.release(entry.urls);
        if let Some(bucket) = self.buckets.get_mut(entry.bucket) {
            bucket.rows.swap_remove(entry.position as usize);
            let moved = bucket.rows.get(entry.position as usize).copied();
            if let Some(moved) = moved.and_then(|key| self.rows.get_mut(key)) {
                moved.position = entry.position;
            }
        }
        self.buckets.vacate_if_empty(entry.bucket);
        removed
    }

    pub(super) fn next_generation(&mut self) -> u32 {
        self.generation = self.generation.wrapping_add(1);
        self.generation
    }

    /// Takes rows out that are older than a generation, if that is the current one.
    pub(super) fn drop_older(&mut self, generation: u32) -> Vec<Removed> {
        if generation != self.generation {
            return Vec::new();
        }
        let older = self.rows.older_than(self.generation);
        older.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    pub(super) fn join(&mut self, handle: P) -> Result<u32, IndexError> {
        self.peers.join(handle).ok_or(IndexError::Full)
    }

    pub(super) fn leave(&mut self, peer: u32) -> Vec<OwnedInterest> {
        let mut unwanted = Vec::new();
        for (bucket, position) in self.peers.leave(peer) {
            unwanted.extend(self.drop_peer(bucket, position));
        }
        unwanted
    }

    pub(super) fn subscribe(
        &mut self,
        peer: u32,
        interest: Interest<'_>,
        compiled: Option<Compiled>,
    ) -> Result<Subscribed, IndexError> {
        if !self.peers.contains(peer) {
            return Err(IndexError::Gone);
        }
        let key = self.buckets.settle(interest, compiled)?;
        if self.peers.position(peer, key).is_some() {
            return Ok(Subscribed::Already);
        }
        let Some(bucket) = self.buckets.get_mut(key) else { return Err(IndexError::Full) };
        let position = bucket.peers.len() as u32;
        bucket.peers.push(peer);
        self.peers.place(peer, key, position);
        Ok(if position == 0 { Subscribed::First } else { Subscribed::Another })
    }

    pub(super) fn unsubscribe(&mut self, peer: u32, interest: Interest<'_>) -> Unsubscribed {
        let bucket = self.buckets.of(interest);
        let place = bucket.and_then(|bucket| Some((bucket, self.peers.position(peer, bucket)?)));
        let Some((bucket, position)) = place else { return Unsubscribed::Unknown };
        self.peers.forget(peer, bucket);
        match self.drop_peer(bucket, position) {
            Some(_) => Unsubscribed::Last,
            None => Unsubscribed::OneOfMany,
        }
    }

    /// Takes the peer at a position out of a bucket. Says what the bucket was about if it was the last.
    fn drop_peer(&mut self, key: u32, position: u32) -> Option<OwnedInterest> {
        let bucket = self.buckets.get_mut(key)?;
        bucket.peers.swap_remove(position as usize);
        if let Some(moved) = bucket.peers.get(position as usize).copied() {
            self.peers.place(moved, key, position);
        }
        let unwanted = bucket.peers.is_empty().then(|| OwnedInterest::from(&*bucket));
        self.buckets.vacate_if_empty(key);
        unwanted
    }

    pub(super) fn find(&self, topic: &[u8]) -> Found<P> {
        let matching = self.buckets.matching(topic);
        let buckets = || matching.iter().filter_map(|key| self.buckets.get(*key));
        let mut targets = Vec::with_capacity(buckets().map(|bucket| bucket.rows.len()).sum());
        targets.extend(buckets().flat_map(|bucket| &bucket.rows).filter_map(|key| self.target(*key)));
        let with_handle = |key| Some((PeerKey(key), self.peers.handle(key)?.clone()));
        let (keys, peers) = distinct_peers(&matching, buckets()).into_iter().filter_map(with_handle).unzip();
        Found { targets, peers, keys }
    }

    pub(super) fn count(&self, topic: &[u8], rows_of_peers: bool) -> usize {
        let matching = self.buckets.matching(topic);
        let buckets = || matching.iter().filter_map(|key| self.buckets.get(*key));
        let of_peers = |bucket: &Bucket| usize::from(rows_of_peers && !bucket.peers.is_empty());
        let rows: usize = buckets().map(|bucket| bucket.rows.len().saturating_sub(of_peers(bucket))).sum();
        rows + distinct_peers(&matching, buckets()).len()
    }

    pub(super) fn find_peers(&self, topic: &[u8]) -> Vec<P> {
        let matching = self.buckets.matching(topic);
        let buckets = matching.iter().filter_map(|key| self.buckets.get(*key));
        distinct_peers(&matching, buckets).into_iter().filter_map(|key| self.peers.handle(key).cloned()).collect()
    }

    /// Takes no longer where many want the same.
    pub(super) fn wants(&self, PeerKey(peer): PeerKey, topic: &[u8]) -> Option<P> {
        let matching = self.buckets.matching(topic);
        let is_member = matching.iter().any(|bucket| self.peers.position(peer, *bucket).is_some());
        self.peers.handle(peer).filter(|_| is_member).cloned()
    }

    pub(super) fn peers_of(&self, interest: Interest<'_>) -> Vec<P> {
        let bucket = self.buckets.of(interest).and_then(|key| self.buckets.get(key));
        let peers = bucket.into_iter().flat_map(|bucket| &bucket.peers);
        peers.filter_map(|key| self.peers.handle(*key).cloned()).collect()
    }

    pub(super) fn is_wanted_by_peers(&self, interest: Interest<'_>) -> bool {
        let bucket = self.buckets.of(interest).and_then(|key| self.buckets.get(key));
        bucket.is_some_and(|bucket| !bucket.peers.is_empty())
    }

    fn target(&self, key: u32) -> Option<Target> {
        let entry = self.rows.get(key)?;
        Some(Target { id: entry.id, urls: Arc::clone(self.urls.get(entry.urls)?) })
    }

    pub(super) fn wanted_by_peers(&self) -> Vec<OwnedInterest> {
        self.buckets.iter().filter(|bucket| !bucket.peers.is_empty()).map(OwnedInterest::from).collect()
    }

    pub(super) fn stats(&self) -> IndexStats {
        let (rows, urls) = (self.rows.len(), self.urls.len());
        IndexStats { rows, urls, peers: self.peers.len(), interests: self.buckets.len() }
    }
}

/// The peers of buckets that match, each once.
fn distinct_peers<'b>(matching: &[u32], buckets: impl Iterator<Item = &'b Bucket>) -> Vec<u32> {
    let mut peers: Vec<u32> = buckets.flat_map(|bucket| bucket.peers.iter().copied()).collect();
    if matching.len() > 1 {
        peers.sort_unstable();
        peers.dedup();
    }
    peers
}

impl<P> Default for Table<P> {
    fn default() -> Self {
        Self {
            buckets: Buckets::default(),
            rows: RowTable::default(),
            urls: UrlTable::default(),
            peers: PeerTable::default(),
            generation: 0,
        }
    }
}
