//! Urls and how they do, or dead letters.

use std::collections::BTreeMap;

use eventhive_webhook::store::{DeadLetter, Endpoint, EndpointFilter, Row, Store};
use eventhive_webhook::wire::InterestKind;
use serde_json::json;

use super::place::{Place, PlaceArgs, UNKNOWN, failure};
use super::words::{ago, number, since_then, topic, topic_json};
use crate::cli::console::{Console, bold, visible};
use crate::cli::exit::{Exit, Failure};

/// Rows that are read at once.
const PAGE: usize = 1000;

/// Show the urls that are subscribed, and how they do; or the messages that could not be delivered
///
/// A line for each url. What a running server knows of a url that has failed for less than a minute is in its memory alone.
#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    place: PlaceArgs,

    /// Only urls that fail or are disabled
    #[arg(long, conflicts_with = "dead")]
    failing: bool,

    /// Dead letters: messages that could not be delivered, the newest first
    #[arg(long)]
    dead: bool,

    /// Only this url
    #[arg(long)]
    url: Option<String>,

    /// With --dead: at most so many
    #[arg(long, default_value_t = 100, value_name = "NUMBER", requires = "dead")]
    limit: usize,
}

/// What is known of a url.
#[derive(Default)]
struct Known {
    topics: u64,
    patterns: u64,
    /// Subscriptions that have a recovery url.
    recoverable: u64,
    endpoint: Endpoint,
}

impl List {
    pub(super) async fn run(self, console: Console) -> Result<Exit, Failure> {
        let place = self.place.look().await?;
        let result = if self.dead { self.letters(&place, console).await } else { self.urls(&place, console).await };
        place.close(result).await
    }

    async fn urls(&self, place: &Place, console: Console) -> Result<Exit, Failure> {
        let all = match &self.url {
            Some(url) => read_one(&*place.store, url).await?,
            None => read(&*place.store).await?,
        };
        if self.url.is_some() && all.is_empty() {
            console.note(UNKNOWN);
            return Ok(Exit::Negative);
        }
        let mut shown = 0;
        for (url, known) in &all {
            if !self.failing || known.endpoint.failing_since.is_some() {
                console.answer(|| known.text(url), || known.json(url))?;
                shown += 1;
            }
        }
        if shown == 0 {
            console.note(if self.failing { "no url fails" } else { "nobody is subscribed" });
        }
        Ok(Exit::Ok)
    }

    async fn letters(&self, place: &Place, console: Console) -> Result<Exit, Failure> {
        let letters = place.store.dead_letters(self.url.as_deref(), None, self.limit).await.map_err(failure)?;
        for letter in &letters {
            console.answer(|| letter_text(letter), || letter_json(letter))?;
        }
        if letters.is_empty() {
            console.note("there are no dead letters");
        }
        Ok(Exit::Ok)
    }
}

/// One url: with its subscriptions, or remembered without any. Empty if it is neither.
async fn read_one(store: &dyn Store, url: &str) -> Result<BTreeMap<Box<str>, Known>, Failure> {
    let endpoint = store.endpoint(url).await.map_err(failure)?;
    let is_remembered = endpoint.is_some();
    let mut known = Known { endpoint: endpoint.unwrap_or_default(), ..Known::default() };
    let mut last: Option<Row> = None;
    loop {
        let after = last.as_ref().and_then(Row::interest);
        let page = store.of_url(url, after, PAGE).await.map_err(failure)?;
        page.iter().for_each(|row| known.count(row));
        let is_last = page.len() < PAGE;
        last = page.into_iter().last().or(last);
        if is_last {
            break;
        }
    }
    Ok((is_remembered || last.is_some()).then(|| (url.into(), known)).into_iter().collect())
}

/// All urls: those with subscriptions, and those that are remembered without any.
async fn read(store: &dyn Store) -> Result<BTreeMap<Box<str>, Known>, Failure> {
    let mut all: BTreeMap<Box<str>, Known> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = store.page(after, PAGE).await.map_err(failure)?;
        for row in &page {
            all.entry(row.url.clone()).or_default().count(row);
        }
        after = page.last().map(|row| row.id);
        if page.len() < PAGE {
            break;
        }
    }
    let mut filter = EndpointFilter { disabled: false, after: None, limit: PAGE };
    loop {
        let page = store.endpoints(&filter).await.map_err(failure)?;
        filter.after = page.last().map(|endpoint| endpoint.url.clone());
        let last = page.len() < PAGE;
        for endpoint in page {
            let known = all.entry(endpoint.url.clone()).or_default();
            known.endpoint = endpoint;
        }
        if last {
            return Ok(all);
        }
    }
}

impl Known {
    fn count(&mut self, row: &Row) {
        match row.id.kind {
            InterestKind::Exact => self.topics += 1,
            InterestKind::Glob => self.patterns += 1,
        }
        self.recoverable += u64::from(row.recovery.is_some());
    }

    fn state(&self) -> &'static str {
        match &self.endpoint {
            Endpoint { disabled_at: Some(_), .. } => "disabled",
            Endpoint { failing_since: Some(_), .. } => "failing",
            _ => "well",
        }
    }

    fn text(&self, url: &str) -> String {
        let Endpoint { failing_since, failures, disabled_at, reason, verified_at, .. } = &self.endpoint;
        let mut text = format!("{}  {}", bold(&visible(url)), self.state());
        text.push_str(&format!("  {}, {}", number(self.topics, "topic"), number(self.patterns, "pattern")));
        if self.recoverable == 0 {
            text.push_str(", no recovery url");
        }
        if let Some(at) = verified_at {
            text.push_str(&format!(", verified {}", ago(*at)));
        }
        if let Some(at) = disabled_at {
            text.push_str(&format!("\n  disabled {}", ago(*at)));
        }
        if let Some(since) = failing_since {
            let failures = number((*failures).into(), "failure");
            text.push_str(&format!("\n  failing for {}, {failures} in a row", since_then(*since)));
        }
        if !reason.is_empty() {
            text.push_str(&format!("\n  {}", visible(reason)));
        }
        text
    }

    fn json(&self, url: &str) -> serde_json::Value {
        let Endpoint { failing_since, failures, disabled_at, reason, verified_at, .. } = &self.endpoint;
        json!({
            "url": url, "state": self.state(), "topics": self.topics, "patterns": self.patterns,
            "with_recovery": self.recoverable, "failing_since": failing_since, "failures": failures,
            "disabled_at": disabled_at, "reason": reason, "verified_at": verified_at,
        })
    }
}

fn letter_text(letter: &DeadLetter) -> String {
    let DeadLetter { number, at_ms, url, bytes, outcome, detail, .. } = letter;
    let (topic, url, detail) = (topic(&letter.topic), visible(url), visible(detail));
    let colon = if detail.is_empty() { "" } else { ": " };
    format!(
        "{}  {topic}  {bytes} bytes  to {url}  {}\n  {}{colon}{detail}",
        bold(&number.to_string()),
        ago(at_ms / 1000),
        outcome.word()
    )
}

fn letter_json(letter: &DeadLetter) -> serde_json::Value {
    json!({
        "number": letter.number, "at_ms": letter.at_ms, "url": letter.url, "topic": topic_json(&letter.topic),
        "bytes": letter.bytes, "outcome": letter.outcome.word(), "detail": letter.detail,
    })
}
