//! An event bus with pluggable transports: name an event, hook functions to it, call it.
//!
//! If the name is local, its hooks run in this process. If it names a network (`network/channel/event`), the call
//! travels through that network's transport, and the hooks run in every hive that listens on that channel. The handler
//! code is the same in both cases.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use eventhive::{Hive, Json};
//! use serde::Deserialize;
//! use serde_json::json;
//!
//! #[derive(Deserialize)]
//! struct Flight {
//!     flowers: u32,
//! }
//!
//! let hive = Hive::local()?;
//! hive.define("bee/fly", "A bee visits flowers and returns with nectar.")?;
//! hive.hook("bee/fly", async |Json(flight): Json<Flight>| flight.flowers * 40)?;
//!
//! let outcomes = hive.call("bee/fly", json!({"flowers": 3})).await?;
//! assert_eq!(outcomes.value(), Some(&json!(120)));
//!
//! hive.emit("bee/fly", json!({"flowers": 5}))?; // nobody waits
//!
//! let error = hive.call("bee/flu", json!({})).await.unwrap_err();
//! assert!(error.to_string().contains("did you mean `bee/fly`?"));
//! # Ok(())
//! # }
//! ```
//!
//! # Verbs
//!
//! | verb | what it does |
//! |---|---|
//! | [`Hive::define`], [`Hive::hook`], [`Hive::on`], [`Hive::unhook`] | say what events there are and who handles them |
//! | [`hook`](macro@hook), [`hooks!`] | the same by an attribute on a function |
//! | [`Hive::call`] | wait for the outcome of each hook |
//! | [`Hive::emit`] | fire and forget, never waits; [`Hive::send`] waits for room |
//! | [`Hive::request`], [`Hive::request_all`] | ask, here or on a network, and get the answer of a hook or of several hives ([`request`]) |
//! | [`Hive::call_matching`], [`Hive::waterfall`], [`Hive::call_blocking`] | a call of many events; a chain; a plain thread |
//! | [`Hive::stream`] | events as a `Stream` |
//! | [`Hive::events`], [`Hive::hooks`] | what there is, where it was declared, what it has counted |
//!
//! # What each hook may rely on
//!
//! A hook is an actix actor with a bounded mailbox. Events reach it in the order in which one caller called them, and
//! with `concurrency` 1 it handles one at a time. Its panic is caught and counted; its actor is restarted and goes on
//! with the mailbox as it was. Its stall delays nobody but those who wait for it: a caller, and a hook that asks for
//! its result. A handler that is not `async` may block, because it runs on a thread of its own.
//!
//! # For those who come from Python
//!
//! - A glob hook also matches events that are defined later; hooking a name defines it and never wipes hooks.
//! - A name that was never defined can be called if a glob hook or stream matches it, but it is not listed.
//! - An error of one hook does not end the call; [`CallOptions::stop_on_error`] brings that back.
//! - Strictly local events (no segment names a network) never leave the process.
//! - A file that `EVENTHIVE_CONFIG` names must be there: whoever names one wants that file.
//! - The environment variable `HOOKER_SCRIPTS` has no meaning: a compiled program does not load scripts. Link the crate
//!   that holds the hooks and name it (`use plugin as _;`).
//!
//! # Layout
//!
//! - `hive`, `builder`, `hooking`: [`Hive`] and how it and its hooks are put together.
//! - `event`, `payload`: what is called.
//! - [`handler`]: what can be hooked: arguments, results, actors.
//! - [`request`]: asking and answering.
//! - `registry`: events, hooks, mailboxes, calls.
//! - `runtime`: the threads and actors that run hooks.
//! - `declared`: hooks declared by attribute.
//! - [`config`]: what a configuration says, and what is wrong with it.
//! - `start`: from a configuration to what runs, and back.
//! - `connector`: a hive's membership in one network; [`envelope`] seals and opens what travels.
//! - `server`: the hubs that a hive runs. `discovery`: finding them, and being found.

// The macros' code names this crate from outside, also where it stands in the crate's own tests.
#[allow(unused_extern_crates, reason = "used by macros only")]
extern crate self as eventhive;

mod builder;
pub mod config;
mod connector;
mod declared;
#[cfg(feature = "discovery")]
pub mod discovery;
pub mod envelope;
mod event;
pub mod handler;
mod hive;
mod hooking;
mod payload;
mod registry;
pub mod request;
mod runtime;
mod server;
mod start;

pub use builder::{BuildError, HiveBuilder};
pub use config::Config;
pub use connector::ConnectorStats;
pub use declared::DeclaredHook;
pub use event::{Event, Exchange, Metadata, Origin};
pub use eventhive_listener::{Bound, BoundDoor};
pub use eventhive_macros::{hook, main};
pub use eventhive_transport::{EventName, Glob, LinkState, NameError, Overflow};
pub use handler::{HookError, Json, State};
pub use hive::Hive;
pub use hooking::{HookBuilder, HookGuard, HookHandle};
pub use payload::{Misfit, Payload, PayloadError};
pub use registry::{
    CallError, CallOptions, Earlier, Emitted, EventInfo, EventStream, HookId, HookInfo, HookStats, IntoPatterns,
    Outcome, Outcomes, Pattern, Refusal, Registry, Route, RouteError, Sent, SetupError, Skip, Source, Status,
};
pub use request::{RemoteError, RemoteErrorKind, RequestError, RequestOptions};
pub use server::{Findings, ServerOutcome, ServerStarted};
pub use start::{ConnectorOutcome, ConnectorStarted, StartError, StartOptions, Started};

/// For the macros' code. Not part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::declared::{Collected, Declared, DeclaredHook, finish, overflow};
    pub use crate::hooking::{HookBuilder, HookHandle};
    pub use crate::registry::{SetupError, Source};
    pub use actix::System;
    pub use inventory;
}
