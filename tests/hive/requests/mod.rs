//! Requests and answers over every wire that this build has, and what goes wrong with them.

mod faults;
mod foreign;
mod gathering;
mod on_every_wire;
mod receiving;

use std::net::SocketAddr;
use std::time::Duration;

use eventhive::{ConnectorStats, Hive, RequestOptions, StartOptions};

use super::memory::{Memory, until};
#[cfg(feature = "redis")]
use super::redis_server::RedisServer;
use super::websocket::{disguised, hub, member_with};

/// A network, and what it is made of.
pub(crate) struct Network {
    wire: Wire,
    /// More keys for each connector.
    extra: &'static str,
}

enum Wire {
    Memory(Memory),
    Hub {
        address: SocketAddr,
        /// Where links go that the door must take for Python clients.
        disguise: SocketAddr,
        is_disguised: bool,
        _hub: Hive,
    },
    #[cfg(feature = "redis")]
    Redis {
        server: RedisServer,
        /// More keys of `init`.
        keys: &'static str,
    },
}

impl Network {
    /// In this process; the broker matches patterns.
    pub(crate) fn memory() -> Self {
        Self::of(&Memory::new())
    }

    pub(crate) fn of(memory: &Memory) -> Self {
        Self { wire: Wire::Memory(memory.clone()), extra: "" }
    }

    /// Over sockets, through a door of ours.
    pub(crate) async fn hub() -> Self {
        let (hub, address) = hub(0).await;
        let wire = Wire::Hub { address, disguise: disguised(address).await, is_disguised: false, _hub: hub };
        Self { wire, extra: "" }
    }

    /// Over sockets, with links and a door that do not know each other: as on a Python server.
    pub(crate) async fn disguised() -> Self {
        let mut network = Self::hub().await;
        if let Wire::Hub { is_disguised, .. } = &mut network.wire {
            *is_disguised = true;
        }
        network
    }

    /// Over a redis-server.
    #[cfg(feature = "redis")]
    pub(crate) fn redis(keys: &'static str) -> Self {
        Self { wire: Wire::Redis { server: RedisServer::start(&[]), keys }, extra: "" }
    }

    pub(crate) fn with(mut self, extra: &'static str) -> Self {
        self.extra = extra;
        self
    }

    /// A hive on this network, not started.
    pub(crate) fn hive(&self, channel: &str) -> Hive {
        match &self.wire {
            Wire::Memory(memory) => memory.hive(&format!(
                "connectors: {{net: {{pubsub_type: memory, input_channel: '{channel}'{}, init: {{}}}}}}",
                self.extra
            )),
            Wire::Hub { address, disguise, is_disguised, .. } => {
                member_with(if *is_disguised { *disguise } else { *address }, channel, self.extra)
            }
            #[cfg(feature = "redis")]
            Wire::Redis { server, keys } => Hive::from_yaml(&format!(
                "connectors: {{net: {{pubsub_type: redis, input_channel: '{channel}'{}, init: {{host: 127.0.0.1, port: {}{keys}}}}}}}",
                self.extra, server.port
            ))
            .unwrap_or_else(|error| panic!("{error}")),
        }
    }

    pub(crate) async fn started(&self, channel: &str) -> Hive {
        started(self.hive(channel)).await
    }
}

pub(crate) async fn started(hive: Hive) -> Hive {
    hive.start_with(StartOptions::new().require("net")).await.unwrap();
    hive
}

pub(crate) fn stats(hive: &Hive) -> ConnectorStats {
    hive.connector_stats()[0].1
}

/// Waits until nothing is kept for any request.
pub(crate) async fn nothing_is_left(hive: &Hive) {
    until("no request is open", || stats(hive).requests_open == 0 && stats(hive).waiting == 0).await;
}

/// What should come at once must come long before any deadline of the test.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("not at once")
}

/// So long that a test fails first.
pub(crate) fn for_ever() -> RequestOptions {
    RequestOptions::new().within(Duration::from_secs(3600))
}

pub(crate) fn briefly() -> RequestOptions {
    RequestOptions::new().within(Duration::from_millis(300))
}
