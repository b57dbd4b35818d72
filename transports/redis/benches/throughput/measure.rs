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

/// What one contestant did at one thing, round by round.
#[derive(Default)]
pub(crate) struct Samples {
    rates: Vec<f64>,
    cpu: Duration,
}

impl Samples {
    pub(crate) async fn take(&mut self, work: impl Future<Output = Outcome<f64>>) -> Outcome<()> {
        let before = cpu()?;
        self.rates.push(work.await?);
        self.cpu += cpu()?.saturating_sub(before);
        Ok(())
    }
}

/// Processor time of this process so far, user and system. The kernel counts in ticks of 10 ms.
fn cpu() -> Outcome<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name, in parentheses, may hold spaces; fields are counted from behind it. The 12th and 13th are the times.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// All contestants at one thing.
pub(crate) struct Row {
    what: &'static str,
    pub(crate) tool: Samples,
    pub(crate) bare: Samples,
    pub(crate) bare_at_once: Samples,
    pub(crate) link: Samples,
}

impl Row {
    pub(crate) fn new(what: &'static str) -> Self {
        let [tool, bare, bare_at_once, link] = std::array::from_fn(|_| Samples::default());
        Self { what, tool, bare, bare_at_once, link }
    }

    /// The median of the ratios within a round.
    fn ratio(&self, to: &Samples) -> f64 {
        median(self.link.rates.iter().zip(&to.rates).map(|(link, other)| link / other).collect())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = |samples: &Samples| match samples.rates.as_slice() {
            [] => "–".to_owned(),
            rates => format!("{:.0}", median(rates.to_vec())),
        };
        let rates = [&self.tool, &self.bare, &self.bare_at_once, &self.link].map(rate);
        let others = [&self.bare, &self.bare_at_once];
        let ratios = others.map(|to| format!("{:.2}", self.ratio(to)));
        let costs = others.map(|to| format!("{:.2}", self.link.cpu.as_secs_f64() / to.cpu.as_secs_f64()));
        write!(f, "| {} | {} | {} | {} |", self.what, rates.join(" | "), ratios.join(" | "), costs.join(" | "))
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
