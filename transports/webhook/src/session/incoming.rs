//! Messages that come: in parts, and decompressed.

use std::io::Write as _;
use std::mem;
use std::num::NonZeroU64;

use bytes::Bytes;
use tokio::task::{JoinError, spawn_blocking};

use super::closing::Close;
use super::live::Live;
use crate::budget::Charge;
use crate::compression::DecodeError;
use crate::message::Body;
use crate::spool::Spool;
use crate::wire::auth::Claim;
use crate::wire::digest::{Hash, hash};
use crate::wire::stateful::stream::{Arriving, Stream};
use crate::wire::stateful::{Compression, Part, Place, S2b};

/// The message that comes in parts, if one does.
#[derive(Default)]
pub(super) struct Incoming {
    stream: Stream,
    spool: Option<Spool>,
}

/// A message as it was sent.
pub(super) struct Whole {
    pub(super) compression: Option<Compression>,
    pub(super) body: Body,
    /// Of the body.
    pub(super) sha512: Hash,
    /// What the body has of the door's memory.
    pub(super) charge: Charge,
}

impl Incoming {
    /// Whether more parts have to come.
    pub(super) fn is_open(&self) -> bool {
        self.stream.arriving().is_some()
    }

    /// Whether the subscriber may send this part. Every one of them vouches for the whole message, with the tracing of the
    /// first.
    pub(super) async fn admit(&self, live: &Live, part: &Part<'_>) -> Result<(), Close> {
        match (part.place, self.stream.arriving()) {
            (Place::First(message), None) => {
                live.sessions.check_length(message.length)?;
                let claim = Claim::Notify { topic: message.topic, identifier: part.identifier, sha512: message.sha512 };
                live.speech.admit(part.proof, part.proof.tracing, &claim).await
            }
            (Place::Next(_), Some(arriving)) => {
                live.speech.admit(part.proof, &arriving.tracing, &arriving.notify_claim()).await
            }
            // The stream says what is wrong with it.
            _ => Ok(()),
        }
    }

    /// Takes a part, and the frame that it is of. Gives the message, and its topic, when it is complete.
    pub(super) async fn push(
        &mut self,
        live: &Live,
        part: &Part<'_>,
        frame: &Bytes,
    ) -> Result<Option<(Vec<u8>, Whole)>, Close> {
        let mut stream = mem::take(&mut self.stream);
        let mut spool = self.spool.take().unwrap_or_else(|| live.sessions.settings.bounds.spool());
        let taken = if part.payload.len() <= AT_ONCE && !spool.would_block(part.payload.len()) {
            take(&mut stream, &mut spool, part).map(|complete| (stream, spool, complete))
        } else {
            let frame = frame.clone();
            let work = spawn_blocking(move || {
                let message = S2b::read_unhashed(&frame).map_err(Close::refused)?;
                let S2b::NotifyStream(part) = message else { return Err(Close::failed("a part was lost")) };
                take(&mut stream, &mut spool, &part).map(|complete| (stream, spool, complete))
            });
            work.await.map_err(lost).flatten()
        };
        let (stream, spool, complete) = taken?;
        self.stream = stream;
        let Some(arriving) = complete else {
            self.spool = Some(spool);
            return Ok(None);
        };
        let (body, charge) = spool.finish_charged().map_err(unkept)?;
        let (compression, sha512) = (arriving.compression, arriving.sha512);
        Ok(Some((arriving.topic, Whole { compression, body, sha512, charge })))
    }
}

/// Up to this length a payload is hashed at once, in less than half a millisecond; a longer one by a thread that may block.
const AT_ONCE: usize = 256 * 1024;

fn take(stream: &mut Stream, spool: &mut Spool, part: &Part<'_>) -> Result<Option<Arriving>, Close> {
    let complete = stream.push(part).map_err(Close::refused)?;
    spool.write_all(part.payload).map_err(unkept)?;
    Ok(complete)
}

/// Whether a message has the hash that it says.
pub(super) async fn verify(message: &Bytes, expected: Hash) -> Result<(), Close> {
    let found = if message.len() <= AT_ONCE {
        hash(message)
    } else {
        let message = message.clone();
        spawn_blocking(move || hash(&message)).await.map_err(lost)?
    };
    if found == expected {
        Ok(())
    } else {
        Err(Close::refused("the hash of the message differs from that of its bytes"))
    }
}

fn lost(error: JoinError) -> Close {
    unkept(error.into())
}

/// Up to this length a payload is copied out of its frame: frames that came together share the memory of all of them.
const COPIED: usize = 64 * 1024;

/// The payload of a frame, so that it keeps no more than twice its length in memory.
pub(super) fn own(frame: &Bytes, payload: &[u8]) -> Bytes {
    if payload.len() <= COPIED || payload.len() < frame.len() / 2 {
        return Bytes::copy_from_slice(payload);
    }
    frame.slice_ref(payload)
}

fn unkept(error: std::io::Error) -> Close {
    tracing::warn!(%error, "a message of a websocket cannot be kept");
    Close::failed("the message cannot be kept")
}

impl Whole {
    /// The message without compression.
    pub(super) async fn plain(self, live: &Live) -> Result<Self, Close> {
        let Some(Compression { compressor_id, decompressed_length }) = self.compression else { return Ok(self) };
        let codec = codec(live, compressor_id)?;
        let plain = codec.decompress(&self.body, decompressed_length, &live.sessions.settings.bounds).await;
        let plain = plain.map_err(|error| match error {
            DecodeError::Spool(error) => unkept(error),
            DecodeError::TooLarge { .. } => Close::too_large(error),
            other => Close::refused(other),
        })?;
        Ok(Self { compression: None, body: plain.body, sha512: plain.sha512, charge: plain.charge })
    }
}

fn codec(live: &Live, id: NonZeroU64) -> Result<std::sync::Arc<crate::compression::Codec>, Close> {
    live.speech.compressors.borrow().with_id(id).cloned().map_err(Close::refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_payload_does_not_keep_its_large_frame() {
        for (frame, payload) in [(16 << 20, 100), (70_000, COPIED), (1 << 20, 500_000), (300, 200)] {
            let frame = Bytes::from(vec![7; frame]);
            let owned = own(&frame, &frame[..payload]);
            assert_eq!(owned.len(), payload);
            assert!(frame.is_unique(), "{payload}");
        }
        let frame = Bytes::from(vec![7; 1 << 20]);
        let shared = own(&frame, &frame[100..]);
        assert!(!frame.is_unique() && shared.len() == frame.len() - 100);
    }
}
