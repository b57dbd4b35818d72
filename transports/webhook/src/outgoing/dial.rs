//! From a host to a connection: its name, the guard, TCP, TLS.
//!
//! Of the addresses of a name those are tried that may be called, one after the other, each with its share of the time; those
//! with a free turn first. A name with none of them is forbidden.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use eventhive_tls::Io;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
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

    /// Where a host may be called.
    pub(super) async fn addresses(&self, origin: &Origin, time: &mut Time) -> Result<Vec<SocketAddr>, Failure> {
        let found = self.found(origin, time).await?;
        self.allowed(origin, &found)
    }

    /// Begins to speak on what is connected to a host.
    pub(super) async fn begin(
        &self,
        origin: &Origin,
        stream: TcpStream,
        time: &mut Time,
    ) -> Result<Box<Connection>, Failure> {
        let io: Box<dyn Io> = if origin.tls {
            time.take(1, self.encrypt(origin, stream)).await.ok_or_else(|| late("TLS is not agreed on"))??
        } else {
            Box::new(stream)
        };
        Connection::new(io).await.map_err(|error| Failure::new(Outcome::Unreachable, error.to_string()))
    }

    /// Where it is.
    pub(super) async fn found(&self, origin: &Origin, time: &mut Time) -> Result<Vec<SocketAddr>, Failure> {
        match &origin.host {
            Host::Address(address) => Ok(vec![SocketAddr::new(*address, origin.port)]),
            Host::Name(name) => self.names.addresses(name, origin.port, time).await.map(|found| found.to_vec()),
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
        let name = match &origin.host {
            Host::Address(address) => ServerName::from(*address),
            Host::Name(name) => ServerName::try_from(name.to_string())
                .map_err(|error| Failure::new(Outcome::Unreachable, format!("no TLS: {error}")))?,
        };
        match self.tls.connect(name, stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(no_tls(&error)),
        }
    }
}

/// Connects to the first of these that can be reached, each in its turn and with its share of the time. `turn` is told whether
/// to wait: that is for those whose turn does not come at once, when all others were tried.
pub(super) async fn connect<T, F: Future<Output = Result<Option<T>, Failure>>>(
    addresses: Vec<SocketAddr>,
    time: &mut Time,
    mut turn: impl FnMut(IpAddr, bool) -> F,
) -> Result<(T, TcpStream), Failure> {
    let mut failed: Option<Failure> = None;
    let mut unasked = addresses.len();
    let mut left = VecDeque::from(addresses);
    while let Some(address) = left.pop_front() {
        let turn = turn(address.ip(), unasked == 0).await?;
        unasked = unasked.saturating_sub(1);
        let Some(turn) = turn else {
            left.push_back(address);
            continue;
        };
        let shares = u32::try_from(left.len() + 1).unwrap_or(1);
        let connected = time.take(shares, TcpStream::connect(address)).await;
        // Requests are written as a whole; waiting for more would only delay their last part.
        let failure = match connected.map(|stream| stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream)))
        {
            Some(Ok(stream)) => return Ok((turn, stream)),
            Some(Err(error)) => refused(address, &error),
            None => Failure::new(Outcome::TimedOut, format!("no connection to {address} in time")),
        };
        // What failed here says nothing of the host, and what failed there does.
        if failed.is_none() || failure.outcome != Outcome::OwnFault {
            failed = Some(failure);
        }
    }
    Err(failed.unwrap_or_else(|| late("its name has no address")))
}

/// Why an address takes no connection.
fn refused(address: SocketAddr, error: &io::Error) -> Failure {
    let outcome = match error.kind() {
        // Linux says the same of IPv6 that is switched off, and for ever.
        io::ErrorKind::AddrNotAvailable if address.is_ipv6() => Outcome::Unreachable,
        _ => outcome(error),
    };
    Failure::new(outcome, format!("{address}: {error}"))
}

pub(super) fn late(what: &str) -> Failure {
    Failure::new(Outcome::TimedOut, format!("no connection in time: {what}"))
}

/// Why TLS was not agreed on. For an authority that nobody knows the library has a word, and no advice.
fn no_tls(error: &io::Error) -> Failure {
    const UNKNOWN: rustls::Error = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    let advice = match cause {
        Some(cause) if *cause == UNKNOWN => ": no authority that is trusted here has issued it; `tls_ca` names others",
        _ => "",
    };
    Failure::new(outcome(error), format!("no TLS: {error}{advice}"))
}

/// "Too many open files" in this process, and in the system; and "no buffer space available", on Linux.
const OURS: [i32; 3] = [24, 23, 105];

/// Whether an error says that this machine has no room for another connection, which is no fault of the host.
pub(super) fn is_ours(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::OutOfMemory)
        || error.raw_os_error().is_some_and(|number| OURS.contains(&number))
}

/// What an error on the way to a host means.
pub(super) fn outcome(error: &io::Error) -> Outcome {
    if is_ours(error) { Outcome::OwnFault } else { Outcome::Unreachable }
}

/// The time that a connection may take: its lookup, from when that has its place, TCP and TLS. Waiting for that place or for
/// a turn takes none of it.
pub(super) struct Time {
    left: Duration,
    until: Instant,
    latest: Instant,
}

impl Time {
    /// So long, and until then at the latest; turns have to come until `latest`.
    pub(super) fn new(left: Duration, until: Instant, latest: Instant) -> Self {
        Self { left, until, latest }
    }

    /// Waits for a turn; `None` if it did not come in time.
    pub(super) async fn turn<T>(&self, turn: impl Future<Output = T>) -> Option<T> {
        timeout_at(self.latest, turn).await.ok()
    }

    /// Waits for something with one of so many shares of the time that is left; `None` if it took longer.
    pub(super) async fn take<T>(&mut self, shares: u32, work: impl Future<Output = T>) -> Option<T> {
        let begun = Instant::now();
        let done = timeout_at(self.until.min(begun + self.left / shares.max(1)), work).await.ok();
        self.left = self.left.saturating_sub(begun.elapsed());
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_machine_has_no_room_for_is_no_fault_of_a_host() {
        // EMFILE, ENFILE, ENOMEM, EADDRNOTAVAIL and ENOBUFS of Linux.
        for number in [24, 23, 12, 99, 105] {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(outcome(&error), Outcome::OwnFault, "{error}");
        }
        // ECONNREFUSED, ECONNRESET, ENETUNREACH, EHOSTUNREACH, ETIMEDOUT.
        for number in [111, 104, 101, 113, 110] {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(outcome(&error), Outcome::Unreachable, "{error}");
        }
        assert_eq!(outcome(&io::Error::other("something else")), Outcome::Unreachable);
    }

    #[test]
    fn no_address_of_ones_own_is_a_fault_of_this_machine_for_ipv4_alone() {
        let error = io::Error::from_raw_os_error(99);
        for (address, expected) in [("192.0.2.1:80", Outcome::OwnFault), ("[2001:db8::1]:80", Outcome::Unreachable)] {
            assert_eq!(refused(address.parse().unwrap(), &error).outcome, expected, "{address}");
        }
        let full = refused("[2001:db8::1]:80".parse().unwrap(), &io::Error::from_raw_os_error(24));
        assert_eq!(full.outcome, Outcome::OwnFault);
    }
}
