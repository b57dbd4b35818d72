//! What is measured, and how.

use std::cell::Cell;
use std::io::{self, Error};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};

use crate::client::{Publisher, Subscriber, Tally};
use crate::system::{Server, System, most_connections, own_cpu};
use crate::wire::Wire;

/// How many publishers send how many bytes to how many subscribers; all use one topic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Load {
    pub(crate) name: &'static str,
    /// The name on the command line.
    pub(crate) id: &'static str,
    publishers: usize,
    pub(crate) subscribers: usize,
    pub(crate) payload_bytes: usize,
    /// Messages a second while latency is measured: few enough for the slowest hub to keep up; a tenth at lonelypss.
    rate: f64,
    /// The next message is published when the last has arrived.
    one_at_a_time: bool,
}

pub(crate) const ONE_TO_ONE: Load = Load {
    name: "1 → 1, 128 B",
    id: "1:1",
    publishers: 1,
    subscribers: 1,
    payload_bytes: 128,
    rate: 500.0,
    one_at_a_time: false,
};
pub(crate) const ONE_AT_A_TIME: Load =
    Load { name: "1 → 1, 128 B, one at a time", id: "1:1-waiting", one_at_a_time: true, ..ONE_TO_ONE };
pub(crate) const ONE_TO_TEN: Load =
    Load { name: "1 → 10, 128 B", id: "1:10", subscribers: 10, rate: 100.0, ..ONE_TO_ONE };
pub(crate) const ONE_TO_100: Load =
    Load { name: "1 → 100, 128 B", id: "1:100", subscribers: 100, rate: 10.0, ..ONE_TO_ONE };
pub(crate) const ONE_TO_1000: Load =
    Load { name: "1 → 1000, 128 B", id: "1:1000", subscribers: 1000, rate: 2.0, ..ONE_TO_ONE };
const TEN_TO_TEN: Load = Load { name: "10 → 10, 128 B", id: "10:10", publishers: 10, ..ONE_TO_TEN };
const LARGE: Load = Load { name: "1 → 1, 16 KiB", id: "16KiB", payload_bytes: 16 * 1024, ..ONE_TO_ONE };

impl Load {
    /// The websockets of webhooks are measured with one subscriber and with a hundred.
    pub(crate) fn is_for(self, system: System) -> bool {
        !system.takes_webhooks() || [ONE_TO_ONE, ONE_TO_100].contains(&self)
    }
}

pub(crate) const ALL: [Load; 7] = [ONE_TO_ONE, ONE_AT_A_TIME, ONE_TO_TEN, ONE_TO_100, ONE_TO_1000, TEN_TO_TEN, LARGE];

/// How often each load is measured at each system; the median of each figure counts. They take turns, so that a busy
/// minute of the machine meets all.
pub(crate) const ROUNDS: usize = 3;

const WARM_UP: Duration = Duration::from_millis(300);
const MEASURED: Duration = Duration::from_millis(1_200);
/// The bound of what cannot take long unless something was lost.
const DRAIN: Duration = Duration::from_secs(30);
/// Fewer where the limit of open files does not let our server have as many.
const IDLE_SUBSCRIBERS: usize = 10_000;
/// The first ones make the server load what it needs once.
const FIRST_SUBSCRIBERS: usize = 32;

/// The figures of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) deliveries_per_sec: f64,
    /// Processor time of the server.
    pub(crate) cpu_secs_per_million: f64,
    pub(crate) p50_micros: f64,
    pub(crate) p99_micros: f64,
    /// The part of one processor that the load needed, which is one thread: where it is near 1, the load is what
    /// bounded the deliveries.
    pub(crate) load_busy: f64,
}

/// Measures one load at a fresh server.
pub(crate) async fn measure(load: Load, system: System) -> io::Result<Outcome> {
    let server = Server::start(system)?;
    LocalSet::new().run_until(run(load, system, &server)).await
}

async fn run(load: Load, system: System, server: &Server) -> io::Result<Outcome> {
    let (wire, tally) = (Wire::of(system), Tally::new());
    let mut connections = JoinSet::new();
    for _ in 0..load.subscribers {
        let subscriber = Subscriber::connect(wire, server.port, &tally).await?;
        connections.spawn_local(subscriber.run(Rc::clone(&tally)));
    }
    let mut publishers = Vec::new();
    for _ in 0..load.publishers {
        let (publisher, answers) = Publisher::connect(wire, server.port, load.payload_bytes).await?;
        connections.spawn_local(answers.run(Rc::clone(&tally)));
        publishers.push(publisher);
    }
    // A connection that fails ends the benchmark: its figures would be wrong.
    tokio::select! {
        outcome = phases(load, system, server, &tally, publishers) => outcome,
        Some(ended) = connections.join_next() => Err(match ended {
            Ok(Err(error)) => error,
            _ => Error::other("a connection ended"),
        }),
    }
}

async fn phases(
    load: Load,
    system: System,
    server: &Server,
    tally: &Rc<Tally>,
    publishers: Vec<Publisher>,
) -> io::Result<Outcome> {
    let (publishers, flooded) = flood(load, system, server, tally, publishers).await?;
    let rate = if system == System::Lonelypss { load.rate / 10.0 } else { load.rate };
    let latencies = at_a_low_rate(load, rate, tally, publishers).await?;
    let (p50_micros, p99_micros) = (percentile(&latencies, 0.5), percentile(&latencies, 0.99));
    Ok(Outcome { p50_micros, p99_micros, ..flooded })
}

/// Publishes as fast as the hub delivers. Gives the publishers back, and all figures but latency.
pub(crate) async fn flood(
    load: Load,
    system: System,
    server: &Server,
    tally: &Rc<Tally>,
    publishers: Vec<Publisher>,
) -> io::Result<(Vec<Publisher>, Outcome)> {
    let stop = Rc::new(Cell::new(false));
    let window = Window::of(load, system);
    let running: Vec<_> = publishers
        .into_iter()
        .map(|publisher| {
            let (tally, stop) = (Rc::clone(tally), Rc::clone(&stop));
            tokio::task::spawn_local(async move { keep_filled(publisher, window, &tally, &stop).await })
        })
        .collect();
    tokio::time::sleep(WARM_UP).await;
    let (at, cpu, own, received) = (Instant::now(), server.cpu()?, own_cpu()?, tally.received.get());
    tokio::time::sleep(MEASURED).await;
    let (took, cpu, own) = (at.elapsed().as_secs_f64(), server.cpu()? - cpu, own_cpu()? - own);
    let received = (tally.received.get() - received) as f64;
    stop.set(true);
    tally.moved.notify_waiters();
    let mut publishers = Vec::new();
    for publisher in running {
        publishers.push(publisher.await.map_err(Error::other)??);
    }
    drain(load, tally).await?;
    let outcome = Outcome {
        deliveries_per_sec: received / took,
        cpu_secs_per_million: cpu.as_secs_f64() * 1e6 / received,
        load_busy: own.as_secs_f64() / took,
        p50_micros: f64::NAN,
        p99_micros: f64::NAN,
    };
    Ok((publishers, outcome))
}

/// How far publishers go ahead of the subscribers, in deliveries.
#[derive(Debug, Clone, Copy)]
struct Window {
    subscribers: u64,
    full: u64,
    batch: u64,
}

impl Window {
    fn of(load: Load, system: System) -> Self {
        let subscribers = load.subscribers as u64;
        if load.one_at_a_time {
            return Self { subscribers, full: subscribers, batch: 1 };
        }
        // The same for each subscriber whatever their number, so that costs can be compared between loads; 512 KiB at
        // most, which every hub's queue holds. The Python hub is so slow that it would need minutes to work off as much.
        let most = if system.is_slow() { 2_048 / subscribers } else { 256 };
        let messages = (512 * 1024 / (load.payload_bytes as u64 + 384)).min(most).max(2);
        Self { subscribers, full: messages * subscribers, batch: (messages / 2 / load.publishers as u64).clamp(1, 128) }
    }
}

/// Fills the window whenever half of it is free, so that writes are large at every hub.
async fn keep_filled(
    mut publisher: Publisher,
    window: Window,
    tally: &Tally,
    stop: &Cell<bool>,
) -> io::Result<Publisher> {
    let under_way = || tally.published.get() * window.subscribers - tally.received.get();
    while !stop.get() {
        if under_way() > window.full / 2 {
            tally.moved.notified().await;
            continue;
        }
        while under_way() < window.full && !stop.get() {
            publisher.publish(window.batch, tally).await?;
            tokio::task::yield_now().await;
        }
    }
    Ok(publisher)
}

/// Waits until all is delivered that was published. A hub that loses messages is not measured.
async fn drain(load: Load, tally: &Tally) -> io::Result<()> {
    let wanted = || tally.published.get() * load.subscribers as u64;
    let all = async {
        while tally.received.get() < wanted() {
            tally.moved.notified().await;
        }
    };
    let _ = tokio::time::timeout(DRAIN, all).await;
    let received = tally.received.get();
    if received == wanted() {
        return Ok(());
    }
    Err(Error::other(format!("{}: {received} deliveries, {} were due", load.name, wanted())))
}

/// Publishes one message at a time and gives how long each delivery took, in nanoseconds, sorted.
async fn at_a_low_rate(load: Load, rate: f64, tally: &Tally, mut publishers: Vec<Publisher>) -> io::Result<Vec<u64>> {
    let publisher = publishers.first_mut().ok_or_else(|| Error::other("a load has no publisher"))?;
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    let messages = (rate * MEASURED.as_secs_f64()).ceil() as u64;
    tally.timing.set(true);
    for _ in 0..messages {
        ticks.tick().await;
        publisher.publish(1, tally).await?;
    }
    drain(load, tally).await?;
    let mut latencies = tally.latencies.take();
    latencies.sort_unstable();
    Ok(latencies)
}

/// In microseconds.
fn percentile(sorted: &[u64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * part).round() as usize).map_or(f64::NAN, |nanos| *nanos as f64 / 1_000.0)
}

/// How much a server's memory grows by for each of many subscribers to whom nothing is sent, and how many those are.
pub(crate) async fn idle_subscriber_bytes(system: System) -> io::Result<(usize, f64)> {
    let (server, wire, tally) = (Server::start(system)?, Wire::of(system), Tally::new());
    let number = IDLE_SUBSCRIBERS.min(most_connections()?.saturating_sub(FIRST_SUBSCRIBERS));
    let mut connected = Vec::with_capacity(number + FIRST_SUBSCRIBERS);
    for _ in 0..FIRST_SUBSCRIBERS {
        connected.push(Subscriber::connect(wire, server.port, &tally).await?);
    }
    let before = settled_bytes(&server).await?;
    for _ in 0..number {
        connected.push(Subscriber::connect(wire, server.port, &tally).await?);
    }
    let after = settled_bytes(&server).await?;
    drop(connected);
    Ok((number, (after as f64 - before as f64) / number as f64))
}

/// The server's memory once it has not changed for half a second.
pub(crate) async fn settled_bytes(server: &Server) -> io::Result<u64> {
    let (mut bytes, mut since) = (server.resident_bytes()?, Instant::now());
    while since.elapsed() < Duration::from_millis(500) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = server.resident_bytes()?;
        if now != bytes {
            (bytes, since) = (now, Instant::now());
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_taken_from_the_nearest_rank() {
        let sorted: Vec<u64> = (0..=100).map(|micros| micros * 1_000).collect();
        assert_eq!((percentile(&sorted, 0.5), percentile(&sorted, 0.99)), (50.0, 99.0));
        assert!(percentile(&[], 0.5).is_nan());
    }

    #[test]
    fn no_window_is_larger_than_what_a_queue_holds() {
        for load in ALL {
            for system in System::ALL {
                let window = Window::of(load, system);
                let messages = window.full / window.subscribers;
                assert!(messages * load.payload_bytes as u64 <= 512 * 1024 && window.batch >= 1, "{load:?}");
            }
        }
    }
}
