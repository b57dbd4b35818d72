//! How requests are made.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fmt, future};

use eventhive_listener::Networks;
use futures_util::future::BoxFuture;

use super::standard::StandardWebhooks;
use crate::wire::auth::Claim;
use crate::wire::responses;

/// How requests are made. [`new`](Self::new) has the defaults.
#[derive(Clone)]
pub struct OutgoingSettings {
    /// The longest that a request may take, from the call to the end of the answer, its wait for its turn included; a second
    /// more for each MiB that was written of it, as this alone would make gigabytes undeliverable. A turn that is waited for
    /// and leaves less than `connect_timeout` of it, or half if that is less, is none. 30 s.
    pub total_timeout: Duration,
    /// The longest that a connection may take: name, TCP and TLS. What it waits for a turn meanwhile does not count. 5 s.
    pub connect_timeout: Duration,
    /// The longest that a connection may stand still, before the answer and within it. 5 s.
    pub read_timeout: Duration,
    /// How many requests to one host may be under way: to one scheme, name and port. 128.
    pub per_host: usize,
    /// How many more to one host may wait for their turn. 16,384, of about two kilobytes each; messages are shared.
    pub per_host_waiting: usize,
    /// How many requests may be under way to all hosts; each has a file descriptor. A quarter of them, but no less than
    /// `per_host` (which it is with less than four times as many), may be under way to one IPv4 address or one /64 of IPv6, whatever names it has. 1,024.
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
    /// Signs requests and verifies answers.
    pub vouch: Arc<dyn Vouch>,
    /// Headers of Standard Webhooks beside the protocol's own.
    pub standard_webhooks: Option<StandardWebhooks>,
    /// The name under which urls are asked whether they want to be called, such as `events.example.org`. It goes with every
    /// request then.
    pub origin: Option<Box<str>>,
}

impl OutgoingSettings {
    /// The defaults, with which nothing special is allowed.
    #[must_use]
    pub fn new(vouch: Arc<dyn Vouch>) -> Self {
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
            vouch,
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

/// Signs requests, and verifies answers.
pub trait Vouch: Send + Sync {
    /// Now, since the epoch.
    fn now(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    /// The authorization of a request; `None` if it needs none. It is called anew each time a request is made, as no
    /// authorization may be sent twice.
    ///
    /// # Errors
    /// Why it cannot be signed, for people.
    fn sign(&self, claim: &Claim<'_>, tracing: &[u8]) -> Result<Option<String>, Box<str>>;

    /// Whether an answer is authorized. One that counts once is used up by this.
    ///
    /// # Errors
    /// Why it is not, or why that is not known.
    fn admit<'a>(
        &'a self,
        authorization: Option<&'a str>,
        claim: Claim<'a>,
        tracing: &'a [u8],
    ) -> BoxFuture<'a, Result<(), Objection>>;
}

/// Why an answer does not count; for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Objection {
    /// It is not authorized.
    Refused(Box<str>),
    /// It cannot be found out now, which is no fault of whoever answered.
    Unknown(Box<str>),
}

/// Nothing is signed, and everything accepted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unvouched;

impl Vouch for Unvouched {
    fn sign(&self, _: &Claim<'_>, _: &[u8]) -> Result<Option<String>, Box<str>> {
        Ok(None)
    }

    fn admit<'a>(&'a self, _: Option<&'a str>, _: Claim<'a>, _: &'a [u8]) -> BoxFuture<'a, Result<(), Objection>> {
        Box::pin(future::ready(Ok(())))
    }
}
