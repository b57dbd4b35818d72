//! nginx in front of our door, as `config-examples/nginx.conf` has it: TLS for clients.

use std::rc::Rc;

use serde_json::json;

use super::auth::Folder;
use super::broadcaster::Broadcaster;
use super::client::{Client, Wire, said};
use crate::http::proxy::Nginx;

/// Requests to urls go from the door straight to the clients, which are on this machine.
const BEHIND_A_PROXY: &str = "{trusted_proxies: [127.0.0.1], allow: [loopback]}";

#[test]
fn python_clients_subscribe_and_notify_through_nginx_over_http_and_by_websocket() {
    let folder = Rc::new(Folder::signed());
    let broadcaster = Broadcaster::start_with(&folder, BEHIND_A_PROXY);
    let door = broadcaster.url("http");
    let nginx = Nginx::start(&[("http://127.0.0.1:3003;", format!("{door};"))]);
    let secrets = folder.text("subscriber-secrets.json");
    let connect = |wire: Wire| {
        let scheme = if wire == Wire::Http { "https" } else { "wss" };
        Client::trusting(&nginx.authority, &format!("{scheme}://localhost:{}", nginx.port), &["--secrets", &secrets])
    };
    let mut clients = [Wire::Http, Wire::Websocket].map(connect);
    for client in &mut clients {
        client.subscribe(&["a"], &["b/*"]);
    }
    for notifier in 0..2 {
        for topic in ["a", "b/c"] {
            assert_eq!(clients[notifier].notify(topic, "through nginx"), 2, "{topic}");
            for client in &mut clients {
                assert_eq!(client.heard(), said(topic, "through nginx"));
            }
        }
    }
    // More than nginx takes for other doors, and in parts by websocket.
    let large = folder.text("large");
    std::fs::write(&large, vec![b'x'; 5 << 20]).unwrap();
    assert_eq!(clients[0].done(&json!({"do": "notify", "topic": "a", "file": large})), 2);
    for client in &mut clients {
        assert_eq!(client.received().length, 5 << 20);
    }
}
