//! The backlog of a server, as its clients meet it.

use std::net::SocketAddr;
use std::time::Duration;

use eventhive::{Hive, ServerOutcome, StartOptions};
use eventhive_conformance::free_port;
use serde_json::json;
use tempfile::TempDir;

use super::doors::{PATIENCE, Plain, member};

const BRIEFLY: Duration = Duration::from_millis(200);

fn yaml(folder: &TempDir, port: u16, extra: &str) -> String {
    let path = folder.path().join("log");
    let path = path.display();
    format!(
        "servers: {{net: {{create: always, backlog: {{path: {path}{extra}}}, doors: [\
         {{pubsub_type: http, init: {{port: {port}, ping_interval_secs: 0.5}}}}, {{pubsub_type: websocket, init: {{port: {port}}}}}]}}}}"
    )
}

async fn start(yaml: &str) -> (Hive, ServerOutcome) {
    let hive = Hive::from_yaml(yaml).unwrap_or_else(|error| panic!("{error}"));
    let outcome = hive.start().await.unwrap().servers.remove(0).outcome;
    (hive, outcome)
}

async fn serve(yaml: &str) -> (Hive, SocketAddr) {
    let (hive, outcome) = start(yaml).await;
    let ServerOutcome::Listening(bound) = outcome else { panic!("{outcome}") };
    (hive, bound[0].address)
}

async fn failed(yaml: &str) -> String {
    let (_hive, outcome) = start(yaml).await;
    let ServerOutcome::Failed(reason) = outcome else { panic!("{outcome}") };
    reason
}

#[tokio::test]
async fn clients_go_on_where_they_were_after_a_restart_whichever_door_the_events_came_by() {
    let folder = TempDir::new().unwrap();
    let (hub, address) = serve(&yaml(&folder, 0, "")).await;
    let mut cursors = Vec::new();
    for number in 0..3 {
        cursors.push(Plain::put(address, "/net/worker/action", &format!("{{\"number\": {number}}}")).await);
    }
    let worker = member(address, "websocket", "worker", "").await;
    worker.emit("net/worker/action", json!({"number": 3})).unwrap().published.unwrap().unwrap();
    assert!(worker.flush(PATIENCE).await);
    worker.stop(PATIENCE).await;
    assert!(hub.stop(PATIENCE).await);

    let (hub, address) = serve(&yaml(&folder, 0, "")).await;
    let places = [(format!("X-Fetch-Since-Cursor: {}\r\n", cursors[1]), 2), ("X-Fetch-Since: 0\r\n".to_owned(), 0)];
    for (turn, (asked, first)) in places.into_iter().enumerate() {
        let (mut stream, head) = Plain::get(address, "/net", &asked).await;
        assert!(head.contains("x-pubsub-replay: found"), "{head}");
        for number in (first..4).chain(std::iter::repeat_n(9, turn)) {
            assert_eq!(stream.event().await["number"], number, "{asked}");
        }
        let next = Plain::put(address, "/net/worker/other", "{\"number\": 9}").await;
        assert_eq!(stream.event().await["pubsub_cursor"], next, "then it is live");
    }
    assert!(hub.stop(PATIENCE).await);
}

#[tokio::test]
async fn a_link_gets_what_was_published_while_it_was_away_although_the_server_was_restarted() {
    let folder = TempDir::new().unwrap();
    let (hub, address) = serve(&yaml(&folder, free_port(), "")).await;
    let init = format!("{{host: {}, port: {}, reconnect_max_secs: 0.2}}", address.ip(), address.port());
    let worker = format!("connectors: {{net: {{pubsub_type: http, input_channel: worker, init: {init}}}}}");
    let worker = Hive::from_yaml(&worker).unwrap();
    worker.start_with(StartOptions::new().require("net")).await.unwrap();
    let mut events = worker.stream("worker/action").unwrap();
    Plain::put(address, "/net/worker/action", "{\"number\": 0}").await;
    assert_eq!(super::memory::next(&mut events).await.payload().as_value().unwrap()["number"], 0);
    // The link keeps a connection open as long as it may.
    assert!(hub.stop(BRIEFLY).await);
    // A hive without a door for the worker has the log meanwhile.
    let (other, elsewhere) = serve(&yaml(&folder, 0, "")).await;
    Plain::put(elsewhere, "/net/worker/action", "{\"number\": 1}").await;
    assert!(other.stop(PATIENCE).await);
    let (hub, _) = serve(&yaml(&folder, address.port(), "")).await;
    assert_eq!(super::memory::next(&mut events).await.payload().as_value().unwrap()["number"], 1);
    assert_eq!(worker.connector_stats()[0].1.gaps, 0);
    worker.stop(PATIENCE).await;
    assert!(hub.stop(BRIEFLY).await);
}

#[tokio::test]
async fn two_hives_cannot_have_one_backlog_and_the_second_has_it_when_the_first_is_stopped() {
    let folder = TempDir::new().unwrap();
    let (first, _) = serve(&yaml(&folder, 0, "")).await;
    let reason = failed(&yaml(&folder, 0, "")).await;
    assert!(reason.contains("servers.net.backlog.path: ") && reason.contains("in use by another hub"), "{reason}");
    assert!(first.stop(PATIENCE).await);
    let (second, _) = serve(&yaml(&folder, 0, "")).await;
    assert!(second.stop(PATIENCE).await);
}

#[tokio::test]
async fn a_server_that_does_not_start_leaves_its_backlog_to_others() {
    let folder = TempDir::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let reason = failed(&yaml(&folder, taken.local_addr().unwrap().port(), "")).await;
    assert!(reason.contains("something else listens there"), "{reason}");
    let (hive, _) = serve(&yaml(&folder, 0, "")).await;
    assert!(hive.stop(PATIENCE).await);
}

#[tokio::test]
async fn a_file_that_cannot_be_taken_over_is_told_at_its_own_key() {
    let folder = TempDir::new().unwrap();
    let reason = failed(&yaml(&folder, 0, ", import_pypubsub: /nosuch/file.json")).await;
    assert!(
        reason.contains("servers.net.backlog.import_pypubsub: ") && reason.contains("/nosuch/file.json"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_backlog_of_pypubsub_is_taken_over_on_the_first_start_alone() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("pypubsub.json");
    let line = r#"{"timestamp": 1695221122.25, "topics": ["c", "7"], "json": {"i": 7, "pubsub_timestamp": 1695221122.25, "pubsub_topics": ["c", "7"], "pubsub_path": "/c/7", "pubsub_cursor": "b3ea264d-ec23-40a1-b7d9-3c2aa071ecda"}, "private": false}"#;
    let hidden = r#"{"timestamp": 1695221123.5, "topics": ["c"], "json": {"i": 8}, "private": true}"#;
    std::fs::write(&file, format!("{line}\n{hidden}\n")).unwrap();
    let extra = format!(", import_pypubsub: {}", file.display());
    for _ in 0..2 {
        let (hive, address) = serve(&yaml(&folder, 0, &extra)).await;
        let (mut stream, _) = Plain::get(address, "/c", "X-Fetch-Since: 0\r\n").await;
        let event = stream.event().await;
        assert_eq!((&event["i"], &event["pubsub_path"]), (&json!(7), &json!("/c/7")));
        assert_eq!(event["pubsub_timestamp"], 1_695_221_122.25);
        let next = Plain::put(address, "/d", "{}").await;
        let (mut stream, _) = Plain::get(address, "/", &format!("X-Fetch-Since-Cursor: {next}\r\n")).await;
        stream.until("stillalive").await;
        assert!(hive.stop(PATIENCE).await);
        std::fs::write(&file, "it is not read again").unwrap();
    }
}
