//! `hive-cli request`

use std::time::Duration;

use eventhive::{Event, Hive, HookError, Json, StartOptions};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::{Ended, Hub, Running, SOON, folder_with, run, run_in};

/// A hive that answers on the channel `worker` of the network `hive`.
struct Worker {
    hive: Hive,
    runtime: Runtime,
}

impl Worker {
    fn start(hub: &Hub, name: &'static str) -> Self {
        let yaml = format!(
            "connectors: {{hive: {{pubsub_type: websocket, input_channel: worker, init: {{port: {}}}}}}}",
            hub.port
        );
        let hive = Hive::from_yaml(&yaml).unwrap();
        hive.hook("worker/echo", async |Json(payload): Json<Value>| payload).unwrap();
        hive.hook("worker/name", async move |_: Event| name).unwrap();
        let fail = async move |_: Event| match name {
            "good" => Ok(1),
            _ => Err(HookError::new("no honey\u{1b}").with_code("empty")),
        };
        hive.hook("worker/fail", fail).unwrap();
        hive.hook("worker/never", async |_: Event| std::future::pending::<()>().await).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(hive.start_with(StartOptions::new().require("hive"))).unwrap();
        Self { hive, runtime }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.runtime.block_on(self.hive.stop(Duration::from_secs(1)));
    }
}

fn request(hub: &Hub, arguments: &[&str]) -> Ended {
    run(&[&["request", "--url", &hub.url], arguments].concat())
}

#[test]
fn what_the_hook_returned_is_printed_as_json() {
    let hub = Hub::start();
    let _worker = Worker::start(&hub, "one");
    let text = request(&hub, &["hive/worker/echo", r#"{"ü": [1, 2.5, null]}"#]);
    assert_eq!((text.out.as_str(), text.code), ("{\"ü\":[1,2.5,null]}\n", 0), "{text:?}");
    let json = request(&hub, &["hive/worker/name", "--json"]);
    let expected = json!({"event": "hive/worker/name", "network": null, "url": hub.url, "value": "one"});
    assert_eq!((json.json(), json.code), (expected, 0));
}

#[test]
fn the_configuration_may_name_the_network_and_a_secret() {
    let hub = Hub::start();
    let text = format!(
        "connectors: {{hive: {{pubsub_type: websocket, input_channel: queen, secret: s3, init: {{port: {}}}}}}}",
        hub.port
    );
    let folder = folder_with("eventhive.yaml", &text);
    let ended = run_in(folder.path(), &["request", "hive/worker/x", "--json"]);
    assert_eq!((ended.code, &ended.json()["kind"]), (5, &json!("no_listener")), "{ended:?}");
}

#[test]
fn an_error_of_the_handler_ends_with_code_1_and_says_its_kind() {
    let hub = Hub::start();
    let _worker = Worker::start(&hub, "one");
    let text = request(&hub, &["hive/worker/fail"]);
    assert_eq!((text.out.as_str(), text.code), ("", 1));
    assert!(text.err.contains("failed") && text.err.contains("no honey\\u001b"), "{text:?}");
    let json = request(&hub, &["hive/worker/fail", "--json"]);
    let (answer, code) = (json.json(), json.code);
    assert_eq!((code, &answer["exit"], &answer["kind"]), (1, &json!(1), &json!("failed")));
    assert_eq!((&answer["remote"]["code"], &answer["remote"]["message"]), (&json!("empty"), &json!("no honey\u{1b}")));
    assert!(answer["from"].is_string(), "{answer}");
}

#[test]
fn nobody_who_answers_ends_with_code_5_at_once() {
    let hub = Hub::start();
    let nobody = request(&hub, &["hive/worker/x", "--timeout", "600"]);
    assert!(nobody.code == 5 && nobody.err.contains("nobody answers `hive/worker/x`"), "{nobody:?}");
    let _worker = Worker::start(&hub, "one");
    for arguments in [
        &["hive/worker/x", "--timeout", "600", "--json"][..],
        &["hive/worker/x", "--timeout", "600", "--json", "--all"],
    ] {
        let no_hook = request(&hub, arguments);
        assert_eq!((no_hook.code, &no_hook.json()["kind"]), (5, &json!("no_listener")), "{no_hook:?}");
    }
}

#[test]
fn no_answer_in_time_ends_with_code_6() {
    let hub = Hub::start();
    let _worker = Worker::start(&hub, "one");
    let late = request(&hub, &["hive/worker/never", "--timeout", "1", "--json"]);
    assert_eq!((late.code, &late.json()["kind"]), (6, &json!("timed_out")), "{late:?}");
    let late = request(&hub, &["hive/worker/never", "--timeout", "1", "--all"]);
    assert!(late.code == 6 && late.err.contains("0 answers came within 1 s"), "{late:?}");
}

#[test]
fn all_prints_each_hives_answer_and_count_ends_it() {
    let hub = Hub::start();
    let (_one, _two) = (Worker::start(&hub, "good"), Worker::start(&hub, "bad"));
    let all = request(&hub, &["hive/worker/name", "--all", "--json", "--timeout", "600"]);
    let lines: Vec<Value> = all.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut names: Vec<&str> = lines.iter().map(|line| line["value"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!((names, all.code), (vec!["bad", "good"], 0));
    assert_ne!(lines[0]["from"], lines[1]["from"]);
    let one = request(&hub, &["hive/worker/name", "-n", "1", "--timeout", "600"]);
    assert_eq!((one.out.lines().count(), one.code), (1, 0));
    let three = request(&hub, &["hive/worker/name", "--count", "3", "--timeout", "600"]);
    assert!(three.code == 1 && three.err.contains("2 of 3 answers came"), "{three:?}");
    let mixed = request(&hub, &["hive/worker/fail", "--all", "--timeout", "600"]);
    assert_eq!((mixed.out.lines().count(), mixed.code), (2, 1));
    assert!(mixed.out.contains(" 1\n") && mixed.out.contains("no honey"), "{mixed:?}");
}

#[test]
fn a_refused_request_ends_with_code_1_and_an_unreachable_network_with_3() {
    let hub = Hub::start();
    let large = format!(r#"{{"a": "{}"}}"#, "x".repeat(100_000));
    let text = format!(
        "connectors: {{hive: {{pubsub_type: websocket, input_channel: '', init: {{port: {}, max_message_bytes: 65536}}}}}}",
        hub.port
    );
    let folder = folder_with("eventhive.yaml", &text);
    let refused = run_in(folder.path(), &["request", "hive/w/x", &large, "--json"]);
    assert_eq!((refused.code, &refused.json()["kind"]), (1, &json!("refused")), "{refused:?}");
    let unreachable = run(&["request", "--url", "ws://127.0.0.1:1/", "a/b/c", "--json"]);
    assert_eq!((unreachable.code, &unreachable.json()["exit"]), (3, &json!(3)));
}

#[test]
fn ctrl_c_ends_it_with_code_130() {
    let hub = Hub::start();
    let worker = Worker::start(&hub, "one");
    let mut events = worker.hive.stream("worker/never").unwrap();
    let waiting = Running::start(&["request", "--url", &hub.url, "hive/worker/never", "--timeout", "600"]);
    let arrived = async { tokio::time::timeout(SOON, events.next()).await };
    worker.runtime.block_on(arrived).expect("the request arrives").unwrap();
    waiting.signal("INT");
    assert_eq!(waiting.end().code, 130);
}
