//! The websocket client: one connection to one broadcaster at a time, in one task.
//!
//! # How to read it
//! - `run`: from one connection to the next.
//! - `connection`: one connection: what its two halves share, and how it begins and ends.
//! - `writing`: what is sent, in the order in which it is signed. `reading`: what comes.
//!
//! # Rules of the wire that shaped it
//! - Each message that a broadcaster answers has its place in one queue, and answers have to come in that order.
//! - What is received is acknowledged at once and in order, whoever takes it later.
//! - Reading goes on while writing waits: a broadcaster that is not acknowledged stops to read.

mod connection;
mod reading;
mod run;
mod writing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use eventhive_transport::Backoff;
use rustls::ClientConfig;

pub(crate) use run::run;

use super::broadcasters::Broadcaster;
use super::condition::Teller;
use super::credentials::Credentials;
use super::missed::Missed;
use super::outbox::Outbox;
use super::table::Table;
use crate::compression::{Bounds, Dictionary};
use crate::wire::stateful::Mode;

/// What the websocket client's parts share.
pub(crate) struct Websocket {
    pub(crate) table: Arc<Table>,
    pub(crate) teller: Arc<Teller>,
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) broadcasters: Vec<Broadcaster>,
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) settings: WebsocketSettings,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) missed: Missed,
}

#[derive(Debug, Clone)]
pub(crate) struct WebsocketSettings {
    pub(crate) mode: Mode,
    /// The largest websocket message to send.
    pub(crate) part_bytes: usize,
    /// The largest one to take.
    pub(crate) max_incoming_bytes: usize,
    pub(crate) bounds: Bounds,
    /// From dialling to the broadcaster's first word.
    pub(crate) open_timeout: Duration,
    /// After as much silence the broadcaster is pinged; after half as much more it is lost.
    pub(crate) heartbeat: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) compression: bool,
    pub(crate) training: bool,
    /// The dictionary that is asked for, of `dictionaries`.
    pub(crate) initial_dictionary: Option<u16>,
    pub(crate) dictionaries: BTreeMap<u16, Arc<Dictionary>>,
    pub(crate) retry: Retry,
    /// Whether there is a connection only while something is wanted on it.
    pub(crate) on_demand: bool,
}

/// What comes after a connection that was lost.
#[derive(Debug, Clone)]
pub(crate) enum Retry {
    /// Rounds through all broadcasters, as many beside the first; then it is given up. A connection that lasted for
    /// `lasting` begins anew.
    Rounds { more: u32, lasting: Duration },
    /// For ever.
    Forever(Backoff),
}
