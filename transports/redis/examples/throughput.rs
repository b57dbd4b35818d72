//! How fast the link publishes and delivers, beside a loop on the bare `redis` crate, in one run on one server.
//!
//! ```text
//! cargo run --release -p eventhive-redis --example throughput [messages [payload_bytes]]
//! ```
//!
//! Starts a `redis-server` of its own on a free port. Each pair is measured several times in turn; the table has the
//! medians. `publish`: nobody listens, every receipt is awaited. `deliver`: one publisher, one subscriber on a connection
//! of its own, until the last message has arrived. `streams`: the same by `XADD` and `XREAD`. The last line has what
//! `redis-benchmark` publishes on the same server.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use eventhive_redis::Redis;
use eventhive_transport::settings::{Entry, Value};
use eventhive_transport::{
    Filter, Incoming, Link, LinkState, Node, Position, Receipt, Refused, RefusedReason, Settings, Topic, Transport,
};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, PushInfo, PushKind};
use tokio::sync::Notify;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Commands in one pipeline of the bare loop.
const PIPELINE: u64 = 512;
const ROUNDS: usize = 5;
const TOPIC: &str = "net/in/act";
const STREAM: &str = "eventhive:net/in";

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let messages = arguments.next().map_or(Ok(200_000), |text| text.parse())?;
    let payload = arguments.next().map_or(Ok(128), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(Bench { server: Server::start()?, messages, payload: Bytes::from(vec![b'x'; payload]) }))
}

struct Bench {
    server: Server,
    messages: u64,
    payload: Bytes,
}

async fn run(bench: Bench) -> Outcome<()> {
    println!(
        "{} messages of {} bytes, median of {ROUNDS} rounds, messages per second",
        bench.messages,
        bench.payload.len()
    );
    println!("| what | bare | link | link / bare |\n|---|---|---|---|");
    let mut rows: [(&str, Vec<f64>, Vec<f64>); 4] =
        ["publish", "deliver", "streams publish", "streams deliver"].map(|name| (name, vec![], vec![]));
    for _ in 0..ROUNDS {
        let [publish, deliver, add, read] = &mut rows;
        publish.1.push(bench.rate(bench.bare_publish("PUBLISH").await?));
        publish.2.push(bench.rate(bench.link_publish("pubsub").await?));
        deliver.1.push(bench.rate(bench.bare_deliver().await?));
        deliver.2.push(bench.rate(bench.link_deliver("pubsub").await?));
        add.1.push(bench.rate(bench.bare_publish("XADD").await?));
        add.2.push(bench.rate(bench.link_publish("streams").await?));
        read.1.push(bench.rate(bench.bare_read().await?));
        read.2.push(bench.rate(bench.link_deliver("streams").await?));
    }
    for (name, bare, link) in rows {
        let (bare, link) = (median(bare), median(link));
        println!("| {name} | {bare:.0} | {link:.0} | {:.2} |", link / bare);
    }
    match bench.redis_benchmark() {
        Ok(rate) => println!("redis-benchmark, publish, the same pipeline: {rate}"),
        Err(error) => println!("redis-benchmark was not measured: {error}"),
    }
    Ok(())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}

/// Counts to a number and tells when it is reached.
struct Counter {
    left: AtomicU64,
    done: Notify,
}

impl Counter {
    fn new(from: u64) -> Arc<Self> {
        Arc::new(Self { left: AtomicU64::new(from), done: Notify::new() })
    }

    fn count(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.done.notify_one();
        }
    }

    async fn reached(&self) -> Outcome<()> {
        tokio::time::timeout(Duration::from_secs(120), self.done.notified()).await?;
        Ok(())
    }
}

impl Bench {
    #[expect(clippy::cast_precision_loss, reason = "a count of messages is far below 2^53")]
    fn rate(&self, took: Duration) -> f64 {
        self.messages as f64 / took.as_secs_f64()
    }

    /// What the server's own tool reaches with the same pipeline on one connection.
    fn redis_benchmark(&self) -> Outcome<String> {
        let mut command = Command::new("redis-benchmark");
        command.args(["-p", &self.server.port.to_string(), "-c", "1", "-P", &PIPELINE.to_string(), "--csv"]);
        command.args(["-n", &self.messages.to_string(), "PUBLISH", TOPIC]).arg(str::from_utf8(&self.payload)?);
        let text = String::from_utf8(command.output()?.stdout)?;
        // One header, one line: "PUBLISH ...","rate",...
        let rate = text.lines().last().and_then(|line| line.split("\",\"").nth(1));
        Ok(rate.ok_or("its output has changed")?.to_owned())
    }

    async fn bare(&self, push: Option<Arc<Counter>>) -> Outcome<MultiplexedConnection> {
        let client = Client::open(format!("redis://127.0.0.1:{}/?protocol=resp3", self.server.port))?;
        let mut options = AsyncConnectionConfig::new().set_response_timeout(None);
        if let Some(counter) = push {
            options = options.set_push_sender(move |info: PushInfo| {
                if info.kind == PushKind::PMessage {
                    counter.count();
                }
                Ok::<(), std::convert::Infallible>(())
            });
        }
        Ok(client.get_multiplexed_async_connection_with_config(&options).await?)
    }

    async fn bare_publish(&self, command: &str) -> Outcome<Duration> {
        let connection = self.bare(None).await?;
        let began = Instant::now();
        self.bare_loop(connection, command).await?;
        Ok(began.elapsed())
    }

    async fn bare_loop(&self, mut connection: MultiplexedConnection, command: &str) -> Outcome<()> {
        for from in (0..self.messages).step_by(usize::try_from(PIPELINE)?) {
            let mut pipeline = redis::pipe();
            for _ in from..(from + PIPELINE).min(self.messages) {
                match command {
                    "PUBLISH" => pipeline.cmd("PUBLISH").arg(TOPIC).arg(&self.payload[..]),
                    _ => pipeline
                        .cmd("XADD")
                        .arg(STREAM)
                        .arg("MAXLEN")
                        .arg("~")
                        .arg(self.messages * 2)
                        .arg("*")
                        .arg("topic")
                        .arg(TOPIC)
                        .arg("payload")
                        .arg(&self.payload[..]),
                };
            }
            let _answers: Vec<redis::Value> = pipeline.query_async(&mut connection).await?;
        }
        Ok(())
    }

    async fn bare_deliver(&self) -> Outcome<Duration> {
        let counter = Counter::new(self.messages);
        let (publisher, mut subscriber) = (self.bare(None).await?, self.bare(Some(Arc::clone(&counter))).await?);
        subscriber.psubscribe("net/in/*").await?;
        let began = Instant::now();
        tokio::try_join!(self.bare_loop(publisher, "PUBLISH"), counter.reached())?;
        Ok(began.elapsed())
    }

    async fn bare_read(&self) -> Outcome<Duration> {
        let (publisher, mut reader) = (self.bare(None).await?, self.bare(None).await?);
        redis::cmd("DEL").arg(STREAM).exec_async(&mut reader).await?;
        let began = Instant::now();
        tokio::try_join!(self.bare_loop(publisher, "XADD"), self.bare_reader(reader))?;
        Ok(began.elapsed())
    }

    async fn bare_reader(&self, mut reader: MultiplexedConnection) -> Outcome<()> {
        type Read = Option<Vec<(String, Vec<(String, Vec<Vec<u8>>)>)>>;
        let (mut last, mut left) = ("0-0".to_owned(), self.messages);
        while left > 0 {
            let mut read = redis::cmd("XREAD");
            read.arg("COUNT").arg(PIPELINE).arg("BLOCK").arg(1000).arg("STREAMS").arg(STREAM).arg(&last);
            let answer: Read = read.query_async(&mut reader).await?;
            for (id, _fields) in answer.into_iter().flatten().flat_map(|(_, entries)| entries) {
                (last, left) = (id, left - 1);
            }
        }
        Ok(())
    }

    async fn link(&self, mode: &str) -> Outcome<Arc<dyn Link>> {
        let node = |value| Node { value, at: Position::default() };
        let entry =
            |(key, value): (&str, Value)| Entry { key: key.into(), key_at: Position::default(), node: node(value) };
        let mut given = vec![
            ("host", Value::Text("127.0.0.1".into())),
            ("port", Value::Integer(self.server.port.into())),
            ("mode", Value::Text(mode.into())),
        ];
        if mode == "streams" {
            given.push(("stream_maxlen", Value::Integer(i64::try_from(self.messages)? * 2)));
        }
        let map = Value::Map(given.into_iter().map(entry).collect());
        let told = |problems: Vec<eventhive_transport::Problem>| format!("{problems:?}");
        let settings = Settings::check("init", &node(map), Redis.keys()).map_err(told)?;
        let link = Redis.connect(&settings).map_err(told)?;
        link.state().wait_for(LinkState::is_up).await?;
        Ok(link)
    }

    async fn link_publish(&self, mode: &str) -> Outcome<Duration> {
        let link = self.link(mode).await?;
        let began = Instant::now();
        self.link_loop(&*link).await?;
        let took = began.elapsed();
        link.close().await;
        Ok(took)
    }

    async fn link_loop(&self, link: &dyn Link) -> Outcome<()> {
        let topic = Topic::from_static(TOPIC);
        let mut receipts: VecDeque<Receipt> = VecDeque::new();
        for _ in 0..self.messages {
            let mut message = (topic.clone(), self.payload.clone());
            loop {
                match link.publish(message.0, message.1) {
                    Ok(receipt) => break receipts.push_back(receipt),
                    Err(Refused { topic, payload, reason: RefusedReason::Full }) => message = (topic, payload),
                    Err(refused) => return Err(refused.into()),
                }
                if let Some(receipt) = receipts.pop_front() {
                    receipt.await?;
                }
            }
            // As the bare loop waits for its answers.
            if receipts.len() >= 4096 {
                for receipt in receipts.drain(..2048) {
                    receipt.await?;
                }
            }
        }
        for receipt in receipts {
            receipt.await?;
        }
        Ok(())
    }

    async fn link_deliver(&self, mode: &str) -> Outcome<Duration> {
        let counter = Counter::new(self.messages);
        let (publisher, subscriber) = (self.link(mode).await?, self.link(mode).await?);
        let sink = {
            let counter = Arc::clone(&counter);
            move |_: Incoming| counter.count()
        };
        let subscription = subscriber.subscribe(Filter::Glob("net/in/*".parse()?), Arc::new(sink)).await?;
        let began = Instant::now();
        tokio::try_join!(self.link_loop(&*publisher), counter.reached())?;
        let took = began.elapsed();
        subscription.cancel().await;
        tokio::join!(publisher.close(), subscriber.close());
        Ok(took)
    }
}

struct Server {
    port: u16,
    process: Child,
}

impl Server {
    fn start() -> Outcome<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        // The bare loop and the link are both to be measured, not the server's limits.
        command.args(["--client-output-buffer-limit", "pubsub", "0", "0", "0"]);
        let missing = |error| format!("install redis-server: apt-get install redis-server ({error})");
        let process = command.stdout(Stdio::null()).spawn().map_err(missing)?;
        let server = Self { port, process };
        let client = Client::open(("127.0.0.1", port))?;
        let began = Instant::now();
        while client.get_connection().is_err() {
            if began.elapsed() > Duration::from_secs(10) {
                return Err("redis-server does not answer".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing is left to do if it is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
