//! What sessions share: a message is compressed once for all whose compressor does it alike.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OnceCell;

use super::Sessions;
use crate::compression::{Codec, Compressed, FIRST_TRAINED};
use crate::message::Message;
use crate::wire::digest::Hash;

/// Messages that are remembered: what is published is sent to most sessions at once, so the newest do.
const MOST: usize = 8;

/// Up to this length, before compression, a message is kept after its last session has sent it, for those that have yet to.
/// With eight of them that is up to 8 MiB.
const KEPT_BYTES: u64 = 1 << 20;

/// A message compressed, or known not to become shorter by it. Whoever sends it holds it meanwhile.
pub(super) struct Once(OnceCell<Option<Compressed>>);

/// The newest messages compressed, by their hash and the number of the compressor.
#[derive(Default)]
pub(super) struct Shared(Mutex<VecDeque<Entry>>);

struct Entry {
    key: (Hash, u64),
    once: Weak<Once>,
    /// The same, if it is to be kept.
    _kept: Option<Arc<Once>>,
}

impl Shared {
    fn of(&self, key: (Hash, u64), length: u64) -> Arc<Once> {
        // Nothing in here can panic halfway.
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = entries.iter().rev().find(|entry| entry.key == key).and_then(|entry| entry.once.upgrade())
        {
            return known;
        }
        if entries.len() == MOST {
            entries.pop_front();
        }
        let once = Arc::new(Once(OnceCell::new()));
        let kept = (length <= KEPT_BYTES).then(|| Arc::clone(&once));
        entries.push_back(Entry { key, once: Arc::downgrade(&once), _kept: kept });
        once
    }
}

impl Once {
    /// The message, if it becomes shorter by compression.
    pub(super) fn get(&self) -> Option<&Compressed> {
        self.0.get()?.as_ref()
    }
}

impl Sessions {
    /// The message compressed, or known not to become shorter by it.
    pub(super) async fn compressed(&self, codec: &Arc<Codec>, message: &Message) -> io::Result<Arc<Once>> {
        let (id, length) = (codec.id().get(), message.body.len());
        let once = if id < FIRST_TRAINED {
            self.shared.of((message.sha512, id), length)
        } else {
            // What a dictionary of one session does concerns no other.
            Arc::new(Once(OnceCell::new()))
        };
        once.0.get_or_try_init(|| codec.compress(&message.body, &self.settings.bounds)).await?;
        Ok(once)
    }
}
