//! What is remembered of other senders: their keys, and which of their messages came.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::keys::{Keys, Sender};
use crate::envelope::OpenError;
use crate::envelope::replay::counters::Counters;

/// Senders that are known at one time. Each is a hive that was started; one takes about 1 KB for its keys, and one bit for
/// each message of the window: 9 MB for all of them by default.
const MOST: usize = 1024;

/// Which secret, and which sender.
pub(super) type Id = ([u8; 8], Sender);

/// Senders by id. When there are too many, the one that was silent for the longest time goes; whoever is unknown and not
/// newer than it is refused from then on.
pub(super) struct Senders {
    /// Whoever is in it has the secret: no stranger can fill it with what hashes badly.
    known: HashMap<Id, Known, RandomState>,
    /// The newest time of the senders that went.
    forgotten: Option<u64>,
    messages: usize,
}

struct Known {
    keys: Arc<Keys>,
    counters: Counters,
    newest: u64,
}

impl Senders {
    /// For each sender, so many messages are remembered.
    pub(super) fn new(messages: usize) -> Self {
        Self { known: HashMap::default(), forgotten: None, messages }
    }

    /// The keys of a sender of whom a verified message came.
    pub(super) fn keys(&self, id: &Id) -> Option<Arc<Keys>> {
        self.known.get(id).map(|known| Arc::clone(&known.keys))
    }

    /// Notes a verified message.
    ///
    /// # Errors
    /// [`OpenError::Replayed`], [`OpenError::Forgotten`].
    pub(super) fn note(&mut self, id: Id, keys: &Arc<Keys>, counter: u64, time: u64) -> Result<(), OpenError> {
        if let Some(known) = self.known.get_mut(&id) {
            known.newest = known.newest.max(time);
            return known.counters.note(counter);
        }
        if Some(time) <= self.forgotten {
            return Err(OpenError::Forgotten);
        }
        if self.known.len() >= MOST {
            self.forget_one();
        }
        let mut counters = Counters::new(self.messages);
        counters.note(counter)?;
        self.known.insert(id, Known { keys: Arc::clone(keys), counters, newest: time });
        Ok(())
    }

    fn forget_one(&mut self) {
        let silent = self.known.iter().min_by_key(|(_, known)| known.newest);
        if let Some((id, newest)) = silent.map(|(id, known)| (*id, known.newest)) {
            self.known.remove(&id);
            self.forgotten = self.forgotten.max(Some(newest));
        }
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::envelope::sealed::keys::Secret;

    #[test]
    fn with_too_many_the_silent_one_goes_and_nothing_as_old_comes_in_again() {
        let secret = Secret::new(&Zeroizing::new("s".to_owned()));
        let keys = Arc::new(Keys::derive(&secret, &[0; 16]));
        let id = |number: u64| (secret.id, (number as u128).to_be_bytes());
        let mut senders = Senders::new(64);
        for number in 0..MOST as u64 {
            senders.note(id(number), &keys, 5, 1000 + number).unwrap();
        }
        senders.note(id(0), &keys, 6, 5000).unwrap();
        senders.note(id(9999), &keys, 0, 4000).unwrap();
        assert_eq!(senders.known.len(), MOST);
        assert!(matches!(senders.note(id(1), &keys, 5, 1001), Err(OpenError::Forgotten)), "it was the silent one");
        assert!(matches!(senders.note(id(0), &keys, 5, 1000), Err(OpenError::Replayed)));
        assert!(senders.note(id(1), &keys, 6, 6000).is_ok(), "it is welcome with something new");
    }
}
