//! The real eventhive 0.5.0 finds our servers, and we find its.

use eventhive::discovery::Announcement;
use serde_json::json;

use crate::alone;
use crate::namespace::ADDRESS;
use crate::python::{LIMIT, Packages, Program};
use crate::servers::{open, pairs, server};

/// Starts eventhive 0.5.0 with this configuration.
fn hive(folder: &tempfile::TempDir, config: &str) -> Program {
    let file = folder.path().join("eventhive.yaml");
    std::fs::write(&file, config).unwrap();
    Program::start_with(Packages::Eventhive, "hive", &[], |command| {
        command.env("EVENTHIVE_CONFIG", &file).current_dir(folder.path());
    })
}

alone! {
    async fn a_python_hive_finds_our_server() {
        let folder = tempfile::tempdir().unwrap();
        let _announcement: Announcement = open().announce(&server("my-hive", "0.0.0.0", 18085)).await.unwrap();
        let mut python = hive(&folder, "
connectors:
  my-hive: {pubsub_type: fastapi, input_channel: '', from_broadcast: 10}
");
        let connectors = python.said("connectors").await;
        assert_eq!(connectors["my-hive"], json!({"host": ADDRESS, "port": "18085", "endpoint": "/pubsub"}));
    }
}

alone! {
    async fn a_python_hive_does_not_make_a_server_that_is_needed_when_ours_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let _announcement = open().announce(&server("my-hive", "0.0.0.0", 18085)).await.unwrap();
        let mut python = hive(&folder, "
servers:
  my-hive: {pubsub_type: fastapi, create: needed, broadcast: true, init: {host: 0.0.0.0, port: 18086, endpoint: /x}}
connectors: {}
");
        assert_eq!(python.said("servers").await, json!([]));
    }
}

alone! {
    async fn the_server_of_a_python_hive_is_found_and_its_goodbye_heard() {
        let folder = tempfile::tempdir().unwrap();
        let mut browser = open().browse().unwrap();
        let mut python = hive(&folder, "
servers:
  my-hive: {pubsub_type: fastapi, create: always, broadcast: true, init: {host: 0.0.0.0, port: 18087, endpoint: /pubsub}}
connectors: {}
");
        assert_eq!(python.said("servers").await, json!(["my-hive"]));
        let found = open().resolve("my-hive", LIMIT).await.unwrap().unwrap();
        assert_eq!(found.txt, pairs(&[("host", ADDRESS), ("port", "18087"), ("endpoint", "/pubsub")]));
        python.finish();
        while !matches!(browser.next().await, eventhive::discovery::Change::Gone(gone) if gone.name == "my-hive") {}
    }
}
