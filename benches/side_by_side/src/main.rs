//! Measures hubs side by side in one run: deliveries, processor time of the server, latency, memory of an idle subscriber.
//!
//! `benches/run.sh` builds and starts it; `benches/README.md` says what the figures mean.
//!
//! # Layout
//!
//! - [`system`]: the hubs: how each is started, and what the system says of its process.
//! - [`wire`]: just enough of each protocol to publish and to subscribe.
//! - [`client`]: connections, and what they count together.
//! - [`workload`]: what is measured, and how.
//! - [`matching`]: what subscriptions cost that do not match.
//! - [`webhook`]: deliveries by requests, and what else there is to know of webhooks.
//! - [`report`]: the tables, and which aims are met.

mod client;
mod matching;
mod report;
mod system;
mod webhook;
mod wire;
mod workload;

use std::io;

use system::System;
use workload::Load;

/// The topic of all messages.
const TOPIC: &str = "bench/topic/one";

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(ended) = webhook::other_end(&words).await {
        return ended;
    }
    let plan = Plan::of(&words)?;
    let mut results = report::Results::default();
    for &load in &plan.loads {
        for round in 0..workload::ROUNDS {
            for &system in plan.systems.iter().filter(|system| load.is_for(**system)) {
                eprintln!("{} at {}, round {}", load.name, system.name(), round + 1);
                results.add(load, system, workload::measure(load, system).await?);
            }
        }
    }
    for &system in plan.systems.iter().filter(|system| plan.idle && !system.takes_webhooks()) {
        eprintln!("idle subscribers at {}", system.name());
        let (number, bytes) = workload::idle_subscriber_bytes(system).await?;
        results.add_idle(system, number, bytes);
    }
    if plan.matching {
        results.add_matching(matching::measure().await?);
    }
    results.add_webhooks(webhook::measure(&plan.webhooks, &plan.systems).await?);
    print!("{results}");
    Ok(())
}

/// Names of what is measured beside the loads.
const IDLE: &str = "idle";
const MATCHING: &str = "matching";

/// What is to be measured: the systems and the parts that are named; where none of a kind is, all.
struct Plan {
    systems: Vec<System>,
    loads: Vec<Load>,
    idle: bool,
    /// Of the HTTP door alone.
    matching: bool,
    /// Parts of our broadcaster, and of lonelypss as far as it is among the systems.
    webhooks: Vec<&'static str>,
}

impl Plan {
    fn of(words: &[String]) -> io::Result<Self> {
        let names = System::ALL.map(System::name).into_iter().chain(workload::ALL.map(|load| load.id));
        let known: Vec<&str> = names.chain([IDLE, MATCHING]).chain(webhook::PARTS).collect();
        if let Some(odd) = words.iter().find(|word| !known.contains(&word.as_str())) {
            return Err(io::Error::other(format!("`{odd}` cannot be measured: known are {}", known.join(", "))));
        }
        let is_named = |name: &str| words.iter().any(|word| word == name);
        let mut systems = System::ALL.to_vec();
        if systems.iter().any(|system| is_named(system.name())) {
            systems.retain(|system| is_named(system.name()));
        }
        let mut loads = workload::ALL.to_vec();
        loads.retain(|load| is_named(load.id));
        let (mut idle, mut matching) = (is_named(IDLE), is_named(MATCHING));
        let mut webhooks: Vec<_> = webhook::PARTS.into_iter().filter(|part| is_named(part)).collect();
        if loads.is_empty() && !idle && !matching && webhooks.is_empty() {
            (loads, idle, matching) = (workload::ALL.to_vec(), true, systems.contains(&System::Http));
            webhooks.extend(webhook::PARTS.iter().filter(|_| systems.contains(&System::Webhook)));
        }
        Ok(Self { systems, loads, idle, matching, webhooks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(words: &str) -> (Vec<&'static str>, usize, bool, bool, usize) {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let plan = Plan::of(&words).unwrap();
        let systems = plan.systems.into_iter().map(System::name).collect();
        (systems, plan.loads.len(), plan.idle, plan.matching, plan.webhooks.len())
    }

    #[test]
    fn where_no_part_is_named_all_are_measured() {
        assert_eq!(plan("redis nats"), (vec!["nats", "redis"], workload::ALL.len(), true, false, 0));
        assert_eq!(plan("http"), (vec!["http"], workload::ALL.len(), true, true, 0));
        assert_eq!(plan("http 1:1 1:100"), (vec!["http"], 2, false, false, 0));
        assert_eq!(plan("http idle"), (vec!["http"], 0, true, false, 0));
        assert_eq!(plan("webhook lonelypss").4, webhook::PARTS.len());
        assert_eq!(plan("webhook stored"), (vec!["webhook"], 0, false, false, 1));
        assert_eq!(plan("matching").1, 0);
        assert!(Plan::of(&["1:2".to_owned()]).is_err());
    }
}
