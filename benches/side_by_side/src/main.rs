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
    let words: Vec<String> = std::env::args().skip(1).collect();
    let systems = chosen(&words, System::ALL, System::name);
    let loads = chosen(&words, workload::ALL, |load| load.id);
    if let Some(odd) = words.iter().find(|word| !is_known(word)) {
        let known: Vec<&str> =
            System::ALL.map(System::name).into_iter().chain(workload::ALL.map(|load| load.id)).collect();
        return Err(io::Error::other(format!(
            "`{odd}` is neither a system nor a load: known are {}",
            known.join(", ")
        )));
    }
    let mut results = report::Results::default();
    for &load in &loads {
        for round in 0..workload::ROUNDS {
            for &system in &systems {
                eprintln!("{} at {}, round {}", load.name, system.name(), round + 1);
                results.add(load, system, workload::measure(load, system).await?);
            }
        }
    }
    // A single load is for a profile.
    let of_idle = if loads.len() == workload::ALL.len() { systems.as_slice() } else { &[] };
    for &system in of_idle {
        eprintln!("idle subscribers at {}", system.name());
        results.add_idle(system, workload::idle_subscriber_bytes(system).await?);
    }
    print!("{results}");
    Ok(())
}

/// Those that are named; all, if none of their kind is.
fn chosen<T: Copy, const N: usize>(words: &[String], all: [T; N], name: fn(T) -> &'static str) -> Vec<T> {
    let named: Vec<T> = all.into_iter().filter(|one| words.iter().any(|word| word == name(*one))).collect();
    if named.is_empty() { all.to_vec() } else { named }
}

fn is_known(word: &str) -> bool {
    System::ALL.iter().any(|system| system.name() == word) || workload::ALL.iter().any(|load| load.id == word)
}
