//! The suite, in every mode.

use std::net::SocketAddr;
use std::sync::Arc;

use eventhive_conformance::{Broker, Fixture};
use eventhive_transport::{Capabilities, Link};
use futures_util::future::BoxFuture;

use crate::cluster;
use crate::server::Server;
use crate::support::{self, Given, number, text, with};

/// One server of its own, and what the links on it are given beside its address.
struct Single {
    wire: &'static str,
    server: Server,
    more: fn() -> Given,
}

impl Single {
    async fn start(wire: &'static str, more: fn() -> Given) -> Self {
        Self { wire, server: Server::start(), more }
    }

    fn given(&self, address: SocketAddr) -> Given {
        with(vec![("host", text(address.ip().to_string())), ("port", number(address.port()))], (self.more)())
    }
}

/// Large enough to need many reads, small enough that ten at once fit in a server's buffers.
const LARGEST: i64 = 1 << 20;

fn pubsub() -> Given {
    vec![("max_payload_bytes", number(LARGEST))]
}

fn streams() -> Given {
    with(pubsub(), [("mode", text("streams")), ("stream_segments", number(0))])
}

/// Every link is a hive with a group of its own.
fn groups() -> Given {
    let group = text(format!("hive-{:x}", fastrand::u64(..)));
    with(streams(), [("consumer_group", group), ("consumer_name", text("it"))])
}

impl Fixture for Single {
    fn capabilities(&self) -> Capabilities {
        support::capabilities(&self.given(self.server.address()))
    }

    fn wire(&self) -> Option<&'static str> {
        Some(self.wire)
    }

    fn link(&self) -> BoxFuture<'_, Arc<dyn Link>> {
        self.link_via(self.server.address())
    }

    fn broker(&self) -> Option<&dyn Broker> {
        Some(self)
    }
}

impl Broker for Single {
    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn link_via(&self, address: SocketAddr) -> BoxFuture<'_, Arc<dyn Link>> {
        let given = self.given(address);
        Box::pin(async move { support::connect(&given) })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.server.kill() })
    }

    fn start(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.server.resume() })
    }

    fn queued_bytes(&self) -> Option<usize> {
        Some(self.server.queued_bytes())
    }
}

/// The cluster that all tests share. Its nodes are not stopped, so the cases that need that are skipped by name.
struct Nodes {
    wire: &'static str,
    more: fn() -> Given,
}

impl Nodes {
    async fn start(wire: &'static str, more: fn() -> Given) -> Self {
        Self { wire, more }
    }
}

impl Fixture for Nodes {
    fn capabilities(&self) -> Capabilities {
        support::capabilities(&with(cluster::shared().given(), (self.more)()))
    }

    fn wire(&self) -> Option<&'static str> {
        Some(self.wire)
    }

    fn link(&self) -> BoxFuture<'_, Arc<dyn Link>> {
        Box::pin(async { support::connect(&with(cluster::shared().given(), (self.more)())) })
    }
}

mod pubsub_on_one_server {
    eventhive_conformance::conformance!(|| super::Single::start("redis", super::pubsub));
}

mod streams_on_one_server {
    eventhive_conformance::conformance!(|| super::Single::start("redis streams", super::streams));
}

mod streams_with_groups_on_one_server {
    eventhive_conformance::conformance!(|| super::Single::start("redis streams, groups", super::groups));
}

mod pubsub_on_a_cluster {
    eventhive_conformance::conformance!(|| super::Nodes::start("redis cluster", super::pubsub));
}

mod sharded_pubsub_on_a_cluster {
    fn sharded() -> super::Given {
        super::with(super::pubsub(), [("sharded", eventhive_transport::settings::Value::Bool(true))])
    }
    eventhive_conformance::conformance!(|| super::Nodes::start("redis cluster, sharded", sharded));
}

mod streams_on_a_cluster {
    fn streams() -> super::Given {
        super::with(super::pubsub(), [("mode", super::text("streams")), ("stream_segments", super::number(1))])
    }
    eventhive_conformance::conformance!(|| super::Nodes::start("redis cluster, streams", streams));
}
