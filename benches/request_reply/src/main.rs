//! Measures request and reply side by side in one run: how long one request takes, and how many can be answered a second.
//!
//! `benches/run.sh` builds and starts it; `benches/README.md` says what the figures mean.
//!
//! # Layout
//!
//! - [`contestant`]: what is measured, and the server that each needs.
//! - [`ends`]: the two ends of a contestant: one asks, the other, in a process of its own, answers.
//! - [`measure`]: the figures of one round.
//! - [`report`]: the table, and which aims are met.

mod contestant;
mod ends;
mod measure;
mod report;

use std::io::{self, Error};

use contestant::{Contestant, Running};

/// How often each contestant is measured; the median of each figure counts. They take turns, so that a busy minute of
/// the machine meets all.
const ROUNDS: usize = 5;

#[tokio::main]
async fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["answer", name, port] => {
            let contestant = named(name)?;
            ends::answer(contestant, port.parse().map_err(Error::other)?).await
        }
        names => compare(&names.iter().map(|name| named(name)).collect::<io::Result<Vec<_>>>()?).await,
    }
}

fn named(name: &str) -> io::Result<Contestant> {
    Contestant::ALL.into_iter().find(|contestant| contestant.name() == name).ok_or_else(|| {
        let known = Contestant::ALL.map(Contestant::name).join(", ");
        Error::other(format!("`{name}` is no contestant: known are {known}"))
    })
}

/// Measures those that are named; all, if none is.
async fn compare(named: &[Contestant]) -> io::Result<()> {
    let contestants = if named.is_empty() { &Contestant::ALL } else { named };
    let mut results = report::Results::default();
    for round in 0..ROUNDS {
        for &contestant in contestants {
            eprintln!("{}, round {}", contestant.name(), round + 1);
            let running = Running::start(contestant)?;
            let asker = ends::Asker::connect(contestant, running.port).await?;
            results.add(contestant, measure::measure(&asker).await?);
            asker.close().await;
        }
    }
    print!("{results}");
    Ok(())
}
