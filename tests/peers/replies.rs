//! Requests with Python peers: a Python hive that answers, one that does not know how, and Python's hubs in between.

use std::time::Duration;

use eventhive::{Event, Hive, Json, RemoteErrorKind, RequestError, RequestOptions, StartOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::environment::Stack;
use crate::hives::file;
use crate::place::{Place, Wire};
use crate::process::{LIMIT, Peer};

/// `extra` are more keys, each behind a comma.
fn yaml(channel: &str, place: &Place, extra: &str) -> String {
    format!("connectors: {{net: {{input_channel: '{channel}', {}{extra}}}}}", place.keys())
}

const SECRET: &str = ", secret: 'a secret'";
const CIPHER: &str = ", cipher: eventhive-0.5";

/// A Python worker with a hook on `worker/action`.
fn python(place: &Place, extra: &str, more: &[&str]) -> (Peer, TempDir) {
    let (folder, file) = file(&yaml("worker", place, extra));
    let arguments = [&["--config", file.to_str().unwrap(), "--hook", "worker/action"], more].concat();
    let mut process = Peer::python(Stack::Eventhive, "hive", &arguments);
    process.wait_for("state", &json!("ready"));
    (process, folder)
}

async fn started(hive: Hive) -> Hive {
    hive.start_with(StartOptions::new().require("net")).await.unwrap_or_else(|error| panic!("{error}"));
    hive
}

async fn ours(channel: &str, place: &Place, extra: &str) -> Hive {
    started(Hive::from_yaml(&yaml(channel, place, extra)).unwrap_or_else(|error| panic!("{error}"))).await
}

async fn ask(hive: &Hive, name: &str, payload: Value, within: Duration) -> Result<Value, RequestError> {
    hive.request_with(RequestOptions::new().within(within), name, payload).await
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

fn a_python_hive_answers_by_calling_the_name_that_it_finds(wire: Wire) {
    let place = Place::start(wire);
    for (pythons, queens) in [("", String::new()), (SECRET, format!("{SECRET}{CIPHER}"))] {
        let (_worker, _folder) = python(&place, pythons, &["--reply"]);
        run(async {
            let queen = ours("", &place, &queens).await;
            for payload in [json!({"n": 1, "pi": 3.25, "text": "ü\u{1f41d}"}), json!({}), json!({"list": [1, [null]]})]
            {
                let answer = ask(&queen, "net/worker/action", payload.clone(), LIMIT).await;
                assert_eq!(answer, Ok(json!({"got": payload})));
            }
            assert_eq!(queen.connector_stats()[0].1.requests_open, 0);
            queen.stop(Duration::from_secs(5)).await;
        });
    }
}

fn a_python_hive_that_ignores_the_metadata_handles_the_event_and_the_request_times_out(wire: Wire) {
    let place = Place::start(wire);
    let (mut worker, _folder) = python(&place, "", &[]);
    run(async {
        let queen = ours("", &place, "").await;
        let error = ask(&queen, "net/worker/action", json!({"n": 1}), Duration::from_secs(2)).await.unwrap_err();
        assert!(matches!(error, RequestError::TimedOut { published: true, .. }), "{error:?}");
        queen.stop(Duration::from_secs(5)).await;
    });
    let (event, data) = worker.received();
    assert_eq!((event.as_str(), &data["n"]), ("worker/action", &json!(1)));
    let reply_to = data["__eventhive__"]["reply_to"].as_str().unwrap();
    assert!(reply_to.starts_with("net/inbox-"), "{reply_to}");
}

fn hives_of_ours_ask_each_other(wire: Wire) {
    let place = Place::start(wire);
    for extra in [String::new(), SECRET.to_owned(), format!("{SECRET}{CIPHER}")] {
        run(async {
            let worker = Hive::from_yaml(&yaml("worker", &place, &extra)).unwrap();
            worker.hook("worker/double", async |Json(json): Json<Value>| json["n"].as_i64().map(|n| n * 2)).unwrap();
            worker.hook("worker/fail", async |_: Event| Err::<(), _>("no honey")).unwrap();
            let (worker, queen) = (started(worker).await, ours("queen", &place, &extra).await);
            for n in 0..20 {
                assert_eq!(ask(&queen, "net/worker/double", json!({"n": n}), LIMIT).await, Ok(json!(n * 2)));
            }
            match ask(&queen, "net/worker/fail", json!({}), LIMIT).await {
                Err(RequestError::Remote(error)) => assert_eq!(error.kind(), &RemoteErrorKind::Failed),
                other => panic!("{other:?}"),
            }
            let options = RequestOptions::new().within(LIMIT).count(1);
            let replies = queen.request_all(options, "net/worker/double", json!({"n": 4})).await.unwrap().all().await;
            assert_eq!(replies.len(), 1);
            queen.stop(Duration::from_secs(5)).await;
            worker.stop(Duration::from_secs(5)).await;
        });
    }
}

macro_rules! on_each_wire {
    ($($case:ident),* $(,)?) => { $(
        mod $case {
            use crate::place::Wire;
            #[test]
            fn through_python_0_3_1() { super::$case(Wire::Python03) }
            #[test]
            fn through_python_1_0_1() { super::$case(Wire::Python10) }
            #[test]
            fn through_ours() { super::$case(Wire::Ours) }
            #[test]
            fn over_redis() { super::$case(Wire::Redis) }
        }
    )* };
}

on_each_wire!(
    a_python_hive_answers_by_calling_the_name_that_it_finds,
    a_python_hive_that_ignores_the_metadata_handles_the_event_and_the_request_times_out,
    hives_of_ours_ask_each_other,
);

#[test]
fn the_command_line_asks_a_python_hive() {
    let place = Place::start(Wire::Python03);
    let (_worker, folder) = python(&place, "", &["--reply"]);
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_hive-cli"));
    let arguments = ["request", "--url", &place.url(), "net/worker/action", r#"{"n": 1}"#, "--timeout", "60"];
    let (out, err, code) = crate::process::run(program, folder.path(), &arguments);
    assert_eq!((out.as_str(), code), ("{\"got\":{\"n\":1}}\n", 0), "{err}");
}
