//! What is remembered of messages that came, so that none is accepted twice.
//!
//! [`counters`] is for the default cipher, whose senders count their messages; [`ids`] is for `eventhive-0.5`, whose
//! messages have an id and a time. Both keep one promise: what they had to forget they refuse from then on, so that a full
//! memory makes late messages fail and never lets a replayed one in. Only what was verified is remembered: a forger can
//! push nothing out.

pub(super) mod counters;
pub(super) mod ids;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How far a message's time may be from now, and how many messages are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayWindow {
    /// The furthest that a message's time may be from now, either way.
    pub time: Duration,
    /// Messages remembered: of each sender (one bit each), or with `eventhive-0.5` of all together (about 100 bytes each).
    pub messages: usize,
}

impl Default for ReplayWindow {
    /// Five minutes, as clocks of machines without time service drift; 65,536 messages: 8 KiB for each sender, or 7 MB.
    fn default() -> Self {
        Self { time: Duration::from_secs(300), messages: 65_536 }
    }
}

impl ReplayWindow {
    /// Whether a message made at `time` may come in at `now`, both in milliseconds since the epoch.
    pub(super) fn admits(&self, time: u64, now: u64) -> bool {
        time.abs_diff(now) <= u64::try_from(self.time.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Milliseconds since the epoch.
pub(super) fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
