//! The middle of a broadcaster: who wants what, and how a message reaches them.
//!
//! # How to read it
//! - [`Broadcaster`]: subscribe, unsubscribe, notify.
//! - [`Authority`]: who may say it.
//! - [`Peer`]: websockets. [`Tracer`]: what a notifier is told.

mod authority;
mod peer;
mod tracer;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slab::Slab;

pub use authority::{Authority, Clock, Denied, Rotation, Schemes, SignError, SystemClock};
pub use peer::{Joined, Peer, PeerId};
pub use tracer::Tracer;

use crate::message::Message;
use crate::store::StoreError;
use crate::wire::auth::{Claim, Direction};
use crate::wire::glob::{Glob, GlobError, Subject};
use crate::wire::{Interest, InterestKind};

/// A broadcaster.
pub struct Broadcaster {
    authority: Arc<Authority>,
    peers: Mutex<Slab<Present>>,
}

struct Present {
    peer: Arc<dyn Peer>,
    topics: HashSet<Box<[u8]>>,
    globs: HashSet<Glob>,
}

/// Why a message was not delivered to anybody.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// The subscriptions have not been read from the store yet: 503.
    #[error("the subscriptions have not been read from the store yet: try again")]
    NotReady,
    /// The broadcaster is going down: 503.
    #[error("the broadcaster is going down")]
    Closed,
}

/// Why a subscription has not begun.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The pattern cannot be one: 400.
    #[error(transparent)]
    Glob(#[from] GlobError),
    /// The store did not take it: 503.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Broadcaster {
    /// A broadcaster whose words are signed and checked by this authority.
    #[must_use]
    pub fn new(authority: Arc<Authority>) -> Arc<Self> {
        Arc::new(Self { authority, peers: Mutex::default() })
    }

    /// Takes a websocket in. It gets nothing before it subscribes.
    pub fn join(self: &Arc<Self>, peer: Arc<dyn Peer>) -> Joined {
        let present = Present { peer, topics: HashSet::new(), globs: HashSet::new() };
        Joined::new(Arc::clone(self), PeerId(self.peers().insert(present)))
    }

    /// Whether `authorization` vouches for this claim. One that counts once is used up by this.
    ///
    /// # Errors
    /// It does not, or the store cannot say whether it was used before.
    pub async fn admit(
        &self,
        direction: Direction,
        authorization: Option<&str>,
        claim: &Claim<'_>,
        tracing: &[u8],
    ) -> Result<(), Denied> {
        debug_assert_eq!(direction, claim.direction());
        self.authority.admit(authorization, claim, tracing).await
    }

    /// The authorization of something that the broadcaster says.
    ///
    /// # Errors
    /// The claim cannot be signed.
    pub fn sign(&self, claim: &Claim<'_>, tracing: &[u8]) -> Result<Option<String>, SignError> {
        self.authority.sign(claim, tracing)
    }

    /// Delivers a message to all who want it, and says how many have it. Done when all were tried.
    ///
    /// # Errors
    /// Nobody was tried.
    pub async fn notify(&self, message: Message, tracer: &mut Tracer) -> Result<u32, NotifyError> {
        let count = self.wanting(&message).into_iter().filter(|peer| peer.receive(&message)).count();
        tracer.add("no_more_subscribers", "{}", self.authority.now());
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Its authority.
    #[must_use]
    pub fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    fn wanting(&self, message: &Message) -> Vec<Arc<dyn Peer>> {
        let subject = Subject::new(&message.topic);
        let wants = |present: &Present| {
            present.topics.contains(&*message.topic) || present.globs.iter().any(|glob| glob.matches(&subject))
        };
        self.peers()
            .iter()
            .filter(|(_, present)| wants(present))
            .map(|(_, present)| Arc::clone(&present.peer))
            .collect()
    }

    async fn subscribe_peer(&self, id: PeerId, interest: Interest<'_>) -> Result<bool, SubscribeError> {
        let mut peers = self.peers();
        let Some(present) = peers.get_mut(id.0) else { return Ok(false) };
        Ok(match interest {
            Interest::Exact(topic) => present.topics.insert(topic.into()),
            Interest::Glob(text) => present.globs.insert(Glob::new(text)?),
        })
    }

    async fn unsubscribe_peer(&self, id: PeerId, interest: Interest<'_>) -> Result<bool, StoreError> {
        let mut peers = self.peers();
        let Some(present) = peers.get_mut(id.0) else { return Ok(false) };
        Ok(match interest.kind() {
            InterestKind::Exact => present.topics.remove(interest.as_bytes()),
            InterestKind::Glob => {
                let before = present.globs.len();
                present.globs.retain(|glob| glob.as_str().as_bytes() != interest.as_bytes());
                present.globs.len() < before
            }
        })
    }

    fn leave(&self, id: PeerId) {
        self.peers().try_remove(id.0);
    }

    fn peers(&self) -> MutexGuard<'_, Slab<Present>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Broadcaster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcaster").field("authority", &self.authority).finish_non_exhaustive()
    }
}
