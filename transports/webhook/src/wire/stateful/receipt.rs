//! That a part of a message has been received: S2B CONTINUE_RECEIVE, B2S CONTINUE_NOTIFY.

use super::header::{self, Headers, Mode};
use super::value::{AUTHORIZATION, IDENTIFIER, Min, PART_ID, TRACING, authorization, checked_identifier, proof};
use crate::wire::Proof;
use crate::wire::error::WireError;

/// A part has been received, and the message is not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartReceipt<'a> {
    /// Of the message.
    pub identifier: &'a [u8],
    /// The number of the part.
    pub part_id: u64,
    /// Authorization and tracing.
    pub proof: Proof<'a>,
}

impl<'a> PartReceipt<'a> {
    pub(super) fn read(mut headers: Headers<'a>) -> Result<Self, WireError> {
        let [identifier, part_id, authorization, tracing] =
            headers.take([IDENTIFIER, PART_ID, AUTHORIZATION, TRACING])?;
        Ok(Self {
            identifier: identifier.identifier()?,
            part_id: part_id.number(8)?,
            proof: proof(&authorization, &tracing)?,
        })
    }

    pub(super) fn write(&self, mode: Mode, kind: u16, out: &mut Vec<u8>) -> Result<(), WireError> {
        let part_id = Min::of(self.part_id);
        let headers = [
            (IDENTIFIER, checked_identifier(self.identifier)?),
            (PART_ID, part_id.as_bytes()),
            (AUTHORIZATION, authorization(&self.proof)),
            (TRACING, self.proof.tracing),
        ];
        header::write(out, mode, kind, &headers, b"")
    }
}
