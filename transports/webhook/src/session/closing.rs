//! How sessions end, in the words of RFC 6455, section 7.4.
//!
//! The protocol gives codes no meaning: whatever the code, a subscriber connects again and subscribes again. The reasons are
//! for people.

use std::borrow::Cow;

use bytes::Bytes;
use eventhive_listener::{Count, websocket};

use super::stats::Counters;

/// The code and the text of a close frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Close {
    code: u16,
    reason: Cow<'static, str>,
}

impl Close {
    /// Something that the protocol does not allow, or that is not authorized. Python's broadcaster says the same code, and
    /// no reason.
    pub(super) fn refused(why: impl ToString) -> Self {
        Self { code: 1000, reason: why.to_string().into() }
    }

    /// The websocket protocol itself was broken.
    pub(super) fn protocol(why: impl ToString) -> Self {
        Self { code: 1002, reason: why.to_string().into() }
    }

    pub(super) fn too_large(why: impl ToString) -> Self {
        Self { code: 1009, reason: why.to_string().into() }
    }

    /// It is our own fault, and may work later.
    pub(super) fn failed(why: &'static str) -> Self {
        Self::fixed(1011, why)
    }

    /// What was asked cannot be done now.
    pub(super) fn unable(why: impl ToString) -> Self {
        Self { code: 1011, reason: why.to_string().into() }
    }

    const fn fixed(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    pub(super) const TEXT: Self = Self::fixed(1000, "only binary messages are understood here");
    pub(super) const UNCONFIGURED: Self = Self::fixed(1000, "CONFIGURE did not come in time");
    pub(super) const PING_TIMEOUT: Self = Self::fixed(1011, "keepalive ping timeout");
    pub(super) const RESTART: Self = Self::fixed(1012, "");
    pub(super) const SLOW: Self = Self::fixed(1013, "too slow: messages were not acknowledged in time");

    pub(super) fn frame(&self) -> Bytes {
        websocket::close(self.code, &self.reason)
    }

    /// The counter of sessions that end like this.
    pub(super) fn counter<'c>(&self, counters: &'c Counters) -> Option<&'c Count> {
        match self.code {
            1000 | 1002 | 1009 if *self != Self::UNCONFIGURED => Some(&counters.faulty),
            1000 => Some(&counters.silent),
            1011 if *self == Self::PING_TIMEOUT => Some(&counters.silent),
            1011 => Some(&counters.failed),
            1013 => Some(&counters.slow),
            _ => None,
        }
    }
}
