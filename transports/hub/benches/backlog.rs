//! What the backlog on disk costs: appending, storing for many publishers at a time, reading back, beside what the bare
//! disk does. `cargo bench -p eventhive-hub --bench backlog -- FOLDER`, a folder on the disk in question.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that fails should say so loudly")]

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use eventhive_hub::{Backlog, BacklogBounds, DiskBacklog, DiskSettings, Draft, Hub, HubSettings, MemoryBacklog, Start};
use eventhive_transport::Topic;
use tokio::task::LocalSet;

/// Messages of a run without waiting.
const MESSAGES: usize = 500_000;

/// Messages of a run in which each is waited for.
const STORED: usize = 20_000;

static PAYLOAD: [u8; 128] = [b'7'; 128];

fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = folder.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let folder = tempfile::tempdir_in(folder).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        println!("bare fdatasync of 256 B: {:.0} us", bare(folder.path()));
        println!("publish to nobody, ns: {:.0} in memory", publish(&hub(memory())).await);
        println!(
            "publish to nobody, ns: {:.0} on disk, not durable",
            publish(&hub(disk(folder.path(), "quick", false))).await
        );
        for publishers in [1, 10, 100, 1000] {
            let rate = stored(&hub(disk(folder.path(), &format!("durable{publishers}"), true)), publishers).await;
            println!("durable, {publishers:>4} publishers that wait: {rate:>8.0} publishes/s");
        }
        println!("read back, ns a message: {:.0}", read(folder.path()).await);
    });
}

fn memory() -> Arc<dyn Backlog> {
    Arc::new(MemoryBacklog::new(BacklogBounds::default()))
}

fn settings(folder: &Path, name: &str, durable: bool) -> DiskSettings {
    DiskSettings { durable, ..DiskSettings::new(folder.join(name)) }
}

fn disk(folder: &Path, name: &str, durable: bool) -> Arc<dyn Backlog> {
    Arc::new(DiskBacklog::open(settings(folder, name, durable)).unwrap())
}

fn hub(backlog: Arc<dyn Backlog>) -> Hub {
    Hub::with_backlog(HubSettings::default(), backlog)
}

fn draft() -> Draft {
    Draft::json(Topic::from_static("my-hive/worker/action"), Bytes::from_static(&PAYLOAD))
}

/// Microseconds of one append that is made safe.
fn bare(folder: &Path) -> f64 {
    const TIMES: u32 = 200;
    let mut file = OpenOptions::new().append(true).create_new(true).open(folder.join("bare")).unwrap();
    let start = Instant::now();
    for _ in 0..TIMES {
        file.write_all(&[7; 256]).unwrap();
        file.sync_data().unwrap();
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES)
}

async fn publish(hub: &Hub) -> f64 {
    let start = Instant::now();
    for _ in 0..MESSAGES {
        hub.ready().await;
        hub.publish(draft()).unwrap();
    }
    hub.stored(hub.newest()).await.unwrap();
    start.elapsed().as_nanos() as f64 / MESSAGES as f64
}

async fn stored(hub: &Hub, publishers: usize) -> f64 {
    // One alone waits for the disk each time.
    let each = if publishers == 1 { 500 } else { STORED / publishers };
    let start = Instant::now();
    let publishers: Vec<_> = (0..publishers)
        .map(|_| {
            let hub = hub.clone();
            tokio::task::spawn_local(async move {
                for _ in 0..each {
                    let published = hub.publish(draft()).unwrap();
                    hub.stored(published.cursor).await.unwrap();
                }
            })
        })
        .collect();
    let total = each * publishers.len();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    total as f64 / start.elapsed().as_secs_f64()
}

async fn read(folder: &Path) -> f64 {
    let log = DiskBacklog::open(settings(folder, "quick", false)).unwrap();
    let (mut place, mut count) = (log.locate(Start::Oldest).await.unwrap(), 0);
    let start = Instant::now();
    loop {
        let page = log.read(place, 256).await.unwrap();
        let Some(last) = page.last() else { break };
        place = last.cursor();
        count += page.len();
    }
    start.elapsed().as_nanos() as f64 / count as f64
}
