//! Waiting for a store that is away.

use std::time::Duration;

use tokio::sync::watch;

use crate::store::StoreError;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// Intervals that grow, and one warning for all of them.
pub(super) struct Retry {
    what: &'static str,
    wait: Duration,
    warned: bool,
}

impl Retry {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, wait: FIRST, warned: false }
    }

    /// Waits. `false` if it is time to stop before that is over; then it is tried once more, without waiting.
    pub(super) async fn wait(&mut self, error: &StoreError, stop: &mut watch::Receiver<bool>) -> bool {
        if !std::mem::replace(&mut self.warned, true) {
            tracing::warn!(%error, "{}; it is tried again", self.what);
        }
        if *stop.borrow() {
            return false;
        }
        let wait = self.wait;
        self.wait = (wait * 2).min(LONGEST);
        tokio::select! {
            () = stopped(stop) => {}
            () = tokio::time::sleep(wait) => {}
        }
        true
    }
}

/// Waits until it is time to stop.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that whoever could tell is gone.
    let _ = stop.wait_for(|stop| *stop).await;
}
