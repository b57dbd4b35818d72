//! How fast messages go out to urls, beside bare loops on hyper, to one sink, in one run.
//!
//! ```text
//! cargo bench -p eventhive-webhook --bench outgoing [-- MESSAGES [PAYLOAD_BYTES]]
//! ```
//!
//! The sink is a process of its own that confirms every RECEIVE. 100 requests are under way all the time, from one thread. The
//! contestants take turns; the tables have medians.
//!
//! - `one host`, `100 hosts`: all urls have one port of the sink, or each its own.
//! - `bare`: 100 tasks, each with a connection of hyper's own and the same request again and again, as a plain loop is
//!   written. It signs nothing, reads no url, and looks at no answer. `bare, pooled`: the same through the client of hyper-util,
//!   which keeps a pool.
//! - `outgoing`: [`Outgoing::receive`](eventhive_webhook::outgoing::Outgoing::receive), without authorizations. `outgoing,
//!   hmac`: with both directions signed and verified; the sink signs too.
//! - `x bare`, `x pooled`: the rate by another's, the median of the ratios within a round. `CPU s`: processor time of this
//!   process, not of the sink, for a million messages. `CPU x bare`: by that of `bare`; under 1 is less. It is the steadier
//!   figure on a busy machine.
//!
//! # Layout
//!
//! [`bare`] and [`ours`] are the contestants, [`sink`] the other end, [`measure`] counting and tables.

mod bare;
mod measure;
mod ours;
mod sink;

use std::future::Future;
use std::time::Instant;

use measure::{Samples, cpu, table};
use sink::Sink;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Requests that are under way.
const AT_ONCE: usize = 100;
const ROUNDS: usize = 7;

struct Bench {
    messages: usize,
    message: eventhive_webhook::message::Message,
}

fn main() -> Result<(), Failed> {
    // Cargo adds `--bench`.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if words.first().is_some_and(|word| word == "sink") {
        return sink::run();
    }
    let number = |at: usize, default| words.get(at).map_or(Ok(default), |text| text.parse());
    let (messages, payload) = (number(0, 100_000)?, number(1, 128)?);
    let message = eventhive_webhook::message::Message::new(b"site/room/sensor", vec![b'x'; payload].into());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bench = Bench { messages, message };
    println!("{messages} messages of {payload} bytes, {AT_ONCE} at once, {ROUNDS} rounds");
    runtime.block_on(async {
        let sink = Sink::start()?;
        bench.compare("one host", &[sink.ports[0]; AT_ONCE]).await?;
        bench.compare("100 hosts", &sink.ports).await
    })
}

impl Bench {
    async fn compare(&self, what: &str, ports: &[u16]) -> Result<(), Failed> {
        let names = ["bare", "bare, pooled", "outgoing", "outgoing, hmac"];
        let mut samples = names.map(Samples::new);
        let [plain, hmac] = [ours::outgoing(false)?, ours::outgoing(true)?];
        let pooled = bare::client();
        for round in 1..=ROUNDS {
            eprintln!("{what}, round {round} of {ROUNDS}");
            let [bare, bare_pooled, outgoing, outgoing_hmac] = &mut samples;
            self.take(bare, bare::own(self, ports)).await?;
            self.take(bare_pooled, bare::pooled(self, &pooled, ports)).await?;
            self.take(outgoing, ours::receive(self, &plain, ports)).await?;
            self.take(outgoing_hmac, ours::receive(self, &hmac, ports)).await?;
        }
        println!("\n**{what}**\n\n{}", table(&samples));
        Ok(())
    }

    async fn take(&self, samples: &mut Samples, work: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
        let (began, before) = (Instant::now(), cpu()?);
        work.await?;
        samples.add(self.messages, began.elapsed(), cpu()?.saturating_sub(before));
        Ok(())
    }

    /// How many messages each of those at once sends.
    fn share(&self) -> usize {
        self.messages / AT_ONCE
    }
}
