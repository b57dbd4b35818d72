//! What was found lately: bounded, and forgotten after a time.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Values that hold for one and the same time from when they are put in. When it is full the oldest go.
#[derive(Debug)]
pub(super) struct Cache<K, V> {
    values: HashMap<K, (V, Instant)>,
    /// In the order of their ends. A key may be in it more than once; the time tells which is in use.
    order: VecDeque<(K, Instant)>,
    holds: Duration,
    most: usize,
}

impl<K: Eq + Hash + Copy, V: Clone> Cache<K, V> {
    /// For `most` values. With a time of zero, or none, it keeps nothing.
    pub(super) fn new(holds: Duration, most: usize) -> Self {
        Self { values: HashMap::new(), order: VecDeque::new(), holds, most }
    }

    pub(super) fn get(&self, key: &K, now: Instant) -> Option<V> {
        self.values.get(key).filter(|(_, end)| now < *end).map(|(value, _)| value.clone())
    }

    pub(super) fn put(&mut self, key: K, value: V, now: Instant) {
        if self.holds.is_zero() || self.most == 0 {
            return;
        }
        while self.order.front().is_some_and(|(_, end)| *end <= now || self.order.len() >= self.most) {
            let Some((oldest, end)) = self.order.pop_front() else { break };
            if self.values.get(&oldest).is_some_and(|(_, current)| *current == end) {
                self.values.remove(&oldest);
            }
        }
        let end = now + self.holds;
        self.values.insert(key, (value, end));
        self.order.push_back((key, end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLDS: Duration = Duration::from_secs(10);

    #[test]
    fn a_value_is_forgotten_when_its_time_is_over() {
        let (mut cache, start) = (Cache::new(HOLDS, 10), Instant::now());
        cache.put("a", 1, start);
        assert_eq!(cache.get(&"a", start + HOLDS / 2), Some(1));
        assert_eq!(cache.get(&"a", start + HOLDS), None);
        cache.put("a", 2, start + HOLDS / 2);
        assert_eq!(cache.get(&"a", start + HOLDS), Some(2), "put in again, it holds anew");
        cache.put("b", 1, start + HOLDS);
        assert_eq!(cache.get(&"a", start + HOLDS), Some(2), "the end of the first is not the end of the second");
        cache.put("c", 1, start + HOLDS * 3);
        assert_eq!((cache.values.len(), cache.order.len()), (1, 1), "what is over goes");
    }

    #[test]
    fn when_it_is_full_the_oldest_go() {
        let (mut cache, start) = (Cache::new(HOLDS, 3), Instant::now());
        for (at, key) in (0_u32..).zip(["a", "b", "c", "d", "e"]) {
            cache.put(key, at, start + Duration::from_millis(at.into()));
        }
        let now = start + HOLDS / 2;
        assert_eq!(["a", "b", "c", "d", "e"].map(|key| cache.get(&key, now)), [None, None, Some(2), Some(3), Some(4)]);
        for _ in 0..100 {
            cache.put("e", 9, now);
        }
        assert!(cache.order.len() <= 3 && cache.values.len() <= 3);
    }

    #[test]
    fn without_a_time_nothing_is_kept() {
        let (mut cache, start) = (Cache::new(Duration::ZERO, 3), Instant::now());
        cache.put("a", 1, start);
        assert_eq!(cache.get(&"a", start), None);
    }
}
