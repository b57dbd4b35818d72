//! Where a remote event goes: the seam between the registry and the connectors.

use crate::Event;

/// A way out of the process for the events of one network.
pub trait Route: Send + Sync {
    /// Hands the event to the network. Runs in the caller's thread and never blocks.
    ///
    /// # Errors
    /// [`RouteError`] if the network does not take it.
    fn publish(&self, event: &Event) -> Result<Sent, RouteError>;
}

/// What a network did with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sent {
    /// The link has it.
    Accepted,
    /// The link is down; the event waits in the outbox.
    Queued,
}

/// Why a network did not take an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event not sent to network `{network}`: {reason}")]
pub struct RouteError {
    /// The network.
    pub network: String,
    /// Why, and what to do about it.
    pub reason: String,
}
