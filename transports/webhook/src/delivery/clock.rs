//! Time, which a test can have its own of.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Since the clock began. Never goes back.
    pub elapsed: Duration,
    /// Milliseconds since the epoch, by the machine's clock.
    pub epoch_ms: u64,
}

impl Now {
    /// Seconds since the epoch.
    #[must_use]
    pub fn epoch_secs(&self) -> u64 {
        self.epoch_ms / 1000
    }
}

/// What is asked for the time. Clones are the same clock.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Now + Send + Sync>);

impl Clock {
    /// One that this function is.
    pub fn new(now: impl Fn() -> Now + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The machine's.
    #[must_use]
    pub fn system() -> Self {
        let start = Instant::now();
        Self::new(move || {
            let epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            Now { elapsed: start.elapsed(), epoch_ms: u64::try_from(epoch.as_millis()).unwrap_or(u64::MAX) }
        })
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Now {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({:?})", self.now())
    }
}
