//! Rounds, medians and ratios.

use std::time::Instant;

/// Something that handles a number of events.
pub(crate) trait Contestant {
    /// Makes ready what the next `handle` needs, outside of the time that is measured.
    fn prepare(&mut self, _events: u64) {}

    fn handle(&mut self, events: u64);
}

/// A contestant's name, and how to set it up.
pub(crate) type Entry = (&'static str, fn() -> Box<dyn Contestant>);

/// The times of one contestant, in nanoseconds per event, round by round.
pub(crate) struct Column {
    name: &'static str,
    rounds: Vec<f64>,
}

/// Long enough that starting the clock does not count, short enough that a round sees one mood of the machine.
pub(crate) const EVENTS: u64 = 40_000;

impl Column {
    pub(crate) fn run(entries: &[Entry], rounds: usize, events: u64) -> Vec<Self> {
        let only = crate::only();
        let chosen = entries.iter().filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name));
        let (mut columns, mut contestants): (Vec<Self>, Vec<_>) =
            chosen.map(|(name, start)| (Self { name, rounds: Vec::new() }, start())).unzip();
        for contestant in &mut contestants {
            contestant.prepare(events);
            contestant.handle(events);
        }
        for _ in 0..rounds {
            for (contestant, column) in contestants.iter_mut().zip(&mut columns) {
                contestant.prepare(events);
                let start = Instant::now();
                contestant.handle(events);
                column.rounds.push(start.elapsed().as_nanos() as f64 / events as f64);
            }
        }
        columns
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn best(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Prints a table whose ratios are against the first column.
pub(crate) fn print(title: &str, columns: &[Column]) {
    if columns.is_empty() {
        return;
    }
    println!("\n{title}: nanoseconds per event, {} rounds", columns[0].rounds.len());
    println!("{:<34} {:>8} {:>8} {:>9} {:>8}", "", "median", "ratio", "best", "ratio");
    let base = &columns[0].rounds;
    for column in columns {
        let ratio = median(column.rounds.iter().zip(base).map(|(own, base)| own / base).collect());
        let (best, best_base) = (best(&column.rounds), best(base));
        let median = median(column.rounds.clone());
        println!("{:<34} {median:>8.0} {ratio:>7.2}x {best:>9.0} {:>7.2}x", column.name, best / best_base);
    }
    println!();
}
