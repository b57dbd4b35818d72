//! A network on Redis by the command line.

use eventhive_conformance::free_port;
use tempfile::TempDir;

use crate::redis_server::RedisServer;
use crate::support::{Running, ended, folder_with, program, run_in};

/// A configuration for the server, with more keys of `init`.
fn configured(port: u16, more: &str) -> TempDir {
    let init = format!("{{host: 127.0.0.1, port: {port}{more}}}");
    let text = format!("connectors: {{net: {{pubsub_type: redis, input_channel: worker, init: {init}}}}}\n");
    folder_with("eventhive.yaml", &text)
}

#[test]
fn what_is_called_is_heard() {
    let server = RedisServer::start(&[]);
    for mode in ["pubsub", "streams"] {
        let folder = configured(server.port, &format!(", mode: {mode}"));
        let mut listener = Running::start_in(folder.path(), &["listen", "net/worker/*", "--count", "1"]);
        listener.told("listening to");
        assert_eq!(run_in(folder.path(), &["call", "net/worker/action", r#"{"flowers": 3}"#]).code, 0);
        assert_eq!(listener.line(), r#"net/worker/action {"flowers":3}"#, "{mode}");
        assert_eq!(listener.end().code, 0);
    }
}

#[test]
fn a_wrong_password_ends_with_code_3_and_the_keys_to_check() {
    let server = RedisServer::start(&["--requirepass", "open-sesame"]);
    for (more, fix) in [("", "add `password`"), (", password: hunter2", "check `username` and `password`")] {
        let folder = configured(server.port, more);
        for arguments in [&["call", "net/worker/action"][..], &["listen", "net/worker/*"]] {
            let ended = run_in(folder.path(), arguments);
            assert!(ended.code == 3 && ended.err.contains(fix), "{ended:?}");
        }
    }
}

#[test]
fn no_log_line_has_a_password_however_much_is_logged() {
    let server = RedisServer::start(&["--requirepass", "open-sesame"]);
    let url = format!(
        "connectors: {{net: {{pubsub_type: redis, input_channel: worker, init: {{url: 'redis://:PASSWORD@127.0.0.1:{}'}}}}}}",
        server.port
    );
    let by_url = |password: &str| folder_with("eventhive.yaml", &url.replace("PASSWORD", password));
    for (folder, code) in [
        (configured(server.port, ", password: open-sesame"), 0),
        (configured(server.port, ", password: hunter2"), 3),
        (by_url("open-sesame"), 0),
        (by_url("hunter2"), 3),
    ] {
        let mut call = program(folder.path(), &["--debug", "call", "net/worker/action"]);
        let ended = ended(call.env("RUST_LOG", "trace"));
        assert_eq!(ended.code, code, "{ended:?}");
        assert!(ended.err.contains("eventhive_redis"), "{ended:?}");
        assert!(!ended.err.contains("open-sesame") && !ended.err.contains("hunter2"), "{ended:?}");
    }
}

#[test]
fn a_server_that_is_not_there_is_named_and_ctrl_c_ends_the_waiting() {
    let port = free_port();
    let folder = configured(port, "");
    let ended = run_in(folder.path(), &["call", "net/worker/action", "--timeout", "1"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.err.contains(&format!("127.0.0.1:{port}: Connection refused")), "{ended:?}");
    let mut running = Running::start_in(folder.path(), &["serve"]);
    running.told("the link to Redis is down");
    running.signal("INT");
    let ended = running.end();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(!ended.err.contains("the link to Redis is down"), "told once: {ended:?}");
}

#[test]
fn a_payload_beyond_the_bound_is_refused_and_the_next_one_is_not() {
    let server = RedisServer::start(&[]);
    let folder = configured(server.port, ", max_payload_bytes: 10000");
    let payload = |bytes: usize| format!(r#"{{"a": "{}"}}"#, "x".repeat(bytes));
    let ended = run_in(folder.path(), &["call", "net/worker/action", &payload(10_000)]);
    assert!(ended.code == 1 && ended.err.contains("the wire takes 10000"), "{ended:?}");
    assert_eq!(run_in(folder.path(), &["call", "net/worker/action", &payload(5_000)]).code, 0);
}

#[test]
fn redis_is_no_server_of_a_hive() {
    let text = "servers: {net: {pubsub_type: redis, create: always}}\n";
    let ended = run_in(folder_with("eventhive.yaml", text).path(), &["check"]);
    assert!(ended.code == 1 && ended.out.contains("`redis` has no server to run here"), "{ended:?}");
}
