//! The table, ready to be pasted into `benches/README.md`, and which aims are met.

use std::fmt;

use crate::contestant::Contestant;
use crate::measure::Outcome;

/// What p50 may be, as a multiple of NATS's.
const AIM: f64 = 1.5;

/// All that was measured.
#[derive(Default)]
pub(crate) struct Results(Vec<(Contestant, Outcome)>);

impl Results {
    pub(crate) fn add(&mut self, contestant: Contestant, outcome: Outcome) {
        self.0.push((contestant, outcome));
    }

    /// The median of a figure over the rounds; `None` if this was not measured.
    fn median(&self, contestant: Contestant, figure: fn(&Outcome) -> f64) -> Option<f64> {
        let of_this = self.0.iter().filter(|(measured, _)| *measured == contestant);
        let mut values: Vec<f64> = of_this.map(|(_, outcome)| figure(outcome)).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }
}

const P50: fn(&Outcome) -> f64 = |outcome| outcome.p50_micros;
const P99: fn(&Outcome) -> f64 = |outcome| outcome.p99_micros;
const RATE: fn(&Outcome) -> f64 = |outcome| outcome.requests_per_sec;

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n| | p50 µs | x NATS | p99 µs | requests/s | x NATS | p50 within {AIM} of NATS |")?;
        writeln!(f, "|---|--:|--:|--:|--:|--:|---|")?;
        for contestant in Contestant::ALL {
            let figures = [P50, P99, RATE].map(|figure| self.median(contestant, figure));
            let [Some(p50), Some(p99), Some(rate)] = figures else { continue };
            let nats = [P50, RATE].map(|figure| self.median(Contestant::Nats, figure).unwrap_or(f64::NAN));
            let verdict = match contestant {
                Contestant::Tcp | Contestant::Nats => "",
                _ if p50 / nats[0] <= AIM => "met",
                _ => "**missed**",
            };
            let (name, times, share) = (contestant.name(), p50 / nats[0], rate / nats[1]);
            writeln!(f, "| {name} | {p50:.0} | {times:.2} | {p99:.0} | {rate:.0} | {share:.2} | {verdict} |")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_is_met_by_the_median_and_not_without_nats() {
        let outcome = |p50_micros| Outcome { p50_micros, p99_micros: 1.0, requests_per_sec: 1.0 };
        let mut results = Results::default();
        results.add(Contestant::Hub, outcome(10.0));
        assert!(results.to_string().contains("**missed**"), "{results}");
        [10.0, 10.0, 1.0].into_iter().for_each(|p50| results.add(Contestant::Nats, outcome(p50)));
        [14.0, 99.0].into_iter().for_each(|p50| results.add(Contestant::Hub, outcome(p50)));
        assert!(results.to_string().contains("| hub | 14 | 1.40 |") && results.to_string().contains("| met |"));
    }
}
