//! The kind of wire.

use std::sync::Arc;

use crate::{Key, Link, Problem, Settings};

/// A kind of wire: its name, its settings, its abilities, and how to open a link on it.
///
/// A transport that can also serve a hub implements `DoorTransport` of `eventhive-listener` beside this.
pub trait Transport: Send + Sync {
    /// The word in `pubsub_type`.
    fn kind(&self) -> &'static str;

    /// Other words for the same.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// The keys of a connector's `init`. The table checks, explains and documents them.
    fn keys(&self) -> &'static [Key];

    /// Every problem in settings that passed [`keys`](Self::keys) and cannot be seen by the table, such as a certificate
    /// that cannot be read. Nothing is started; [`connect`](Self::connect) finds the same problems itself.
    fn check(&self, _settings: &Settings) -> Vec<Problem> {
        Vec::new()
    }

    /// What the wire can do, with settings left at their defaults.
    fn capabilities(&self) -> Capabilities;

    /// What the wire can do with these settings, where they make a difference.
    fn capabilities_with(&self, settings: &Settings) -> Capabilities {
        let _ = settings;
        self.capabilities()
    }

    /// Starts a link with settings that passed [`keys`](Self::keys). Returns at once, inside a tokio runtime: the link
    /// connects in the background and tells by its state.
    ///
    /// # Errors
    /// Every problem in the settings that the table cannot see.
    fn connect(&self, settings: &Settings) -> Result<Arc<dyn Link>, Vec<Problem>>;
}

/// What a wire can do. The connector makes up for what is missing where it can, and the conformance suite skips, by
/// name, the cases that need what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// The broker matches [`Filter::Glob`](crate::Filter::Glob). Without it only exact topics can be subscribed. Where
    /// some brokers of the wire do and some do not, a link to one that does not answers
    /// [`Unsupported`](crate::LinkError::Unsupported).
    pub patterns: bool,
    /// [`Filter::All`](crate::Filter::All) can be subscribed.
    pub everything: bool,
    /// What order messages keep.
    pub order: Order,
    /// A subscription can start in the past, at a cursor.
    pub replay: bool,
    /// Payloads may be any bytes. Without it they must be UTF-8.
    pub binary: bool,
    /// The largest payload in bytes.
    pub max_payload: Option<usize>,
    /// A link receives what it published itself, where its subscriptions match.
    pub hears_itself: bool,
    /// A request can be answered on the wire, without an inbox topic.
    pub native_reply: bool,
    /// A receipt tells the number of receivers ([`Delivery::Counted`](crate::Delivery::Counted)).
    pub delivery_count: bool,
    /// A broker stands between the links, can be restarted, and is reached over TCP.
    pub broker: bool,
}

/// What order messages keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// None is promised.
    None,
    /// Each subscriber sees one publisher's messages as they were published.
    PerPublisher,
    /// All subscribers see all messages in one order.
    Total,
}
