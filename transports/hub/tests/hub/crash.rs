//! A durable hub whose process is killed: what was answered is there.
//!
//! The test runs its own binary again as the process that is killed.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use eventhive_hub::{Backlog, DiskBacklog, DiskSettings, Draft, Hub, HubSettings, Start};
use tempfile::tempdir;

use crate::support::run;

const FOLDER: &str = "EVENTHIVE_CRASH_TEST";

const PUBLISHERS: usize = 8;

fn settings(folder: &std::path::Path) -> DiskSettings {
    // Small files, so that some are begun while the process is killed.
    DiskSettings { durable: true, max_bytes: 1 << 22, max_messages: u64::MAX, ..DiskSettings::new(folder) }
}

/// The process that is killed: publishes for ever, and writes a line for each publish that is answered. Does nothing in an
/// ordinary run of the tests.
#[test]
fn publishes_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let backlog = DiskBacklog::open(settings(folder.as_ref())).unwrap();
    let hub = Hub::with_backlog(HubSettings::default(), Arc::new(backlog));
    let answers = Arc::new(Mutex::new(std::io::stdout()));
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let (hub, answers) = (hub.clone(), Arc::clone(&answers));
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                for number in 0.. {
                    let payload = format!("\"{}-{publisher}-{number}\"", std::process::id());
                    let published = hub.publish(Draft::json("a", payload.clone())).unwrap();
                    runtime.block_on(hub.stored(published.cursor)).unwrap();
                    let cursor = hub.public(published.cursor, false);
                    // One write, so that no line is cut short by the end.
                    answers.lock().unwrap().write_all(format!("ack {cursor} {payload}\n").as_bytes()).unwrap();
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.join().unwrap();
    }
}

fn publishing(folder: &std::path::Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "crash::publishes_until_it_is_killed", "--nocapture", "--test-threads=1"]);
    command.env(FOLDER, folder).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// Kills the process after so many answers; gives all answers that it made.
fn killed_after(folder: &std::path::Path, answers: usize) -> Vec<(String, String)> {
    let mut child = publishing(folder);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let parse = |line: String| {
        let (cursor, payload) = line.split_once("ack ")?.1.split_once(' ')?;
        Some((cursor.to_owned(), payload.to_owned()))
    };
    let mut got: Vec<_> = lines.by_ref().map_while(Result::ok).filter_map(parse).take(answers).collect();
    assert_eq!(got.len(), answers, "it ended by itself");
    child.kill().unwrap();
    got.extend(lines.map_while(Result::ok).filter_map(parse));
    child.wait().unwrap();
    got
}

#[test]
fn a_killed_process_has_stored_everything_that_it_answered() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("log");
    let mut answered: HashMap<String, String> = HashMap::new();
    for round in 0..6 {
        for (cursor, payload) in killed_after(&path, 1 + 97 * round) {
            assert_eq!(answered.insert(cursor.clone(), payload), None, "{cursor} was given twice");
        }
        let stored: HashMap<String, String> = run(async {
            let log = Arc::new(DiskBacklog::open(settings(&path)).unwrap());
            let hub = Hub::with_backlog(HubSettings::default(), Arc::clone(&log) as _);
            let (mut place, mut stored) = (log.locate(Start::Oldest).await.unwrap(), HashMap::new());
            loop {
                let page = log.read(place, 256).await.unwrap();
                let Some(last) = page.last() else { return stored };
                place = last.cursor();
                for message in page {
                    let payload = String::from_utf8(message.payload().to_vec()).unwrap();
                    let cursor = hub.public(message.cursor(), false).to_string();
                    assert_eq!(stored.insert(cursor, payload), None);
                }
            }
        });
        for (cursor, payload) in &answered {
            assert_eq!(stored.get(cursor), Some(payload), "answered, and lost");
        }
        let payloads: std::collections::HashSet<_> = stored.values().collect();
        assert_eq!(payloads.len(), stored.len(), "none is stored twice");
    }
}
