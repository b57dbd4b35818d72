//! Connections of the load, all on one thread, and what they count together.

use std::cell::{Cell, RefCell};
use std::io::{self, Error};
use std::rc::Rc;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, Semaphore};

use crate::wire::Wire;

/// Digits at the start of a payload that say when it was sent, in nanoseconds since [`Tally::started`].
const STAMP_DIGITS: usize = 20;

/// What all connections of a run have counted.
pub(crate) struct Tally {
    started: Instant,
    pub(crate) published: Cell<u64>,
    pub(crate) received: Cell<u64>,
    /// Whether payloads carry stamps, and how long each delivery took, in nanoseconds.
    pub(crate) timing: Cell<bool>,
    pub(crate) latencies: RefCell<Vec<u64>>,
    /// Something was received.
    pub(crate) moved: Notify,
}

impl Tally {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            started: Instant::now(),
            published: Cell::new(0),
            received: Cell::new(0),
            timing: Cell::new(false),
            latencies: RefCell::default(),
            moved: Notify::new(),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn deliver(&self, payload: &[u8], now: u64) {
        self.received.set(self.received.get() + 1);
        if self.timing.get() {
            let sent = payload.get(..STAMP_DIGITS).and_then(|digits| std::str::from_utf8(digits).ok());
            if let Some(sent) = sent.and_then(|digits| digits.parse::<u64>().ok()) {
                self.latencies.borrow_mut().push(now.saturating_sub(sent));
            }
        }
    }
}

/// What has arrived on a connection and is not read yet.
#[derive(Default)]
struct Input(Vec<u8>);

impl Input {
    /// Waits for more and reads all that is complete. Gives the number of answers.
    async fn read(
        &mut self,
        wire: Wire,
        stream: &mut (impl AsyncReadExt + Unpin),
        out: &mut Vec<u8>,
        tally: &Tally,
    ) -> io::Result<usize> {
        self.0.reserve(16 * 1024);
        if stream.read_buf(&mut self.0).await? == 0 {
            return Err(Error::other("the server closed the connection"));
        }
        let now = if tally.timing.get() { tally.now() } else { 0 };
        let progress = wire.read(&self.0, out, &mut |payload| tally.deliver(payload, now))?;
        self.0.drain(..progress.consumed);
        Ok(progress.answers)
    }
}

/// A subscription that stands.
pub(crate) struct Subscriber {
    wire: Wire,
    stream: TcpStream,
    input: Input,
}

impl Subscriber {
    pub(crate) async fn connect(wire: Wire, port: u16, tally: &Tally) -> io::Result<Self> {
        let mut stream = wire.open(port).await?;
        let mut out = Vec::new();
        wire.subscribe(&mut out);
        stream.write_all(&out).await?;
        let mut input = Input::default();
        while input.read(wire, &mut stream, &mut out, tally).await? == 0 {}
        Ok(Self { wire, stream, input })
    }

    /// Receives, and answers as the protocol demands, until the connection ends.
    pub(crate) async fn run(mut self, tally: Rc<Tally>) -> io::Result<()> {
        let mut out = Vec::new();
        loop {
            self.input.read(self.wire, &mut self.stream, &mut out, &tally).await?;
            if !out.is_empty() {
                self.stream.write_all(&out).await?;
                out.clear();
            }
            tally.moved.notify_waiters();
        }
    }
}

/// A connection that publishes.
pub(crate) struct Publisher {
    wire: Wire,
    stream: OwnedWriteHalf,
    payload: Vec<u8>,
    out: Vec<u8>,
    /// A permit for each publish that may be written before an answer comes.
    room: Option<Rc<Semaphore>>,
}

/// The end of a publisher's connection that reads the answers.
pub(crate) struct Answers {
    wire: Wire,
    stream: OwnedReadHalf,
    room: Option<Rc<Semaphore>>,
}

impl Publisher {
    /// Connects. The second part reads the server's answers and must be driven.
    pub(crate) async fn connect(wire: Wire, port: u16, payload_bytes: usize) -> io::Result<(Self, Answers)> {
        let (reading, stream) = wire.open(port).await?.into_split();
        let room = wire.most_unanswered(payload_bytes).map(|most| Rc::new(Semaphore::new(most)));
        let answers = Answers { wire, stream: reading, room: room.clone() };
        Ok((Self { wire, stream, payload: vec![b'x'; payload_bytes], out: Vec::new(), room }, answers))
    }

    /// Publishes so many messages, written together where the protocol allows it.
    pub(crate) async fn publish(&mut self, messages: u64, tally: &Tally) -> io::Result<()> {
        if tally.timing.get() {
            let stamp = format!("{:0STAMP_DIGITS$}", tally.now());
            self.payload[..STAMP_DIGITS].copy_from_slice(stamp.as_bytes());
        }
        let mut left = messages;
        while left > 0 {
            let together = self.may_write(left).await?;
            left -= together;
            self.out.clear();
            for number in 0..together {
                self.wire.publish(tally.published.get() + number, &self.payload, &mut self.out);
            }
            tally.published.set(tally.published.get() + together);
            self.stream.write_all(&self.out).await?;
        }
        Ok(())
    }

    /// Waits until something may be written, and gives how many of these messages may be.
    async fn may_write(&self, wanted: u64) -> io::Result<u64> {
        let Some(room) = &self.room else { return Ok(wanted) };
        room.acquire().await.map_err(Error::other)?.forget();
        Ok(1 + room.forget_permits(usize::try_from(wanted - 1).unwrap_or(usize::MAX)) as u64)
    }
}

impl Answers {
    /// Reads them until the connection ends.
    pub(crate) async fn run(mut self, tally: Rc<Tally>) -> io::Result<()> {
        let (mut input, mut unsent) = (Input::default(), Vec::new());
        loop {
            let answers = input.read(self.wire, &mut self.stream, &mut unsent, &tally).await?;
            if let Some(room) = &self.room {
                room.add_permits(answers);
            }
            // Only a ping would have to be answered, and no run is as long as the time between two.
            unsent.clear();
        }
    }
}
