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
///
/// ```
/// use eventhive_transport::{Capabilities, Order};
///
/// const MINE: Capabilities = Capabilities::new().with_order(Order::PerPublisher).with_binary(true).with_broker(true);
/// assert!(MINE.binary && !MINE.patterns);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// The broker matches [`Filter::Glob`](crate::Filter::Glob). Without it only exact topics can be subscribed. Where
    /// some brokers of the wire do and some do not, a link to one that does not answers
    /// [`Unsupported`](crate::LinkError::Unsupported).
    pub patterns: bool,
    /// [`Filter::All`](crate::Filter::All) can be subscribed.
    pub everything: bool,
    /// [`Filter::Segments`](crate::Filter::Segments) can be subscribed.
    pub segments: bool,
    /// What order messages keep.
    pub order: Order,
    /// What is published while a link is down reaches its subscriptions when it is up again. Without it the link tells a
    /// [`gap`](crate::Sink::gap) then.
    pub resumes: bool,
    /// Payloads may be any bytes. Without it they must be UTF-8.
    pub binary: bool,
    /// The largest payload in bytes.
    pub max_payload: Option<usize>,
    /// A link receives what it published itself, where its subscriptions match.
    pub hears_itself: bool,
    /// A receipt tells the number of receivers ([`Delivery::Counted`](crate::Delivery::Counted)).
    pub delivery_count: bool,
    /// A broker stands between the links, can be restarted, and is reached over TCP.
    pub broker: bool,
}

impl Capabilities {
    /// The least that a wire can do: exact topics, text of any length, in no order, and not to oneself.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            patterns: false,
            everything: false,
            segments: false,
            order: Order::None,
            resumes: false,
            binary: false,
            max_payload: None,
            hears_itself: false,
            delivery_count: false,
            broker: false,
        }
    }

    /// The same with another [`patterns`](Self::patterns).
    #[must_use]
    pub const fn with_patterns(mut self, patterns: bool) -> Self {
        self.patterns = patterns;
        self
    }

    /// The same with another [`everything`](Self::everything).
    #[must_use]
    pub const fn with_everything(mut self, everything: bool) -> Self {
        self.everything = everything;
        self
    }

    /// The same with another [`segments`](Self::segments).
    #[must_use]
    pub const fn with_segments(mut self, segments: bool) -> Self {
        self.segments = segments;
        self
    }

    /// The same with another [`order`](Self::order).
    #[must_use]
    pub const fn with_order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// The same with another [`resumes`](Self::resumes).
    #[must_use]
    pub const fn with_resumes(mut self, resumes: bool) -> Self {
        self.resumes = resumes;
        self
    }

    /// The same with another [`binary`](Self::binary).
    #[must_use]
    pub const fn with_binary(mut self, binary: bool) -> Self {
        self.binary = binary;
        self
    }

    /// The same with another [`max_payload`](Self::max_payload).
    #[must_use]
    pub const fn with_max_payload(mut self, max_payload: Option<usize>) -> Self {
        self.max_payload = max_payload;
        self
    }

    /// The same with another [`hears_itself`](Self::hears_itself).
    #[must_use]
    pub const fn with_hears_itself(mut self, hears_itself: bool) -> Self {
        self.hears_itself = hears_itself;
        self
    }

    /// The same with another [`delivery_count`](Self::delivery_count).
    #[must_use]
    pub const fn with_delivery_count(mut self, delivery_count: bool) -> Self {
        self.delivery_count = delivery_count;
        self
    }

    /// The same with another [`broker`](Self::broker).
    #[must_use]
    pub const fn with_broker(mut self, broker: bool) -> Self {
        self.broker = broker;
        self
    }
}

impl Default for Capabilities {
    fn default() -> Self {
        Self::new()
    }
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
