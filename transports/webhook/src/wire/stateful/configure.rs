//! The first message of a connection.

use super::header::{self, Headers, Mode};
use super::value::{
    AUTHORIZATION, ENABLE_TRAINING, ENABLE_ZSTD, INITIAL_DICT, SUBSCRIBER_NONCE, TRACING, authorization, proof,
};
use crate::wire::Proof;
use crate::wire::auth::Claim;
use crate::wire::error::WireError;

/// S2B: begins a connection. Nothing else is sent before the broadcaster has confirmed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Configure<'a> {
    /// The subscriber's half of the [connection's nonce](super::counter::ConnectionNonce). Random.
    pub subscriber_nonce: &'a [u8; 32],
    /// Whether it takes compressed messages.
    pub enable_zstd: bool,
    /// Whether it takes dictionaries that were trained on the connection.
    pub enable_training: bool,
    /// Which preset dictionary it wants; 0 and 1 are none.
    pub initial_dict: u16,
    /// Authorization and tracing.
    pub proof: Proof<'a>,
}

/// What Python's broadcaster reads where names are written and this one is missing: the digit zero, hence dictionary
/// 48.
const MISSING_INITIAL_DICT: &[u8] = b"0";

impl<'a> Configure<'a> {
    pub(super) fn read(mut headers: Headers<'a>) -> Result<Self, WireError> {
        let [nonce, zstd, training] = headers.take([SUBSCRIBER_NONCE, ENABLE_ZSTD, ENABLE_TRAINING])?;
        let dict = headers.take_or(INITIAL_DICT, MISSING_INITIAL_DICT)?;
        let [authorization, tracing] = headers.take([AUTHORIZATION, TRACING])?;
        Ok(Self {
            subscriber_nonce: nonce.array()?,
            enable_zstd: zstd.switch(),
            enable_training: training.switch(),
            // At most two bytes.
            initial_dict: dict.number(2)? as u16,
            proof: proof(&authorization, &tracing)?,
        })
    }

    pub(super) fn write(&self, mode: Mode, kind: u16, out: &mut Vec<u8>) -> Result<(), WireError> {
        let headers: [(_, &[u8]); 6] = [
            (SUBSCRIBER_NONCE, self.subscriber_nonce),
            (ENABLE_ZSTD, &[self.enable_zstd.into()]),
            (ENABLE_TRAINING, &[self.enable_training.into()]),
            (INITIAL_DICT, &self.initial_dict.to_be_bytes()),
            (AUTHORIZATION, authorization(&self.proof)),
            (TRACING, self.proof.tracing),
        ];
        header::write(out, mode, kind, &headers, b"")
    }

    pub(super) fn claim(&self) -> Claim<'a> {
        let Self { subscriber_nonce, enable_zstd, enable_training, initial_dict, .. } = *self;
        Claim::Configure { subscriber_nonce, enable_zstd, enable_training, initial_dict }
    }
}
