//! Bodies of requests: what stands before a message, and the message.
//!
//! A message in memory is not copied; one in a file is read as it is written, a piece at a time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::message::Body;

/// Messages up to this size are put behind their head in one buffer: a copy of these costs less than a second buffer does.
const JOINED: usize = 4096;

/// A request's body, once.
pub(super) struct RequestBody {
    head: Bytes,
    message: Rest,
    left: u64,
}

type Pieces = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

enum Rest {
    Nothing,
    Memory(Bytes),
    File(Pieces),
}

/// What a request's body is made from, as often as it takes.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    pub(super) head: Bytes,
    pub(super) message: Option<Body>,
}

impl Parts {
    /// `head`, and behind it the message.
    pub(super) fn new(mut head: Vec<u8>, message: &Body) -> Self {
        match message.as_bytes() {
            Some(bytes) if bytes.len() <= JOINED => {
                head.extend_from_slice(bytes);
                Self { head: head.into(), message: None }
            }
            _ => Self { head: head.into(), message: Some(message.clone()) },
        }
    }

    pub(super) fn len(&self) -> u64 {
        (self.head.len() as u64).saturating_add(self.message.as_ref().map_or(0, Body::len))
    }

    pub(super) fn body(&self) -> RequestBody {
        let message = match &self.message {
            None => Rest::Nothing,
            Some(Body::Memory(bytes)) => Rest::Memory(bytes.clone()),
            Some(file) => Rest::File(Box::pin(file.pieces())),
        };
        RequestBody { head: self.head.clone(), message, left: self.len() }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let head = std::mem::take(&mut self.head);
        let next = match &mut self.message {
            _ if !head.is_empty() => Some(Ok(head)),
            Rest::Nothing => None,
            Rest::Memory(bytes) => Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty()).map(Ok),
            Rest::File(pieces) => match pieces.as_mut().poll_next(context) {
                Poll::Ready(piece) => piece,
                Poll::Pending => return Poll::Pending,
            },
        };
        if let Some(Ok(data)) = &next {
            self.left = self.left.saturating_sub(data.len() as u64);
        }
        Poll::Ready(next.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
