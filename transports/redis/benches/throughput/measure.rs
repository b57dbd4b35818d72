//! Counting, times, and rows of the tables.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::{Bench, Outcome};

/// Counts down to a number and tells when it is reached.
pub(crate) struct Counter {
    left: AtomicU64,
    done: Notify,
}

impl Counter {
    pub(crate) fn new(from: u64) -> Arc<Self> {
        Arc::new(Self { left: AtomicU64::new(from), done: Notify::new() })
    }

    pub(crate) fn count(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.done.notify_one();
        }
    }

    pub(crate) async fn reached(&self) -> Outcome<()> {
        tokio::time::timeout(Duration::from_secs(120), self.done.notified()).await?;
        Ok(())
    }
}

impl Bench {
    #[expect(clippy::cast_precision_loss, reason = "a count of messages is far below 2^53")]
    pub(crate) fn rate(&self, took: Duration) -> f64 {
        self.messages as f64 / took.as_secs_f64()
    }
}

/// The rates of all contestants at one thing, one of each round.
pub(crate) struct Row {
    what: &'static str,
    pub(crate) tool: Vec<f64>,
    pub(crate) bare: Vec<f64>,
    pub(crate) bare_at_once: Vec<f64>,
    pub(crate) link: Vec<f64>,
}

impl Row {
    pub(crate) const fn new(what: &'static str) -> Self {
        Self { what, tool: Vec::new(), bare: Vec::new(), bare_at_once: Vec::new(), link: Vec::new() }
    }

    /// The median of the ratios within a round.
    fn ratio(&self, to: &[f64]) -> f64 {
        median(self.link.iter().zip(to).map(|(link, other)| link / other).collect())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate =
            |rates: &Vec<f64>| if rates.is_empty() { "–".into() } else { format!("{:.0}", median(rates.clone())) };
        let rates = [&self.tool, &self.bare, &self.bare_at_once, &self.link].map(rate);
        let ratios = [&self.bare, &self.bare_at_once].map(|to| format!("{:.2}", self.ratio(to)));
        write!(f, "| {} | {} | {} |", self.what, rates.join(" | "), ratios.join(" | "))
    }
}

/// Times of round trips, of all rounds.
#[derive(Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(crate) fn row(&mut self, what: &str) -> String {
        self.0.sort_unstable();
        let at = |part: usize| self.0.get(self.0.len() * part / 100).copied().unwrap_or_default().as_micros();
        format!("| {what} | {} | {} |", at(50), at(99))
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}
