//! Where a network is.

use crate::hub::{Hub, HubKind};
use crate::redis_server::RedisServer;

/// What carries a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// The hub of fastapi_websocket_pubsub 0.3.1.
    Python03,
    /// The hub of fastapi_websocket_pubsub 1.0.1.
    Python10,
    /// `hive-cli serve`.
    Ours,
    /// A redis-server.
    Redis,
}

/// A network that runs.
pub(crate) enum Place {
    Hub(Hub),
    Redis(RedisServer),
}

impl Place {
    pub(crate) fn start(wire: Wire) -> Self {
        match wire {
            Wire::Python03 => Self::Hub(Hub::start(HubKind::Python03)),
            Wire::Python10 => Self::Hub(Hub::start(HubKind::Python10)),
            Wire::Ours => Self::Hub(Hub::start(HubKind::Ours)),
            Wire::Redis => Self::Redis(RedisServer::start(&[])),
        }
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Hub(hub) => hub.url(),
            Self::Redis(server) => format!("redis://127.0.0.1:{}", server.port),
        }
    }

    /// The keys of a connector that make it a member, understood by both languages alike.
    pub(crate) fn keys(&self) -> String {
        match self {
            Self::Hub(hub) => at_hub(hub.port),
            Self::Redis(server) => format!("pubsub_type: redis, init: {{host: 127.0.0.1, port: {}}}", server.port),
        }
    }
}

/// As [`Place::keys`], for a hub that need not run yet.
pub(crate) fn at_hub(port: u16) -> String {
    format!("pubsub_type: fastapi, init: {{host: 127.0.0.1, port: {port}, endpoint: /pubsub}}")
}
