//! The broker of a network: subscriptions index, fan-out, bounded queues, backlog with cursors. It knows no protocol;
//! doors bring the protocols.
//!
//! A door takes events in with [`Hub::publish`] from any thread. For each of its sockets it opens a [`Session`] on the
//! [`Worker`] of the socket's thread, subscribes [filters](eventhive_transport::Filter) on it, and writes what its
//! [`Outgoing`] yields to the socket, each message encoded once per protocol ([`Message::encoded`]).
//!
//! One lock makes the order: under it a message is stamped, appended to the backlog, matched, and handed to the inbox of
//! each worker concerned, once per worker. The rest of the fan-out happens on the workers' threads without a lock.
//!
//! ```
//! use eventhive_hub::{Draft, Hub, HubSettings, Outbound, SessionSettings};
//! use eventhive_transport::Filter;
//! use futures_util::StreamExt;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # tokio::task::LocalSet::new().block_on(&runtime, async {
//! let hub = Hub::new(HubSettings::default());
//! let (session, mut outgoing) = hub.worker().open(SessionSettings::default());
//! session.subscribe(Filter::exact("worker/action"))?;
//!
//! hub.ready().await;
//! let published = hub.publish(Draft::json("worker/action", r#"{"param1": 1}"#))?;
//! assert_eq!(published.receivers, 1);
//!
//! let Some(Outbound::Event { message, .. }) = outgoing.next().await else { panic!("the session is open") };
//! assert_eq!(message.cursor(), published.cursor);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Layout
//!
//! - `hub`: the [`Hub`]: publish, ready, close. `core`: what its lock guards.
//! - `message`, `cursor`, `tracker`, `access`: what travels, its place, who waits for it, who may see it. `veil`: what of its
//!   place clients are told.
//! - `index`: filters to sessions; a cache of whole matches. [`grams`]: patterns by a piece of their text.
//! - `lane`: the way from publishers to one worker. `worker`: the fan-out on a thread.
//! - `session`, `queue`, `outgoing`: a session's handle, its bounded queue, and what the socket reads. `relay`: whom a
//!   session stands for that passes events on.
//! - `backlog`, `memory`, [`disk`]: the log of past messages: the trait, the one in memory, and the one on disk.
//!   `replay`: from history to live.
//! - `local`: the link of hives in the hub's own process.
//! - `keys`: the backlog in a configuration. `settings`, `stats`, `error`.

mod access;
mod backlog;
mod core;
mod cursor;
pub mod disk;
mod error;
pub mod grams;
mod hub;
mod index;
mod keys;
mod lane;
mod local;
mod memory;
mod message;
mod outgoing;
mod queue;
mod relay;
mod replay;
mod session;
mod settings;
mod stats;
mod tracker;
mod veil;
mod worker;

pub use access::Access;
pub use backlog::{Backlog, Extent, Start};
pub use cursor::Cursor;
pub use disk::{DiskBacklog, DiskSettings};
pub use error::{BacklogError, CursorError, PublishError, PublishRefused, ReplayError, SendError, SubscribeError};
pub use hub::{Hub, Published};
pub use index::SubscriptionId;
pub use keys::{BACKLOG_KEYS, BacklogSettings, parse_age};
pub use local::LocalLink;
pub use memory::MemoryBacklog;
pub use message::{Draft, Format, Message, ProtocolId};
pub use outgoing::{Outbound, Outgoing};
pub use queue::Ended;
pub use relay::Relay;
pub use session::{Monitor, Session, SessionId};
pub use settings::{BacklogBounds, HubSettings, SessionSettings};
pub use stats::{Drops, HubStats};
pub use tracker::{Tracked, Tracker};
pub use veil::{CursorKey, PublicCursor};
pub use worker::Worker;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks even when a thread has panicked with the lock: what our locks guard is whole after each statement, and one
/// door's panic must not stop the hub.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
