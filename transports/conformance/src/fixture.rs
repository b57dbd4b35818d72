//! What a transport gives to the suite.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use eventhive_transport::{Capabilities, Link};
use futures_util::future::BoxFuture;

/// A wire under test: its abilities, and links on one broker (or one bus) that belongs to this fixture alone.
///
/// Settings of the links should be the transport's defaults but for times: a keepalive of some hundred milliseconds and a
/// back-off of the same order, or the fault cases take as long as the defaults do.
pub trait Fixture: Send + Sync + 'static {
    /// What the links of this fixture can do.
    fn capabilities(&self) -> Capabilities;

    /// A new link to the broker. It need not be up yet.
    fn link(&self) -> BoxFuture<'_, Arc<dyn Link>>;

    /// The name under which results are written to the folder that [`RESULTS`](crate::RESULTS) names; `None`: they are not.
    fn wire(&self) -> Option<&'static str> {
        None
    }

    /// Why a case is not run: what stands behind the link, which is not ours, is known not to do it. The text says what.
    fn excused(&self, case: &str) -> Option<&'static str> {
        let _ = case;
        None
    }

    /// The broker, if there is one that can be stopped and reached through a proxy. Required where
    /// [`Capabilities::broker`] is set; without it the fault cases are skipped by name.
    fn broker(&self) -> Option<&dyn Broker> {
        None
    }

    /// Called once, after the last link was closed.
    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    /// The most copies of a case that run in parallel. Ten is the suite's measure; less is for brokers that are slow by
    /// nature.
    fn copies(&self) -> usize {
        10
    }

    /// The longest that any single wait of a case may take before the case has failed. Nothing waits this long in a run
    /// that passes.
    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }
}

/// A broker that the suite may stop, start, and stand in front of.
pub trait Broker: Send + Sync {
    /// Where it listens. The same before and after a restart.
    fn address(&self) -> SocketAddr;

    /// A new link that believes the broker to be at `address`: the suite puts its fault proxy there.
    fn link_via(&self, address: SocketAddr) -> BoxFuture<'_, Arc<dyn Link>>;

    /// Stops the broker and its connections; returns when the port takes no connection.
    fn stop(&self) -> BoxFuture<'_, ()>;

    /// Starts it again at the same address; returns when the port takes connections.
    fn start(&self) -> BoxFuture<'_, ()>;

    /// Bytes that the broker holds now for subscribers that do not take them, if it can tell. Without it, the case that
    /// bounds them is skipped by name.
    fn queued_bytes(&self) -> Option<usize> {
        None
    }
}
