//! What an authorization vouches for, and the bytes of it that are signed.
//!
//! All kinds begin alike: `u8` kind, `u64` timestamp, nonce, tracing. Then come the fields of the kind in the order in
//! which they stand here, unless said otherwise. On a websocket `url`, and `recovery` of [`Claim::Missed`], are counter
//! urls (see [`counter`](crate::wire::stateful::counter)), which tie a message to its connection and place.

use crate::wire::Interest;
use crate::wire::auth::stamp::Stamp;
use crate::wire::digest::Hash;
use crate::wire::error::WireError;
use crate::wire::etag::Etag;
use crate::wire::stateful::Compressor;
use crate::wire::write::{Output, Writer};

/// Which of the two secrets signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// What subscribers say.
    ToBroadcaster,
    /// What broadcasters say.
    ToSubscriber,
}

/// What an authorization vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim<'a> {
    /// S2B: begin a subscription. Ending one is the same claim, without `recovery`. The interest is signed last.
    Subscribe {
        /// The receive url.
        url: &'a str,
        /// What is wanted.
        interest: Interest<'a>,
        /// The recovery url.
        recovery: Option<&'a str>,
    },
    /// S2B: publish a message.
    Notify {
        /// Under which topic.
        topic: &'a [u8],
        /// Which message.
        identifier: &'a [u8],
        /// Of the bytes that are sent: of the compressed ones, if the message is compressed.
        sha512: &'a Hash,
    },
    /// S2B: begin a connection.
    Configure {
        /// The subscriber's half of the connection's nonce.
        subscriber_nonce: &'a [u8; 32],
        /// Whether it takes compressed messages.
        enable_zstd: bool,
        /// Whether it takes dictionaries that were trained on the connection.
        enable_training: bool,
        /// Which preset dictionary it wants; 0 and 1 are none.
        initial_dict: u16,
    },
    /// S2B: ask for the etag of a URL.
    CheckSubscriptions {
        /// The receive url.
        url: &'a str,
    },
    /// S2B: replace all subscriptions of a URL.
    SetSubscriptions {
        /// The receive url.
        url: &'a str,
        /// Of the lists.
        etag: &'a Etag,
    },
    /// S2B: a part of a message has been received.
    ContinueReceive {
        /// Of the message.
        identifier: &'a [u8],
        /// Which part; at most 255 can be signed.
        part_id: u64,
        /// The counter url.
        url: &'a str,
    },
    /// S2B: a message has been received.
    ConfirmReceive {
        /// Of the message.
        identifier: &'a [u8],
        /// For how many.
        num_subscribers: u32,
        /// The receive url of the subscription.
        url: &'a str,
    },
    /// S2B: that messages may have been missed is understood.
    ConfirmMissed {
        /// Of which topic.
        topic: &'a [u8],
        /// The recovery url.
        url: &'a str,
    },
    /// B2S: deliver a message. Signed in the order url, topic, identifier, hash.
    Receive {
        /// The receive url of the subscription, with its fragment.
        url: &'a str,
        /// Of which topic.
        topic: &'a [u8],
        /// Which message.
        identifier: &'a [u8],
        /// Of the bytes that are sent.
        sha512: &'a Hash,
    },
    /// B2S: messages may have been missed.
    Missed {
        /// The recovery url.
        recovery: &'a str,
        /// Of which topic.
        topic: &'a [u8],
    },
    /// B2S: a subscription has begun, or, without `recovery`, has ended. The interest is signed last.
    ConfirmSubscribe {
        /// The URL of the request.
        url: &'a str,
        /// The interest of the request.
        interest: Interest<'a>,
        /// The recovery url of the request.
        recovery: Option<&'a str>,
    },
    /// B2S: a message has been delivered.
    ConfirmNotify {
        /// The one of the request.
        identifier: &'a [u8],
        /// How many subscribers confirmed it; at most 2^32 - 1 can be signed.
        subscribers: u64,
        /// The topic of the request.
        topic: &'a [u8],
        /// Of the message as it was sent, but after a compressed NOTIFY on a websocket of the message as it is.
        sha512: &'a Hash,
    },
    /// B2S: the etag of a URL that was asked for.
    CheckSubscriptionsResponse {
        /// The etag of the answer.
        etag: &'a Etag,
    },
    /// B2S: all subscriptions have been replaced.
    SetSubscriptionsResponse {
        /// The etag of the request.
        etag: &'a Etag,
    },
    /// B2S: a connection has begun.
    ConfirmConfigure {
        /// The broadcaster's half of the connection's nonce.
        broadcaster_nonce: &'a [u8; 32],
    },
    /// B2S: a compressor without a dictionary, or with a preset one, may be used from now on.
    EnableZstdPreset {
        /// The counter url.
        url: &'a str,
        /// Which, and for what.
        compressor: Compressor,
    },
    /// B2S: a compressor with a dictionary that was trained on the connection may be used from now on.
    EnableZstdCustom {
        /// The counter url.
        url: &'a str,
        /// Which, and for what.
        compressor: Compressor,
        /// Of the dictionary.
        sha512: &'a Hash,
    },
    /// B2S: a compressor is used no more. Signed in the order identifier, url.
    DisableZstdCustom {
        /// The counter url.
        url: &'a str,
        /// Which; at most 2^32 - 1 can be signed.
        compressor_id: u64,
    },
    /// B2S: a part of a message has been received.
    ContinueNotify {
        /// Of the message.
        identifier: &'a [u8],
        /// Which part; at most 2^32 - 1 can be signed.
        part_id: u64,
    },
}

impl Claim<'_> {
    /// Whose secret signs it.
    #[must_use]
    pub fn direction(&self) -> Direction {
        if self.number() <= 9 { Direction::ToBroadcaster } else { Direction::ToSubscriber }
    }

    /// The bytes that are signed.
    ///
    /// # Errors
    /// A field is longer, or a number greater, than these bytes can say.
    pub fn signed_bytes(&self, tracing: &[u8], stamp: Stamp<'_>) -> Result<Vec<u8>, WireError> {
        let mut bytes = Vec::new();
        self.write(tracing, stamp, &mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn write<O: Output>(&self, tracing: &[u8], stamp: Stamp<'_>, out: &mut O) -> Result<(), WireError> {
        let mut out = Writer::new(out);
        out.u8(self.number());
        out.u64(stamp.timestamp);
        out.l8("nonce", stamp.nonce.as_bytes())?;
        out.l16("tracing", tracing)?;
        self.fields(&mut out)
    }

    fn number(&self) -> u8 {
        match self {
            Self::Subscribe { interest: Interest::Exact(_), .. } => 1,
            Self::Subscribe { interest: Interest::Glob(_), .. } => 2,
            Self::Notify { .. } => 3,
            Self::Configure { .. } => 4,
            Self::CheckSubscriptions { .. } => 5,
            Self::SetSubscriptions { .. } => 6,
            Self::ContinueReceive { .. } => 7,
            Self::ConfirmReceive { .. } => 8,
            Self::ConfirmMissed { .. } => 9,
            Self::Receive { .. } => 10,
            Self::Missed { .. } => 11,
            Self::ConfirmSubscribe { interest: Interest::Exact(_), .. } => 12,
            Self::ConfirmSubscribe { interest: Interest::Glob(_), .. } => 13,
            Self::ConfirmNotify { .. } => 14,
            Self::CheckSubscriptionsResponse { .. } => 15,
            Self::SetSubscriptionsResponse { .. } => 16,
            Self::ConfirmConfigure { .. } => 17,
            Self::EnableZstdPreset { .. } => 18,
            Self::EnableZstdCustom { .. } => 19,
            Self::DisableZstdCustom { .. } => 20,
            Self::ContinueNotify { .. } => 21,
        }
    }

    /// One row a kind, in the order in which the fields are signed.
    fn fields<O: Output>(&self, out: &mut Writer<'_, O>) -> Result<(), WireError> {
        match *self {
            Self::Subscribe { url, interest, recovery } | Self::ConfirmSubscribe { url, interest, recovery } => {
                let wanted = Long(interest.kind().field(), interest.as_bytes());
                put(out, &[text("url", url), text("recovery", recovery.unwrap_or_default()), wanted])
            }
            Self::Notify { topic, identifier, sha512 } => {
                put(out, &[Long("topic", topic), Short("identifier", identifier), Fixed(sha512)])
            }
            Self::Configure { subscriber_nonce, enable_zstd, enable_training, initial_dict } => {
                let switches = [enable_zstd.into(), enable_training.into()];
                put(out, &[Short("nonce", subscriber_nonce), Fixed(&switches), Fixed(&initial_dict.to_be_bytes())])
            }
            Self::CheckSubscriptions { url } => put(out, &[text("url", url)]),
            Self::SetSubscriptions { url, etag } => put(out, &[text("url", url), Tag(etag)]),
            Self::ContinueReceive { identifier, part_id, url } => {
                put(out, &[Short("identifier", identifier), Number("part_id", part_id, 1), text("url", url)])
            }
            Self::ConfirmReceive { identifier, num_subscribers, url } => {
                put(out, &[Short("identifier", identifier), Fixed(&num_subscribers.to_be_bytes()), text("url", url)])
            }
            Self::ConfirmMissed { topic, url } => put(out, &[Long("topic", topic), text("url", url)]),
            Self::Receive { url, topic, identifier, sha512 } => {
                put(out, &[text("url", url), Long("topic", topic), Short("identifier", identifier), Fixed(sha512)])
            }
            Self::Missed { recovery, topic } => put(out, &[text("recovery", recovery), Long("topic", topic)]),
            Self::ConfirmNotify { identifier, subscribers, topic, sha512 } => {
                let count = Number("subscribers", subscribers, 4);
                put(out, &[Short("identifier", identifier), count, Long("topic", topic), Fixed(sha512)])
            }
            Self::CheckSubscriptionsResponse { etag } | Self::SetSubscriptionsResponse { etag } => {
                put(out, &[Tag(etag)])
            }
            Self::ConfirmConfigure { broadcaster_nonce } => put(out, &[Short("nonce", broadcaster_nonce)]),
            Self::EnableZstdPreset { url, compressor } => put(out, &[text("url", url), Zstd(compressor)]),
            Self::EnableZstdCustom { url, compressor, sha512 } => {
                put(out, &[text("url", url), Zstd(compressor), Fixed(sha512)])
            }
            Self::DisableZstdCustom { url, compressor_id } => {
                put(out, &[Number("compressor_id", compressor_id, 4), text("url", url)])
            }
            Self::ContinueNotify { identifier, part_id } => {
                put(out, &[Short("identifier", identifier), Number("part_id", part_id, 4)])
            }
        }
    }
}

/// One field of the signed bytes.
enum Field<'a> {
    /// With its length in one byte.
    Short(&'static str, &'a [u8]),
    /// With its length in two bytes.
    Long(&'static str, &'a [u8]),
    /// As it is.
    Fixed(&'a [u8]),
    Tag(&'a Etag),
    /// In as many bytes.
    Number(&'static str, u64, usize),
    Zstd(Compressor),
}

use Field::{Fixed, Long, Number, Short, Tag, Zstd};

fn text<'a>(field: &'static str, text: &'a str) -> Field<'a> {
    Long(field, text.as_bytes())
}

fn put<O: Output>(out: &mut Writer<'_, O>, fields: &[Field<'_>]) -> Result<(), WireError> {
    fields.iter().try_for_each(|field| match *field {
        Short(name, bytes) => out.l8(name, bytes),
        Long(name, bytes) => out.l16(name, bytes),
        Fixed(bytes) => {
            out.put(bytes);
            Ok(())
        }
        Tag(etag) => {
            etag.write(out);
            Ok(())
        }
        Number(name, number, bytes) => out.number(name, number, bytes),
        Zstd(Compressor { id, level, min_size, max_size }) => {
            out.number("compressor_id", id, 4)?;
            out.number("level", out.not_negative("level", level.into())?, 4)?;
            out.u64(min_size.into());
            out.u64(max_size);
            Ok(())
        }
    })
}
