use std::io::Read as _;
use std::time::{Duration, Instant};

use eventhive::config::ConnectorConfig;
use eventhive::{Config, ConnectorOutcome, EventName, Hive, Outcomes, Payload, StartError, StartOptions};
use serde_json::json;
use tokio::time::timeout;

use crate::cli::console::Console;
use crate::cli::exit::{Exit, Failure};
use crate::cli::run::{Signals, block_on};
use crate::cli::target::{TargetArgs, only};
use crate::cli::verb::Verb;

/// `hive-cli call`
#[derive(Debug, clap::Args)]
pub(crate) struct Call {
    /// The event: NETWORK/CHANNEL/EVENT.
    name: String,

    /// The payload, a JSON object; `-` reads it from standard input.
    #[arg(default_value = "{}", value_name = "JSON")]
    payload: String,

    /// How many seconds the network may take to be reached and to answer.
    #[arg(short, long, default_value_t = 6.0, value_name = "SECONDS", value_parser = seconds)]
    timeout: f64,

    #[command(flatten)]
    target: TargetArgs,
}

impl Verb for Call {
    const NAME: &'static str = "call";
    const ABOUT: &'static str = "Call an event of a network";
    const MORE: &'static str = "It ends when the network's broker has taken the event. The hooks run in the hives that listen on the channel.\n\
                                Exit code 0: taken; 1: refused; 2: no such network, or wrong JSON; 3: not reached in time.";
    // What goes wrong is the answer: the link's warnings would only say it twice.
    const LOG_LEVEL: &'static str = "error";

    fn run(self, console: Console) -> Result<Exit, Failure> {
        let name = EventName::new(self.name.as_str()).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        let payload = self.payload()?;
        let (network, _) = name.split_first("/");
        let config = self.target.load(network)?;
        let separator = config.hive.channel_separator.as_str();
        is_callable(&name, separator)?;
        let connector = connector(&config, &name)?.clone();
        let within = Duration::from_secs_f64(self.timeout);
        let called = call(only(config, &connector), &connector.name, &name, payload, within);
        let taken = block_on(async {
            let mut signals = Signals::listen()?;
            tokio::select! {
                taken = called => taken.map(Ok),
                exit = signals.end() => Ok(Err(exit)),
            }
        })?;
        let Err(exit) = taken else {
            // The name of the network is not confirmed by a hub that was only given an address.
            let url = self.target.bare_url();
            let by = url.as_deref().unwrap_or(&connector.name);
            let network = url.is_none().then_some(&connector.name);
            let answer = json!({ "event": name.as_str(), "network": network, "url": url, "taken": true });
            console.answer(|| format!("{name}: taken by {by}"), || answer)?;
            return Ok(Exit::Ok);
        };
        Ok(exit)
    }
}

/// A time that can be waited for.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    if seconds > 0.0 && Duration::try_from_secs_f64(seconds).is_ok() {
        Ok(seconds)
    } else {
        Err("expected more than 0 seconds".to_owned())
    }
}

impl Call {
    fn payload(&self) -> Result<Payload, Failure> {
        let mut text = self.payload.clone();
        if text == "-" {
            text.clear();
            let failed =
                |error: std::io::Error| Failure::new(Exit::Failed, format!("cannot read standard input: {error}"));
            std::io::stdin().read_to_string(&mut text).map_err(failed)?;
        }
        if !text.trim_start().starts_with('{') {
            return Err(Failure::new(Exit::Usage, "the payload must be a JSON object, such as '{\"work\": 1}'"));
        }
        Payload::raw(text).map_err(|error| Failure::new(Exit::Usage, format!("the payload is not JSON: {error}")))
    }
}

/// Whether an event of this name could be heard by a hive of another network.
fn is_callable(name: &EventName, separator: &str) -> Result<(), Failure> {
    let usage = |message: String| Err(Failure::new(Exit::Usage, message));
    if let Some(odd) = name.as_str().chars().find(|c| matches!(c, '*' | '?')) {
        return usage(format!(
            "a call goes to one event, and `{odd}` is of a pattern: patterns are for `hive-cli listen`"
        ));
    }
    if name.as_str().split(separator).filter(|segment| !segment.is_empty()).count() < 3 {
        let form = ["NETWORK", "CHANNEL", "EVENT"].join(separator);
        return usage(format!("a remote event has at least three segments: {form}"));
    }
    Ok(())
}

/// The connector that an event goes to, or what to do when it goes to none.
fn connector<'a>(config: &'a Config, name: &EventName) -> Result<&'a ConnectorConfig, Failure> {
    let separator = config.hive.channel_separator.as_str();
    let found = config.connectors.iter().find(|connector| name.strip_segment(&connector.name, separator).is_some());
    found.ok_or_else(|| {
        let known: Vec<&str> = config.connectors.iter().map(|connector| connector.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let message = format!(
            "`{name}` begins with no network of the configuration, so nobody would hear it; there are: {known}"
        );
        Failure::new(Exit::Usage, message)
    })
}

/// What a start may take beyond its time to say why it did not succeed.
const TELLING: Duration = Duration::from_millis(500);

async fn call(
    config: Config,
    network: &str,
    name: &EventName,
    payload: Payload,
    within: Duration,
) -> Result<(), Failure> {
    let begun = Instant::now();
    let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Failed, error.to_string());
    let hive = Hive::builder().config(config).build().map_err(|error| failed(&error))?;
    let options = StartOptions::new().require(network).within(within);
    // Finding the server by mDNS has a time of its own, which may be longer.
    let started = timeout(within.saturating_add(TELLING), hive.start_with(options)).await;
    let result = match started {
        Err(_) => Err(Failure::new(Exit::Unreachable, format!("{network} was not reached in time"))),
        Ok(Ok(_)) => send(&hive, network, name, payload, within.saturating_sub(begun.elapsed())).await,
        Ok(Err(StartError::Required { connectors })) => {
            let reasons = connectors.iter().map(|one| match &one.outcome {
                ConnectorOutcome::Trying(reason) | ConnectorOutcome::Failed(reason) => reason.clone(),
                other => other.to_string(),
            });
            Err(Failure::new(Exit::Unreachable, format!("{network}: {}", reasons.collect::<Vec<_>>().join("; "))))
        }
        Ok(Err(error)) => Err(failed(&error)),
    };
    hive.stop(Duration::from_secs(1)).await;
    result
}

async fn send(hive: &Hive, network: &str, name: &EventName, payload: Payload, within: Duration) -> Result<(), Failure> {
    let outcomes =
        hive.call(name.as_str(), payload).await.map_err(|error| Failure::new(Exit::Negative, error.to_string()))?;
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
