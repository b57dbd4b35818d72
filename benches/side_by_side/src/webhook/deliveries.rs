//! Deliveries a second, and a second of processor time, to subscribers by HTTP.

use std::cell::Cell;
use std::io::{self, Error};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};

use super::notifier::Notifier;
use super::report::{Contestant, Delivered, Figures};
use super::sink::Sink;
use crate::TOPIC;
use crate::system::{Server, System, cpu_of, own_cpu};
use crate::workload::ROUNDS;

/// How many urls are subscribed to the topic.
pub(super) const SUBSCRIBERS: [usize; 4] = [1, 10, 100, 1000];

pub(super) const MESSAGE: &[u8] = &[b'x'; 128];

const WARM_UP: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_secs(2);

pub(super) async fn measure(systems: &[System], figures: &mut Figures) -> io::Result<()> {
    let mut contestants: Vec<_> = systems
        .iter()
        .filter(|system| system.takes_webhooks())
        .map(|system| Contestant::Broadcaster(*system))
        .collect();
    contestants.extend([Contestant::Hyper, Contestant::Reqwest]);
    for subscribers in SUBSCRIBERS {
        for round in 0..ROUNDS {
            for &contestant in &contestants {
                eprintln!("{subscribers} subscribers by HTTP, {}, round {}", contestant.name(), round + 1);
                let delivered = match contestant {
                    Contestant::Broadcaster(system) => {
                        LocalSet::new().run_until(broadcaster(system, subscribers)).await?
                    }
                    Contestant::Hyper | Contestant::Reqwest => bare(contestant, subscribers).await?,
                };
                figures.deliveries.push((subscribers, contestant, delivered));
            }
        }
    }
    Ok(())
}

async fn broadcaster(system: System, subscribers: usize) -> io::Result<Delivered> {
    let mut sink = Sink::start()?;
    let server = Server::start(system)?;
    let mut first = Notifier::connect(server.port).await?;
    for number in 0..subscribers {
        first.subscribe(&sink.url(number), TOPIC.as_bytes()).await?;
    }
    let (stop, confirmed) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
    let mut notifying = JoinSet::new();
    for _ in 0..notifiers(subscribers) {
        let notifier = Notifier::connect(server.port).await?;
        notifying.spawn_local(notify(notifier, subscribers, Rc::clone(&stop), Rc::clone(&confirmed)));
    }
    let window = tokio::select! {
        window = window(&mut sink, || server.cpu()) => window?,
        Some(ended) = notifying.join_next() => return Err(failure(ended)),
    };
    stop.set(true);
    while let Some(ended) = notifying.join_next().await {
        ended.map_err(Error::other)??;
    }
    let received = sink.received()?;
    if received != confirmed.get() {
        return Err(Error::other(format!("{received} messages were received, and {} confirmed", confirmed.get())));
    }
    Ok(window)
}

/// So many that there are always deliveries to make, although each notifier waits for its answer.
fn notifiers(subscribers: usize) -> usize {
    (64 / subscribers).max(2)
}

async fn notify(
    mut notifier: Notifier,
    subscribers: usize,
    stop: Rc<Cell<bool>>,
    confirmed: Rc<Cell<u64>>,
) -> io::Result<()> {
    while !stop.get() {
        let count = notifier.notify(TOPIC.as_bytes(), MESSAGE).await?;
        if count as usize != subscribers {
            return Err(Error::other(format!("a message was delivered to {count} of {subscribers}")));
        }
        confirmed.set(confirmed.get() + u64::from(count));
    }
    Ok(())
}

fn failure(ended: Result<io::Result<()>, tokio::task::JoinError>) -> Error {
    match ended {
        Ok(Err(error)) => error,
        _ => Error::other("a notifier ended"),
    }
}

async fn bare(contestant: Contestant, urls: usize) -> io::Result<Delivered> {
    let mut sink = Sink::start()?;
    let posting = Posting::start(contestant.name(), &sink, urls)?;
    window(&mut sink, || cpu_of(&posting.0.id().to_string())).await
}

/// What arrives at the sink within a while, and what it costs the process that sends it.
async fn window(sink: &mut Sink, cpu: impl Fn() -> io::Result<Duration>) -> io::Result<Delivered> {
    tokio::time::sleep(WARM_UP).await;
    let before = (Instant::now(), cpu()?, own_cpu()?, sink.received()?);
    tokio::time::sleep(MEASURED).await;
    let (took, cpu, own) = (before.0.elapsed().as_secs_f64(), cpu()? - before.1, own_cpu()? - before.2);
    let received = (sink.received()? - before.3) as f64;
    Ok(Delivered {
        per_sec: received / took,
        cpu_secs_per_million: cpu.as_secs_f64() * 1e6 / received,
        load_busy: own.as_secs_f64() / took,
    })
}

/// A bare loop.
struct Posting(Child);

impl Posting {
    fn start(client: &str, sink: &Sink, urls: usize) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["bare", client, &sink.port.to_string(), &urls.to_string()]);
        command.stdin(Stdio::piped()).spawn().map(Self)
    }
}

impl Drop for Posting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
