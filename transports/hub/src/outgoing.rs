//! What the socket's side of a session reads.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;

use crate::queue::{Ended, Queue};
use crate::worker::Local;
use crate::{Message, SessionId, Tracker};

/// One thing to write to the socket.
#[derive(Debug, Clone)]
pub enum Outbound {
    /// An event.
    Event {
        /// The message. Encode it with [`Message::encoded`], so that other sessions share the bytes.
        message: Arc<Message>,
        /// To be dropped when the door is done with this delivery.
        tracker: Option<Tracker>,
    },
    /// A frame of the door's own, as given to [`Session::send`](crate::Session::send).
    Own(Bytes),
}

/// The stream of a session: its events and the door's own frames in the order they were queued.
///
/// It ends when the session is over: after [`Session::close`](crate::Session::close), and when the hub closes, what waits
/// comes first; a slow consumer's stream ends at once. Dropping it ends the session.
pub struct Outgoing {
    queue: Rc<Queue>,
    local: Rc<Local>,
}

impl Outgoing {
    pub(crate) const fn new(queue: Rc<Queue>, local: Rc<Local>) -> Self {
        Self { queue, local }
    }

    /// The next item if one waits, without a wait for it: for joining several frames in one write.
    pub fn try_next(&mut self) -> Option<Outbound> {
        self.queue.try_next()
    }

    /// Why the session ended, or is about to when the rest is read; `None` while it is open.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        self.queue.ended()
    }

    /// The session's id.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.queue.id
    }
}

impl Stream for Outgoing {
    type Item = Outbound;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Outbound>> {
        let item = self.queue.poll_next(context);
        if matches!(item, Poll::Ready(None)) {
            self.local.remove(&self.queue);
        }
        item
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.local.end(&self.queue, Ended::Closed);
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("session", &self.queue.id).field("ended", &self.ended()).finish()
    }
}
