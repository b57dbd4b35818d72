//! Websockets, as a broadcaster sees them.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::own::Own;
use super::{Broadcaster, SubscribeError};
use crate::index::{IndexError, PeerKey, Subscribed, Unsubscribed};
use crate::message::Message;
use crate::store::StoreError;
use crate::wire::Interest;

/// A websocket, as the broadcaster sees it. Calls come from any thread, and must not block.
pub trait Peer: Send + Sync {
    /// Queues a message. `false` if the session is ending or its queue is full by its policy; such are not counted.
    fn receive(&self, message: &Message) -> bool;

    /// Queues a MISSED.
    fn missed(&self, topic: &Arc<[u8]>);

    /// Queues a MISSED for something that it has subscribed, a topic or a pattern's text. It is no reason to end: there are no
    /// more of these than subscriptions.
    fn missed_all_of(&self, interest: &Arc<[u8]>) {
        self.missed(interest);
    }

    /// Resolves when no more is queued than should be, or when that has taken long enough; `None` if that is so now. Whoever
    /// publishes waits for it, and so does not publish faster than websockets take it.
    fn room(&self) -> Option<BoxFuture<'_, ()>> {
        None
    }
}

/// A websocket's place at a broadcaster. Dropping it leaves, and ends its subscriptions.
pub struct Joined {
    broadcaster: Arc<Broadcaster>,
    /// `None` if there was no place: it subscribes to nothing.
    key: Option<PeerKey>,
}

impl Broadcaster {
    /// Takes a websocket in. It gets nothing before it subscribes.
    pub fn join(self: &Arc<Self>, peer: Arc<dyn Peer>) -> Joined {
        Joined { broadcaster: Arc::clone(self), key: self.index.join(peer).ok() }
    }
}

impl Joined {
    /// Begins a subscription. Messages may come before it answers; once it has, every message that is published is seen. `false` if this websocket has the
    /// subscription already.
    ///
    /// # Errors
    /// The pattern is none; or the store, by which other broadcasters know of it, does not take it. There is no subscription
    /// then.
    pub async fn subscribe(&self, interest: Interest<'_>) -> Result<bool, SubscribeError> {
        let key = self.key.ok_or(SubscribeError::Index(IndexError::Full))?;
        let Broadcaster { index, own, .. } = &*self.broadcaster;
        if index.subscribe(key, interest)? == Subscribed::Already {
            return Ok(false);
        }
        if let Some(own) = own
            && let Err(error) = self.settle(own, interest).await
        {
            self.forget(key, interest);
            return Err(error.into());
        }
        Ok(true)
    }

    /// Ends a subscription. Once it answers, no message comes because of it. `false` if there is none.
    ///
    /// # Errors
    /// None that there is now: a row that the store does not remove goes later.
    pub async fn unsubscribe(&self, interest: Interest<'_>) -> Result<bool, StoreError> {
        let ended = self.key.is_some_and(|key| self.forget(key, interest));
        // Whoever found the subscription before gives its message first.
        drop(self.broadcaster.handing.write().await);
        Ok(ended)
    }

    async fn settle(&self, own: &Own, interest: Interest<'_>) -> Result<(), StoreError> {
        tokio::select! {
            settled = own.settle(interest) => settled,
            () = self.broadcaster.closed() => Err(StoreError::Closed),
        }
    }

    fn forget(&self, key: PeerKey, interest: Interest<'_>) -> bool {
        let ended = self.broadcaster.index.unsubscribe(key, interest);
        if let (Unsubscribed::Last, Some(own)) = (ended, &self.broadcaster.own) {
            own.doubt(interest.into());
        }
        ended != Unsubscribed::Unknown
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        let unwanted = self.key.map(|key| self.broadcaster.index.leave(key)).unwrap_or_default();
        if let Some(own) = &self.broadcaster.own {
            unwanted.into_iter().for_each(|interest| own.doubt(interest));
        }
    }
}

impl fmt::Debug for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined").field("key", &self.key).finish()
    }
}
