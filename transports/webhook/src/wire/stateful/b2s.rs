//! What a broadcaster says.

use super::compressor::Compressor;
use super::header::{self, Headers, Mode};
use super::message::{Part, Place};
use super::receipt::PartReceipt;
use super::value::{
    AUTHORIZATION, BROADCASTER_NONCE, IDENTIFIER, Min, SUBSCRIBERS, TOPIC, TRACING, authorization, checked_identifier,
    interest_name, proof,
};
use crate::wire::auth::Claim;
use crate::wire::digest::Hash;
use crate::wire::error::{Problem, WireError};
use crate::wire::{Interest, InterestKind, Proof};

/// A message from a broadcaster to a subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum B2s<'a> {
    /// The connection has begun.
    ConfirmConfigure {
        /// The broadcaster's half of the [connection's nonce](super::counter::ConnectionNonce). Random.
        broadcaster_nonce: &'a [u8; 32],
        /// Authorization and tracing.
        proof: Proof<'a>,
    },
    /// A subscription has begun.
    ConfirmSubscribe {
        /// The one of the request.
        interest: Interest<'a>,
        /// Authorization and tracing.
        proof: Proof<'a>,
    },
    /// A subscription has ended.
    ConfirmUnsubscribe {
        /// The one of the request.
        interest: Interest<'a>,
        /// Authorization and tracing.
        proof: Proof<'a>,
    },
    /// A message has been delivered to all who want it and could be reached.
    ConfirmNotify {
        /// The one of the request; at most 64 bytes.
        identifier: &'a [u8],
        /// How many subscribers confirmed it. At most 2^32 - 1 can be signed.
        subscribers: u64,
        /// Authorization and tracing.
        proof: Proof<'a>,
    },
    /// A part has been received, and the message is not complete.
    ContinueNotify(PartReceipt<'a>),
    /// Delivers a part of a message, most often all of it.
    ReceiveStream(Part<'a>),
    /// A compressor without a dictionary, or with one that both sides know, may be used from now on.
    EnableZstdPreset {
        /// Which.
        compressor: Compressor,
        /// Authorization and tracing.
        proof: Proof<'a>,
    },
    /// A compressor with this dictionary may be used from now on.
    EnableZstdCustom {
        /// Which.
        compressor: Compressor,
        /// SHA-512 of the dictionary.
        sha512: &'a Hash,
        /// The dictionary.
        dictionary: &'a [u8],
        /// Authorization and tracing.
        proof: Proof<'a>,
    },
    /// A compressor is used no more.
    DisableZstdCustom {
        /// Its number. At most 2^32 - 1 can be signed.
        compressor_id: u64,
        /// Authorization and tracing.
        proof: Proof<'a>,
    },
    /// Messages of a topic may have been missed.
    Missed {
        /// The topic.
        topic: &'a [u8],
        /// Authorization and tracing.
        proof: Proof<'a>,
    },
}

const CONFIRM_CONFIGURE: u16 = 1;
const CONFIRM_SUBSCRIBE_EXACT: u16 = 2;
const CONFIRM_SUBSCRIBE_GLOB: u16 = 3;
const CONFIRM_UNSUBSCRIBE_EXACT: u16 = 4;
const CONFIRM_UNSUBSCRIBE_GLOB: u16 = 5;
const CONFIRM_NOTIFY: u16 = 6;
const CONTINUE_NOTIFY: u16 = 7;
const RECEIVE_STREAM: u16 = 8;
const ENABLE_ZSTD_PRESET: u16 = 9;
const ENABLE_ZSTD_CUSTOM: u16 = 10;
const DISABLE_ZSTD_CUSTOM: u16 = 11;
const MISSED: u16 = 12;

impl<'a> B2s<'a> {
    /// Reads a message. Bytes behind the headers of a message without a body are ignored.
    ///
    /// # Errors
    /// It is too short, of an unknown type, has a header that is missing or wrong, or a dictionary has not the hash
    /// that it says.
    pub fn read(message: &'a [u8]) -> Result<Self, WireError> {
        let (kind, mut headers) = Headers::open(message)?;
        Ok(match kind {
            CONFIRM_CONFIGURE => Self::confirm_configure(headers)?,
            CONFIRM_SUBSCRIBE_EXACT => Self::confirm_subscribe(InterestKind::Exact, headers)?,
            CONFIRM_SUBSCRIBE_GLOB => Self::confirm_subscribe(InterestKind::Glob, headers)?,
            CONFIRM_UNSUBSCRIBE_EXACT => Self::confirm_unsubscribe(InterestKind::Exact, headers)?,
            CONFIRM_UNSUBSCRIBE_GLOB => Self::confirm_unsubscribe(InterestKind::Glob, headers)?,
            CONFIRM_NOTIFY => Self::confirm_notify(headers)?,
            CONTINUE_NOTIFY => Self::ContinueNotify(PartReceipt::read(headers)?),
            RECEIVE_STREAM => Self::ReceiveStream(Part::read(headers)?),
            ENABLE_ZSTD_PRESET => {
                let (compressor, proof) = Compressor::read(&mut headers)?;
                Self::EnableZstdPreset { compressor, proof }
            }
            ENABLE_ZSTD_CUSTOM => {
                let (compressor, proof) = Compressor::read(&mut headers)?;
                let (sha512, dictionary) = Compressor::read_dictionary(&mut headers)?;
                Self::EnableZstdCustom { compressor, sha512, dictionary, proof }
            }
            DISABLE_ZSTD_CUSTOM => {
                let [id, authorization, tracing] = headers.take([IDENTIFIER, AUTHORIZATION, TRACING])?;
                Self::DisableZstdCustom { compressor_id: id.number(8)?, proof: proof(&authorization, &tracing)? }
            }
            MISSED => {
                let [authorization, tracing, topic] = headers.take([AUTHORIZATION, TRACING, TOPIC])?;
                Self::Missed { topic: topic.value, proof: proof(&authorization, &tracing)? }
            }
            other => {
                let problem = Problem::Unknown { expected: "a number from 1 to 12", found: other.into() };
                return Err(WireError::new("type", 2, problem));
            }
        })
    }

    fn confirm_configure(mut headers: Headers<'a>) -> Result<Self, WireError> {
        let [nonce, authorization, tracing] = headers.take([BROADCASTER_NONCE, AUTHORIZATION, TRACING])?;
        Ok(Self::ConfirmConfigure { broadcaster_nonce: nonce.array()?, proof: proof(&authorization, &tracing)? })
    }

    fn confirm_subscribe(kind: InterestKind, headers: Headers<'a>) -> Result<Self, WireError> {
        subscription(kind, headers).map(|(interest, proof)| Self::ConfirmSubscribe { interest, proof })
    }

    fn confirm_unsubscribe(kind: InterestKind, headers: Headers<'a>) -> Result<Self, WireError> {
        subscription(kind, headers).map(|(interest, proof)| Self::ConfirmUnsubscribe { interest, proof })
    }

    fn confirm_notify(mut headers: Headers<'a>) -> Result<Self, WireError> {
        let [identifier, subscribers, authorization, tracing] =
            headers.take([IDENTIFIER, SUBSCRIBERS, AUTHORIZATION, TRACING])?;
        Ok(Self::ConfirmNotify {
            identifier: identifier.identifier()?,
            subscribers: subscribers.number(8)?,
            proof: proof(&authorization, &tracing)?,
        })
    }

    /// Appends the message.
    ///
    /// # Errors
    /// A header is longer than 65,535 bytes, or an identifier than 64. Nothing is appended then.
    pub fn write(&self, mode: Mode, out: &mut Vec<u8>) -> Result<(), WireError> {
        let kind = self.number();
        let vouched = self.proof();
        let [proof, tracing] = [(AUTHORIZATION, authorization(&vouched)), (TRACING, vouched.tracing)];
        let mut plain = |headers: [_; 3]| header::write(out, mode, kind, &headers, b"");
        match self {
            Self::ConfirmConfigure { broadcaster_nonce, .. } => {
                plain([(BROADCASTER_NONCE, broadcaster_nonce.as_slice()), proof, tracing])
            }
            Self::ConfirmSubscribe { interest, .. } | Self::ConfirmUnsubscribe { interest, .. } => {
                plain([(interest_name(interest.kind()), interest.as_bytes()), proof, tracing])
            }
            Self::ConfirmNotify { identifier, subscribers, .. } => {
                let count = Min::of(*subscribers);
                let identifier = (IDENTIFIER, checked_identifier(identifier)?);
                header::write(out, mode, kind, &[identifier, (SUBSCRIBERS, count.as_bytes()), proof, tracing], b"")
            }
            Self::ContinueNotify(receipt) => receipt.write(mode, kind, out),
            Self::ReceiveStream(part) => part.write(mode, kind, out),
            Self::EnableZstdPreset { compressor, proof } => compressor.write((mode, kind), proof, None, out),
            Self::EnableZstdCustom { compressor, sha512, dictionary, proof } => {
                compressor.write((mode, kind), proof, Some((sha512, dictionary)), out)
            }
            Self::DisableZstdCustom { compressor_id, .. } => {
                plain([(IDENTIFIER, Min::of(*compressor_id).as_bytes()), proof, tracing])
            }
            Self::Missed { topic, .. } => plain([proof, tracing, (TOPIC, topic)]),
        }
    }

    fn number(&self) -> u16 {
        match self {
            Self::ConfirmConfigure { .. } => CONFIRM_CONFIGURE,
            Self::ConfirmSubscribe { interest: Interest::Exact(_), .. } => CONFIRM_SUBSCRIBE_EXACT,
            Self::ConfirmSubscribe { interest: Interest::Glob(_), .. } => CONFIRM_SUBSCRIBE_GLOB,
            Self::ConfirmUnsubscribe { interest: Interest::Exact(_), .. } => CONFIRM_UNSUBSCRIBE_EXACT,
            Self::ConfirmUnsubscribe { interest: Interest::Glob(_), .. } => CONFIRM_UNSUBSCRIBE_GLOB,
            Self::ConfirmNotify { .. } => CONFIRM_NOTIFY,
            Self::ContinueNotify(_) => CONTINUE_NOTIFY,
            Self::ReceiveStream(_) => RECEIVE_STREAM,
            Self::EnableZstdPreset { .. } => ENABLE_ZSTD_PRESET,
            Self::EnableZstdCustom { .. } => ENABLE_ZSTD_CUSTOM,
            Self::DisableZstdCustom { .. } => DISABLE_ZSTD_CUSTOM,
            Self::Missed { .. } => MISSED,
        }
    }

    /// Authorization and tracing.
    #[must_use]
    pub fn proof(&self) -> Proof<'a> {
        match *self {
            Self::ConfirmConfigure { proof, .. }
            | Self::ConfirmSubscribe { proof, .. }
            | Self::ConfirmUnsubscribe { proof, .. }
            | Self::ConfirmNotify { proof, .. }
            | Self::ContinueNotify(PartReceipt { proof, .. })
            | Self::ReceiveStream(Part { proof, .. })
            | Self::EnableZstdPreset { proof, .. }
            | Self::EnableZstdCustom { proof, .. }
            | Self::DisableZstdCustom { proof, .. }
            | Self::Missed { proof, .. } => proof,
        }
    }

    /// Whether the message takes the next value of the [B2S counter](super::counter::Counter), which is part of what
    /// its authorization vouches for. A part behind the first does not; Python's broadcaster does it otherwise, for
    /// which a subscriber has [`Expected`](super::counter::Expected).
    #[must_use]
    pub fn is_counted(&self) -> bool {
        match self {
            Self::ReceiveStream(part) => part.id() == 0,
            Self::EnableZstdPreset { .. }
            | Self::EnableZstdCustom { .. }
            | Self::DisableZstdCustom { .. }
            | Self::Missed { .. } => true,
            _ => false,
        }
    }

    /// What its authorization vouches for. `url` is the counter url: for messages that are counted that of the B2S
    /// counter, for the answers to SUBSCRIBE and UNSUBSCRIBE the one of the request; others make no use of it.
    ///
    /// `None` for a part behind the first, whose authorization vouches again for the first
    /// ([`Arriving`](super::stream::Arriving)), and for CONFIRM_NOTIFY, which does not say what was notified:
    /// [`Claim::ConfirmNotify`].
    #[must_use]
    pub fn claim(&self, url: &'a str) -> Option<Claim<'a>> {
        Some(match *self {
            Self::ConfirmConfigure { broadcaster_nonce, .. } => Claim::ConfirmConfigure { broadcaster_nonce },
            Self::ConfirmSubscribe { interest, .. } | Self::ConfirmUnsubscribe { interest, .. } => {
                Claim::ConfirmSubscribe { url, interest, recovery: None }
            }
            Self::ContinueNotify(PartReceipt { identifier, part_id, .. }) => {
                Claim::ContinueNotify { identifier, part_id }
            }
            Self::ReceiveStream(Part { identifier, place: Place::First(message), .. }) => {
                Claim::Receive { url, topic: message.topic, identifier, sha512: message.sha512 }
            }
            Self::ReceiveStream(Part { place: Place::Next(_), .. }) | Self::ConfirmNotify { .. } => return None,
            Self::EnableZstdPreset { compressor, .. } => Claim::EnableZstdPreset { url, compressor },
            Self::EnableZstdCustom { compressor, sha512, .. } => Claim::EnableZstdCustom { url, compressor, sha512 },
            Self::DisableZstdCustom { compressor_id, .. } => Claim::DisableZstdCustom { url, compressor_id },
            Self::Missed { topic, .. } => Claim::Missed { recovery: url, topic },
        })
    }
}

fn subscription(kind: InterestKind, mut headers: Headers<'_>) -> Result<(Interest<'_>, Proof<'_>), WireError> {
    let [interest, authorization, tracing] = headers.take([interest_name(kind), AUTHORIZATION, TRACING])?;
    Ok((interest.interest(kind)?, proof(&authorization, &tracing)?))
}
