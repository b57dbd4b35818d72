//! What is announced of a server.

use eventhive_listener::Bound;
use eventhive_transport::settings::{Entry, Value};

use crate::config::{DoorConfig, ServerConfig};
use crate::discovery::Server;

/// What a connector needs to reach a door, and nothing else.
const KEYS: &[&str] = &["host", "port", "endpoint", "scheme"];

/// The announcement of a server that listens there; `None` if it listens nowhere. One door of it is announced: that for
/// websockets if it has one, since this is what hives look for, Python's too.
pub(super) fn described(config: &ServerConfig, bound: &[Bound]) -> Option<Server> {
    let for_hives = config.doors.iter().find(|door| door.pubsub_type == "websocket");
    let door = for_hives.or(config.doors.first())?;
    let its_own = |bound: &&Bound| bound.doors.iter().any(|one| one.name == door.init.path());
    let bound = bound.iter().find(its_own)?;
    Some(Server {
        name: config.name.clone(),
        host: bound.address.ip(),
        port: bound.address.port(),
        init: entries(door, bound.tls),
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use eventhive_listener::BoundDoor;

    use super::*;
    use crate::config::{Kinds, Sources};

    #[test]
    fn of_several_doors_that_for_websockets_is_announced_wherever_it_stands() {
        let text = "servers: {net: {create: always, doors: [
            {pubsub_type: http, init: {port: 2069}}, {pubsub_type: websocket, init: {port: 8085, endpoint: /hub}}]}}";
        let config = Sources::new().read_string(text).resolve(&Kinds::compiled_in()).unwrap();
        let bound = |door: usize, address: &str, scheme| Bound {
            address: address.parse::<SocketAddr>().unwrap(),
            tls: false,
            doors: vec![BoundDoor { name: format!("servers.net.doors[{door}].init"), path: "/".to_owned(), scheme }],
        };
        let all = [bound(0, "127.0.0.1:2069", "http"), bound(1, "127.0.0.1:8085", "ws")];
        let server = described(&config.servers[0], &all).unwrap();
        assert_eq!(server.port, 8085);
        assert!(server.init.iter().any(|entry| entry.node.value == Value::Text("/hub".to_owned())));
        assert!(described(&config.servers[0], &all[..1]).is_none(), "it listens nowhere");
    }
}
