//! How fast the link publishes and delivers, beside loops on the bare `redis` crate and beside redis-benchmark, in one run on
//! one server.
//!
//! ```text
//! cargo bench -p eventhive-redis --bench throughput [-- MESSAGES [PAYLOAD_BYTES]]
//! ```
//!
//! Starts a `redis-server` of its own on a free port. The contestants take turns; the tables have medians.
//!
//! - `publish`: nobody listens, every answer is awaited. `deliver`: one publisher, one subscriber on a connection of its
//!   own, until the last message has arrived. `streams`: the same by `XADD` and `XREAD`.
//! - `bare`: pipelines of 512 commands, one after the other, as a plain loop is written. `bare, 4 at once`: four such
//!   pipelines under way, which is the most that the crate was seen to give. `redis-benchmark`: the server's own tool, in C,
//!   with the same pipeline on one connection.
//! - `x`: the link's rate by another's, the median of the ratios within a round. `CPU`: the processor time of this process, its
//!   own and not the server's, by the other's, over all rounds; under 1 is less. The steadier figure on a busy machine.
//! - `round trip`: a message there and one back, each over two connections.
//!
//! # Layout
//!
//! [`bare`] and [`link`] are the contestants, [`server`] the server and its tool, [`measure`] counting and tables.

mod bare;
mod link;
mod measure;
mod server;

use bytes::Bytes;

use crate::measure::{Row, Times};
use crate::server::Server;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Commands in one pipeline of the bare loops.
const PIPELINE: u64 = 512;
const ROUNDS: usize = 7;
const ROUND_TRIPS: usize = 3000;
const TOPIC: &str = "net/in/act";
const STREAM: &str = "eventhive:net/in";

fn main() -> Outcome<()> {
    // Cargo adds `--bench`.
    let mut arguments = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let messages = arguments.next().map_or(Ok(200_000), |text| text.parse())?;
    let payload = arguments.next().map_or(Ok(128), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(&Bench { server: Server::start()?, messages, payload: Bytes::from(vec![b'x'; payload]) }))
}

struct Bench {
    server: Server,
    messages: u64,
    payload: Bytes,
}

async fn run(bench: &Bench) -> Outcome<()> {
    let mut publish = Row::new("publish");
    let mut deliver = Row::new("deliver");
    let mut add = Row::new("streams, publish");
    let mut read = Row::new("streams, deliver");
    let (mut bare_trips, mut link_trips) = (Times::default(), Times::default());
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        publish.tool.take(async { bench.server.benchmark(bench) }).await?;
        publish.bare.take(bench.bare_publish("PUBLISH", 1)).await?;
        publish.bare_at_once.take(bench.bare_publish("PUBLISH", 4)).await?;
        publish.link.take(bench.link_publish("pubsub")).await?;
        deliver.bare.take(bench.bare_deliver(1)).await?;
        deliver.bare_at_once.take(bench.bare_deliver(4)).await?;
        deliver.link.take(bench.link_deliver("pubsub")).await?;
        add.bare.take(bench.bare_publish("XADD", 1)).await?;
        add.bare_at_once.take(bench.bare_publish("XADD", 4)).await?;
        add.link.take(bench.link_publish("streams")).await?;
        read.bare.take(bench.bare_read(1)).await?;
        read.bare_at_once.take(bench.bare_read(4)).await?;
        read.link.take(bench.link_deliver("streams")).await?;
        bench.bare_round_trips(&mut bare_trips).await?;
        bench.link_round_trips(&mut link_trips).await?;
    }
    println!("{} messages of {} bytes, {ROUNDS} rounds, messages/s\n", bench.messages, bench.payload.len());
    println!(
        "| | redis-benchmark | bare | bare, 4 at once | link | x bare | x bare, 4 at once | CPU, x bare | CPU, x 4 at once |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    [publish, deliver, add, read].iter().for_each(|row| println!("{row}"));
    println!(
        "\n| round trip | p50 µs | p99 µs |\n|---|--:|--:|\n{}\n{}",
        bare_trips.row("bare"),
        link_trips.row("link")
    );
    Ok(())
}
