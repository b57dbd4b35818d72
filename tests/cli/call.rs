//! `hive-cli call`

use std::io::Write as _;
use std::process::Stdio;

use eventhive_conformance::free_port;
use serde_json::json;

use crate::support::{Hub, Running, folder_with, program, run, run_in};

#[test]
fn an_event_is_taken_by_the_hub_and_reaches_a_listener() {
    let hub = Hub::start();
    let mut listener = Running::start(&["listen", "--url", &hub.url, "hive/worker/*", "--count", "1", "--json"]);
    listener.told("listening to");
    let text = run(&["call", "--url", &hub.url, "hive/queen/other"]);
    assert_eq!((text.out.as_str(), text.code), (&*format!("hive/queen/other: taken by {}\n", hub.url), 0));
    let json = run(&["call", "--url", &hub.url, "hive/worker/act", r#"{"ü": [1, 2.0]}"#, "--json"]);
    let answer = json!({"event": "hive/worker/act", "network": null, "url": hub.url, "taken": true});
    assert_eq!((json.json(), json.code), (answer, 0));
    let heard = listener.json();
    assert_eq!((&heard["event"], &heard["payload"]), (&json!("hive/worker/act"), &json!({"ü": [1, 2.0]})));
    assert_eq!(heard["metadata"]["event"], json!("hive/worker/act"));
}

#[test]
fn the_configuration_names_the_network_and_servers_in_it_are_not_started() {
    let hub = Hub::start();
    let unused = free_port();
    let text = format!(
        "connectors: {{net: {{pubsub_type: websocket, input_channel: w, init: {{port: {}}}}}}}\n\
         servers: {{net: {{pubsub_type: websocket, create: always, init: {{port: {unused}}}}}}}\n",
        hub.port
    );
    let folder = folder_with("eventhive.yaml", &text);
    let called = run_in(folder.path(), &["call", "net/w/act", "{}"]);
    assert_eq!((called.out.as_str(), called.code), ("net/w/act: taken by net\n", 0), "{called:?}");
    let wrong = run_in(folder.path(), &["call", "nett/w/act"]);
    assert!(wrong.code == 2 && wrong.err.contains("there are: net"), "{wrong:?}");
}

#[test]
fn a_payload_comes_from_standard_input_and_one_that_is_too_large_is_refused_with_code_1() {
    let hub = Hub::start();
    let folder = tempfile::TempDir::new().unwrap();
    let call = |payload: String| {
        let mut child = program(folder.path(), &["call", "--url", &hub.url, "hive/w/act", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(payload.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(call(r#"{"a": 1}"#.to_owned()), (0, String::new()));
    let (code, error) = call(format!(r#"{{"a": "{}"}}"#, "x".repeat(2 << 20)));
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("has 2097") && error.contains("the wire takes"), "{error}");
}

#[test]
fn what_is_no_object_or_no_address_ends_with_code_2() {
    for arguments in [
        &["call", "a/b/c", "5"][..],
        &["call", "a/b/c", "{"],
        &["call", "a/b/c", r#"{"a": 1} x"#],
        &["call", "a/b/c", "--url", "http://x"],
        &["call", "a/b/c", "--timeout", "-1"],
        &["call", "a/b/c", "--url", "ws://me:hunter2@127.0.0.1/"],
        &["call", "a/b/c", "--timeout", "0"],
        &["listen", "--timeout", "0"],
        &["call", "a/b/c", "--token", "x"],
        &["call", "worker/x"],
        &["call", "worker/x", "--url", "ws://127.0.0.1:1/"],
        &["call", "hive/w/*"],
    ] {
        let ended = run(arguments);
        assert_eq!(ended.code, 2, "{arguments:?}: {ended:?}");
        assert!(!ended.err.contains("hunter2"), "{ended:?}");
    }
}

#[test]
fn a_network_that_is_not_reached_ends_with_code_3() {
    let ended = run(&["call", "--url", "ws://127.0.0.1:1/", "a/b/c", "--json"]);
    assert_eq!((ended.code, &ended.json()["exit"]), (3, &json!(3)));
    assert!(ended.err.contains("error: a: ws://127.0.0.1:1/ cannot be reached"), "{ended:?}");
    assert_eq!(ended.err.matches("cannot be reached").count(), 1, "{ended:?}");
}

#[test]
fn a_server_that_says_nothing_is_given_up_after_the_timeout_or_by_ctrl_c() {
    let silent = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        (listener, url)
    };
    let (_listener, url) = silent();
    assert_eq!(run(&["call", "--url", &url, "a/b/c", "--timeout", "0.2"]).code, 3);
    let (listener, url) = silent();
    let waiting = Running::start(&["call", "--url", &url, "a/b/c", "--timeout", "60"]);
    // It has connected, so it listens to signals.
    let _connection = listener.accept().unwrap();
    waiting.signal("INT");
    assert_eq!(waiting.end().code, 130);
}
