//! What verbs that call an event have in common: which event, with what, of which network.

use std::io::Read as _;
use std::time::Duration;

use eventhive::config::ConnectorConfig;
use eventhive::{Config, ConnectorOutcome, EventName, Hive, Payload, StartError, StartOptions};
use serde_json::Value;
use tokio::time::timeout;

use super::exit::{Exit, Failure};
use super::target::{TargetArgs, only};

/// The event to call, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct CallArgs {
    /// The event: NETWORK/CHANNEL/EVENT.
    name: String,

    /// The payload, a JSON object; `-` reads it from standard input.
    #[arg(default_value = "{}", value_name = "JSON")]
    payload: String,

    #[command(flatten)]
    target: TargetArgs,
}

/// A call that makes sense.
pub(crate) struct Called {
    pub(crate) name: EventName,
    pub(crate) payload: Payload,
    /// The connector that the event goes to.
    pub(crate) network: String,
    /// The hub's address, if the network's name is only taken from the event.
    pub(crate) url: Option<String>,
    config: Config,
}

impl CallArgs {
    pub(crate) fn check(&self) -> Result<Called, Failure> {
        let name = EventName::new(self.name.as_str()).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        let payload = self.payload()?;
        let (network, _) = name.split_first("/");
        let config = self.target.load(network)?;
        is_callable(&name, config.hive.channel_separator.as_str())?;
        let connector = connector(&config, &name)?.clone();
        // The name of the network is not confirmed by a hub that was only given an address.
        let url = self.target.bare_url();
        Ok(Called { name, payload, network: connector.name.clone(), url, config: only(config, &connector) })
    }

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

impl Called {
    /// Whom to name in messages.
    pub(crate) fn by(&self) -> &str {
        self.url.as_deref().unwrap_or(&self.network)
    }

    /// What a JSON answer says of the call.
    pub(crate) fn json(&self) -> Value {
        let network = self.url.is_none().then_some(&self.network);
        serde_json::json!({ "event": self.name.as_str(), "network": network, "url": self.url })
    }

    /// A hive whose connector is up within the time. Stop it.
    pub(crate) async fn start(&self, within: Duration) -> Result<Hive, Failure> {
        let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Failed, error.to_string());
        let hive = Hive::builder().config(self.config.clone()).build().map_err(|error| failed(&error))?;
        let network = &self.network;
        let options = StartOptions::new().require(network).within(within);
        // Finding the server by mDNS has a time of its own, which may be longer.
        let started = timeout(within.saturating_add(TELLING), hive.start_with(options)).await;
        let failure = match started {
            Ok(Ok(_)) => return Ok(hive),
            Err(_) => Failure::new(Exit::Unreachable, format!("{network} was not reached in time")),
            Ok(Err(StartError::Required { connectors })) => {
                let reasons = connectors.iter().map(|one| match &one.outcome {
                    ConnectorOutcome::Trying(reason) | ConnectorOutcome::Failed(reason) => reason.clone(),
                    other => other.to_string(),
                });
                Failure::new(Exit::Unreachable, format!("{network}: {}", reasons.collect::<Vec<_>>().join("; ")))
            }
            Ok(Err(error)) => failed(&error),
        };
        stop(&hive).await;
        Err(failure)
    }
}

/// Stops a hive that nobody waits for.
pub(crate) async fn stop(hive: &Hive) {
    hive.stop(Duration::from_secs(1)).await;
}

/// A time that can be waited for.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected a number of seconds".to_owned())?;
    if seconds > 0.0 && Duration::try_from_secs_f64(seconds).is_ok() {
        Ok(seconds)
    } else {
        Err("expected more than 0 seconds".to_owned())
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
