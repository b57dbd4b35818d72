//! The figures of one round.

use std::io::{self, Error};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::ends::Asker;

/// Until the answering end has come up.
const READY: Duration = Duration::from_secs(20);
const WARM_UP: usize = 500;
const MEASURED: Duration = Duration::from_secs(1);
/// Requests under way at a time while the rate is measured.
const TOGETHER: usize = 64;

/// What one round gave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// Of one request at a time.
    pub(crate) p50_micros: f64,
    pub(crate) p99_micros: f64,
    /// With [`TOGETHER`] under way.
    pub(crate) requests_per_sec: f64,
}

pub(crate) async fn measure(asker: &Asker) -> io::Result<Outcome> {
    wait_until_answered(asker).await?;
    for _ in 0..WARM_UP {
        asker.ask().await?;
    }
    let mut times = Vec::with_capacity(100_000);
    let begun = Instant::now();
    while begun.elapsed() < MEASURED {
        let at = Instant::now();
        asker.ask().await?;
        times.push(at.elapsed());
    }
    times.sort_unstable();
    let requests_per_sec = rate(asker).await?;
    Ok(Outcome { p50_micros: percentile(&times, 0.5), p99_micros: percentile(&times, 0.99), requests_per_sec })
}

/// The answering end comes up in its own time; until then nobody listens.
async fn wait_until_answered(asker: &Asker) -> io::Result<()> {
    let deadline = Instant::now() + READY;
    while let Err(error) = asker.ask().await {
        if Instant::now() > deadline {
            return Err(Error::other(format!("no answer: {error}")));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn rate(asker: &Asker) -> io::Result<f64> {
    let begun = Instant::now();
    let mut askers = JoinSet::new();
    for _ in 0..TOGETHER {
        let asker = asker.clone();
        askers.spawn(async move {
            let mut answered = 0_u64;
            while begun.elapsed() < MEASURED {
                asker.ask().await?;
                answered += 1;
            }
            io::Result::Ok(answered)
        });
    }
    let mut answered = 0;
    while let Some(ended) = askers.join_next().await {
        answered += ended.map_err(Error::other)??;
    }
    Ok(answered as f64 / begun.elapsed().as_secs_f64())
}

fn percentile(sorted: &[Duration], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * part).round() as usize).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
}
