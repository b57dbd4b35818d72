//! Losses in the log: many of them in few lines.

use std::time::Duration;

use tokio::time::Instant;

/// Between two lines, at least: six lines a minute can be read, and the first comes at once.
const EVERY: Duration = Duration::from_secs(10);

/// Losses of one kind. The first is told at once, those after it together, at the next loss or look; what is left, at the end.
pub(super) struct Losses {
    what: &'static str,
    told_at: Option<Instant>,
    untold: u64,
}

impl Losses {
    pub(super) const fn new(what: &'static str) -> Self {
        Self { what, told_at: None, untold: 0 }
    }

    pub(super) fn add(&mut self, more: u64) {
        self.untold += more;
        self.look();
    }

    /// Tells what was not told, if it is time.
    pub(super) fn look(&mut self) {
        if self.untold > 0 && self.told_at.is_none_or(|at| at.elapsed() >= EVERY) {
            self.tell();
        }
    }

    fn tell(&mut self) {
        self.told_at = Some(Instant::now());
        tracing::warn!(dropped = std::mem::take(&mut self.untold), "{}", self.what);
    }
}

impl Drop for Losses {
    fn drop(&mut self) {
        if self.untold > 0 {
            self.tell();
        }
    }
}
