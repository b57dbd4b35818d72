//! The hub as doors see it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use eventhive_transport::Filter;
use uuid::Uuid;

use crate::core::Core;
use crate::message::behind_private;
use crate::{
    Access, Backlog, BacklogError, Cursor, CursorError, Draft, HubSettings, HubStats, MemoryBacklog, PublicCursor,
    PublishError, PublishRefused, Start, SubscribeError, Worker,
};

/// How long a closing hub waits for workers to end sessions that did not take their rest in time. Only a worker whose
/// thread stands still needs it.
const HALT_DEADLINE: Duration = Duration::from_secs(1);

/// The broker of a network. Clones are one hub.
#[derive(Clone)]
pub struct Hub(Arc<Core>);

/// What a publish came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The message's id.
    pub id: Uuid,
    /// Its place in the hub's order.
    pub cursor: Cursor,
    /// Whether only sessions with a matching [`Access`] see it.
    pub private: bool,
    /// Sessions that it was handed to: they matched, were not excluded, and may see it.
    pub receivers: u64,
}

impl Hub {
    /// A hub with a backlog in memory.
    #[must_use]
    pub fn new(settings: HubSettings) -> Self {
        let backlog = Arc::new(MemoryBacklog::new(settings.backlog));
        Self::with_backlog(settings, backlog)
    }

    /// A hub with this backlog; it goes on with the order where the backlog ends. `settings.backlog` is not used.
    #[must_use]
    pub fn with_backlog(settings: HubSettings, backlog: Arc<dyn Backlog>) -> Self {
        Self(Arc::new(Core::new(settings, backlog)))
    }

    pub(crate) const fn of(core: Arc<Core>) -> Self {
        Self(core)
    }

    /// The one way in: stamps id, time and cursor, appends to the backlog, finds the subscribers and hands the message to
    /// each worker concerned. Never waits for a subscriber; callable from any thread. All subscribers see all messages in
    /// one order, that of the cursors; messages of one thread keep its order.
    ///
    /// Await [`ready`](Self::ready) before each call: that is what holds a publisher back when subscribers are slow.
    ///
    /// # Errors
    /// [`PublishError`] gives the draft back: the hub is closed, a worker's inbox is full, the topic is too long, or the
    /// backlog could not keep it. Nobody has seen the message then.
    pub fn publish(&self, draft: Draft) -> Result<Published, PublishError> {
        let (size, largest) = (draft.topic.as_bytes().len(), self.0.settings.max_topic_bytes);
        if size > largest {
            return Err(PublishError::new(draft, PublishRefused::TopicTooLong { size, largest }));
        }
        let draft = if self.0.settings.private_topics { draft.marked() } else { draft };
        // Made outside the lock: it is the dearest part.
        let id = Uuid::now_v7();
        let stamped = self.0.publish(draft, id)?;
        stamped.wake.iter().for_each(|lane| lane.wake());
        let behind: u64 = stamped.relays.iter().map(|relay| relay.receivers(stamped.message.topic())).sum();
        let mut published = stamped.published;
        published.receivers = published.receivers.saturating_add(behind);
        Ok(published)
    }

    /// Resolves when neither a worker nor the backlog is far behind. Cheap when there is room. It also resolves when the
    /// hub closes.
    pub async fn ready(&self) {
        while !self.is_ready() {
            self.0.gate.opened().await;
            self.0.backlog.ready().await;
        }
    }

    /// Whether what is published under this topic is private by its topic alone
    /// ([`HubSettings::private_topics`]).
    #[must_use]
    pub fn is_private(&self, topic: &[u8]) -> bool {
        self.0.settings.private_topics && behind_private(topic).is_some()
    }

    /// Whether a publisher should be answered only after [`stored`](Self::stored).
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.0.backlog.is_durable()
    }

    /// Resolves when the backlog has the message of this cursor where it keeps it: on disk, where it is durable. The message
    /// is on its way to its subscribers before that. Ask at once after the publish.
    ///
    /// # Errors
    /// [`BacklogError::Storage`]: the backlog has lost it. Subscribers may have got it all the same; a publisher who tries
    /// again sends them a second one.
    pub async fn stored(&self, cursor: Cursor) -> Result<(), BacklogError> {
        self.0.backlog.stored(cursor).await
    }

    /// Whether [`ready`](Self::ready) would resolve at once.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.gate.is_open() && self.0.backlog.is_ready()
    }

    /// The worker of the calling thread, started if there is none. Sessions are opened on it.
    ///
    /// # Panics
    /// Outside a tokio `LocalSet` or an actix arbiter, since the worker is a task on it.
    #[must_use]
    pub fn worker(&self) -> Worker {
        Worker::of_this_thread(&self.0)
    }

    /// A message's cursor as its door tells it to clients. It costs some 200 ns: ask for it where the message is
    /// [`encoded`](crate::Message::encoded), which is once.
    #[must_use]
    pub fn public(&self, cursor: Cursor, private: bool) -> PublicCursor {
        self.0.veil.cover(cursor, private)
    }

    /// The place of a cursor that a client has brought, for [`Start::After`]. `access` is what the client may see.
    ///
    /// A cursor of a private message is as unknown as any other text to whoever may not see that message: that there is such
    /// a message, and where, is a part of what is private. It is also unknown when the message is no longer kept, which
    /// other cursors need not be.
    ///
    /// # Errors
    /// [`CursorError::Unknown`] for a cursor that is not of this log, or that the log cannot go on from;
    /// [`BacklogError::Storage`].
    pub async fn find(&self, cursor: PublicCursor, access: Option<&dyn Access>) -> Result<Cursor, BacklogError> {
        let (cursor, private) = self.0.veil.uncover(cursor);
        let place = self.locate(Start::After(cursor)).await?;
        if private && !self.may_see(cursor, access).await? {
            return Err(CursorError::Unknown { oldest: self.0.backlog.extent().oldest }.into());
        }
        Ok(place)
    }

    async fn may_see(&self, cursor: Cursor, access: Option<&dyn Access>) -> Result<bool, BacklogError> {
        let Some(access) = access else { return Ok(false) };
        match self.0.backlog.read(cursor.previous(), 1).await {
            Ok(page) => {
                let message = page.first().filter(|message| message.cursor() == cursor);
                Ok(message.is_some_and(|message| access.may_see(message)))
            }
            Err(BacklogError::Cursor(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the hub can take a subscription to this at all, for doors that must know before they answer.
    ///
    /// # Errors
    /// [`SubscribeError::TopicTooLong`].
    pub fn check(&self, filter: &Filter) -> Result<(), SubscribeError> {
        self.0.check(filter)
    }

    /// Where a replay from `start` would begin, for doors that must know before they answer.
    ///
    /// # Errors
    /// As [`Backlog::locate`].
    pub async fn locate(&self, start: Start) -> Result<Cursor, BacklogError> {
        self.0.backlog.locate(start).await
    }

    /// The newest message's cursor.
    #[must_use]
    pub fn newest(&self) -> Cursor {
        self.0.backlog.extent().newest
    }

    /// The numbers now.
    #[must_use]
    pub fn stats(&self) -> HubStats {
        self.0.stats()
    }

    /// The network's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.settings.name
    }

    /// Whether the hub is closing or closed.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    /// Resolves when the hub begins to close, at once if it has.
    pub async fn closing(&self) {
        loop {
            // Made before the look, as in the gate.
            let told = self.0.closing.notified();
            if self.is_closing() {
                return;
            }
            told.await;
        }
    }

    /// Closes the hub: nothing more is taken in, sessions end when they have taken what waits for them, and those that
    /// have not by the deadline of the settings are ended. Resolves when all sessions have gone and the backlog has written
    /// what it has, or has not done so in as long again. Later calls wait along.
    pub async fn close(&self) {
        for lane in self.0.shut() {
            lane.wake();
        }
        if tokio::time::timeout(self.0.settings.close_deadline, self.deserted()).await.is_err() {
            tracing::warn!(
                hub = self.name(),
                sessions = self.stats().sessions,
                "closed before all sessions had taken their rest"
            );
            self.0.lanes().iter().for_each(|lane| lane.halt());
            let _ = tokio::time::timeout(HALT_DEADLINE, self.deserted()).await;
        }
        if tokio::time::timeout(self.0.settings.close_deadline, self.0.backlog.close()).await.is_err() {
            tracing::error!(
                hub = self.name(),
                "closed before the backlog had written all: its disk stands still, and what waited for it may be lost"
            );
        }
    }

    async fn deserted(&self) {
        loop {
            // Made before the look, as in the gate.
            let told = self.0.deserted.notified();
            if self.0.is_deserted() {
                return;
            }
            told.await;
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("name", &self.name()).field("stats", &self.stats()).finish()
    }
}
