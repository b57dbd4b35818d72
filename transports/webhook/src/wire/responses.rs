//! Bodies of answers.
//!
//! All but one carry an authorization of their own, which covers the fields named in
//! [`Claim`](super::auth::Claim), and have status 200. [`Response::UnsubscribeImmediate`] carries nothing and comes
//! with another status. Whoever reads an answer should hand in the whole body, of at most [`MAX_BYTES`].

use super::Proof;
use super::error::{Problem, WireError};
use super::etag::Etag;
use super::read::Reader;
use super::write::whole;

/// The most bytes of an answer.
pub const MAX_BYTES: usize = 2 + 2 + 65_535 + 2 + 65_535 + 4 + 1 + 255;

const GENERIC: u16 = 3;
const NOTIFY: u16 = 4;
const CHECK_SUBSCRIPTIONS: u16 = 5;
const CONFIRM_RECEIVE: u16 = 8;
const CONFIRM_MISSED: u16 = 9;
const UNSUBSCRIBE_IMMEDIATE: u16 = 10;

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Response<'a> {
    /// B2S: subscribe, unsubscribe or set has been done.
    Generic {
        /// Authorization and tracing.
        proof: Proof<'a>,
    },
    /// B2S: a message has been delivered to all who want it and could be reached.
    Notify {
        /// Authorization and tracing. Python's client needs a [`tracing`](super::tracing) with at least one trace.
        proof: Proof<'a>,
        /// How many subscribers confirmed it.
        count: u32,
        /// The one of the request.
        identifier: &'a [u8],
    },
    /// B2S: the etag of all subscriptions of the URL that was asked about.
    CheckSubscriptions {
        /// Authorization and tracing.
        proof: Proof<'a>,
        /// The etag of the lists as they are stored.
        etag: Etag,
    },
    /// S2B: a message has been received.
    ConfirmReceive {
        /// Authorization and tracing.
        proof: Proof<'a>,
        /// The one of the request.
        identifier: &'a [u8],
        /// For how many subscribers; 1, if the subscriber is no relay.
        num_subscribers: u32,
    },
    /// S2B: that messages may have been missed is understood.
    ConfirmMissed {
        /// Authorization and tracing.
        proof: Proof<'a>,
    },
    /// S2B: nobody here wants this topic; delete the subscription. Nobody signs this.
    UnsubscribeImmediate,
}

impl<'a> Response<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// It is too short, is no answer of this protocol, or its authorization is not UTF-8.
    pub fn read(body: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(body);
        let number = reader.u16("response type")?;
        match number {
            GENERIC => Ok(Self::Generic { proof: Proof::read(&mut reader)? }),
            NOTIFY => Ok(Self::Notify {
                proof: Proof::read(&mut reader)?,
                count: reader.u32("count")?,
                identifier: reader.l8("identifier")?,
            }),
            CHECK_SUBSCRIPTIONS => {
                Ok(Self::CheckSubscriptions { proof: Proof::read(&mut reader)?, etag: Etag::read(&mut reader)? })
            }
            CONFIRM_RECEIVE => Ok(Self::ConfirmReceive {
                proof: Proof::read(&mut reader)?,
                identifier: reader.l8("identifier")?,
                num_subscribers: reader.u32("num_subscribers")?,
            }),
            CONFIRM_MISSED => Ok(Self::ConfirmMissed { proof: Proof::read(&mut reader)? }),
            UNSUBSCRIBE_IMMEDIATE => Ok(Self::UnsubscribeImmediate),
            other => {
                let problem = Problem::Unknown { expected: "3, 4, 5, 8, 9 or 10", found: other.into() };
                Err(WireError::new("response type", 0, problem))
            }
        }
    }

    /// Appends the body.
    ///
    /// # Errors
    /// A field is longer than its length can say. Nothing is appended then.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), WireError> {
        whole(out, |out| {
            out.u16(self.number());
            match self {
                Self::Generic { proof } | Self::ConfirmMissed { proof } => proof.write(out)?,
                Self::Notify { proof, count, identifier } => {
                    proof.write(out)?;
                    out.u32(*count);
                    out.l8("identifier", identifier)?;
                }
                Self::CheckSubscriptions { proof, etag } => {
                    proof.write(out)?;
                    etag.write(out);
                }
                Self::ConfirmReceive { proof, identifier, num_subscribers } => {
                    proof.write(out)?;
                    out.l8("identifier", identifier)?;
                    out.u32(*num_subscribers);
                }
                Self::UnsubscribeImmediate => {}
            }
            Ok(())
        })
    }

    fn number(&self) -> u16 {
        match self {
            Self::Generic { .. } => GENERIC,
            Self::Notify { .. } => NOTIFY,
            Self::CheckSubscriptions { .. } => CHECK_SUBSCRIPTIONS,
            Self::ConfirmReceive { .. } => CONFIRM_RECEIVE,
            Self::ConfirmMissed { .. } => CONFIRM_MISSED,
            Self::UnsubscribeImmediate => UNSUBSCRIBE_IMMEDIATE,
        }
    }
}
