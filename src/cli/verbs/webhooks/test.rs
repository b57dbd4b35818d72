//! A message to a url, step by step.

use std::time::Duration;

use bytes::Bytes;
use eventhive_webhook::message::Message;
use eventhive_webhook::outgoing::{Examination, Outgoing, Step};
use eventhive_webhook::store::Outcome;
use serde_json::{Value, json};

use super::place::PlaceArgs;
use crate::cli::console::{Console, bold, visible};
use crate::cli::exit::{Exit, Failure};

/// Send a small message to a url and tell what came back, step by step
///
/// It is signed and guarded as the server of the configuration does it. The server's store is not needed, and nothing is written
/// down. Exit code 1: it was not confirmed.
#[derive(Debug, clap::Args)]
pub(super) struct Test {
    #[command(flatten)]
    place: PlaceArgs,

    /// The receive url; with --recover the recovery url
    url: String,

    /// Send a MISSED of the topic in place of a message, as to a recovery url
    #[arg(long, conflicts_with = "message")]
    recover: bool,

    /// The message's topic
    #[arg(long, default_value = "hive-cli/test")]
    topic: String,

    /// The message
    #[arg(long, default_value = "This is a test by hive-cli.", value_name = "TEXT")]
    message: String,
}

impl Test {
    pub(super) async fn run(self, console: Console) -> Result<Exit, Failure> {
        let place = self.place.aside().await?;
        let examination = match place.outgoing() {
            Ok(outgoing) => Ok(self.examine(&outgoing).await),
            Err(failure) => Err(failure),
        };
        let examination = place.close(examination).await?;
        console.answer(|| self.text(&examination), || in_json(&self.url, &examination))?;
        let confirmed = examination.report.outcome == Outcome::Confirmed;
        Ok(if confirmed { Exit::Ok } else { Exit::Negative })
    }

    async fn examine(&self, outgoing: &Outgoing) -> Examination {
        if self.recover {
            // It has no steps of its own to tell of.
            let report = outgoing.missed(&self.url, self.topic.as_bytes(), Duration::MAX).await;
            return Examination { steps: Vec::new(), report };
        }
        let message = Message::new(self.topic.as_bytes(), Bytes::from(self.message.clone()));
        outgoing.examine(&self.url, &message).await
    }

    fn text(&self, examination: &Examination) -> String {
        let line = |step: &Step| {
            let mark = if step.passed { "ok" } else { "NO" };
            format!("\n  {mark}  {:<10}{}  ({} ms)", step.stage.word(), visible(&step.detail), step.took.as_millis())
        };
        let mut text = bold(&visible(&self.url));
        text.extend(examination.steps.iter().map(line));
        let report = &examination.report;
        if self.recover {
            let status = report.status.map_or_else(String::new, |status| format!(", status {status}"));
            let colon = if report.detail.is_empty() { "" } else { ": " };
            text.push_str(&format!("\n  {}{status}{colon}{}", report.outcome.word(), visible(&report.detail)));
        }
        let meaning = match report.outcome {
            Outcome::Confirmed if self.recover => "It was told that it missed something.",
            outcome => meaning(outcome),
        };
        format!("{text}\n{meaning}")
    }
}

/// What to make of it.
fn meaning(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Confirmed => "Messages arrive at this url.",
        Outcome::Unsubscribed => {
            "Somebody is there and does not want this topic: a subscription would be removed. Try --topic with one that it wants."
        }
        Outcome::BadAnswer => "Somebody is there and does not answer as a subscriber does: it counts as a failure.",
        Outcome::BadAuthorization => {
            "A subscriber is there, and signs otherwise than this configuration wants it: compare both ends' secrets."
        }
        Outcome::Unreachable => "Nobody was reached.",
        Outcome::TimedOut => "There was no answer in time: a subscriber has to confirm first and work later.",
        Outcome::Forbidden => "This server does not call such urls.",
        Outcome::OwnFault => "The fault is at this end: it does not count against the url.",
        _ => "It was not tried.",
    }
}

fn in_json(url: &str, examination: &Examination) -> Value {
    let Examination { steps, report } = examination;
    let step = |step: &Step| {
        let took = u64::try_from(step.took.as_micros()).unwrap_or(u64::MAX);
        json!({ "step": step.stage.word(), "passed": step.passed, "detail": step.detail, "took_us": took })
    };
    json!({
        "url": url, "outcome": report.outcome.word(), "status": report.status, "subscribers": report.subscribers,
        "detail": report.detail, "steps": steps.iter().map(step).collect::<Vec<_>>(),
    })
}
