//! What is announced of a server.

use eventhive_listener::Bound;
use eventhive_transport::settings::{Entry, Value};

use crate::config::{DoorConfig, ServerConfig};
use crate::discovery::Server;

/// What a connector needs to reach a door, and nothing else.
const KEYS: &[&str] = &["host", "port", "endpoint", "scheme"];

/// The announcement of a server that listens there; `None` if it listens nowhere.
pub(super) fn described(config: &ServerConfig, bound: &[Bound]) -> Option<Server> {
    let (door, first) = config.doors.first().zip(bound.first())?;
    Some(Server {
        name: config.name.clone(),
        host: first.address.ip(),
        port: first.address.port(),
        init: entries(door, first.tls),
        claim: None,
    })
}

fn entries(door: &DoorConfig, tls: bool) -> Vec<Entry> {
    let entry = |key: &&str| {
        let mut node = door.init.get(key)?.clone();
        // A server takes no notice of its own `scheme`; clients do.
        if let ("scheme", true, Value::Text(scheme)) = (*key, tls, &mut node.value) {
            "wss".clone_into(scheme);
        }
        Some(Entry { key: (*key).to_owned(), key_at: node.at, node })
    };
    KEYS.iter().filter_map(entry).collect()
}
