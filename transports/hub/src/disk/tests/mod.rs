//! The log against a list, through crashes and failing disks.
//!
//! - `model`: whatever is appended and torn off, the log is a list. `times`: clocks and age. `damage`: broken files.
//! - `failing`: disks that are full, unsafe or stuck. `import`: the backlog of PyPubSub. `folder`: who may read and write it.

mod damage;
mod failing;
mod folder;
mod import;
mod model;
mod times;

use std::time::Instant;

use tempfile::{TempDir, tempdir};
use uuid::Uuid;

use super::*;
use crate::Draft;

/// How long anything may take. Only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(20);

fn wait<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("it hangs") })
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "it did not happen that {what}");
        thread::yield_now();
    }
}

fn try_add(log: &DiskBacklog, payload: &[u8], time: SystemTime) -> Result<Cursor, BacklogError> {
    let cursor = log.extent().newest.next();
    let draft = Draft::bytes("t", payload.to_vec());
    log.append(&Arc::new(Message::stamped(draft, Uuid::new_v4(), time, cursor)))?;
    Ok(cursor)
}

fn add(log: &DiskBacklog, payload: &[u8]) -> Cursor {
    try_add(log, payload, SystemTime::now()).unwrap()
}

/// Everything after a place, page by page.
fn rest(log: &DiskBacklog, mut place: Cursor) -> Result<Vec<Arc<Message>>, BacklogError> {
    let mut all = Vec::new();
    loop {
        let page = wait(log.read(place, 7))?;
        let Some(last) = page.last() else { return Ok(all) };
        place = last.cursor();
        all.extend(page);
    }
}

fn all(log: &DiskBacklog) -> Vec<Arc<Message>> {
    let place = wait(log.locate(Start::Oldest)).unwrap();
    rest(log, place).unwrap()
}

/// What of a message must survive.
fn essence(message: &Message) -> (Cursor, Uuid, SystemTime, Vec<u8>) {
    (message.cursor(), message.id(), message.time(), message.payload().to_vec())
}

fn small(folder: &TempDir) -> DiskSettings {
    DiskSettings::new(folder.path().join("log"))
}

fn files(settings: &DiskSettings) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(&settings.path).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|kind| kind == "log")).collect();
    files.sort();
    files
}
