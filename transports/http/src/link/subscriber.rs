//! A part that receives: one subscription, its stream and its sink.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use eventhive_transport::{Filter, Gap, Incoming, LinkError, Sink};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::dial::{Io, ask, dial, more, request};
use super::keeper::{End, Failed, Part, unreachable};
use super::place::Place;
use super::response::{Body, broken};
use super::shared::Shared;
use crate::wire::answers::STREAM_TYPE;
use crate::wire::event::Line;

/// The longest line of a stream. Servers take payloads of a megabyte or so.
const MAX_LINE: usize = 64 << 20;

pub(super) struct Subscriber {
    filter: Filter,
    target: String,
    sink: Arc<dyn Sink>,
    place: Place,
    /// Who waits for the first stream to stand.
    waiting: Option<oneshot::Sender<Result<(), LinkError>>>,
}

/// A stream whose head has come.
pub(super) struct Stream {
    io: Box<dyn Io>,
    buffer: BytesMut,
    body: Body,
    lines: BytesMut,
}

impl Subscriber {
    pub(super) fn new(
        filter: Filter,
        target: String,
        sink: Arc<dyn Sink>,
        waiting: oneshot::Sender<Result<(), LinkError>>,
    ) -> Self {
        Self { filter, target, sink, place: Place::default(), waiting: Some(waiting) }
    }

    /// An answer that is no stream. While somebody waits for the subscription, a refusal is the end of it.
    fn refused(&mut self, url: &str, status: u16) -> Failed {
        match self.waiting.take() {
            Some(waiting) if (400..500).contains(&status) && status != 408 && status != 429 => {
                let refusal = LinkError::Rejected(format!("{url} answered {status} to `{}`", self.target));
                // The caller may have stopped waiting.
                let _ = waiting.send(Err(refusal));
                Failed::ForEver
            }
            waiting => {
                self.waiting = waiting;
                Failed::ForNow(format!("{url} answered {status} to a subscription"))
            }
        }
    }

    fn take(&mut self, line: &[u8]) {
        let text = std::str::from_utf8(line).unwrap_or_default().trim_matches(['\0', '\r', ' ']);
        if text.is_empty() {
            return;
        }
        match Line::read(text) {
            Some(Line::Ping(time)) => self.place.at(time),
            Some(Line::Replaying) => {}
            Some(Line::Event { topic, payload, cursor, time }) => {
                self.place.at(time);
                // The server may send more than was wanted, and after a loss what has come already.
                if cursor.is_none_or(|cursor| self.place.is_new(cursor)) && self.filter.matches(&topic) {
                    self.sink.deliver(Incoming { topic, payload });
                }
            }
            None => tracing::warn!(bytes = text.len(), "a line of a stream is neither an event nor a ping"),
        }
    }
}

impl Part for Subscriber {
    type Connection = Stream;

    fn counts(&self) -> bool {
        self.waiting.is_none()
    }

    async fn connect(&mut self, shared: &Shared) -> Result<Stream, Failed> {
        let settings = &shared.settings;
        let mut io = dial(settings).await.map_err(|error| unreachable(shared, &error))?;
        let mut buffer = BytesMut::new();
        let accept = format!("Accept: {STREAM_TYPE}\r\n");
        let question = request(settings, "GET", &self.target) + &accept + &self.place.headers() + "\r\n";
        let head = ask(&mut *io, &question, &mut buffer).await.map_err(|error| unreachable(shared, &error))?;
        if head.status != 200 {
            return Err(self.refused(&settings.url(), head.status));
        }
        let body = head.body(false).map_err(|error| unreachable(shared, &error))?;
        if self.place.answered(&head) {
            self.sink.gap(Gap { lost: None });
        }
        if let Some(waiting) = self.waiting.take() {
            // The caller may have stopped waiting.
            let _ = waiting.send(Ok(()));
        }
        Ok(Stream { io, buffer, body, lines: BytesMut::new() })
    }

    async fn run(&mut self, shared: &Shared, mut stream: Stream) -> End {
        loop {
            match timeout(shared.settings.silence, stream.next()).await {
                Ok(Ok(Some(line))) => self.take(&line),
                Ok(Ok(None)) => return End::Lost("the server ended a stream".to_owned()),
                Ok(Err(error)) => return End::Lost(format!("a stream failed: {error}")),
                Err(_) => return End::Lost("a stream was silent for too long".to_owned()),
            }
        }
    }

    fn lost(&mut self, _: &Shared) {}
}

impl Stream {
    /// The next line; `None` at the end of the stream.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        // Where the search for the line's end goes on.
        let mut searched = 0;
        loop {
            let unsearched = self.lines.get(searched..).unwrap_or_default();
            if let Some(end) = unsearched.iter().position(|byte| *byte == b'\n') {
                return Ok(Some(self.lines.split_to(searched + end + 1).freeze().slice(..searched + end)));
            }
            searched = self.lines.len();
            if searched > MAX_LINE {
                return Err(broken("a line is too long"));
            }
            match self.body.take(&mut self.buffer)? {
                Some(bytes) => self.lines.extend_from_slice(&bytes),
                None if self.body.is_over() => return Ok(None),
                None => more(&mut *self.io, &mut self.buffer).await?,
            }
        }
    }
}
