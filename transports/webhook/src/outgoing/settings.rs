//! How requests are made.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use eventhive_listener::Networks;

use super::standard::StandardWebhooks;
use crate::store::Nonces;
use crate::wire::auth::{Nonce, Scheme};
use crate::wire::responses;

/// How requests are made. [`new`](Self::new) has the defaults.
#[derive(Clone)]
pub struct OutgoingSettings {
    /// The longest that a request may take, from the call to the end of the answer, its wait for its turn included; for a
    /// large message a second more for each MiB, as this alone would make gigabytes undeliverable. 30 s.
    pub total_timeout: Duration,
    /// The longest that a connection may take: name, TCP and TLS. 5 s.
    pub connect_timeout: Duration,
    /// The longest that a connection may stand still, before the answer and within it. 5 s.
    pub read_timeout: Duration,
    /// How many requests to one host may be under way. 128.
    pub per_host: usize,
    /// How many more to one host may wait for their turn. 16,384, of about a kilobyte each; messages are shared.
    pub per_host_waiting: usize,
    /// How many requests may be under way to all hosts; each has a file descriptor. 1,024.
    pub requests: usize,
    /// How many connections without a request are kept. 1,024, of about 20 kB each.
    pub idle_connections: usize,
    /// For how long they are kept. 30 s.
    pub idle_timeout: Duration,
    /// The most bytes of an answer; no answer of the protocol has more than the default.
    pub max_response_bytes: usize,
    /// Networks whose addresses may be called although they are special: those of an intranet, and of other broadcasters.
    pub allow: Networks,
    /// A file of the authorities whose certificates are trusted; else those that the system trusts.
    pub tls_ca: Option<Box<str>>,
    /// The header `User-Agent`.
    pub user_agent: Box<str>,
    /// Signs requests.
    pub to_subscriber: Scheme,
    /// Verifies answers.
    pub to_broadcaster: Scheme,
    /// What makes signatures differ.
    pub stamps: Arc<dyn Stamps>,
    /// Where authorizations of answers are remembered, so that each counts once.
    pub nonces: Arc<dyn Nonces>,
    /// Headers of Standard Webhooks beside the protocol's own.
    pub standard_webhooks: Option<StandardWebhooks>,
    /// The name under which urls are asked whether they want to be called, such as `events.example.org`. It goes with every
    /// request then.
    pub origin: Option<Box<str>>,
}

impl OutgoingSettings {
    /// The defaults: no authorization, nothing special allowed.
    #[must_use]
    pub fn new(nonces: Arc<dyn Nonces>) -> Self {
        Self {
            total_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(5),
            per_host: 128,
            per_host_waiting: 16_384,
            requests: 1_024,
            idle_connections: 1_024,
            idle_timeout: Duration::from_secs(30),
            max_response_bytes: responses::MAX_BYTES,
            allow: Networks::default(),
            tls_ca: None,
            user_agent: concat!("eventhive/", env!("CARGO_PKG_VERSION")).into(),
            to_subscriber: Scheme::None,
            to_broadcaster: Scheme::None,
            stamps: Arc::new(SystemStamps),
            nonces,
            standard_webhooks: None,
            origin: None,
        }
    }
}

impl fmt::Debug for OutgoingSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingSettings").field("allow", &self.allow).finish_non_exhaustive()
    }
}

/// Settings that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: {problem}")]
pub struct OutgoingError {
    /// Which: the name of its field.
    pub key: &'static str,
    /// What is wrong with it.
    pub problem: Box<str>,
}

/// The clock, and nonces: what makes each signature differ from every other.
pub trait Stamps: Send + Sync {
    /// Now, since the epoch.
    fn now(&self) -> Duration;

    /// A nonce that was never given before.
    ///
    /// # Errors
    /// There is no randomness to be had.
    fn nonce(&self) -> Result<Nonce, getrandom::Error>;
}

/// The system's clock and random bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemStamps;

impl Stamps for SystemStamps {
    fn now(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn nonce(&self) -> Result<Nonce, getrandom::Error> {
        Nonce::fresh()
    }
}
