//! A subscriber with any number of urls: it answers every RECEIVE that it has it, and counts. A process of its own, so that what
//! it costs is in nobody's figures.

use std::cell::Cell;
use std::io::{self, BufRead as _, BufReader, Error, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;

use eventhive_webhook::wire::Proof;
use eventhive_webhook::wire::bodies::{Collector, Head as _, ReceiveHead};
use eventhive_webhook::wire::digest::read_repr_digest;
use eventhive_webhook::wire::responses::Response;
use sha2::{Digest as _, Sha512};
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use super::http::{self, Head, Input};

/// The sink, from where it is counted on.
pub(super) struct Sink {
    child: Child,
    asking: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub(super) port: u16,
}

impl Sink {
    pub(super) fn start() -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg("sink").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let missing = || Error::other("the sink has no pipes");
        let asking = child.stdin.take().ok_or_else(missing)?;
        let answers = BufReader::new(child.stdout.take().ok_or_else(missing)?);
        let mut sink = Self { child, asking, answers, port: 0 };
        sink.port = sink.line()?;
        Ok(sink)
    }

    /// The url with this number.
    pub(super) fn url(&self, number: usize) -> String {
        format!("http://127.0.0.1:{}/{number}", self.port)
    }

    /// How many messages have arrived so far.
    pub(super) fn received(&mut self) -> io::Result<u64> {
        self.asking.write_all(b"\n")?;
        self.line()
    }

    fn line<T: std::str::FromStr>(&mut self) -> io::Result<T> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        line.trim().parse().map_err(|_| Error::other("the sink has ended"))
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Is the sink, until standard input is closed: prints its port, and for each line that comes how many messages have arrived.
pub(super) async fn run() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    let received = Rc::new(Cell::new(0_u64));
    let accepting = {
        let received = Rc::clone(&received);
        async move {
            loop {
                let (stream, _) = listener.accept().await?;
                let received = Rc::clone(&received);
                tokio::task::spawn_local(async move {
                    match connection(stream, &received).await {
                        // Its other end was killed when it had been measured.
                        Err(error) if error.kind() != io::ErrorKind::ConnectionReset => eprintln!("sink: {error}"),
                        _ => {}
                    }
                });
            }
        }
    };
    let (told, mut asked) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || io::stdin().lines().map_while(Result::ok).all(|_| told.send(()).is_ok()));
    let answering = async {
        while asked.recv().await.is_some() {
            println!("{}", received.get());
        }
        Ok(())
    };
    LocalSet::new()
        .run_until(async {
            tokio::select! {
                ended = accepting => ended,
                ended = answering => ended,
            }
        })
        .await
}

/// Larger messages are hashed as they come, and compared with what was announced.
const IN_MEMORY: u64 = 64 * 1024;

async fn connection(stream: TcpStream, received: &Cell<u64>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (reading, mut writing) = stream.into_split();
    let mut input = Input::new(reading);
    let mut out = Vec::new();
    while let Some(head) = input.head(http::request).await? {
        if head.body_bytes <= IN_MEMORY {
            input
                .whole(usize::try_from(head.body_bytes).map_err(Error::other)?, |body| confirm(body, &mut out))
                .await?;
        } else {
            confirm_large(&mut input, &head, &mut out).await?;
        }
        received.set(received.get() + 1);
        answer(&mut writing, &out).await?;
    }
    Ok(())
}

async fn answer(writing: &mut OwnedWriteHalf, body: &[u8]) -> io::Result<()> {
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    writing.write_all(&answer).await
}

/// The body of the answer to a RECEIVE with this head, whatever follows it.
fn confirm(body: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let (head, _) = ReceiveHead::read(body).map_err(Error::other)?;
    let confirm = Response::ConfirmReceive { proof: Proof::default(), identifier: head.identifier, num_subscribers: 1 };
    out.clear();
    confirm.write(out).map_err(Error::other)
}

/// As [`confirm`], of a message that is not held in memory.
async fn confirm_large(input: &mut Input<OwnedReadHalf>, request: &Head, out: &mut Vec<u8>) -> io::Result<()> {
    let mut head = Collector::<ReceiveHead<'static>>::new();
    let mut hash = Sha512::new();
    let mut broken = None;
    let take = |piece: &[u8]| match head.push(piece) {
        Ok(rest) => hash.update(rest),
        Err(error) => broken = Some(error),
    };
    input.pieces(request.body_bytes, take).await?;
    broken.map_or(Ok(()), |error| Err(Error::other(error)))?;
    if request.digest.as_deref().and_then(read_repr_digest) != Some(hash.finalize().into()) {
        return Err(Error::other("a message has another hash than was announced"));
    }
    let mut body = Vec::new();
    head.head().and_then(|head| head.write(&mut body)).map_err(Error::other)?;
    confirm(&body, out)
}
