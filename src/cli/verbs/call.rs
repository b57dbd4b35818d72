use std::time::{Duration, Instant};

use eventhive::{Hive, Outcomes};
use serde_json::json;

use crate::cli::calling::{CallArgs, Called, seconds, stop};
use crate::cli::console::Console;
use crate::cli::exit::{Exit, Failure};
use crate::cli::run::{Signals, block_on};
use crate::cli::verb::Verb;

/// `hive-cli call`
#[derive(Debug, clap::Args)]
pub(crate) struct Call {
    #[command(flatten)]
    call: CallArgs,

    /// How many seconds the network may take to be reached and to answer.
    #[arg(short, long, default_value_t = 6.0, value_name = "SECONDS", value_parser = seconds)]
    timeout: f64,
}

impl Verb for Call {
    const NAME: &'static str = "call";
    const ABOUT: &'static str = "Call an event of a network";
    const MORE: &'static str = "It ends when the network's broker has taken the event. The hooks run in the hives that listen on the channel;\n\
                                `hive-cli request` waits for what they return.\n\
                                Exit code 0: taken; 1: refused; 2: no such network, or wrong JSON; 3: not reached in time.";
    // What goes wrong is the answer: the link's warnings would only say it twice.
    const LOG_LEVEL: &'static str = "error";

    fn run(self, console: Console) -> Result<Exit, Failure> {
        let called = self.call.check()?;
        let within = Duration::from_secs_f64(self.timeout);
        let taken = block_on(async {
            let mut signals = Signals::listen()?;
            tokio::select! {
                taken = call(&called, within) => taken.map(Ok),
                exit = signals.end() => Ok(Err(exit)),
            }
        })?;
        if let Err(exit) = taken {
            return Ok(exit);
        }
        let json = || {
            let mut answer = called.json();
            answer["taken"] = json!(true);
            answer
        };
        console.answer(|| format!("{}: taken by {}", called.name, called.by()), json)?;
        Ok(Exit::Ok)
    }
}

async fn call(called: &Called, within: Duration) -> Result<(), Failure> {
    let begun = Instant::now();
    let hive = called.start(within).await?;
    let result = send(&hive, called, within.saturating_sub(begun.elapsed())).await;
    stop(&hive).await;
    result
}

async fn send(hive: &Hive, called: &Called, within: Duration) -> Result<(), Failure> {
    let network = &called.network;
    let outcomes = hive.call(called.name.as_str(), called.payload.share()).await;
    let outcomes = outcomes.map_err(|error| Failure::new(Exit::Negative, error.to_string()))?;
    sent(&outcomes)?;
    if !hive.flush(within).await {
        return Err(Failure::new(Exit::Unreachable, format!("{network} did not take the event in time")));
    }
    let stats = hive.connector_stats();
    match stats.iter().find(|(name, _)| name == network) {
        Some((_, stats)) if stats.published > 0 => Ok(()),
        _ => Err(Failure::new(Exit::Negative, format!("{network} refused the event: see the log line"))),
    }
}

/// Whether the event went to the network's outbox.
fn sent(outcomes: &Outcomes) -> Result<(), Failure> {
    match outcomes.published() {
        Some(Err(error)) => Err(Failure::new(Exit::Negative, error.to_string())),
        _ => Ok(()),
    }
}
