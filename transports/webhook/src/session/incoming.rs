//! Messages that come: in parts, and decompressed.

use std::io::Write as _;
use std::num::NonZeroU64;

use tokio::task::spawn_blocking;

use super::closing::Close;
use super::live::Live;
use crate::budget::Charge;
use crate::compression::DecodeError;
use crate::message::Body;
use crate::spool::Spool;
use crate::wire::auth::Claim;
use crate::wire::digest::Hash;
use crate::wire::stateful::stream::Stream;
use crate::wire::stateful::{Compression, Part, Place};

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

    /// Takes a part. Gives the message, and its topic, when it is complete.
    pub(super) async fn push(&mut self, live: &Live, part: &Part<'_>) -> Result<Option<(Vec<u8>, Whole)>, Close> {
        let complete = self.stream.push(part).map_err(Close::refused)?;
        let spool = self.spool.take().unwrap_or_else(|| live.sessions.settings.bounds.spool());
        let spool = keep(spool, part.payload).await?;
        let Some(arriving) = complete else {
            self.spool = Some(spool);
            return Ok(None);
        };
        let (body, charge) = spool.finish_charged().map_err(unkept)?;
        let (compression, sha512) = (arriving.compression, arriving.sha512);
        Ok(Some((arriving.topic, Whole { compression, body, sha512, charge })))
    }
}

async fn keep(mut spool: Spool, payload: &[u8]) -> Result<Spool, Close> {
    if !spool.would_block(payload.len()) {
        spool.write_all(payload).map_err(unkept)?;
        return Ok(spool);
    }
    let payload = payload.to_vec();
    let written = spawn_blocking(move || spool.write_all(&payload).map(|()| spool)).await;
    written.map_err(std::io::Error::other).flatten().map_err(unkept)
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
