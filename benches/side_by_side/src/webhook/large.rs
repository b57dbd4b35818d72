//! A message that is larger than memory.

use std::io::{self, Error};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha512};

use super::notifier::Notifier;
use super::number;
use super::sink::Sink;
use crate::TOPIC;
use crate::system::{Server, System};

const LENGTH: u64 = 5 << 30;
const PIECE: usize = 1 << 20;

pub(crate) struct Large {
    pub(super) length: u64,
    pub(super) took: Duration,
    pub(super) cpu: Duration,
    /// The most memory that the broadcaster had before, and at all.
    pub(super) peak_before: u64,
    pub(super) peak: u64,
}

pub(super) async fn measure() -> io::Result<Large> {
    let times = (number("BENCH_LARGE_BYTES", LENGTH)? / PIECE as u64).max(1);
    // Before it connects: a connection that is silent for as long as this takes is closed.
    let piece: Vec<u8> = (0..PIECE).map(|at| (at * 31 / 7) as u8).collect();
    let mut hash = Sha512::new();
    (0..times).for_each(|_| hash.update(&piece));
    let (sink, server) = (Sink::start()?, Server::start(System::Webhook)?);
    let mut notifier = Notifier::connect(server.port).await?;
    notifier.subscribe(&sink.url(0), TOPIC.as_bytes()).await?;
    // What every notify needs, however small.
    notifier.notify(TOPIC.as_bytes(), b"small").await?;
    let (peak_before, cpu, at) = (server.peak_bytes()?, server.cpu()?, Instant::now());
    eprintln!("a message of {} bytes", times * PIECE as u64);
    let count = notifier.notify_large(TOPIC.as_bytes(), &hash.finalize().into(), &piece, times).await?;
    if count != 1 {
        return Err(Error::other("the large message was not delivered"));
    }
    Ok(Large {
        length: times * PIECE as u64,
        took: at.elapsed(),
        cpu: server.cpu()? - cpu,
        peak_before,
        peak: server.peak_bytes()?,
    })
}
