//! `hive-cli listen`

use serde_json::json;

use crate::support::{Hub, Running, folder_with, run, run_in};

fn call(hub: &Hub, name: &str) {
    assert_eq!(run(&["call", "--url", &hub.url, name, r#"{"n": 1}"#]).code, 0);
}

#[test]
fn it_ends_after_count_events_with_code_0() {
    let hub = Hub::start();
    let mut listener = Running::start(&["listen", "--url", &hub.url, "-n", "2"]);
    listener.told("listening to");
    call(&hub, "a/b/one");
    call(&hub, "c/d/two");
    assert_eq!(listener.line(), r#"a/b/one {"n":1}"#);
    assert_eq!(listener.line(), r#"c/d/two {"n":1}"#);
    assert_eq!(listener.end().code, 0);
}

#[test]
fn an_exact_name_and_a_pattern_let_nothing_else_through() {
    let hub = Hub::start();
    for pattern in ["a/b/yes", "a/?/[y]es"] {
        let mut listener = Running::start(&["listen", "--url", &hub.url, pattern, "--count", "1", "--json"]);
        listener.told("listening to");
        call(&hub, "a/b/no");
        call(&hub, "a/b/yes");
        assert_eq!(listener.json()["event"], json!("a/b/yes"));
    }
}

#[test]
fn the_timeout_ends_it_with_code_1_if_too_little_came_and_0_if_not() {
    let hub = Hub::start();
    let nothing = run(&["listen", "--url", &hub.url, "--timeout", "1.5"]);
    assert_eq!((nothing.out.as_str(), nothing.code), ("", 1), "{nothing:?}");
    for (count, code) in [(&[][..], 0), (&["--count", "2"][..], 1)] {
        let arguments = ["listen", "--url", &hub.url, "--timeout", "3"];
        let mut listener = Running::start(&[&arguments, count].concat());
        listener.told("listening to");
        call(&hub, "a/b/c");
        listener.line();
        assert_eq!(listener.end().code, code);
    }
}

#[test]
fn the_timeout_holds_before_the_subscription_stands_too() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", silent.local_addr().unwrap());
    let started = std::time::Instant::now();
    let ended = run(&["listen", "--url", &url, "--timeout", "0.3"]);
    assert!(ended.code == 3 && ended.err.contains("no answer in time"), "{ended:?}");
    // The link's own limit for connecting is ten seconds.
    assert!(started.elapsed() < std::time::Duration::from_secs(8), "{:?}", started.elapsed());
}

#[test]
fn what_strangers_publish_cannot_steer_the_terminal() {
    let hub = Hub::start();
    for json in [false, true] {
        let arguments = ["listen", "--url", &hub.url, "-n", "1", if json { "--json" } else { "--verbose" }];
        let mut listener = Running::start(&arguments);
        listener.told("listening to");
        let name = "a/b/\u{202e}c";
        assert_eq!(run(&["call", "--url", &hub.url, name, "{\"k\": \"\u{9b}2J\u{7f}\"}"]).code, 0);
        let line = listener.line();
        assert!(!line.contains(['\u{9b}', '\u{202e}', '\u{7f}']), "{line:?}");
        assert!(line.contains(r"a/b/\u202ec") && line.contains(r"\u009b2J\u007f"), "{line:?}");
    }
}

#[test]
fn ctrl_c_ends_it_with_code_130_and_sigterm_with_143() {
    let hub = Hub::start();
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut listener = Running::start(&["listen", "--url", &hub.url]);
        listener.told("listening to");
        listener.signal(signal);
        assert_eq!(listener.end().code, code);
    }
}

#[test]
fn a_hub_that_is_not_there_ends_with_code_3_and_a_pattern_of_no_network_with_2() {
    let away = run(&["listen", "--url", "ws://127.0.0.1:1/"]);
    assert!(away.code == 3 && away.err.contains("cannot be reached"), "{away:?}");
    let folder = folder_with("eventhive.yaml", "connectors: {net: {pubsub_type: websocket, input_channel: w}}");
    let wrong = run_in(folder.path(), &["listen", "other/*"]);
    assert!(wrong.code == 2 && wrong.err.contains("there are: net"), "{wrong:?}");
}

#[test]
fn sealed_events_are_opened_with_the_secret_of_the_configuration() {
    let hub = Hub::start();
    let config = |secret: &str| {
        format!(
            "connectors: {{net: {{pubsub_type: websocket, input_channel: w, secret: {secret}, init: {{port: {}}}}}}}",
            hub.port
        )
    };
    let folder = folder_with("right.yaml", &config("sting"));
    std::fs::write(folder.path().join("wrong.yaml"), config("honey")).unwrap();
    let listen = |file: &str| Running::start_in(folder.path(), &["listen", "--config", file, "--count", "1", "--json"]);
    let (mut right, mut wrong) = (listen("right.yaml"), listen("wrong.yaml"));
    right.told("listening to");
    wrong.told("listening to");
    assert_eq!(run_in(folder.path(), &["call", "--config", "right.yaml", "net/w/act", r#"{"n": 1}"#]).code, 0);
    let heard = right.json();
    assert_eq!((&heard["network"], &heard["payload"]), (&json!("net"), &json!({"n": 1})));
    wrong.told("net/w/act: dropped");
    wrong.signal("INT");
    assert_eq!(wrong.end().out, "");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let hub = Hub::start();
    let shell = format!("{} listen --url {} | head -n 1", env!("CARGO_BIN_EXE_hive-cli"), hub.url);
    let script = format!("{shell}; exit ${{PIPESTATUS[0]}}");
    let reader = std::thread::spawn(move || std::process::Command::new("bash").args(["-c", &script]).output().unwrap());
    // Nothing tells from outside when the listener has subscribed.
    while !reader.is_finished() {
        call(&hub, "a/b/c");
    }
    assert_eq!(reader.join().unwrap().status.code(), Some(0));
}
