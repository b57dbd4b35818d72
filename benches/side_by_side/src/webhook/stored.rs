//! What stored subscriptions cost that nobody notifies: memory, and time of a notify that goes elsewhere. Two broadcasters, one
//! with few and one with many, take turns.

use std::io::{self, Error};
use std::time::{Duration, Instant};

use super::notifier::Notifier;
use super::number;
use super::sink::Sink;
use crate::TOPIC;
use crate::system::{Server, System};
use crate::workload::settled_bytes;

const FEW: u64 = 100;
const MANY: u64 = 1_000_000;
const OF_A_URL: u64 = 1_000;
/// One in so many is a glob.
const A_GLOB_IN: u64 = 10;
const ROUNDS: usize = 11;
const NOTIFIES: usize = 200;

pub(crate) struct Stored {
    pub(super) number: u64,
    pub(super) bytes_each: f64,
    /// From the store, when the broadcaster is started again.
    pub(super) start: Duration,
    pub(super) bytes_after_start: u64,
    /// Microseconds of a notify in each round, beside few and beside many.
    pub(super) rounds: Vec<(f64, f64)>,
}

pub(super) async fn measure() -> io::Result<Stored> {
    let sink = Sink::start()?;
    let mut few = Beside::start(&sink, FEW).await?;
    let many_wanted = number("BENCH_STORED", MANY)?;
    let mut many = Beside::start(&sink, 0).await?;
    let before = settled_bytes(&many.server).await?;
    let started = Instant::now();
    fill(&mut many.notifier, many_wanted).await?;
    eprintln!("{many_wanted} subscriptions stored in {:?}", started.elapsed());
    let bytes = settled_bytes(&many.server).await? as f64 - before as f64;
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        // The order changes from round to round: what comes second finds a warmer machine, or a busier one.
        let (mut one, mut other) = (0.0, 0.0);
        for is_many in [round % 2 == 1, round % 2 == 0] {
            if is_many { other = many.notify_micros().await? } else { one = few.notify_micros().await? }
        }
        rounds.push((one, other));
    }
    drop(many.notifier);
    let begun = Instant::now();
    let server = many.server.restart()?;
    let start = begun.elapsed();
    let bytes_after_start = settled_bytes(&server).await?;
    Ok(Stored { number: many_wanted, bytes_each: bytes / many_wanted as f64, start, bytes_after_start, rounds })
}

/// A broadcaster with one subscriber, beside others.
struct Beside {
    server: Server,
    notifier: Notifier,
}

impl Beside {
    async fn start(sink: &Sink, others: u64) -> io::Result<Self> {
        let server = Server::start(System::Webhook)?;
        let mut notifier = Notifier::connect(server.port).await?;
        notifier.subscribe(&sink.url(0), TOPIC.as_bytes()).await?;
        fill(&mut notifier, others).await?;
        Ok(Self { server, notifier })
    }

    /// The median.
    async fn notify_micros(&mut self) -> io::Result<f64> {
        // The one that there was has been silent while the others stored, and was closed.
        self.notifier = Notifier::connect(self.server.port).await?;
        let mut took = Vec::with_capacity(NOTIFIES);
        for _ in 0..NOTIFIES {
            let at = Instant::now();
            if self.notifier.notify(TOPIC.as_bytes(), super::deliveries::MESSAGE).await? != 1 {
                return Err(Error::other("the message was not delivered"));
            }
            took.push(at.elapsed().as_secs_f64() * 1e6);
        }
        took.sort_by(f64::total_cmp);
        Ok(took[NOTIFIES / 2])
    }
}

/// Stores so many subscriptions that match nothing, though they begin like what does.
async fn fill(notifier: &mut Notifier, number: u64) -> io::Result<()> {
    let start = TOPIC.rsplit_once('/').map_or(TOPIC, |(start, _)| start);
    let mut url = 0;
    while url * OF_A_URL < number {
        let of_this = OF_A_URL.min(number - url * OF_A_URL);
        let (globs, topics): (Vec<u64>, Vec<u64>) = (0..of_this).partition(|number| number % A_GLOB_IN == 0);
        let topics: Vec<String> = topics.iter().map(|topic| format!("{start}/other/{url:06}/{topic:04}")).collect();
        let globs: Vec<String> = globs.iter().map(|glob| format!("{start}/other/{url:06}/{glob:04}/*")).collect();
        notifier.set(&format!("http://127.0.0.1:9/{url}"), &topics, &globs).await?;
        url += 1;
    }
    Ok(())
}
