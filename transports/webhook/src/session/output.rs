//! What the socket is written: the actor's stream with the outbox merged in.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::Error;
use bytes::Bytes;
use eventhive_listener::websocket::Guarded as _;
use futures_util::Stream;

use super::live::Live;

/// Frames that are sent before the actor has a turn to read: a busy stream must not keep answers and pings waiting.
const MOST_IN_A_ROW: u8 = 16;

/// The body of the response. The dispatcher polls it while the socket takes bytes and drops it with the connection, so
/// its drop is the end of the session.
pub(super) struct Output<S> {
    /// Runs the actor; yields nothing but its end, because the actor writes by the outbox.
    actor: Option<Pin<Box<S>>>,
    /// Fills the outbox with messages when it has run empty. Ends only if it cannot go on.
    pump: Pin<Box<dyn Future<Output = io::Error>>>,
    /// Frames since the actor last had its turn.
    in_a_row: u8,
    live: Rc<Live>,
}

impl<S> Output<S> {
    pub(super) fn new(actor: S, pump: impl Future<Output = io::Error> + 'static, live: Rc<Live>) -> Self {
        Self { actor: Some(Box::pin(actor)), pump: Box::pin(pump), in_a_row: 0, live }
    }

    fn pop(&mut self) -> Option<Bytes> {
        let bytes = self.live.outbox.pop()?;
        self.live.wrote();
        Some(bytes)
    }
}

impl<S: Stream<Item = Result<Bytes, Error>>> Stream for Output<S> {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        // The dispatcher asks for one frame after the other; the actor need not run before each of them.
        if this.in_a_row > 0
            && let Some(bytes) = this.pop()
        {
            this.in_a_row = (this.in_a_row + 1) % MOST_IN_A_ROW;
            return Poll::Ready(Some(Ok(bytes)));
        }
        this.in_a_row = 0;
        if let Some(actor) = &mut this.actor {
            match actor.as_mut().poll_next(context) {
                Poll::Ready(None) => this.actor = None,
                Poll::Ready(written) => return Poll::Ready(written),
                Poll::Pending => {}
            }
        }
        // Without its actor a session is over, but for what it still has to say where it was closed in good order.
        if this.actor.is_none() && !this.live.is_closing() {
            return Poll::Ready(None);
        }
        this.live.outbox.register(context);
        if let Some(bytes) = this.pop() {
            this.in_a_row = 1;
            return Poll::Ready(Some(Ok(bytes)));
        }
        if this.live.outbox.is_closed() {
            return this.goodbye();
        }
        if let Poll::Ready(error) = this.pump.as_mut().poll(context) {
            // In the middle of a frame nothing else can be said.
            tracing::warn!(%error, "a message to a websocket cannot be read");
            return Poll::Ready(Some(Err(error.into())));
        }
        if let Some(bytes) = this.pop() {
            this.in_a_row = 1;
            return Poll::Ready(Some(Ok(bytes)));
        }
        Poll::Pending
    }
}

impl<S> Output<S> {
    /// Everything has been said. The peer's close frame, or its hanging up, is the end; the watchdog sees to it that one of
    /// them comes.
    fn goodbye(&self) -> Poll<Option<Result<Bytes, Error>>> {
        if self.live.input().is_useless() || self.actor.is_none() {
            self.live.hang_up();
            return Poll::Ready(None);
        }
        Poll::Pending
    }
}

impl<S> Drop for Output<S> {
    fn drop(&mut self) {
        self.live.over();
        self.live.sessions.counters.leave();
    }
}
