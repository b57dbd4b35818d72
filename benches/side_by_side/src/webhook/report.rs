//! The tables of webhooks, and which aims are met.

use std::fmt;

use super::deliveries::SUBSCRIBERS;
use super::large::Large;
use super::stored::Stored;
use crate::report::{Aim, figures, median, whole};
use crate::system::System;

/// What delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contestant {
    Broadcaster(System),
    /// A bare loop with the library that our broadcaster uses.
    Hyper,
    /// A bare loop with the library that most programs use.
    Reqwest,
}

impl Contestant {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Broadcaster(system) => system.name(),
            Self::Hyper => "hyper",
            Self::Reqwest => "reqwest",
        }
    }
}

const OURS: Contestant = Contestant::Broadcaster(System::Webhook);
const PYTHONS: Contestant = Contestant::Broadcaster(System::Lonelypss);
const ALL: [Contestant; 4] = [OURS, PYTHONS, Contestant::Hyper, Contestant::Reqwest];

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delivered {
    pub(super) per_sec: f64,
    /// Of the process that delivers.
    pub(super) cpu_secs_per_million: f64,
    /// The part of one processor that the notifiers needed.
    pub(super) load_busy: f64,
}

/// All that was measured.
#[derive(Default)]
pub(crate) struct Figures {
    pub(super) deliveries: Vec<(usize, Contestant, Delivered)>,
    pub(super) stored: Option<Stored>,
    pub(super) large: Option<Large>,
}

impl Figures {
    fn median(&self, subscribers: usize, contestant: Contestant, figure: fn(&Delivered) -> f64) -> Option<f64> {
        let of_this = self.deliveries.iter().filter(|(number, one, _)| *number == subscribers && *one == contestant);
        median(of_this.map(|(.., delivered)| figure(delivered)))
    }

    fn write_deliveries(&self, f: &mut fmt::Formatter<'_>, subscribers: usize) -> fmt::Result {
        let cpu = |contestant| self.median(subscribers, contestant, CPU);
        let rate = |contestant| self.median(subscribers, contestant, RATE);
        writeln!(f, "\n**Webhooks, notify → {subscribers} by HTTP, 128 B**\n")?;
        writeln!(f, "| | deliveries/s | x hyper | CPU s per million | x lonelypss | load busy |")?;
        writeln!(f, "|---|--:|--:|--:|--:|--:|")?;
        for contestant in ALL {
            let Some(own) = cpu(contestant) else { continue };
            let of_hyper = rate(Contestant::Hyper).zip(rate(contestant)).map(|(hyper, own)| own / hyper);
            let of_python = cpu(PYTHONS).map(|pythons| own / pythons);
            let busy = self.median(subscribers, contestant, |delivered| delivered.load_busy * 100.0);
            let cells = [whole(rate(contestant)), figures(of_hyper), figures(Some(own)), figures(of_python)];
            writeln!(f, "| {} | {} | {} % |", contestant.name(), cells.join(" | "), whole(busy))?;
        }
        Ok(())
    }

    /// The aims: at least 20 times the deliveries of lonelypss in a second of processor time, and 0.6 of what the bare loop
    /// makes a second.
    pub(crate) fn aims(&self) -> Vec<Aim> {
        let mut aims = Vec::new();
        for (subscribers, cost, rate) in NAMES {
            let [ours, pythons] = [OURS, PYTHONS].map(|one| self.median(subscribers, one, CPU));
            let [own, hypers] = [OURS, Contestant::Hyper].map(|one| self.median(subscribers, one, RATE));
            aims.push((cost, ours.zip(pythons).map(|(ours, pythons)| ours / pythons), 1.0 / 20.0));
            aims.push((rate, own.zip(hypers).map(|(own, hypers)| hypers / own), 1.0 / 0.6));
        }
        let stored = self.stored.as_ref().and_then(Stored::ratio);
        aims.push(("webhooks, a notify beside many subscriptions, x beside 100", stored, 2.0));
        let peak = self.large.as_ref().map(|large| mib(large.peak));
        aims.push(("webhooks, the most memory with the large message, MiB", peak, 64.0));
        aims
    }
}

/// The aims by the number of subscribers.
const NAMES: [(usize, &str, &str); 4] = [
    (SUBSCRIBERS[0], "webhooks, → 1: CPU a delivery, x lonelypss", "webhooks, → 1: hyper's deliveries/s, x ours"),
    (SUBSCRIBERS[1], "webhooks, → 10: CPU a delivery, x lonelypss", "webhooks, → 10: hyper's deliveries/s, x ours"),
    (SUBSCRIBERS[2], "webhooks, → 100: CPU a delivery, x lonelypss", "webhooks, → 100: hyper's deliveries/s, x ours"),
    (SUBSCRIBERS[3], "webhooks, → 1000: CPU a delivery, x lonelypss", "webhooks, → 1000: hyper's deliveries/s, x ours"),
];

impl Stored {
    /// The median of the rounds' ratios.
    fn ratio(&self) -> Option<f64> {
        median(self.rounds.iter().map(|(few, many)| many / few))
    }
}

const RATE: fn(&Delivered) -> f64 = |delivered| delivered.per_sec;
const CPU: fn(&Delivered) -> f64 = |delivered| delivered.cpu_secs_per_million;

fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1 << 20) as f64
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let measured = |subscribers: &usize| self.deliveries.iter().any(|(number, ..)| number == subscribers);
        SUBSCRIBERS.into_iter().filter(measured).try_for_each(|subscribers| self.write_deliveries(f, subscribers))?;
        if let Some(stored) = &self.stored {
            write!(f, "{stored}")?;
        }
        self.large.as_ref().map_or(Ok(()), |large| write!(f, "{large}"))
    }
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = whole(Some(self.number as f64));
        writeln!(f, "\n**Webhooks, {number} stored subscriptions that match nothing**\n")?;
        writeln!(
            f,
            "{} bytes of memory each. Started again with them: it took {} s, and {} MiB of memory.\n",
            whole(Some(self.bytes_each)),
            figures(Some(self.start.as_secs_f64())),
            whole(Some(mib(self.bytes_after_start)))
        )?;
        writeln!(f, "| round | µs of a notify beside 100 | beside {number} | x |\n|---|--:|--:|--:|")?;
        for (round, (few, many)) in self.rounds.iter().enumerate() {
            let cells = [whole(Some(*few)), whole(Some(*many)), figures(Some(many / few))];
            writeln!(f, "| {} | {} |", round + 1, cells.join(" | "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Large {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n**Webhooks, one message of {} MiB to one subscriber**\n", whole(Some(mib(self.length))))?;
        writeln!(f, "| seconds | MiB/s | CPU s | most memory before, MiB | most memory, MiB |\n|--:|--:|--:|--:|--:|")?;
        let took = self.took.as_secs_f64();
        let cells = [
            figures(Some(took)),
            whole(Some(mib(self.length) / took)),
            figures(Some(self.cpu.as_secs_f64())),
            figures(Some(mib(self.peak_before))),
            figures(Some(mib(self.peak))),
        ];
        writeln!(f, "| {} |", cells.join(" | "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bare_loop_and_the_original_are_what_aims_compare_with() {
        let mut figures = Figures::default();
        let delivered = |per_sec, cpu_secs_per_million| Delivered { per_sec, cpu_secs_per_million, load_busy: 0.0 };
        figures.deliveries.push((10, OURS, delivered(60.0, 5.0)));
        figures.deliveries.push((10, PYTHONS, delivered(1.0, 100.0)));
        figures.deliveries.push((10, Contestant::Hyper, delivered(100.0, 1.0)));
        let met: Vec<_> = figures.aims().into_iter().filter(|(_, measured, _)| measured.is_some()).collect();
        assert_eq!(met.len(), 2);
        assert!(met.iter().all(|(_, measured, most)| (measured.unwrap() - most).abs() < 1e-9), "{met:?}");
    }
}
