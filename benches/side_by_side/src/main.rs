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
//! - [`report`]: the tables, and which aims are met.

mod client;
mod report;
mod system;
mod wire;
mod workload;

use std::io;

use system::System;

/// The topic of all messages.
const TOPIC: &str = "bench/topic/one";

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let systems: Vec<System> = System::ALL.into_iter().filter(|system| chosen(&wanted, system.name())).collect();
    if systems.is_empty() {
        let known: Vec<&str> = System::ALL.iter().map(|system| system.name()).collect();
        return Err(io::Error::other(format!("no such system: known are {}", known.join(", "))));
    }
    let mut results = report::Results::default();
    for load in workload::ALL {
        for round in 0..workload::ROUNDS {
            for &system in &systems {
                eprintln!("{} at {}, round {}", load.name, system.name(), round + 1);
                results.add(load, system, workload::measure(load, system).await?);
            }
        }
    }
    for &system in &systems {
        eprintln!("idle subscribers at {}", system.name());
        results.add_idle(system, workload::idle_subscriber_bytes(system).await?);
    }
    print!("{results}");
    Ok(())
}

/// Without arguments all systems are measured.
fn chosen(wanted: &[String], name: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|word| word == name)
}
