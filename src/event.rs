//! An event on its way: name, payload, metadata, and where it came from.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use eventhive_transport::EventName;
use uuid::Uuid;

use crate::Payload;
use crate::handler::HookError;

/// An event. Cheap to clone: all parts are shared, one allocation holds them.
///
/// It is also the message that a hooked actix actor handles; the actor's answer is the hook's outcome:
///
/// ```
/// use actix::prelude::*;
/// use eventhive::{Event, HookError};
///
/// struct Bee;
/// impl Actor for Bee {
///     type Context = Context<Self>;
/// }
/// impl Handler<Event> for Bee {
///     type Result = Result<serde_json::Value, HookError>;
///     fn handle(&mut self, event: Event, _: &mut Context<Self>) -> Self::Result {
///         Ok(event.name().as_str().into())
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Event(Arc<Parts>);

struct Parts {
    name: EventName,
    payload: Payload,
    stamp: OnceLock<Box<Stamp>>,
    origin: Origin,
}

/// Behind a pointer, because most events that stay in the process never get one.
struct Stamp {
    metadata: Metadata,
    /// Whether the metadata came with the event.
    sent: bool,
}

/// Where an event entered this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It was called in this process.
    Local,
    /// It came in from the network of this name. Such an event is never published again.
    Network(Arc<str>),
}

/// What travels beside the payload, as in the metadata object of a message (Python eventhive 0.5.0).
#[derive(Debug, Clone, PartialEq)]
pub struct Metadata {
    /// A UUID of version 4 in its text form. A peer may have sent another text.
    pub id: String,
    /// Seconds since the epoch when the event was called (see [`Event::metadata`]).
    pub time: f64,
    /// The version of the hive that called it.
    pub version: String,
    /// The full name as it was called, the network included.
    pub event: String,
    /// What an event has that asks for an answer, or is one. Most events are neither.
    pub exchange: Option<Box<Exchange>>,
}

/// An event's part in a request and its answer. The format on the wire is written down in [`request`](crate::request).
#[derive(Debug, Clone, PartialEq)]
pub enum Exchange {
    /// It asks for an answer.
    Request {
        /// The full name of the event to answer with; `None` if it was asked in this process.
        reply_to: Option<String>,
        /// Seconds since the epoch after which nobody waits for the answer any more.
        deadline: Option<f64>,
    },
    /// It is an answer.
    Reply {
        /// The id of the event that asked.
        in_reply_to: String,
        /// The id of the hive that answers, if it gave one.
        from: Option<String>,
        /// Whether the payload is an error in place of a value.
        is_error: bool,
    },
}

impl Event {
    /// An event called in this process.
    #[must_use]
    pub fn new(name: EventName, payload: impl Into<Payload>) -> Self {
        Self::assemble(name, payload.into(), None, Origin::Local)
    }

    /// An event that came in from `network`, under the name that it has in this process. Without `metadata` it gets
    /// its own when that is first asked for.
    #[must_use]
    pub fn received(name: EventName, payload: Payload, metadata: Option<Metadata>, network: Arc<str>) -> Self {
        let stamp = metadata.map(|metadata| Stamp { metadata, sent: true });
        Self::assemble(name, payload, stamp, Origin::Network(network))
    }

    /// An event called in this process that asks for an answer.
    pub(crate) fn asking(name: EventName, payload: Payload, id: Uuid, exchange: Exchange) -> Self {
        let mut metadata = Metadata::made_now(id, name.as_str());
        metadata.exchange = Some(Box::new(exchange));
        Self::assemble(name, payload, Some(Stamp { metadata, sent: false }), Origin::Local)
    }

    /// The same event with another payload: one step of a waterfall.
    pub(crate) fn with_payload(&self, payload: Payload) -> Self {
        let Stamp { metadata, sent } = self.stamp();
        let stamp = Stamp { metadata: metadata.clone(), sent: *sent };
        Self::assemble(self.0.name.clone(), payload, Some(stamp), self.0.origin.clone())
    }

    fn assemble(name: EventName, payload: Payload, stamp: Option<Stamp>, origin: Origin) -> Self {
        let stamp = stamp.map_or_else(OnceLock::new, |stamp| OnceLock::from(Box::new(stamp)));
        Self(Arc::new(Parts { name, payload, stamp, origin }))
    }

    /// The event's name in this process.
    #[must_use]
    pub fn name(&self) -> &EventName {
        &self.0.name
    }

    /// What the event carries.
    #[must_use]
    pub fn payload(&self) -> &Payload {
        &self.0.payload
    }

    /// Where the event entered this process.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// The metadata that came with the event from the network; `None` if it came without, or was called in this process.
    #[must_use]
    pub fn sent_metadata(&self) -> Option<&Metadata> {
        self.0.stamp.get().filter(|stamp| stamp.sent).map(|stamp| &stamp.metadata)
    }

    /// When the caller stops waiting for the answer, by the caller's clock; `None` if nobody waits, or it was not said. A hook
    /// with much to do may look here whether it is still worth while.
    #[must_use]
    pub fn deadline(&self) -> Option<SystemTime> {
        match self.exchange()? {
            Exchange::Request { deadline: Some(seconds), .. } => {
                UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(*seconds).ok()?)
            }
            _ => None,
        }
    }

    /// Where an answer is expected, for an event from a network whose caller waits for one.
    #[must_use]
    pub fn reply_to(&self) -> Option<&str> {
        match self.exchange()? {
            Exchange::Request { reply_to, .. } => reply_to.as_deref(),
            Exchange::Reply { .. } => None,
        }
    }

    /// Without making metadata for an event that has none.
    fn exchange(&self) -> Option<&Exchange> {
        self.0.stamp.get()?.metadata.exchange.as_deref()
    }

    /// The event's metadata, made when first asked for: an event that stays in the process mostly needs none, and
    /// reading the clock would cost as much as all the rest of the way to a hook. Its time is that moment. An event that
    /// goes to a network is asked before the call returns.
    pub fn metadata(&self) -> &Metadata {
        &self.stamp().metadata
    }

    fn stamp(&self) -> &Stamp {
        self.0.stamp.get_or_init(|| {
            let metadata = Metadata::made_now(Uuid::new_v4(), self.0.name.as_str());
            Box::new(Stamp { metadata, sent: false })
        })
    }
}

impl Metadata {
    /// Of an event that is called now under its full name.
    pub(crate) fn made_now(id: Uuid, event: &str) -> Self {
        Self {
            id: id.to_string(),
            time: since_epoch(SystemTime::now()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            event: event.to_owned(),
            exchange: None,
        }
    }
}

/// A time as it travels: seconds since the epoch.
pub(crate) fn since_epoch(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}

impl actix::Message for Event {
    type Result = Result<serde_json::Value, HookError>;
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("name", &self.0.name)
            .field("payload", &self.0.payload)
            .field("origin", &self.0.origin)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_fits_the_small_sizes_of_the_allocator() {
        assert!(size_of::<Parts>() <= 104, "{}", size_of::<Parts>());
    }

    #[test]
    fn metadata_is_made_once_and_shared_by_clones() {
        let event = Event::new(EventName::new("net/worker/act").unwrap(), ());
        let clone = event.clone();
        assert_eq!(event.metadata(), clone.metadata());
        assert_eq!(event.metadata().id.len(), 36);
        assert_eq!(event.metadata().event, "net/worker/act");
        assert!(event.metadata().time > 1.7e9);
    }

    #[test]
    fn metadata_that_came_in_is_kept_as_it_is() {
        let (version, event) = ("0.5.0".into(), "net/worker/act".into());
        let metadata = Metadata { id: "x".into(), time: 1.5, version, event, exchange: None };
        let name = EventName::new("worker/act").unwrap();
        let event = Event::received(name, Payload::from(()), Some(metadata.clone()), "net".into());
        assert_eq!(event.metadata(), &metadata);
        assert_eq!(event.origin(), &Origin::Network("net".into()));
    }

    #[test]
    fn a_deadline_that_is_no_time_is_none() {
        let event = |deadline| {
            let exchange = Exchange::Request { reply_to: None, deadline };
            Event::asking(EventName::new("a").unwrap(), ().into(), Uuid::new_v4(), exchange)
        };
        assert_eq!(event(Some(1.5)).deadline(), Some(UNIX_EPOCH + Duration::from_millis(1500)));
        for odd in [None, Some(-1.0), Some(f64::MAX), Some(f64::NAN)] {
            assert_eq!(event(odd).deadline(), None, "{odd:?}");
        }
    }
}
