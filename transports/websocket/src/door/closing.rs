//! How sessions end, in the words of the wire: RFC 6455, section 7.4.

use std::borrow::Cow;

use bytes::Bytes;

use crate::wire::frame;

/// The code and the text of a close frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Close {
    pub(super) code: u16,
    pub(super) reason: Cow<'static, str>,
}

impl Close {
    const fn fixed(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    /// The websocket protocol was broken.
    pub(super) fn protocol(what: impl Into<Cow<'static, str>>) -> Self {
        Self { code: 1002, reason: what.into() }
    }

    /// A message that the protocol of the hub does not know.
    pub(super) fn policy(what: impl Into<Cow<'static, str>>) -> Self {
        Self { code: 1008, reason: what.into() }
    }

    pub(super) const BINARY: Self = Self::fixed(1003, "only text frames are understood here");
    pub(super) const NOT_UTF8: Self = Self::fixed(1007, "a text frame is not UTF-8");
    pub(super) const TOO_LARGE: Self = Self::fixed(1009, "the message is too large");
    /// As the Python server says it.
    pub(super) const PING_TIMEOUT: Self = Self::fixed(1011, "keepalive ping timeout");
    /// As the Python server ends on SIGTERM.
    pub(super) const RESTART: Self = Self::fixed(1012, "");
    pub(super) const SLOW: Self = Self::fixed(1013, "too slow: events were not read in time");
    pub(super) const UNREAD_ANSWERS: Self = Self::fixed(1008, "answers are not read");

    pub(super) fn frame(&self) -> Bytes {
        frame::close(self.code, &self.reason)
    }
}
