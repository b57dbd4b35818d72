//! What was tried.

use std::time::Duration;

use eventhive_webhook::store::{Attempt, AttemptFilter, Outcome};
use serde_json::{Value, json};

use super::place::{PlaceArgs, failure};
use super::words::{ago, now, read_span, topic, topic_json};
use crate::cli::console::{Console, bold, visible};
use crate::cli::exit::{Exit, Failure};

/// Show requests to urls, the newest first
///
/// A server writes down what its `log:` says: failures, all, or none.
#[derive(Debug, clap::Args)]
pub(super) struct Attempts {
    #[command(flatten)]
    place: PlaceArgs,

    /// Only to this url
    #[arg(long)]
    url: Option<Box<str>>,

    /// Only with this outcome, such as unreachable, timed_out, bad_answer or bad_authorization
    #[arg(long, value_parser = outcome)]
    outcome: Option<Outcome>,

    /// Only of the last while, such as 90s, 15min, 2h or 3d
    #[arg(long, value_parser = read_span, value_name = "TIME")]
    since: Option<Duration>,

    /// At most so many
    #[arg(long, default_value_t = 50, value_name = "NUMBER")]
    limit: usize,
}

fn outcome(word: &str) -> Result<Outcome, String> {
    let words = || Outcome::ALL.map(Outcome::word).join(", ");
    Outcome::of(word).ok_or_else(|| format!("expected one of {}", words()))
}

impl Attempts {
    pub(super) async fn run(self, console: Console) -> Result<Exit, Failure> {
        let since_ms = self.since.map(|since| now().saturating_sub(since.as_secs()) * 1000);
        let filter = AttemptFilter { url: self.url, outcome: self.outcome, since_ms, limit: self.limit };
        let place = self.place.look().await?;
        let attempts = place.store.attempts(&filter).await.map_err(failure);
        let attempts = place.close(attempts).await?;
        for attempt in &attempts {
            console.answer(|| text(attempt), || in_json(attempt))?;
        }
        if attempts.is_empty() {
            console.note(
                "no such attempt is written down; a server writes down what its `log:` says, failures by default",
            );
        }
        Ok(Exit::Ok)
    }
}

fn kind(attempt: &Attempt) -> &'static str {
    if attempt.receive { "RECEIVE" } else { "MISSED" }
}

fn text(attempt: &Attempt) -> String {
    let Attempt { at_ms, url, outcome, detail, status, took, .. } = attempt;
    let status = status.map_or_else(String::new, |status| format!(", status {status}"));
    let head = format!("{}  {} {}  to {}", ago(at_ms / 1000), kind(attempt), topic(&attempt.topic), visible(url));
    let colon = if detail.is_empty() { "" } else { ": " };
    let (outcome, took) = (bold(outcome.word()), took.as_millis());
    format!("{head}\n  {outcome}{status}, {took} ms{colon}{}", visible(detail))
}

fn in_json(attempt: &Attempt) -> Value {
    json!({
        "at_ms": attempt.at_ms, "kind": kind(attempt), "url": attempt.url, "topic": topic_json(&attempt.topic),
        "identifier": topic_json(&attempt.identifier), "outcome": attempt.outcome.word(), "detail": attempt.detail,
        "status": attempt.status, "took_ms": u64::try_from(attempt.took.as_millis()).unwrap_or(u64::MAX),
        "bytes": attempt.bytes,
    })
}
