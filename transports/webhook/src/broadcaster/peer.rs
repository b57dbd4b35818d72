//! Websockets, as a broadcaster sees them.

use std::fmt;
use std::sync::Arc;

use super::{Broadcaster, SubscribeError};
use crate::message::Message;
use crate::store::StoreError;
use crate::wire::Interest;

/// A websocket, as the broadcaster sees it. Calls come from any thread, and must not block.
pub trait Peer: Send + Sync {
    /// Queues a message. `false` if the session is ending or its queue is full by its policy; such are not counted.
    fn receive(&self, message: &Message) -> bool;

    /// Queues a MISSED.
    fn missed(&self, topic: &Arc<[u8]>);
}

/// A websocket's place at a broadcaster. Dropping it leaves, and ends its subscriptions.
pub struct Joined {
    broadcaster: Arc<Broadcaster>,
    id: PeerId,
}

/// The number of a websocket at its broadcaster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub(super) usize);

impl Joined {
    pub(super) fn new(broadcaster: Arc<Broadcaster>, id: PeerId) -> Self {
        Self { broadcaster, id }
    }

    /// Begins a subscription. Once it answers, every message that is published is seen. `false` if this websocket has the
    /// subscription already.
    ///
    /// # Errors
    /// The store, which tells other broadcasters of it, does not take it; there is no subscription then. Or the pattern is
    /// none.
    pub async fn subscribe(&self, interest: Interest<'_>) -> Result<bool, SubscribeError> {
        self.broadcaster.subscribe_peer(self.id, interest).await
    }

    /// Ends a subscription. Once it answers, no message comes because of it. `false` if there is none.
    ///
    /// # Errors
    /// Never for what happens here: a row that the store would not remove is removed later.
    pub async fn unsubscribe(&self, interest: Interest<'_>) -> Result<bool, StoreError> {
        self.broadcaster.unsubscribe_peer(self.id, interest).await
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.broadcaster.leave(self.id);
    }
}

impl fmt::Debug for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined").field("id", &self.id).finish()
    }
}
