//! Redis as a wire of Eventhive.
//!
//! [`Redis`] is a [`Transport`] of kind `redis`. It speaks what the original speaks: an event is published on the
//! channel of its name, and a hive listens by pattern, so Python hives and Rust hives hear each other. `mode: streams`
//! uses Redis Streams in place of pub/sub, for networks without Python hives that must not lose what is published while
//! a hive is away. One server, a unix socket, a master behind Sentinels, a cluster; Redis 6 or later (RESP3), sharded
//! pub/sub and counted losses from Redis 7.
//!
//! # What happens when
//!
//! | | pub/sub | streams |
//! |---|---|---|
//! | order | one server: all see one order; cluster: each publisher's is kept; sharded: all see one order in each topic | all see one order in each stream |
//! | receipt | the number of receivers; cluster: accepted | accepted |
//! | link down, server restarted | what is published meanwhile is lost; subscriptions are told of a gap, and a line is logged | nothing is lost that the stream still has |
//! | duplicates | none | none; with `consumer_group`, when a member dies |
//! | slow subscriber | the server closes its connection when `client-output-buffer-limit pubsub` is reached (32 MiB) | reads later; what was trimmed meanwhile is a gap |
//! | subscription | begins with what is published after it was made; cluster: what is still on its way from another node may come too | as pub/sub |
//! | connection lost with messages on the wire | their receipts say unconfirmed, and their owner decides | the same |
//!
//! # Layout
//!
//! - `keys`, `config`: the settings.
//! - `link`: what the owner of a link sees; `queue` and `table`: its two sides, messages out and subscriptions.
//! - `supervisor`: the task behind it, from connection to connection; `session`: one connection's life.
//! - `dial`, `cluster`, `failure`: connecting, which node has what, and why there is no connection.
//! - `wire`, `pattern`: commands, answers, and filters as Redis patterns.
//! - `streams`: the other mode, with the layout of its keys.

use std::sync::Arc;

use eventhive_transport::{Capabilities, Key, Link, Order, Problem, Settings, Transport};

use crate::config::{Config, Mode, Servers};
use crate::link::RedisLink;

mod cluster;
mod config;
mod dial;
mod failure;
mod keys;
mod link;
mod pattern;
mod queue;
mod session;
mod streams;
mod supervisor;
mod table;
mod wire;

/// The largest payload if `max_payload_bytes` is not given.
const MAX_PAYLOAD: usize = 8 * 1024 * 1024;

/// The Redis transport. See the crate's documentation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Redis;

impl Transport for Redis {
    fn kind(&self) -> &'static str {
        "redis"
    }

    fn keys(&self) -> &'static [Key] {
        keys::KEYS
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            patterns: true,
            everything: true,
            order: Order::Total,
            replay: false,
            binary: true,
            max_payload: Some(MAX_PAYLOAD),
            hears_itself: true,
            native_reply: false,
            delivery_count: true,
            broker: true,
        }
    }

    fn capabilities_with(&self, settings: &Settings) -> Capabilities {
        match Config::read(settings) {
            Ok(config) => capabilities(&config, self.capabilities()),
            // Nothing can be opened with them.
            Err(_) => self.capabilities(),
        }
    }

    fn connect(&self, settings: &Settings) -> Result<Arc<dyn Link>, Vec<Problem>> {
        Ok(Arc::new(RedisLink::start(Config::read(settings)?)))
    }
}

fn capabilities(config: &Config, usual: Capabilities) -> Capabilities {
    let cluster = matches!(config.servers, Servers::Cluster(_));
    let usual = Capabilities { max_payload: Some(config.max_payload), ..usual };
    match &config.mode {
        Mode::PubSub if !cluster => usual,
        Mode::PubSub => Capabilities { order: Order::PerPublisher, delivery_count: false, ..usual },
        // A subscription is to one topic, and a topic is on one node: the order is total in each, as it is in a stream.
        Mode::Sharded => Capabilities { patterns: false, everything: false, delivery_count: false, ..usual },
        Mode::Streams(streams) => Capabilities { everything: streams.segments == 0, delivery_count: false, ..usual },
    }
}
