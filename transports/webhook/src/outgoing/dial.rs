//! From a host to a connection: its name, the guard, TCP, TLS.
//!
//! Of the addresses of a name those are tried that may be called, one after the other, each with its share of the time. A name
//! with none of them is forbidden.

use std::net::SocketAddr;
use std::sync::Arc;

use eventhive_tls::Io;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::connection::Connection;
use super::guard::Guard;
use super::names::{Lookup, Names};
use super::report::Failure;
use super::target::{Host, Origin};
use crate::store::Outcome;

pub(super) struct Dialer {
    guard: Guard,
    tls: TlsConnector,
    names: Names,
}

impl Dialer {
    pub(super) fn new(guard: Guard, tls: Arc<ClientConfig>, lookup: Lookup) -> Self {
        Self { guard, tls: tls.into(), names: Names::new(lookup) }
    }

    /// Connects, until a time at the latest.
    pub(super) async fn dial(&self, origin: &Origin, until: Instant) -> Result<Connection, Failure> {
        let late = |what| move |_| Failure::new(Outcome::TimedOut, format!("no connection in time: {what}"));
        let addresses =
            timeout_at(until, self.addresses(origin)).await.map_err(late("its name is still looked up"))??;
        let stream = connect(&addresses, until).await?;
        let io: Box<dyn Io> = if origin.tls {
            timeout_at(until, self.encrypt(origin, stream)).await.map_err(late("TLS is not agreed on"))??
        } else {
            Box::new(stream)
        };
        Connection::new(io).await.map_err(|error| Failure::new(Outcome::Unreachable, error.to_string()))
    }

    /// Where it may be called.
    async fn addresses(&self, origin: &Origin) -> Result<Vec<SocketAddr>, Failure> {
        self.allowed(origin, &self.found(origin).await?)
    }

    /// Where it is.
    pub(super) async fn found(&self, origin: &Origin) -> Result<Vec<SocketAddr>, Failure> {
        match &origin.host {
            Host::Address(address) => Ok(vec![SocketAddr::new(*address, origin.port)]),
            Host::Name(name) => self.names.addresses(name, origin.port).await.map(|found| found.to_vec()),
        }
    }

    /// Those of these addresses that may be called.
    pub(super) fn allowed(&self, origin: &Origin, found: &[SocketAddr]) -> Result<Vec<SocketAddr>, Failure> {
        let checked: Vec<_> = found.iter().map(|found| self.guard.check(found.ip())).collect();
        let allowed: Vec<_> = checked.iter().flatten().map(|address| SocketAddr::new(*address, origin.port)).collect();
        match checked.into_iter().find_map(Result::err) {
            Some(forbidden) if allowed.is_empty() => Err(Failure::new(Outcome::Forbidden, forbidden.to_string())),
            None if allowed.is_empty() => Err(Failure::new(Outcome::Unreachable, "its name has no address")),
            _ => Ok(allowed),
        }
    }

    /// Agrees on TLS.
    pub(super) async fn encrypt(&self, origin: &Origin, stream: TcpStream) -> Result<Box<dyn Io>, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::new(Outcome::Unreachable, format!("no TLS: {error}"));
        let name = match &origin.host {
            Host::Address(address) => ServerName::from(*address),
            Host::Name(name) => ServerName::try_from(name.to_string()).map_err(|error| failed(&error))?,
        };
        match self.tls.connect(name, stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(failed(&error)),
        }
    }
}

/// Connects to the first of these that can be reached.
pub(super) async fn connect(addresses: &[SocketAddr], until: Instant) -> Result<TcpStream, Failure> {
    let mut last = Failure::new(Outcome::TimedOut, "no connection in time");
    for (at, address) in addresses.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - at).unwrap_or(1);
        last = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Requests are written as a whole; waiting for more would only delay their last part.
                return match stream.set_nodelay(true) {
                    Ok(()) => Ok(stream),
                    Err(error) => Err(Failure::new(Outcome::Unreachable, error.to_string())),
                };
            }
            Ok(Err(error)) => Failure::new(Outcome::Unreachable, format!("{address}: {error}")),
            Err(_) => Failure::new(Outcome::TimedOut, format!("no connection to {address} in time")),
        };
    }
    Err(last)
}
