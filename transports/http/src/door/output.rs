//! What the socket is written: the session's queue, one chunk an item.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use eventhive_hub::{Ended, Outbound, Outgoing};
use futures_util::Stream;

use super::coding::{Coding, Encoder};
use super::live::Live;
use super::shard::Shard;
use crate::wire::chunk::{self, Chunk};

/// The body of a stream's answer. The dispatcher polls it while the socket takes bytes and drops it with the connection,
/// so its drop is the end of the session.
pub(super) struct Output {
    outgoing: Outgoing,
    compressed: Option<Compressed>,
    finished: bool,
    live: Rc<Live>,
    key: usize,
}

/// A stream's share of the compressed ones.
pub(super) struct Compressed {
    shard: Rc<Shard>,
    coding: Coding,
    encoder: Option<Encoder>,
}

impl Compressed {
    /// `None` if there are as many as there may be, or no memory for one more: the stream is sent plain then.
    pub(super) fn open(shard: &Rc<Shard>, coding: Coding) -> Option<Self> {
        if !shard.counters().enter_compressed(shard.config().max_compressed) {
            return None;
        }
        let mut place = Self { shard: Rc::clone(shard), coding, encoder: None };
        place.encoder = Some(Encoder::new(coding).ok()?);
        Some(place)
    }
}

impl Drop for Compressed {
    fn drop(&mut self) {
        self.shard.counters().leave_compressed();
    }
}

impl Output {
    pub(super) fn new(outgoing: Outgoing, live: Rc<Live>, compressed: Option<Compressed>) -> Self {
        let key = live.shard.insert(Rc::clone(&live));
        Self { outgoing, compressed, finished: false, live, key }
    }

    pub(super) fn coding(&self) -> Option<Coding> {
        self.compressed.as_ref().map(|compressed| compressed.coding)
    }

    /// Whether the body is written as chunks, and not as their contents, of which the HTTP library makes chunks.
    pub(super) fn has_chunks(&self) -> bool {
        self.live.shard.makes_chunks()
    }

    fn chunk(&mut self, item: Outbound) -> io::Result<Bytes> {
        self.live.is_taking();
        let chunk = match item {
            Outbound::Event { message, .. } => self.live.form.event(self.live.shard.hub(), &message),
            Outbound::Own(chunk) => {
                self.live.ping_is_taken();
                Chunk::from_bytes(chunk)
            }
        };
        let chunk = match self.compressed.as_mut().and_then(|compressed| compressed.encoder.as_mut()) {
            Some(encoder) => Chunk::new(&encoder.encode(&chunk.content())?),
            None => chunk,
        };
        Ok(if self.has_chunks() { chunk.into_bytes() } else { chunk.content() })
    }

    /// The session is over. A stream that lost events ends in an error, which aborts its connection: a client must not take
    /// it for complete.
    fn end(&mut self) -> Option<io::Result<Bytes>> {
        self.finished = true;
        if self.outgoing.ended() == Some(Ended::SlowConsumer) {
            return Some(Err(io::Error::other("the stream was too slow and lost events")));
        }
        self.live.hang_up();
        let encoder = self.compressed.as_mut().and_then(|compressed| compressed.encoder.take());
        match encoder.map(Encoder::finish) {
            Some(Err(error)) => Some(Err(error)),
            Some(Ok(rest)) if self.has_chunks() => {
                Some(Ok([&Chunk::new(&rest).into_bytes()[..], chunk::END].concat().into()))
            }
            None if self.has_chunks() => Some(Ok(Bytes::from_static(chunk::END))),
            rest => rest,
        }
    }
}

impl Stream for Output {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.finished {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.outgoing).poll_next(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(item)) => Poll::Ready(Some(self.chunk(item))),
            Poll::Ready(None) => Poll::Ready(self.end()),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.live.shard.remove(self.key);
    }
}
