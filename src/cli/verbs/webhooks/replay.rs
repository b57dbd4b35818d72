//! Dead letters, once more.

use eventhive_webhook::delivery::{self, ReplayError};
use eventhive_webhook::outgoing::Outgoing;
use eventhive_webhook::store::Outcome;
use serde_json::json;

use super::place::{Place, PlaceArgs, UNKNOWN, failure};
use super::words::topic;
use crate::cli::console::{Console, bold, visible};
use crate::cli::exit::{Exit, Failure};

/// Letters of which the numbers are read at once.
const PAGE: usize = 500;

/// Send dead letters once more
///
/// With the secrets and the guard of the configuration, the oldest first, whether the url is disabled or not. What is confirmed
/// is forgotten. Exit code 1: not all were confirmed, or no subscription has the url.
#[derive(Debug, clap::Args)]
pub(super) struct Replay {
    #[command(flatten)]
    place: PlaceArgs,

    #[command(flatten)]
    which: Which,
}

/// One of them, or all to a url.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The letter's number, as `webhooks list --dead` shows it
    #[arg(value_name = "NUMBER")]
    number: Option<i64>,

    /// All letters to this url, in place of a number
    #[arg(long)]
    url: Option<String>,
}

impl Replay {
    pub(super) async fn run(self, console: Console) -> Result<Exit, Failure> {
        let place = self.place.open().await?;
        let result = self.replay(&place, console).await;
        place.close(result).await
    }

    async fn replay(&self, place: &Place, console: Console) -> Result<Exit, Failure> {
        let outgoing = place.outgoing()?;
        let Which { number, url } = &self.which;
        let numbers = match (number, url) {
            (Some(number), _) => vec![*number],
            (None, url) => of_url(place, url.as_deref()).await?,
        };
        if let (true, Some(url)) = (numbers.is_empty(), url) {
            let is_known = place.knows(url).await?;
            console.note(if is_known { "there are no dead letters to this url" } else { UNKNOWN });
            return Ok(if is_known { Exit::Ok } else { Exit::Negative });
        }
        let mut exit = Exit::Ok;
        for number in numbers {
            if !one(place, &outgoing, number, console).await? {
                exit = Exit::Negative;
            }
        }
        Ok(exit)
    }
}

/// The numbers of the letters to a url, oldest first.
async fn of_url(place: &Place, url: Option<&str>) -> Result<Vec<i64>, Failure> {
    let mut numbers = Vec::new();
    loop {
        let page = place.store.dead_letters(url, numbers.last().copied(), PAGE).await.map_err(failure)?;
        numbers.extend(page.iter().map(|letter| letter.number));
        if page.len() < PAGE {
            numbers.reverse();
            return Ok(numbers);
        }
    }
}

/// Sends one, and says what became of it. Returns whether it was confirmed.
async fn one(place: &Place, outgoing: &Outgoing, number: i64, console: Console) -> Result<bool, Failure> {
    let replayed = match delivery::replay(&*place.store, outgoing, number).await {
        Ok(replayed) => replayed,
        Err(ReplayError::Store(error)) => return Err(failure(error)),
        Err(error) => {
            let why = error.to_string();
            console.answer(|| why.clone(), || json!({ "number": number, "outcome": null, "detail": why }))?;
            return Ok(false);
        }
    };
    let (letter, report) = (&replayed.letter, &replayed.report);
    let text = || {
        let (topic, url) = (topic(&letter.topic), visible(&letter.url));
        let status = report.status.map_or_else(String::new, |status| format!(", status {status}"));
        let colon = if report.detail.is_empty() { "" } else { ": " };
        let detail = visible(&report.detail);
        let head = format!("{}  {topic}  to {url}", bold(&number.to_string()));
        format!("{head}\n  {}{status}{colon}{detail}", report.outcome.word())
    };
    let json = || {
        json!({
            "number": number, "url": letter.url, "outcome": report.outcome.word(), "status": report.status,
            "detail": report.detail, "subscribers": report.subscribers, "forgotten": replayed.unburied,
        })
    };
    console.answer(text, json)?;
    Ok(report.outcome == Outcome::Confirmed)
}
