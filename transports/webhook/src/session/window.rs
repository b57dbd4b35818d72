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
}

impl Window {
    /// Resolves when fewer than `most` parts wait.
    pub(super) async fn room(&self, most: Option<NonZeroUsize>) {
        while most.is_some_and(|most| self.sent.borrow().len() >= most.get()) {
            self.freed.notified().await;
        }
    }

    pub(super) fn push(&self, sent: Sent) {
        self.sent.borrow_mut().push_back(sent);
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
