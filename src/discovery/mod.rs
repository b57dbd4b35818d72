//! Finding servers, and being found.
//!
//! By multicast DNS: service type `_eventhive._tcp.local.`, instance = the server's name, which is the network's;
//! everything that a connector needs to know is in the TXT record, one `key=value` a key of the server's `init`. Source:
//! eventhive 0.5.0 with python-zeroconf; RFC 6762 and 6763.
//!
//! # Layout
//! - [`Mdns`]: announce, resolve, browse, on chosen [`Interfaces`], with or without a [`Signer`].
//! - [`Sources`]: mDNS first, then a list of servers, then a file, for networks that filter multicast.
//! - [`Claim`]: which of two servers of one name stays.
//! - [`needed`]: one server for a network, whichever hive runs it.
//! - `configured`: from a configuration to these.
//! - `moving`: a link that moves from server to server; `guide` tells it where to.

mod announce;
mod browse;
mod claim;
mod claiming;
mod configured;
mod daemon;
mod error;
mod found;
mod guide;
mod ignored;
mod interfaces;
mod keeper;
mod moving;
mod name;
pub mod needed;
mod records;
mod sign;
mod sources;
mod txt;

use std::time::Duration;

use mdns_sd::ServiceEvent;

pub use announce::{Announcement, Server};
pub use browse::{Browser, Change};
pub use claim::{Claim, Verdict};
pub use error::DiscoveryError;
pub use found::Found;
pub use guide::connect;
pub use interfaces::Interfaces;
pub use sign::{Signature, Signer};
pub use sources::{Listed, Sources};
pub use txt::keep_known;

use daemon::{Heard, Search};
use ignored::Ignored;

/// The service type that hives announce and look for.
pub const SERVICE_TYPE: &str = "_eventhive._tcp.local.";

/// Multicast DNS, as one network uses it.
#[derive(Debug, Clone, Default)]
pub struct Mdns {
    interfaces: Interfaces,
    signer: Option<Signer>,
    ignored: Ignored,
}

impl Mdns {
    /// mDNS on these interfaces. With a signer, announcements are signed, and others count only if they are too; leave
    /// it out for networks with hives of eventhive 0.5.0, which do not sign.
    #[must_use]
    pub fn new(interfaces: Interfaces, signer: Option<Signer>) -> Self {
        Self { interfaces, signer, ignored: Ignored::default() }
    }

    /// Announces a server, inside a tokio runtime. Comes back when it can be found: after one second, in which the
    /// network is asked whether the name is free.
    ///
    /// # Errors
    /// [`DiscoveryError`]; [`Taken`](DiscoveryError::Taken) if another server is announced under this name.
    pub async fn announce(&self, server: &Server) -> Result<Announcement, DiscoveryError> {
        Announcement::start(self, server, false).await
    }

    /// Announces a server although another one may be announced under its name: for the one that stays when two meet.
    ///
    /// # Errors
    /// [`DiscoveryError`].
    pub async fn announce_anyway(&self, server: &Server) -> Result<Announcement, DiscoveryError> {
        Announcement::start(self, server, true).await
    }

    /// Looks for the server `name`, without regard to case, until it is found or `within` has passed, inside a tokio
    /// runtime. A server that says nothing of itself counts as not found, as in the original.
    ///
    /// # Errors
    /// [`DiscoveryError`] if mDNS cannot be used here.
    pub async fn resolve(&self, name: &str, within: Duration) -> Result<Option<Found>, DiscoveryError> {
        self.resolve_except(name, within, None).await
    }

    /// The same, but not the server with the claim `except`.
    async fn resolve_except(
        &self,
        name: &str,
        within: Duration,
        except: Option<&Claim>,
    ) -> Result<Option<Found>, DiscoveryError> {
        let mut search = Search::start(&self.interfaces)?;
        let look = async {
            loop {
                let Heard::Event(ServiceEvent::ServiceResolved(service)) = search.next().await else { continue };
                let Some(found) = Found::read(&service, self.signer.as_ref()) else { continue };
                if !name::same(&found.name, name) || except == Some(&found.claim) {
                    continue;
                }
                if self.heeds(&found) {
                    return found;
                }
            }
        };
        Ok(tokio::time::timeout(within, look).await.ok())
    }

    /// A live list of all servers that are announced, inside a tokio runtime. It has untrusted ones too; look at
    /// [`Found::signature`].
    ///
    /// # Errors
    /// [`DiscoveryError`] if mDNS cannot be used here.
    pub fn browse(&self) -> Result<Browser, DiscoveryError> {
        Browser::start(&self.interfaces, self.signer.clone())
    }

    /// Whether an announcement counts: always without a secret, else if it is signed with one of ours.
    #[must_use]
    pub fn trusts(&self, found: &Found) -> bool {
        self.signer.is_none() || found.signature == Signature::Valid
    }

    /// The same, with a line in the log for one that does not count; said once for each.
    fn heeds(&self, found: &Found) -> bool {
        let trusted = self.trusts(found);
        if !trusted {
            self.ignored.tell(found);
        }
        trusted
    }
}
