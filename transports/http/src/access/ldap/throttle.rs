//! Log lines that must not become a flood.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets one line a minute through.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<Lines>);

#[derive(Debug, Default)]
struct Lines {
    last: Option<Instant>,
    held_back: u64,
}

const EVERY: Duration = Duration::from_secs(60);

impl Throttle {
    /// Whether to write one, and how many were held back since the last.
    pub(super) fn allow(&self, now: Instant) -> Option<u64> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.last.is_some_and(|last| now.duration_since(last) < EVERY) {
            lines.held_back += 1;
            return None;
        }
        lines.last = Some(now);
        Some(std::mem::take(&mut lines.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_and_it_says_how_many_were_not_written() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        assert_eq!(throttle.allow(start), Some(0));
        assert_eq!(throttle.allow(start + EVERY / 2), None);
        assert_eq!(throttle.allow(start + EVERY / 2), None);
        assert_eq!(throttle.allow(start + EVERY), Some(2));
    }
}
