//! The states of a link's parts, and the state of the whole.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use eventhive_transport::LinkState;
use tokio::sync::watch;

/// Names a part: the publisher is 0.
pub(super) type PartId = u64;

/// A link is up when all its parts are.
pub(super) struct Standing {
    url: String,
    parts: Mutex<BTreeMap<PartId, LinkState>>,
    whole: watch::Sender<LinkState>,
}

impl Standing {
    pub(super) fn new(url: String) -> Self {
        Self { url, parts: Mutex::default(), whole: watch::Sender::new(LinkState::Connecting) }
    }

    pub(super) fn watch(&self) -> watch::Receiver<LinkState> {
        self.whole.subscribe()
    }

    pub(super) fn is_up(&self) -> bool {
        self.whole.borrow().is_up()
    }

    /// A part's state has changed. A part counts from its first word on.
    pub(super) fn set(&self, part: PartId, state: LinkState) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.insert(part, state);
        self.tell(&parts);
    }

    /// A part has gone.
    pub(super) fn remove(&self, part: PartId) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.remove(&part);
        self.tell(&parts);
    }

    pub(super) fn close(&self) {
        self.whole.send_replace(LinkState::Closed);
    }

    /// Under the lock of the parts, so that the whole is told in the order in which they change.
    fn tell(&self, parts: &BTreeMap<PartId, LinkState>) {
        let now = whole(parts);
        self.whole.send_if_modified(|known| {
            let news = *known != now && *known != LinkState::Closed;
            if news {
                self.log(&now);
                *known = now;
            }
            news
        });
    }

    fn log(&self, state: &LinkState) {
        let url = &self.url;
        match state {
            LinkState::Connecting => tracing::debug!(%url, "connecting"),
            LinkState::Up => tracing::info!(%url, "the link is up"),
            LinkState::Down { reason, gave_up: false } => tracing::warn!(%url, %reason, "the link is down"),
            LinkState::Down { reason, gave_up: true } => tracing::error!(%url, %reason, "the link has given up"),
            LinkState::Closed => tracing::debug!(%url, "the link is closed"),
        }
    }
}

/// Given up as soon as one part has; else connecting as long as one tries; else down as soon as one is.
fn whole(parts: &BTreeMap<PartId, LinkState>) -> LinkState {
    let gave_up = |state: &&LinkState| matches!(state, LinkState::Down { gave_up: true, .. });
    let is_down = |state: &&LinkState| matches!(state, LinkState::Down { .. });
    let found = parts.values().find(gave_up);
    let found = found.or_else(|| parts.values().find(|state| **state == LinkState::Connecting));
    found.or_else(|| parts.values().find(is_down)).cloned().unwrap_or(LinkState::Up)
}

/// Down for now, for this reason.
pub(super) fn down(reason: impl Into<Arc<str>>) -> LinkState {
    LinkState::Down { reason: reason.into(), gave_up: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_up_when_all_its_parts_are_and_tells_what_is_in_the_way() {
        let standing = Standing::new(String::new());
        let state = standing.watch();
        standing.set(0, LinkState::Up);
        assert!(standing.is_up());
        standing.set(1, down("why"));
        assert_eq!(*state.borrow(), down("why"));
        standing.set(0, LinkState::Connecting);
        assert_eq!(*state.borrow(), LinkState::Connecting);
        standing.set(0, LinkState::Up);
        standing.remove(1);
        assert!(standing.is_up());
        standing.close();
        standing.set(0, down("late"));
        assert_eq!(*state.borrow(), LinkState::Closed);
    }
}
