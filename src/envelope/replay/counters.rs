//! Which of a sender's counters came: a bit each, in a ring that slides with the newest.
//!
//! Source: RFC 6479, "IPsec Anti-Replay Algorithm without Bit Shifting".

use crate::envelope::OpenError;

const WORD: u64 = u64::BITS as u64;

/// A window below the highest counter that came. What is below the window is refused.
#[derive(Debug)]
pub(in crate::envelope) struct Counters {
    /// One more than the highest counter; 0 before the first.
    next: u64,
    /// One word more than the window has, as the newest is seldom full.
    ring: Box<[u64]>,
}

impl Counters {
    /// A window of at least `messages` counters.
    pub(in crate::envelope) fn new(messages: usize) -> Self {
        Self { next: 0, ring: vec![0; messages.div_ceil(WORD as usize).max(1) + 1].into() }
    }

    /// Notes a counter.
    ///
    /// # Errors
    /// [`OpenError::Replayed`] if it came before; [`OpenError::Forgotten`] if it is too old to tell.
    pub(in crate::envelope) fn note(&mut self, counter: u64) -> Result<(), OpenError> {
        let words = self.ring.len() as u64;
        let after = counter.checked_add(1).ok_or(OpenError::Forgotten)?;
        if after > self.next {
            self.advance(counter / WORD);
            self.next = after;
        } else if self.next - counter > (words - 1) * WORD {
            return Err(OpenError::Forgotten);
        }
        let bit = 1 << (counter % WORD);
        let slot = self.slot(counter / WORD).ok_or(OpenError::Forgotten)?;
        if *slot & bit != 0 {
            return Err(OpenError::Replayed);
        }
        *slot |= bit;
        Ok(())
    }

    /// Empties the words from the one after the newest to this one.
    fn advance(&mut self, to: u64) {
        let newest = self.next.saturating_sub(1) / WORD;
        if to - newest >= self.ring.len() as u64 {
            self.ring.fill(0);
            return;
        }
        for word in newest + 1..=to {
            if let Some(slot) = self.slot(word) {
                *slot = 0;
            }
        }
    }

    fn slot(&mut self, word: u64) -> Option<&mut u64> {
        let index = word % self.ring.len() as u64;
        self.ring.get_mut(usize::try_from(index).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn outcome(counters: &mut Counters, counter: u64) -> &'static str {
        match counters.note(counter) {
            Ok(()) => "new",
            Err(OpenError::Replayed) => "replayed",
            Err(_) => "forgotten",
        }
    }

    #[test]
    fn a_counter_is_new_once_in_any_order_and_refused_below_the_window() {
        let mut counters = Counters::new(64);
        for (counter, wanted) in [
            (70, "new"),
            (7, "new"),
            (6, "forgotten"),
            (70, "replayed"),
            (8, "new"),
            (8, "replayed"),
            (1_000_000, "new"),
            (999_999, "new"),
            (999_999, "replayed"),
            (70, "forgotten"),
            (u64::MAX, "forgotten"),
            (u64::MAX - 1, "new"),
            (u64::MAX - 1, "replayed"),
            (1_000_000, "forgotten"),
        ] {
            assert_eq!(outcome(&mut counters, counter), wanted, "{counter}");
        }
    }

    proptest! {
        #[test]
        fn it_is_a_set_of_what_came_above_the_window(steps in proptest::collection::vec(0_u64..700, 1..400)) {
            let (mut counters, mut came, mut highest) = (Counters::new(128), HashSet::new(), 0);
            for counter in steps {
                let wanted = if came.contains(&counter) && highest - counter < 128 {
                    "replayed"
                } else if counter + 128 <= highest {
                    "forgotten"
                } else {
                    "new"
                };
                prop_assert_eq!(outcome(&mut counters, counter), wanted);
                came.insert(counter);
                highest = highest.max(counter);
            }
        }
    }
}
