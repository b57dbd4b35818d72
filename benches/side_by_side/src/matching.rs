//! What subscriptions cost that do not match: the same load at one server, without them and with them in turns.
//!
//! They are topic sets of the HTTP door, many in each stream, and all have a topic in common with what is published.
//! Every event has a topic of its own, which the hub has not met before: what it remembers of topics does not help.

use std::io::{self, Error};
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

use crate::TOPIC;
use crate::client::{Publisher, Subscriber, Tally};
use crate::system::{Server, System};
use crate::wire::Wire;
use crate::workload::{self, ONE_TO_ONE, Outcome};

const STREAMS: usize = 200;
/// What fits into the target of a request, which has 8,190 bytes at most.
const SETS_OF_A_STREAM: usize = 500;
pub(crate) const SETS: usize = STREAMS * SETS_OF_A_STREAM;
const ROUNDS: usize = 11;

/// The figures of one round.
pub(crate) struct Round {
    pub(crate) without: Outcome,
    pub(crate) with: Outcome,
}

pub(crate) async fn measure() -> io::Result<Vec<Round>> {
    let server = Server::start(System::Http)?;
    LocalSet::new().run_until(run(&server)).await
}

async fn run(server: &Server) -> io::Result<Vec<Round>> {
    let (wire, tally) = (Wire::Http { new_topics: true }, Tally::new());
    let mut connections = JoinSet::new();
    let subscriber = Subscriber::connect(wire, server.port, &tally).await?;
    connections.spawn_local(subscriber.run(Rc::clone(&tally)));
    let (publisher, answers) = Publisher::connect(wire, server.port, ONE_TO_ONE.payload_bytes).await?;
    connections.spawn_local(answers.run(Rc::clone(&tally)));
    tokio::select! {
        rounds = rounds(server, &tally, publisher) => rounds,
        Some(ended) = connections.join_next() => Err(match ended {
            Ok(Err(error)) => error,
            _ => Error::other("a connection ended"),
        }),
    }
}

async fn rounds(server: &Server, tally: &Rc<Tally>, publisher: Publisher) -> io::Result<Vec<Round>> {
    let (mut publishers, mut rounds) = (vec![publisher], Vec::new());
    for round in 0..ROUNDS {
        eprintln!("matching, round {}", round + 1);
        // The order changes from round to round: what comes second finds a warmer machine, or a busier one.
        let is_with_first = round % 2 == 1;
        let (first, second);
        (publishers, first) = half(is_with_first, server, tally, publishers).await?;
        (publishers, second) = half(!is_with_first, server, tally, publishers).await?;
        let (with, without) = if is_with_first { (first, second) } else { (second, first) };
        rounds.push(Round { without, with });
    }
    Ok(rounds)
}

/// One measurement, with the sets or without them.
async fn half(
    is_with: bool,
    server: &Server,
    tally: &Rc<Tally>,
    publishers: Vec<Publisher>,
) -> io::Result<(Vec<Publisher>, Outcome)> {
    let mut others = Vec::new();
    for stream in (0..STREAMS).filter(|_| is_with) {
        others.push(open(server.port, stream).await?);
    }
    workload::flood(ONE_TO_ONE, System::Http, server, tally, publishers).await
}

/// A stream of sets that match nothing. The server only sends it a ping now and then, which may wait unread.
async fn open(port: u16, stream: usize) -> io::Result<TcpStream> {
    let common = TOPIC.split('/').next().unwrap_or_default();
    let sets = (0..SETS_OF_A_STREAM).map(|set| format!("{common}/o{:05}", stream * SETS_OF_A_STREAM + set));
    let target = sets.collect::<Vec<_>>().join(",");
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await?;
    connection.write_all(format!("GET /{target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").as_bytes()).await?;
    let mut head = [0; 13];
    connection.read_exact(&mut head).await?;
    if &head == b"HTTP/1.1 200 " {
        return Ok(connection);
    }
    Err(Error::other(format!("a stream was refused: {}", String::from_utf8_lossy(&head))))
}
