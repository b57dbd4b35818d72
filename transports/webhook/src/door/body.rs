//! Bodies of requests, as they arrive: with a length or in chunks, and in their time.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use super::answer::Refusal;
use crate::wire::bodies::{Collector, Head};

/// Bytes a second that a body must come with on the whole, once the time without a byte has passed. One who would hold many
/// bodies open must send as much for each.
const SLOWEST: u64 = 1024;

/// A body.
pub(super) struct Incoming {
    payload: web::Payload,
    patience: Duration,
    begun: Instant,
    received: u64,
}

impl Incoming {
    /// `patience` is how long it may stand still.
    pub(super) fn new(payload: web::Payload, patience: Duration) -> Self {
        Self { payload, patience, begun: Instant::now(), received: 0 }
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        let whole = self.begun + self.patience + Duration::from_millis(self.received.saturating_mul(1000) / SLOWEST);
        match timeout_at(whole.min(Instant::now() + self.patience), self.payload.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(bytes))) => {
                self.received += bytes.len() as u64;
                Ok(Some(bytes))
            }
            Ok(Some(Err(error))) => {
                tracing::debug!(%error, "a body was cut");
                Err(Refusal::MALFORMED)
            }
            Err(_) => {
                tracing::debug!(received = self.received, "a body stood still, or came too slowly");
                Err(Refusal::Status(StatusCode::REQUEST_TIMEOUT))
            }
        }
    }

    /// The body of a request whose last field is not a message: what comes behind the fields, which have no more than `most`
    /// bytes, is not looked at, and not read either.
    pub(super) async fn fields(mut self, most: usize) -> Result<Bytes, Refusal> {
        let mut first = Bytes::new();
        let mut joined = BytesMut::new();
        while first.len().max(joined.len()) < most
            && let Some(bytes) = self.next().await?
        {
            match (first.is_empty(), joined.is_empty()) {
                (true, _) => first = bytes,
                (false, true) => {
                    joined.extend_from_slice(&first);
                    joined.extend_from_slice(&bytes);
                }
                (false, false) => joined.extend_from_slice(&bytes),
            }
        }
        Ok(if joined.is_empty() { first } else { joined.freeze() })
    }

    /// What stands before a message or before lists, and the bytes that came with it from behind it.
    pub(super) async fn head<H: Head>(&mut self) -> Result<(Collector<H>, Bytes), Refusal> {
        let mut collector = Collector::<H>::new();
        while let Some(bytes) = self.next().await? {
            let rest = collector.push(&bytes)?;
            if collector.is_complete() {
                let rest = bytes.slice_ref(rest);
                return Ok((collector, rest));
            }
        }
        // One without any byte behind it is complete without having said so.
        collector.push(&[])?;
        collector.head().map(drop)?;
        Ok((collector, Bytes::new()))
    }
}
