//! Parts of messages that were sent and not acknowledged yet.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::num::NonZeroUsize;

use tokio::sync::Notify;

use crate::wire::stateful::S2b;

/// A part that waits for its acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) identifier: [u8; 4],
    pub(super) part_id: u64,
    pub(super) is_last: bool,
}

/// An acknowledgement that nothing waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Mismatch {
    #[error("an acknowledgement, and all has been acknowledged")]
    Surplus,
    #[error("an acknowledgement of something else than part {} of the message {:02x?}", .0.part_id, .0.identifier)]
    Other(Sent),
}

/// The parts that wait, in order.
#[derive(Default)]
pub(super) struct Window {
    sent: RefCell<VecDeque<Sent>>,
    freed: Notify,
    filled: Notify,
}

/// Parts that wait where that has no other limit: some 2 MB.
const MOST: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();

impl Window {
    /// Resolves when fewer than `most` parts wait.
    pub(super) async fn room(&self, most: Option<NonZeroUsize>) {
        let most = most.unwrap_or(MOST).min(MOST).get();
        while self.sent.borrow().len() >= most {
            self.freed.notified().await;
        }
    }

    pub(super) fn push(&self, sent: Sent) {
        self.sent.borrow_mut().push_back(sent);
        self.filled.notify_one();
    }

    /// Whether no acknowledgement is waited for.
    pub(super) fn is_empty(&self) -> bool {
        self.sent.borrow().is_empty()
    }

    /// Resolves when one more part waits. For one waiter.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Whether this acknowledges the oldest part that waits.
    pub(super) fn check(&self, message: &S2b<'_>) -> Result<(), Mismatch> {
        let oldest = *self.sent.borrow().front().ok_or(Mismatch::Surplus)?;
        let is_it = match message {
            S2b::ConfirmReceive { identifier, .. } => oldest.is_last && *identifier == oldest.identifier,
            S2b::ContinueReceive(receipt) => {
                !oldest.is_last && receipt.identifier == oldest.identifier && receipt.part_id == oldest.part_id
            }
            _ => false,
        };
        if is_it { Ok(()) } else { Err(Mismatch::Other(oldest)) }
    }

    /// The oldest part that waits has been acknowledged.
    pub(super) fn acknowledged(&self) {
        self.sent.borrow_mut().pop_front();
        self.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_window_without_a_limit_does_not_grow_without_end() {
        let window = Window::default();
        let sent = Sent { identifier: [0; 4], part_id: 0, is_last: true };
        for _ in 0..MOST.get() {
            assert!(window.room(None).now_or_never().is_some());
            window.push(sent);
        }
        assert!(window.room(None).now_or_never().is_none());
        window.acknowledged();
        assert!(window.room(None).now_or_never().is_some());
    }
}
