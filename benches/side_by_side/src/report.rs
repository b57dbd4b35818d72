//! The tables, ready to be pasted into `benches/README.md`, and which aims are met.

use std::fmt;

use crate::matching::{self, Round};
use crate::system::System;
use crate::webhook;
use crate::workload::{self, Load, Outcome};

/// What, what was measured of it, and the most that it may be.
pub(crate) type Aim = (&'static str, Option<f64>, f64);

/// All that was measured.
#[derive(Default)]
pub(crate) struct Results {
    outcomes: Vec<(Load, System, Outcome)>,
    idle: Vec<Idle>,
    matching: Vec<Round>,
    webhooks: webhook::Figures,
}

/// How many subscribers there were, and the bytes of each.
struct Idle {
    system: System,
    number: usize,
    bytes: f64,
}

impl Results {
    pub(crate) fn add(&mut self, load: Load, system: System, outcome: Outcome) {
        self.outcomes.push((load, system, outcome));
    }

    pub(crate) fn add_idle(&mut self, system: System, number: usize, bytes: f64) {
        self.idle.push(Idle { system, number, bytes });
    }

    pub(crate) fn add_matching(&mut self, rounds: Vec<Round>) {
        self.matching = rounds;
    }

    pub(crate) fn add_webhooks(&mut self, figures: webhook::Figures) {
        self.webhooks = figures;
    }

    /// The median of a figure over the rounds; `None` if this was not measured.
    fn median(&self, load: Load, system: System, figure: fn(&Outcome) -> f64) -> Option<f64> {
        let of_this = self.outcomes.iter().filter(|(l, s, _)| *l == load && *s == system);
        median(of_this.map(|(_, _, outcome)| figure(outcome)))
    }

    /// In KiB.
    fn idle(&self, system: System) -> Option<f64> {
        self.idle.iter().find(|idle| idle.system == system).map(|idle| idle.bytes / 1024.0)
    }

    fn write_load(&self, f: &mut fmt::Formatter<'_>, load: Load) -> fmt::Result {
        if !self.outcomes.iter().any(|(measured, ..)| *measured == load) {
            return Ok(());
        }
        writeln!(f, "\n**{}**\n", load.name)?;
        writeln!(f, "| | deliveries/s | CPU s per million | x NATS | x Python | p50 µs | p99 µs | load busy |")?;
        writeln!(f, "|---|--:|--:|--:|--:|--:|--:|--:|")?;
        let reference = |system| self.median(load, system, CPU);
        for system in System::ALL {
            let Some(cpu) = self.median(load, system, CPU) else { continue };
            let rate = self.median(load, system, RATE);
            let (p50, p99) = (self.median(load, system, P50), self.median(load, system, P99));
            let nats = reference(System::Nats).map(|nats| cpu / nats);
            let python = reference(System::Python).map(|python| cpu / python);
            let cells = [whole(rate), figures(Some(cpu)), figures(nats), figures(python), whole(p50), whole(p99)];
            let busy = self.median(load, system, |outcome| outcome.load_busy * 100.0);
            writeln!(f, "| {} | {} | {} % |", system.name(), cells.join(" | "), whole(busy))?;
        }
        Ok(())
    }

    fn write_idle(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.idle.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n**Memory of an idle subscriber**\n\n| | subscribers | KiB each |\n|---|--:|--:|")?;
        for Idle { system, number, bytes } in &self.idle {
            writeln!(f, "| {} | {} | {:.1} |", system.name(), whole(Some(*number as f64)), bytes / 1024.0)?;
        }
        Ok(())
    }

    fn write_matching(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.matching.is_empty() {
            return Ok(());
        }
        let sets = whole(Some(matching::SETS as f64));
        writeln!(f, "\n**HTTP, 1 → 1 on topics that are new each, beside {sets} topic sets that do not match**\n")?;
        writeln!(f, "| round | CPU s per million without | with | with / without |\n|---|--:|--:|--:|")?;
        for (number, Round { without, with }) in self.matching.iter().enumerate() {
            let cells = [CPU(without), CPU(with), CPU(with) / CPU(without)].map(|value| figures(Some(value)));
            writeln!(f, "| {} | {} |", number + 1, cells.join(" | "))?;
        }
        Ok(())
    }

    /// The aims: what, what was measured, and the most that it may be.
    fn aims(&self) -> Vec<Aim> {
        let ours = |load, figure| self.median(load, System::Eventhive, figure);
        let of = |load, system, figure| Some(ours(load, figure)? / self.median(load, system, figure)?);
        let costs = [workload::ONE_TO_TEN, workload::ONE_TO_100, workload::ONE_TO_1000].map(|load| ours(load, CPU));
        vec![
            ("1 → 100: CPU a delivery, x NATS", of(workload::ONE_TO_100, System::Nats, CPU), 2.0),
            ("1 → 100: CPU a delivery, x Python", of(workload::ONE_TO_100, System::Python, CPU), 1.0 / 150.0),
            ("1 → 1: CPU a delivery, x Python", of(workload::ONE_TO_ONE, System::Python, CPU), 1.0 / 50.0),
            ("1 → 1: p50 latency, x NATS", of(workload::ONE_TO_ONE, System::Nats, P50), 1.0),
            ("1 → 100: p50 latency, x NATS", of(workload::ONE_TO_100, System::Nats, P50), 1.0),
            ("idle session, KiB", self.idle(System::Eventhive), 12.0),
            ("CPU a delivery, of 10, 100 and 1000 subscribers: x that of fewer", dearer_with_more(costs), 1.3),
        ]
    }

    /// The same for the HTTP door.
    fn aims_of_http(&self) -> Vec<Aim> {
        let cost = |load| self.median(load, System::Http, CPU);
        let of_nats = |load| Some(cost(load)? / self.median(load, System::Nats, CPU)?);
        let of_pypubsub = |load, pypubsub: f64| cost(load).map(|cost| cost / pypubsub);
        let matching = median(self.matching.iter().map(|round| CPU(&round.with) / CPU(&round.without)));
        vec![
            ("HTTP, 1 → 100: CPU a delivery, x NATS", of_nats(workload::ONE_TO_100), 2.0),
            ("HTTP, 1 → 1000: CPU a delivery, x NATS", of_nats(workload::ONE_TO_1000), 2.0),
            ("HTTP, 1 → 1: CPU a delivery, x PyPubSub's 273", of_pypubsub(workload::ONE_TO_ONE, 273.0), 1.0 / 20.0),
            ("HTTP, 1 → 100: CPU a delivery, x PyPubSub's 41", of_pypubsub(workload::ONE_TO_100, 41.0), 1.0 / 30.0),
            ("HTTP, 1 → 1000: CPU a delivery, x PyPubSub's 58", of_pypubsub(workload::ONE_TO_1000, 58.0), 1.0 / 30.0),
            ("HTTP, idle stream, KiB", self.idle(System::Http), 12.0),
            ("HTTP, 1 → 1: CPU a delivery, beside sets that do not match, x without", matching, 1.05),
        ]
    }
}

impl Results {
    /// Of the websockets beside lonelypss's, and of what else webhooks cost.
    fn aims_of_webhooks(&self) -> Vec<Aim> {
        let of_python =
            |load| Some(self.median(load, System::Webhook, CPU)? / self.median(load, System::Lonelypss, CPU)?);
        let mut aims = vec![
            ("webhooks by websocket, 1 → 1: CPU a delivery, x lonelypss", of_python(workload::ONE_TO_ONE), 1.0 / 20.0),
            (
                "webhooks by websocket, 1 → 100: CPU a delivery, x lonelypss",
                of_python(workload::ONE_TO_100),
                1.0 / 20.0,
            ),
        ];
        aims.extend(self.webhooks.aims());
        aims
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
        self.write_matching(f)?;
        write!(f, "{}", self.webhooks)?;
        let all = self.aims().into_iter().chain(self.aims_of_http()).chain(self.aims_of_webhooks());
        writeln!(f, "\n**Aims**\n\n| | measured | aim | |\n|---|--:|--:|---|")?;
        for (what, measured, most) in all {
            // A part of the systems or of the loads has a part of the aims.
            let Some(measured) = measured else { continue };
            let verdict = if measured <= most { "met" } else { "**missed**" };
            writeln!(f, "| {what} | {} | ≤ {} | {verdict} |", figures(Some(measured)), figures(Some(most)))?;
        }
        Ok(())
    }
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Three figures that count.
pub(crate) fn figures(value: Option<f64>) -> String {
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
pub(crate) fn whole(value: Option<f64>) -> String {
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
        assert!(!results.to_string().contains("idle session"));
        results.add_idle(System::Eventhive, 10_000, 11.0 * 1024.0);
        assert!(results.to_string().contains("| idle session, KiB | 11.0 | ≤ 12.0 | met |"));
        results.idle.clear();
        results.add_idle(System::Eventhive, 10_000, 13.0 * 1024.0);
        assert!(results.to_string().contains("| idle session, KiB | 13.0 | ≤ 12.0 | **missed** |"));
    }
}
