//! What a subscriber says.

use super::configure::Configure;
use super::header::{self, Headers, Mode};
use super::message::{Notify, Part, Place};
use super::receipt::PartReceipt;
use super::value::{
    AUTHORIZATION, IDENTIFIER, NUM_SUBSCRIBERS, TRACING, authorization, checked_identifier, interest_name, proof,
};
use crate::wire::auth::Claim;
use crate::wire::error::{Problem, WireError};
use crate::wire::{Interest, InterestKind, Proof};

/// A message from a subscriber to a broadcaster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum S2b<'a> {
    /// Begins the connection.
    Configure(Configure<'a>),
    /// Begins a subscription.
    Subscribe {
        /// What is wanted.
        interest: Interest<'a>,
        /// Authorization and tracing.
        proof: Proof<'a>,
    },
    /// Ends a subscription.
    Unsubscribe {
        /// What was wanted.
        interest: Interest<'a>,
        /// Authorization and tracing.
        proof: Proof<'a>,
    },
    /// Publishes a message that fits into one.
    Notify(Notify<'a>),
    /// Publishes a part of a message.
    NotifyStream(Part<'a>),
    /// A part has been received, and the message is not complete.
    ContinueReceive(PartReceipt<'a>),
    /// A message has been received.
    ConfirmReceive {
        /// Of the message; at most 64 bytes.
        identifier: &'a [u8],
        /// For how many subscribers.
        num_subscribers: u32,
        /// Authorization and tracing.
        proof: Proof<'a>,
    },
}

/// What the type of a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peeked {
    /// It takes a value of the S2B counter.
    pub is_counted: bool,
    /// It is an acknowledgement.
    pub is_receipt: bool,
}

const CONFIGURE: u16 = 1;
const SUBSCRIBE_EXACT: u16 = 2;
const SUBSCRIBE_GLOB: u16 = 3;
const UNSUBSCRIBE_EXACT: u16 = 4;
const UNSUBSCRIBE_GLOB: u16 = 5;
const NOTIFY: u16 = 6;
const NOTIFY_STREAM: u16 = 7;
const CONTINUE_RECEIVE: u16 = 8;
const CONFIRM_RECEIVE: u16 = 9;

impl<'a> S2b<'a> {
    /// Reads a message. Bytes behind the headers of a message without a body are ignored.
    ///
    /// # Errors
    /// It is too short, of an unknown type, has a header that is missing or wrong, or a NOTIFY has not the length and
    /// the hash that it says.
    pub fn read(message: &'a [u8]) -> Result<Self, WireError> {
        Self::read_with(message, Notify::read)
    }

    /// The same, but that the hash of a NOTIFY may be another: it has yet to be looked at.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_unhashed(message: &'a [u8]) -> Result<Self, WireError> {
        Self::read_with(message, Notify::read_unhashed)
    }

    fn read_with(
        message: &'a [u8],
        notify: impl FnOnce(Headers<'a>) -> Result<Notify<'a>, WireError>,
    ) -> Result<Self, WireError> {
        let (kind, headers) = Headers::open(message)?;
        Ok(match kind {
            CONFIGURE => Self::Configure(Configure::read(headers)?),
            SUBSCRIBE_EXACT => Self::subscribe(InterestKind::Exact, headers)?,
            SUBSCRIBE_GLOB => Self::subscribe(InterestKind::Glob, headers)?,
            UNSUBSCRIBE_EXACT => Self::unsubscribe(InterestKind::Exact, headers)?,
            UNSUBSCRIBE_GLOB => Self::unsubscribe(InterestKind::Glob, headers)?,
            NOTIFY => Self::Notify(notify(headers)?),
            NOTIFY_STREAM => Self::NotifyStream(Part::read(headers)?),
            CONTINUE_RECEIVE => Self::ContinueReceive(PartReceipt::read(headers)?),
            CONFIRM_RECEIVE => Self::confirm_receive(headers)?,
            other => {
                let problem = Problem::Unknown { expected: "a number from 1 to 9", found: other.into() };
                return Err(WireError::new("type", 2, problem));
            }
        })
    }

    fn subscribe(kind: InterestKind, headers: Headers<'a>) -> Result<Self, WireError> {
        subscription(kind, headers).map(|(interest, proof)| Self::Subscribe { interest, proof })
    }

    fn unsubscribe(kind: InterestKind, headers: Headers<'a>) -> Result<Self, WireError> {
        subscription(kind, headers).map(|(interest, proof)| Self::Unsubscribe { interest, proof })
    }

    fn confirm_receive(mut headers: Headers<'a>) -> Result<Self, WireError> {
        let [identifier, authorization, tracing, num_subscribers] =
            headers.take([IDENTIFIER, AUTHORIZATION, TRACING, NUM_SUBSCRIBERS])?;
        Ok(Self::ConfirmReceive {
            identifier: identifier.identifier()?,
            // At most four bytes.
            num_subscribers: num_subscribers.number(4)? as u32,
            proof: proof(&authorization, &tracing)?,
        })
    }

    /// What the type of a message says, whatever the rest is: whether it takes the next value of the [S2B
    /// counter](super::counter::Counter), and whether it is an acknowledgement.
    #[must_use]
    pub fn peek(message: &[u8]) -> Peeked {
        let kind = message.get(2..4).and_then(|kind| kind.try_into().ok()).map(u16::from_be_bytes);
        let is_receipt = matches!(kind, Some(CONTINUE_RECEIVE | CONFIRM_RECEIVE));
        let is_counted = is_receipt || matches!(kind, Some(SUBSCRIBE_EXACT..=UNSUBSCRIBE_GLOB));
        Peeked { is_counted, is_receipt }
    }

    /// Appends the message.
    ///
    /// # Errors
    /// A header is longer than 65,535 bytes, or an identifier than 64. Nothing is appended then.
    pub fn write(&self, mode: Mode, out: &mut Vec<u8>) -> Result<(), WireError> {
        let kind = self.number();
        match self {
            Self::Configure(configure) => configure.write(mode, kind, out),
            Self::Subscribe { interest, proof } | Self::Unsubscribe { interest, proof } => {
                let interest = (interest_name(interest.kind()), interest.as_bytes());
                let headers = [(AUTHORIZATION, authorization(proof)), (TRACING, proof.tracing), interest];
                header::write(out, mode, kind, &headers, b"")
            }
            Self::Notify(notify) => notify.write(mode, kind, out),
            Self::NotifyStream(part) => part.write(mode, kind, out),
            Self::ContinueReceive(receipt) => receipt.write(mode, kind, out),
            Self::ConfirmReceive { identifier, num_subscribers, proof } => {
                let headers = [
                    (IDENTIFIER, checked_identifier(identifier)?),
                    (AUTHORIZATION, authorization(proof)),
                    (TRACING, proof.tracing),
                    (NUM_SUBSCRIBERS, &num_subscribers.to_be_bytes()),
                ];
                header::write(out, mode, kind, &headers, b"")
            }
        }
    }

    fn number(&self) -> u16 {
        match self {
            Self::Configure(_) => CONFIGURE,
            Self::Subscribe { interest: Interest::Exact(_), .. } => SUBSCRIBE_EXACT,
            Self::Subscribe { interest: Interest::Glob(_), .. } => SUBSCRIBE_GLOB,
            Self::Unsubscribe { interest: Interest::Exact(_), .. } => UNSUBSCRIBE_EXACT,
            Self::Unsubscribe { interest: Interest::Glob(_), .. } => UNSUBSCRIBE_GLOB,
            Self::Notify(_) => NOTIFY,
            Self::NotifyStream(_) => NOTIFY_STREAM,
            Self::ContinueReceive(_) => CONTINUE_RECEIVE,
            Self::ConfirmReceive { .. } => CONFIRM_RECEIVE,
        }
    }

    /// Authorization and tracing.
    #[must_use]
    pub fn proof(&self) -> Proof<'a> {
        match *self {
            Self::Configure(Configure { proof, .. })
            | Self::Subscribe { proof, .. }
            | Self::Unsubscribe { proof, .. }
            | Self::Notify(Notify { proof, .. })
            | Self::NotifyStream(Part { proof, .. })
            | Self::ContinueReceive(PartReceipt { proof, .. })
            | Self::ConfirmReceive { proof, .. } => proof,
        }
    }

    /// Whether the message takes the next value of the [S2B counter](super::counter::Counter), which is part of what
    /// its authorization vouches for.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        !matches!(self, Self::Configure(_) | Self::Notify(_) | Self::NotifyStream(_))
    }

    /// What its authorization vouches for. `url` is the counter url, of which messages that are not counted make no
    /// use. `None` for a part behind the first, whose authorization vouches again for the first:
    /// [`Arriving`](super::stream::Arriving).
    #[must_use]
    pub fn claim(&self, url: &'a str) -> Option<Claim<'a>> {
        Some(match *self {
            Self::Configure(configure) => configure.claim(),
            Self::Subscribe { interest, .. } | Self::Unsubscribe { interest, .. } => {
                Claim::Subscribe { url, interest, recovery: None }
            }
            Self::Notify(Notify { identifier, message, .. })
            | Self::NotifyStream(Part { identifier, place: Place::First(message), .. }) => {
                Claim::Notify { topic: message.topic, identifier, sha512: message.sha512 }
            }
            Self::NotifyStream(Part { place: Place::Next(_), .. }) => return None,
            Self::ContinueReceive(PartReceipt { identifier, part_id, .. }) => {
                Claim::ContinueReceive { identifier, part_id, url }
            }
            Self::ConfirmReceive { identifier, num_subscribers, .. } => {
                Claim::ConfirmReceive { identifier, num_subscribers, url }
            }
        })
    }
}

fn subscription(kind: InterestKind, mut headers: Headers<'_>) -> Result<(Interest<'_>, Proof<'_>), WireError> {
    let [authorization, tracing, interest] = headers.take([AUTHORIZATION, TRACING, interest_name(kind)])?;
    Ok((interest.interest(kind)?, proof(&authorization, &tracing)?))
}
