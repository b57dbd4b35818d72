//! Websockets, and where each is a member.

use std::collections::HashMap;

use slab::Slab;

/// A peer: its handle, and its position in each of its buckets.
struct Member<P> {
    handle: P,
    positions: HashMap<u32, u32, foldhash::fast::RandomState>,
}

/// All peers.
pub(super) struct PeerTable<P>(Slab<Member<P>>);

impl<P: Clone> PeerTable<P> {
    /// Adds a peer; `None` if all keys are taken.
    pub(super) fn join(&mut self, handle: P) -> Option<u32> {
        let key = u32::try_from(self.0.vacant_key()).ok()?;
        self.0.insert(Member { handle, positions: HashMap::default() });
        Some(key)
    }

    /// Takes a peer out, and says where it was a member.
    pub(super) fn leave(&mut self, key: u32) -> Vec<(u32, u32)> {
        self.0.try_remove(key as usize).map(|member| member.positions.into_iter().collect()).unwrap_or_default()
    }

    pub(super) fn contains(&self, key: u32) -> bool {
        self.0.contains(key as usize)
    }

    /// Its position in a bucket, if it is a member there.
    pub(super) fn position(&self, key: u32, bucket: u32) -> Option<u32> {
        self.0.get(key as usize)?.positions.get(&bucket).copied()
    }

    pub(super) fn place(&mut self, key: u32, bucket: u32, position: u32) {
        if let Some(member) = self.0.get_mut(key as usize) {
            member.positions.insert(bucket, position);
        }
    }

    pub(super) fn forget(&mut self, key: u32, bucket: u32) {
        if let Some(member) = self.0.get_mut(key as usize) {
            member.positions.remove(&bucket);
        }
    }

    pub(super) fn handle(&self, key: u32) -> Option<&P> {
        self.0.get(key as usize).map(|member| &member.handle)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<P> Default for PeerTable<P> {
    fn default() -> Self {
        Self(Slab::new())
    }
}
