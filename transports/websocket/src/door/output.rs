//! What the socket is written: the actor's stream with the session's queue merged in.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use actix_web::Error;
use bytes::Bytes;
use eventhive_hub::{Format, Message, Outbound, Outgoing, ProtocolId};
use eventhive_listener::websocket::Guarded as _;
use futures_util::Stream;

use super::live::Live;
use crate::wire::encode::{self, CallId};
use crate::wire::{Data, frame};

/// The form in which events leave by this protocol.
static NOTIFY: LazyLock<ProtocolId> = LazyLock::new(ProtocolId::new);

/// Frames that are sent before the actor has a turn to read: a busy stream must not keep answers and pings waiting.
const MOST_IN_A_ROW: u8 = 16;

/// The body of the response. The dispatcher polls it while the socket takes bytes and drops it with the connection, so
/// its drop is the end of the session.
pub(super) struct Output<S> {
    /// Runs the actor; yields nothing but its end, because the actor writes by the session's queue.
    actor: Option<Pin<Box<S>>>,
    outgoing: Outgoing,
    /// The queue has come to its end.
    finished: bool,
    /// Frames since the actor last had its turn.
    in_a_row: u8,
    live: Rc<Live>,
    key: usize,
}

impl<S> Output<S> {
    /// Joins the parts of a session and puts it into the shard's table.
    pub(super) fn new(actor: S, outgoing: Outgoing, live: Rc<Live>) -> Self {
        let key = live.shard.insert(Rc::clone(&live));
        Self { actor: Some(Box::pin(actor)), outgoing, finished: false, in_a_row: 0, live, key }
    }

    /// The frame of an item, if it is one to be sent.
    fn frame(&self, item: Outbound) -> Option<Bytes> {
        let (message, tracker) = match item {
            Outbound::Own(frame) => return Some(frame),
            Outbound::Event { message, tracker } => (message, tracker),
        };
        let frame = message.encoded(*NOTIFY, notify);
        if frame.len() - frame::header_len(&frame) > self.live.shard.config().max_message {
            self.live.shard.counters().too_large.add_one();
            return None;
        }
        if let Some(tracker) = tracker {
            self.live.pending.add(message.id().as_u128(), tracker);
        }
        Some(frame)
    }
}

/// The event as a ready-made frame. Its call id is the message's id, so that an answer leads back to the event.
fn notify(message: &Message) -> Bytes {
    let data = match message.format() {
        Format::Json => Data::json(message.payload()),
        Format::Bytes => Data::opaque(message.payload()),
    };
    let topic = String::from_utf8_lossy(message.topic().as_bytes());
    frame::text_frame(encode::notify_size(&topic, &data), |out| {
        encode::notify(out, CallId(message.id().as_u128()), &topic, &data);
    })
}

impl<S: Stream<Item = Result<Bytes, Error>>> Stream for Output<S> {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        // The dispatcher asks for one frame after the other; the actor need not run before each of them.
        if this.in_a_row > 0
            && let Poll::Ready(Some(item)) = Pin::new(&mut this.outgoing).poll_next(context)
        {
            this.in_a_row = (this.in_a_row + 1) % MOST_IN_A_ROW;
            if let Some(frame) = this.frame(item) {
                return Poll::Ready(Some(Ok(frame)));
            }
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
        while !this.finished {
            match Pin::new(&mut this.outgoing).poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(item)) => {
                    this.in_a_row = 1;
                    if let Some(frame) = this.frame(item) {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Poll::Ready(None) => {
                    this.finished = true;
                    if let Some(frame) = this.live.last_words(this.outgoing.ended()) {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
            }
        }
        // Everything has been said. The peer's close frame, or its hanging up, is the end; the watchdog sees to it that
        // one of them comes.
        if this.live.input().is_useless() || this.actor.is_none() {
            this.live.hang_up();
            return Poll::Ready(None);
        }
        Poll::Pending
    }
}

impl<S> Drop for Output<S> {
    fn drop(&mut self) {
        self.live.shard.remove(self.key);
    }
}
