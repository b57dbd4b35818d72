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
const STORED: usize = 200_000;

static PAYLOAD: [u8; 128] = [b'7'; 128];

/// Rounds of durable publishes; the bare disk and the hub take turns in each.
const ROUNDS: usize = 5;

fn main() {
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = folder.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let folder = tempfile::tempdir_in(folder).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        println!("publish to nobody, ns: {:.0} in memory", publish(&hub(memory())).await);
        println!(
            "publish to nobody, ns: {:.0} on disk, not durable",
            publish(&hub(disk(folder.path(), "quick", false))).await
        );
        println!("read back, ns a message: {:.0}", read(folder.path()).await);
        durable(folder.path()).await;
    });
}

/// Durable publishes beside the bare disk: the same records, in the same folder, as many for each `fdatasync` as publishers
/// wait.
async fn durable(folder: &Path) {
    let record = record_bytes(folder).await;
    println!(
        "durable, records of {record} B       publishes/s   bare records/s   hub:bare   us a publish   us a bare fdatasync"
    );
    for publishers in [1, 10, 100, 1000] {
        let (mut rates, mut bares, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let name = format!("{publishers}-{round}");
            let bare = bare(&folder.join(format!("bare-{name}")), record, publishers);
            let rate = stored(&hub(disk(folder, &name, true)), publishers).await;
            rates.push(rate);
            bares.push(bare);
            ratios.push(rate / bare);
        }
        let [rate, bare, ratio] = [rates, bares, ratios].map(median);
        let waits = |rate: f64| publishers as f64 * 1e6 / rate;
        println!(
            "  {publishers:>5} publishers that wait {rate:>15.0} {bare:>16.0} {ratio:>10.2} {:>14.0} {:>21.0}",
            waits(rate),
            waits(bare)
        );
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// What one publish is on the disk.
async fn record_bytes(folder: &Path) -> usize {
    const MESSAGES: usize = 100;
    let log = hub(disk(folder, "one", false));
    for _ in 0..MESSAGES {
        log.publish(draft()).unwrap();
    }
    log.close().await;
    let files = std::fs::read_dir(folder.join("one")).unwrap().map(|entry| entry.unwrap());
    let log = files.filter(|file| file.path().extension().is_some_and(|kind| kind == "log"));
    log.map(|file| file.metadata().unwrap().len() as usize).sum::<usize>() / MESSAGES
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

/// Records a second of a file that gets `at_once` of them with one write and is made safe by one `fdatasync` then.
fn bare(path: &Path, record: usize, at_once: usize) -> f64 {
    let times = each(at_once);
    let mut file = OpenOptions::new().append(true).create_new(true).open(path).unwrap();
    let records = vec![7; record * at_once];
    let start = Instant::now();
    for _ in 0..times {
        file.write_all(&records).unwrap();
        file.sync_data().unwrap();
    }
    (times * at_once) as f64 / start.elapsed().as_secs_f64()
}

/// How often each of so many publishers publishes: one alone waits for the disk each time.
const fn each(publishers: usize) -> usize {
    let most = STORED / publishers;
    if most > 500 { 500 } else { most }
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
    let each = each(publishers);
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
