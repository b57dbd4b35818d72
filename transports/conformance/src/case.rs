//! What a case is, and what it needs of a wire.

use eventhive_transport::{Capabilities, Order};
use futures_util::future::BoxFuture;

use crate::cases::CASES;
use crate::context::Context;

/// How a case ends early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It failed; the text says at what.
    Failed(String),
    /// It found out under way that the wire or the fixture has no such thing.
    Lacks(&'static str),
}

/// The result of a case, and of its steps.
pub(crate) type Check<T = ()> = Result<T, Stop>;

/// Fails the case with a message unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::case::Stop::Failed(format!($($message)+)));
        }
    };
}
pub(crate) use ensure;

/// One row of the table.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// How many run in parallel.
    pub(crate) copies: usize,
    /// Whether each copy stops its broker and so must have it for itself.
    pub(crate) broker: BrokerUse,
    pub(crate) needs: &'static [Need],
    pub(crate) run: fn(Context) -> BoxFuture<'static, Check>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BrokerUse {
    Shared,
    Own,
}

/// What a case needs. A wire without it skips the case by this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need {
    /// [`Capabilities::patterns`].
    Patterns,
    /// [`Capabilities::everything`].
    Everything,
    /// [`Capabilities::segments`].
    Segments,
    /// Not all of them, so that there is a filter to refuse.
    MissingFilter,
    /// At least [`Order::PerPublisher`].
    PublisherOrder,
    /// [`Order::Total`].
    TotalOrder,
    /// [`Capabilities::resumes`].
    Resumes,
    /// Not [`Capabilities::resumes`], so that there is a loss to tell of.
    Forgets,
    /// [`Capabilities::binary`].
    Binary,
    /// Not [`Capabilities::binary`], so that there is a payload to refuse.
    TextOnly,
    /// [`Capabilities::max_payload`].
    MaxPayload,
    /// Payloads of 1 MiB.
    Megabyte,
    /// [`Capabilities::delivery_count`].
    DeliveryCount,
    /// [`Capabilities::broker`], and a fixture that has one.
    Broker,
}

impl Need {
    /// The words behind `no` in a skip.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Patterns => "patterns",
            Self::Everything => "everything",
            Self::Segments => "segments",
            Self::MissingFilter => "filter beyond its capabilities",
            Self::PublisherOrder => "order per publisher",
            Self::TotalOrder => "total order",
            Self::Resumes => "resumes",
            Self::Forgets => "loss while a link is down",
            Self::Binary => "binary",
            Self::TextOnly => "payload beyond its capabilities",
            Self::MaxPayload => "max_payload",
            Self::Megabyte => "payloads of 1 MiB",
            Self::DeliveryCount => "delivery_count",
            Self::Broker => "broker",
        }
    }

    pub(crate) fn is_met(self, capabilities: &Capabilities) -> bool {
        match self {
            Self::Patterns => capabilities.patterns,
            Self::Everything => capabilities.everything,
            Self::Segments => capabilities.segments,
            Self::MissingFilter => !(capabilities.patterns && capabilities.everything && capabilities.segments),
            Self::PublisherOrder => capabilities.order != Order::None,
            Self::TotalOrder => capabilities.order == Order::Total,
            Self::Resumes => capabilities.resumes,
            Self::Forgets => !capabilities.resumes,
            Self::Binary => capabilities.binary,
            Self::TextOnly => !capabilities.binary,
            Self::MaxPayload => capabilities.max_payload.is_some(),
            Self::Megabyte => capabilities.max_payload.is_none_or(|most| most >= MEGABYTE),
            Self::DeliveryCount => capabilities.delivery_count,
            Self::Broker => capabilities.broker,
        }
    }
}

pub(crate) const MEGABYTE: usize = 1 << 20;

/// The names of all cases, in the order in which they run.
pub fn names() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|case| case.name)
}
