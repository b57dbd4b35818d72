//! What goes to a subscriber by itself: messages in parts, MISSED, and dictionaries, one after the other.
//!
//! All of these are counted, so their order is that of the counter; and nothing of them goes between the parts of a message.
//! A message takes one value of the counter, whatever the number of its parts: Python's client ends a signed connection
//! otherwise.

use std::convert::Infallible;
use std::io;
use std::num::NonZeroU64;
use std::rc::Rc;
use std::sync::Arc;

use super::closing::Close;
use super::live::Live;
use super::queue::Next;
use super::shared::Once;
use super::speech::{Speech, Unfinished};
use super::window::Sent;
use crate::compression::Trained;
use crate::message::{Body, Message};
use crate::wire::Proof;
use crate::wire::auth::Claim;
use crate::wire::digest::Hash;
use crate::wire::stateful::split::{MAX_SIGNED_PARTS, MIN_PAYLOAD_BYTES, PYTHON_CLIENT_MAX_BYTES, payload_bytes};
use crate::wire::stateful::{B2s, Compression, MessageHead, Part, Place};

/// Why nothing more can be sent.
enum Stop {
    /// What has been sent so far is whole.
    Close(Close),
    /// It ends in the middle of a frame.
    Cut(io::Error),
}

impl From<Close> for Stop {
    fn from(close: Close) -> Self {
        Self::Close(close)
    }
}

/// A payload up to this length is copied behind its head; a longer one is sent from where it is.
const COPIED: usize = 4096;

/// How much of a file is read at a time.
const PIECE: usize = 128 * 1024;

/// Sends until the session ends. Resolves only if the connection has to be cut.
pub(super) async fn run(live: Rc<Live>) -> io::Error {
    let Err(stop) = send_all(&live).await;
    match stop {
        Stop::Close(close) => live.close(&close),
        Stop::Cut(error) => return error,
    }
    std::future::pending().await
}

async fn send_all(live: &Rc<Live>) -> Result<Infallible, Stop> {
    loop {
        live.outbox.room().await;
        if live.is_configured() && !live.is_closing() {
            let trained = live.speech.trained.borrow_mut().pop_front();
            if let Some(trained) = trained {
                announce(live, &trained)?;
                continue;
            }
            if let Some(next) = live.queue.take() {
                match next {
                    Next::Missed(topic) => missed(live, &topic, &live.speech.next_url())?,
                    Next::Message(message) => deliver(live, &message).await?,
                }
                continue;
            }
        }
        live.queue.filled().await;
    }
}

/// Announces a trained dictionary. There are two at most: the older one of two goes first.
fn announce(live: &Live, trained: &Trained) -> Result<(), Close> {
    let (oldest, count) = {
        let compressors = live.speech.compressors.borrow();
        (compressors.trained().next(), compressors.trained().count())
    };
    if let (Some(compressor_id), 2..) = (oldest, count) {
        live.speech.compressors.borrow_mut().disable(compressor_id).map_err(Close::refused)?;
        let url = live.speech.next_url();
        let authorization = live.speech.sign(&Claim::DisableZstdCustom { url: &url, compressor_id })?;
        let proof = Proof { authorization: authorization.as_deref(), tracing: b"" };
        send(live, &B2s::DisableZstdCustom { compressor_id, proof })?;
    }
    let Trained { compressor, dictionary } = trained;
    let enabled = live.speech.compressors.borrow_mut().enable(*compressor, Some(Arc::clone(dictionary)));
    enabled.map_err(Close::refused)?;
    let (url, sha512) = (live.speech.next_url(), dictionary.sha512());
    let authorization = live.speech.sign(&Claim::EnableZstdCustom { url: &url, compressor: *compressor, sha512 })?;
    let proof = Proof { authorization: authorization.as_deref(), tracing: b"" };
    send(live, &B2s::EnableZstdCustom { compressor: *compressor, sha512, dictionary: dictionary.bytes(), proof })
}

fn missed(live: &Live, topic: &[u8], url: &str) -> Result<(), Close> {
    live.sessions.counters.missed.add_one();
    let authorization = live.speech.sign(&Claim::Missed { recovery: url, topic })?;
    let proof = Proof { authorization: authorization.as_deref(), tracing: b"" };
    send(live, &B2s::Missed { topic, proof })
}

fn send(live: &Live, message: &B2s<'_>) -> Result<(), Close> {
    live.outbox.chunk(live.speech.frame(message)?, true);
    Ok(())
}

async fn deliver(live: &Rc<Live>, message: &Message) -> Result<(), Stop> {
    Speech::saw(live, &message.body);
    let sending = Sending::new(live, message).await?;
    match sending.limit()? {
        Some(limit) => sending.send(limit).await?,
        None => {
            live.sessions.counters.too_large.add_one();
            // With the value of the counter that the message has taken.
            missed(live, &message.topic, &sending.url)?;
        }
    }
    live.queue.sent();
    Ok(())
}

/// A message on its way out.
struct Sending<'m> {
    live: &'m Live,
    topic: &'m [u8],
    body: Body,
    sha512: Hash,
    compression: Option<Compression>,
    identifier: [u8; 4],
    url: String,
    /// Held, so that other sessions find it while this one sends it.
    _once: Option<Arc<Once>>,
}

impl<'m> Sending<'m> {
    async fn new(live: &'m Live, message: &'m Message) -> Result<Self, Close> {
        let length = message.body.len();
        let codec = live.speech.compressors.borrow().for_length(length).cloned();
        let once = match &codec {
            None => None,
            Some(codec) => Some(live.sessions.compressed(codec, message).await.map_err(|error| {
                tracing::warn!(%error, "a message cannot be compressed");
                Close::failed("a message cannot be compressed")
            })?),
        };
        let compressed = once.as_ref().and_then(|once| once.get());
        let compression = codec.filter(|_| compressed.is_some()).map(|codec| {
            live.sessions.counters.compressed.add_one();
            Compression { compressor_id: codec.id(), decompressed_length: length }
        });
        let (body, sha512) = match compressed {
            Some(compressed) => (compressed.body.clone(), compressed.sha512),
            None => (message.body.clone(), message.sha512),
        };
        let identifier = live.sessions.settings.random.identifier();
        let url = live.speech.next_url();
        Ok(Self { live, topic: &message.topic, body, sha512, compression, identifier, url, _once: once })
    }

    /// The largest websocket message that it takes to send this one. With signed acknowledgements a message can have 257
    /// parts, which are made larger as far as Python's client takes them; `None` if that is not enough.
    fn limit(&self) -> Result<Option<usize>, Close> {
        let limit = self.live.sessions.settings.max_outgoing_bytes;
        let length = self.body.len();
        if length <= MIN_PAYLOAD_BYTES as u64 * MAX_SIGNED_PARTS {
            return Ok(Some(limit));
        }
        // The first part has the longest head. Signing it takes a nonce, and no value of the counter.
        let head = self.head(0)?.len();
        let fits = |limit: usize| length.div_ceil(payload_bytes(limit, head, u64::MAX) as u64) <= MAX_SIGNED_PARTS;
        if fits(limit) || self.live.sessions.can_acknowledge(MAX_SIGNED_PARTS) {
            return Ok(Some(limit));
        }
        let each = usize::try_from(length.div_ceil(MAX_SIGNED_PARTS)).unwrap_or(usize::MAX);
        Ok(Some(each.saturating_add(head)).filter(|limit| *limit <= PYTHON_CLIENT_MAX_BYTES))
    }

    async fn send(&self, limit: usize) -> Result<(), Stop> {
        let most = self.live.sessions.settings.max_unacknowledged;
        let length = self.body.len();
        let (mut at, mut part_id) = (0, 0);
        loop {
            self.live.window.room(most).await;
            self.live.outbox.room().await;
            if self.live.is_closing() {
                // The close frame goes next, and nothing more.
                return std::future::pending().await;
            }
            let head = self.head(part_id)?;
            let size = payload_bytes(limit, head.len(), length - at);
            let is_last = at + size as u64 == length;
            self.live.window.push(Sent { identifier: self.identifier, part_id, is_last });
            self.send_part(head, at, size).await?;
            at += size as u64;
            part_id += 1;
            if is_last {
                self.live.sessions.counters.delivered.add_one();
                return Ok(());
            }
        }
    }

    /// A part without its payload.
    fn head(&self, part_id: u64) -> Result<Unfinished, Close> {
        let Self { topic, sha512, identifier, compression, url, .. } = self;
        let claim = Claim::Receive { url, topic, identifier, sha512 };
        let authorization = self.live.speech.sign(&claim)?;
        let proof = Proof { authorization: authorization.as_deref(), tracing: b"" };
        let first = MessageHead { topic, compression: *compression, length: self.body.len(), sha512 };
        let place = NonZeroU64::new(part_id).map_or(Place::First(first), Place::Next);
        self.live.speech.write(&B2s::ReceiveStream(Part { proof, identifier, place, payload: b"" }))
    }

    async fn send_part(&self, mut head: Unfinished, at: u64, size: usize) -> Result<(), Stop> {
        if let (Body::Memory(_), ..=COPIED) = (&self.body, size) {
            head.append(&self.body.piece(at, size).await.map_err(Stop::Cut)?);
            head.close(0);
            self.live.outbox.chunk(head.into_bytes(), true);
            return Ok(());
        }
        head.close(size as u64);
        self.live.outbox.chunk(head.into_bytes(), false);
        let most = if self.body.as_bytes().is_some() { usize::MAX } else { PIECE };
        let (mut at, mut left) = (at, size);
        while left > 0 {
            let piece = self.body.piece(at, left.min(most)).await.map_err(Stop::Cut)?;
            self.live.outbox.room().await;
            at += piece.len() as u64;
            left -= piece.len();
            self.live.outbox.chunk(piece, left == 0);
        }
        Ok(())
    }
}
