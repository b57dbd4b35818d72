//! Members of equal filters, and the finders that lead to them.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use eventhive_transport::name::MAX_NAME_BYTES;
use eventhive_transport::{Filter, Glob, Topic};
use slab::Slab;
use smallvec::SmallVec;

use super::cache::Cache;
use super::segments::{Segments, SetHome};
use crate::grams::{Choice, Gram, Grams};

/// One subscription in a bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub(super) session: u32,
    pub(super) subscription: u32,
}

struct Bucket {
    filter: Filter,
    home: Home,
    members: Vec<Member>,
    /// The search that last found it: several ways may lead to one bucket.
    found: u64,
}

/// Where a bucket is to be found.
enum Home {
    /// By its topic.
    Exact(Topic),
    /// By a piece of its text.
    Gram(Gram),
    /// By one segment of each of its sets.
    Segments(SmallVec<[SetHome; 1]>),
    /// It has nothing to go by, and is looked at each time.
    Everywhere,
    /// It matches nothing.
    Nowhere,
}

/// All buckets. Tables that are keyed by what peers send use the standard hasher, which withstands chosen keys.
#[derive(Default)]
pub(super) struct Buckets {
    buckets: Slab<Bucket>,
    exact: HashMap<Topic, u32>,
    others: HashMap<Filter, u32>,
    grams: Grams,
    segments: Segments,
    everywhere: BTreeSet<u32>,
    searches: u64,
}

impl Buckets {
    /// Adds a member to the bucket of `filter`; says which that is, and the member's position in it.
    pub(super) fn join(&mut self, filter: Filter, member: Member) -> (u32, u32) {
        let filter = canonical(filter);
        let known = match &filter {
            Filter::Exact(topic) => self.exact.get(topic),
            other => self.others.get(other),
        };
        let key = match known {
            Some(key) => *key,
            None => self.settle(filter),
        };
        let members = &mut self.buckets[key as usize].members;
        members.push(member);
        (key, (members.len() - 1) as u32)
    }

    /// Removes the member at `position`; the last takes its place and is given back if there is one.
    pub(super) fn leave(&mut self, key: u32, position: u32) -> Option<Member> {
        let bucket = self.buckets.get_mut(key as usize)?;
        if (position as usize) < bucket.members.len() {
            bucket.members.swap_remove(position as usize);
        }
        if bucket.members.is_empty() {
            self.vacate(key);
            return None;
        }
        bucket.members.get(position as usize).copied()
    }

    /// Throws out of the cache what a change of this bucket makes wrong.
    pub(super) fn invalidate(&self, key: u32, cache: &mut Cache) {
        match self.buckets.get(key as usize).map(|bucket| &bucket.home) {
            Some(Home::Exact(topic)) => cache.forget(topic),
            Some(Home::Nowhere) | None => {}
            Some(Home::Gram(_) | Home::Segments(_) | Home::Everywhere) => cache.grow_stale(),
        }
    }

    /// The buckets that match a topic, each once.
    pub(super) fn find(&mut self, topic: &Topic) -> SmallVec<[u32; 8]> {
        self.searches += 1;
        let (search, buckets) = (self.searches, &mut self.buckets);
        let mut matching: SmallVec<[u32; 8]> = self.exact.get(topic).copied().into_iter().collect();
        let mut look_at = |key: u32, matches: &dyn Fn(&Filter) -> bool| {
            if let Some(bucket) = buckets.get_mut(key as usize)
                && bucket.found != search
                && matches(&bucket.filter)
            {
                bucket.found = search;
                matching.push(key);
            }
        };
        // No pattern matches a topic longer than names are, and cutting it up would take long.
        if topic.as_bytes().len() <= MAX_NAME_BYTES {
            self.grams.candidates(topic.as_bytes(), |key| look_at(key, &|filter| filter.matches(topic)));
        }
        self.segments.matching(topic, |key| look_at(key, &|_| true));
        self.everywhere.iter().for_each(|key| look_at(*key, &|filter| filter.matches(topic)));
        matching
    }

    pub(super) fn members(&self, key: u32) -> &[Member] {
        self.buckets.get(key as usize).map_or(&[], |bucket| &bucket.members)
    }

    pub(super) fn len(&self) -> usize {
        self.buckets.len()
    }

    fn settle(&mut self, filter: Filter) -> u32 {
        // There are no more buckets than subscriptions, whose keys are known to fit.
        let key = self.buckets.vacant_key() as u32;
        let home = match &filter {
            Filter::Exact(topic) => {
                self.exact.insert(topic.clone(), key);
                Home::Exact(topic.clone())
            }
            Filter::Glob(glob) => {
                let literals = glob.literals();
                let filed = self.grams.insert(&Choice::new(|| literals.iter().map(String::as_str)), key);
                filed.map_or(Home::Everywhere, Home::Gram)
            }
            Filter::Segments(sets) if sets.is_empty() => Home::Nowhere,
            Filter::Segments(sets) => self.segments.insert(sets, key).map_or(Home::Everywhere, Home::Segments),
            _ => Home::Everywhere,
        };
        if matches!(home, Home::Everywhere) {
            self.everywhere.insert(key);
        }
        if !matches!(home, Home::Exact(_)) {
            self.others.insert(filter.clone(), key);
        }
        self.buckets.insert(Bucket { filter, home, members: Vec::new(), found: 0 });
        key
    }

    fn vacate(&mut self, key: u32) {
        let Some(bucket) = self.buckets.try_remove(key as usize) else { return };
        match &bucket.home {
            Home::Exact(topic) => drop(self.exact.remove(topic)),
            Home::Gram(gram) => self.grams.remove(*gram, key),
            Home::Segments(homes) => self.segments.remove(homes, key),
            Home::Everywhere => drop(self.everywhere.remove(&key)),
            Home::Nowhere => {}
        }
        self.others.remove(&bucket.filter);
    }
}

/// The filter as it is kept: a pattern without a wildcard is its name, and text that came in a frame is copied out of it,
/// lest a short topic keep a long frame alive.
fn canonical(filter: Filter) -> Filter {
    let literal = |glob: &Glob| glob.literal().map(Topic::from);
    match filter {
        Filter::Exact(topic) => Filter::Exact(own(&topic)),
        Filter::Glob(glob) => literal(&glob).map_or(Filter::Glob(glob), Filter::Exact),
        Filter::Segments(sets) => Filter::Segments(sets.iter().map(|set| set.iter().map(own).collect()).collect()),
        other => other,
    }
}

/// Whether a filter is anything but one topic.
pub(super) fn is_pattern(filter: &Filter) -> bool {
    match filter {
        Filter::Exact(_) => false,
        Filter::Glob(glob) => glob.literal().is_none(),
        _ => true,
    }
}

/// The topic in memory of its own.
pub(super) fn own(topic: &Topic) -> Topic {
    Topic::new(Bytes::copy_from_slice(topic.as_bytes()))
}
