//! How a subscriber stands with its broadcasters, for whoever wants to know.

use std::sync::Arc;

use tokio::sync::watch;

/// Where a subscriber stands, and how often messages may have been missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Whether messages come.
    pub status: Status,
    /// Counts the times at which messages may have been missed. It changes also when `status` is [`Status::Ok`] before
    /// and after.
    pub gaps: u64,
}

/// Whether messages come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// An attempt to reach a broadcaster, the first or one more, is under way. Messages may be missed now.
    Connecting,
    /// Messages may be missed now; the text says why.
    Lost(Arc<str>),
    /// Every subscription stands, as far as is known.
    Ok,
    /// It is over: the subscriber was closed, or has given up.
    Abandoned,
}

/// Tells the condition.
#[derive(Debug)]
pub(crate) struct Teller(watch::Sender<Condition>);

impl Teller {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Condition { status: Status::Connecting, gaps: 0 }))
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Condition> {
        self.0.subscribe()
    }

    pub(crate) fn status(&self) -> Status {
        self.0.borrow().status.clone()
    }

    /// Nothing follows [`Status::Abandoned`].
    pub(crate) fn set(&self, status: Status) {
        self.0.send_if_modified(|condition| {
            let news = condition.status != status && condition.status != Status::Abandoned;
            if news {
                condition.status = status;
            }
            news
        });
    }

    pub(crate) fn gap(&self) {
        self.0.send_modify(|condition| condition.gaps += 1);
    }
}
