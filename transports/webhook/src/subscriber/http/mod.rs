//! The HTTP client: broadcasters are asked by requests, and deliver to urls of ours.
//!
//! # How to read it
//! - `urls`: where broadcasters deliver to. `requests`: what they are asked.
//! - `keeper`: the task that keeps subscriptions at the broadcasters as they are wanted here.
//! - `receiver`: the endpoints. `publisher`: what a link publishes, in order.

mod keeper;
mod publisher;
mod receiver;
mod requests;
mod urls;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{Notify, watch};

pub(crate) use keeper::keep;
pub(crate) use publisher::publish;
pub use receiver::Receiver;
pub(crate) use urls::Urls;

use super::asker::Asker;
use super::condition::Teller;
use super::credentials::Credentials;
use super::error::SubscriberError;
use super::missed::Missed;
use super::outbox::Outbox;
use super::table::Table;
use crate::message::Message;

/// What the HTTP client's parts share.
pub(crate) struct Http {
    pub(crate) table: Arc<Table>,
    pub(crate) teller: Arc<Teller>,
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) asker: Asker,
    /// Unset publishes alone.
    pub(crate) urls: OnceLock<Urls>,
    pub(crate) settings: HttpSettings,
    /// Of a link: it is open while the link is up.
    pub(crate) outbox: Option<Arc<Outbox>>,
    missed: Missed,
    /// A look at whether subscriptions stand is due.
    look: Notify,
    /// Set when the subscriber closes: nothing is received any more.
    pub(crate) closing: AtomicBool,
    /// Which broadcaster answers, where one is held on to.
    at: watch::Sender<Option<usize>>,
}

#[derive(Debug, Clone)]
pub(crate) struct HttpSettings {
    pub(crate) spool_bytes: usize,
    pub(crate) max_message_bytes: u64,
    /// How often subscriptions are compared with the broadcasters'.
    pub(crate) check_interval: Duration,
    /// How long one has to wait after a MISSED: Python's broadcaster may then delete the subscription by itself.
    pub(crate) check_after_missed: Duration,
    /// Whether one broadcaster is held on to, and asked as often as this whether it is there.
    pub(crate) pulse: Option<Pulse>,
}

/// Holding on to one broadcaster.
#[derive(Debug, Clone)]
pub(crate) struct Pulse {
    pub(crate) every: Duration,
    /// For the waits between attempts to reach one.
    pub(crate) backoff: eventhive_transport::Backoff,
}

impl Http {
    pub(crate) fn new(
        table: Arc<Table>,
        teller: Arc<Teller>,
        credentials: Arc<Credentials>,
        asker: Asker,
        settings: HttpSettings,
    ) -> Self {
        Self {
            table,
            teller,
            credentials,
            asker,
            urls: OnceLock::new(),
            settings,
            outbox: None,
            missed: Missed::default(),
            look: Notify::new(),
            closing: AtomicBool::new(false),
            at: watch::Sender::new(None),
        }
    }

    /// Publishes a message: to any broadcaster, again and again, or to the one that is held on to, once.
    pub(crate) async fn notify(&self, message: &Message) -> Result<u64, SubscriberError> {
        let credentials = &self.credentials;
        let make = || requests::notify(credentials, message);
        let read = |identifier: &_, answer: &_| requests::notified(credentials, message, identifier, answer);
        if self.settings.pulse.is_none() {
            return self.asker.ask(make, read).await;
        }
        let at = self.at.borrow().ok_or(SubscriberError::Closed)?;
        self.asker.ask_one(at, make, read).await
    }
}
