//! The tables, ready to be pasted into `benches/README.md`, and which aims are met.

use std::fmt;

use crate::system::System;
use crate::workload::{self, Load, Outcome};

/// All that was measured.
#[derive(Default)]
pub(crate) struct Results {
    outcomes: Vec<(Load, System, Outcome)>,
    idle_bytes: Vec<(System, f64)>,
}

impl Results {
    pub(crate) fn add(&mut self, load: Load, system: System, outcome: Outcome) {
        self.outcomes.push((load, system, outcome));
    }

    pub(crate) fn add_idle(&mut self, system: System, bytes: f64) {
        self.idle_bytes.push((system, bytes));
    }

    /// The median of a figure over the rounds; `None` if this was not measured.
    fn median(&self, load: Load, system: System, figure: fn(&Outcome) -> f64) -> Option<f64> {
        let of_this = self.outcomes.iter().filter(|(l, s, _)| *l == load && *s == system);
        let mut values: Vec<f64> = of_this.map(|(_, _, outcome)| figure(outcome)).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }

    fn idle(&self, system: System) -> Option<f64> {
        self.idle_bytes.iter().find(|(measured, _)| *measured == system).map(|(_, bytes)| *bytes)
    }

    fn write_load(&self, f: &mut fmt::Formatter<'_>, load: Load) -> fmt::Result {
        writeln!(f, "\n**{}**\n", load.name)?;
        writeln!(f, "| | deliveries/s | CPU s per million | x NATS | x Python | p50 µs | p99 µs |")?;
        writeln!(f, "|---|--:|--:|--:|--:|--:|--:|")?;
        let reference = |system| self.median(load, system, CPU);
        for system in System::ALL {
            let Some(cpu) = self.median(load, system, CPU) else { continue };
            let rate = self.median(load, system, RATE);
            let (p50, p99) = (self.median(load, system, P50), self.median(load, system, P99));
            let nats = reference(System::Nats).map(|nats| cpu / nats);
            let python = reference(System::Python).map(|python| cpu / python);
            let cells = [whole(rate), figures(Some(cpu)), figures(nats), figures(python), whole(p50), whole(p99)];
            writeln!(f, "| {} | {} |", system.name(), cells.join(" | "))?;
        }
        Ok(())
    }

    fn write_idle(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n**Memory of an idle subscriber**\n\n| | KiB |\n|---|--:|")?;
        for (system, bytes) in &self.idle_bytes {
            writeln!(f, "| {} | {:.1} |", system.name(), bytes / 1024.0)?;
        }
        Ok(())
    }

    /// The aims: what, what was measured, and the most that it may be.
    fn aims(&self) -> Vec<(&'static str, Option<f64>, f64)> {
        let ours = |load, figure| self.median(load, System::Eventhive, figure);
        let of = |load, system, figure| Some(ours(load, figure)? / self.median(load, system, figure)?);
        let costs = [workload::ONE_TO_TEN, workload::ONE_TO_100, workload::ONE_TO_1000].map(|load| ours(load, CPU));
        vec![
            ("1 → 100: CPU a delivery, x NATS", of(workload::ONE_TO_100, System::Nats, CPU), 2.0),
            ("1 → 100: CPU a delivery, x Python", of(workload::ONE_TO_100, System::Python, CPU), 1.0 / 150.0),
            ("1 → 1: CPU a delivery, x Python", of(workload::ONE_TO_ONE, System::Python, CPU), 1.0 / 50.0),
            ("1 → 1: p50 latency, x NATS", of(workload::ONE_TO_ONE, System::Nats, P50), 1.0),
            ("1 → 100: p50 latency, x NATS", of(workload::ONE_TO_100, System::Nats, P50), 1.0),
            ("idle session, KiB", self.idle(System::Eventhive).map(|bytes| bytes / 1024.0), 12.0),
            ("CPU a delivery, of 10, 100 and 1000 subscribers: x that of fewer", dearer_with_more(costs), 1.3),
        ]
    }
}

/// How much dearer a delivery is with more subscribers than with fewer, at worst. That it is cheaper is to be expected:
/// more deliveries share the cost of a publish.
fn dearer_with_more(costs: [Option<f64>; 3]) -> Option<f64> {
    let [ten, hundred, thousand] = costs;
    Some((hundred? / ten?).max(thousand? / hundred?).max(thousand? / ten?))
}

const RATE: fn(&Outcome) -> f64 = |outcome| outcome.deliveries_per_sec;
const CPU: fn(&Outcome) -> f64 = |outcome| outcome.cpu_secs_per_million;
const P50: fn(&Outcome) -> f64 = |outcome| outcome.p50_micros;
const P99: fn(&Outcome) -> f64 = |outcome| outcome.p99_micros;

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for load in workload::ALL {
            self.write_load(f, load)?;
        }
        self.write_idle(f)?;
        writeln!(f, "\n**Aims**\n\n| | measured | aim | |\n|---|--:|--:|---|")?;
        for (what, measured, most) in self.aims() {
            let verdict = measured.map_or("not measured", |value| if value <= most { "met" } else { "**missed**" });
            writeln!(f, "| {what} | {} | ≤ {} | {verdict} |", figures(measured), figures(Some(most)))?;
        }
        Ok(())
    }
}

/// Three figures that count.
fn figures(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value == 0.0 || !value.is_finite() => format!("{value}"),
        Some(value) => {
            let decimals = (2.0 - value.abs().log10().floor()).clamp(0.0, 9.0) as usize;
            format!("{value:.decimals$}")
        }
    }
}

/// A whole number, in groups of three digits.
fn whole(value: Option<f64>) -> String {
    let Some(value) = value else { return "–".to_owned() };
    let digits = format!("{value:.0}");
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_with_three_figures_or_in_groups() {
        let shown = [0.00667, 0.7234, 12.345, 375.4].map(|value| figures(Some(value)));
        assert_eq!(shown, ["0.00667", "0.723", "12.3", "375"]);
        assert_eq!([999.4, 1_000.0, 1_234_567.0].map(|value| whole(Some(value))), ["999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_delivery_that_is_dearer_with_more_subscribers_is_noticed_wherever_it_is() {
        assert_eq!(dearer_with_more([Some(4.0), Some(2.0), Some(3.0)]), Some(1.5));
        assert_eq!(dearer_with_more([Some(1.0), Some(2.0), Some(2.0)]), Some(2.0));
        assert_eq!(dearer_with_more([Some(1.0), None, Some(2.0)]), None);
    }

    #[test]
    fn an_aim_is_met_only_where_it_was_measured() {
        let mut results = Results::default();
        assert!(results.to_string().contains("| idle session, KiB | – | ≤ 12.0 | not measured |"));
        results.add_idle(System::Eventhive, 11.0 * 1024.0);
        assert!(results.to_string().contains("| idle session, KiB | 11.0 | ≤ 12.0 | met |"));
        results.idle_bytes.clear();
        results.add_idle(System::Eventhive, 13.0 * 1024.0);
        assert!(results.to_string().contains("| idle session, KiB | 13.0 | ≤ 12.0 | **missed** |"));
    }
}
