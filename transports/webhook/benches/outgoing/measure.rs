//! Counting, times, and tables.

use std::fmt::Write as _;
use std::time::Duration;

use crate::Failed;

/// What one contestant did, round by round.
pub(crate) struct Samples {
    name: &'static str,
    rates: Vec<f64>,
    /// CPU seconds for a million messages.
    cpu: Vec<f64>,
}

impl Samples {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, rates: Vec::new(), cpu: Vec::new() }
    }

    #[expect(clippy::cast_precision_loss, reason = "a count of messages is far below 2^53")]
    pub(crate) fn add(&mut self, messages: usize, took: Duration, cpu: Duration) {
        self.rates.push(messages as f64 / took.as_secs_f64());
        self.cpu.push(cpu.as_secs_f64() * 1e6 / messages as f64);
    }
}

/// Processor time of this process so far, user and system. The kernel counts in ticks of 10 ms.
pub(crate) fn cpu() -> Result<Duration, Failed> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name, in parentheses, may hold spaces; fields are counted from behind it. The 12th and 13th are the times.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// The first two are what the others are compared with.
pub(crate) fn table(all: &[Samples; 4]) -> String {
    let [bare, pooled, ..] = all;
    let mut text =
        String::from("| | messages/s | x bare | x pooled | CPU s | CPU x bare |\n|---|--:|--:|--:|--:|--:|\n");
    for samples in all {
        let ratio = |of: &[f64], to: &[f64]| median(of.iter().zip(to).map(|(of, to)| of / to));
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.2} | {:.2} | {:.1} | {:.2} |",
            samples.name,
            median(samples.rates.iter().copied()),
            ratio(&samples.rates, &bare.rates),
            ratio(&samples.rates, &pooled.rates),
            median(samples.cpu.iter().copied()),
            ratio(&samples.cpu, &bare.cpu),
        );
    }
    text
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
