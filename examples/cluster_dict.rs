//! A dictionary that its members replicate by events: one of Python's original examples, in Rust. Members in Python and in
//! Rust share it; `cluster_dict.py` is the other half.
//!
//! ```text
//! cargo run --example cluster_dict -- NAME redis://localhost:6379
//! cargo run --example cluster_dict -- NAME ws://localhost:8085/pubsub
//! cargo run --example cluster_dict -- NAME                # the members find each other by mDNS
//! python examples/cluster_dict.py NAME [the same]         # needs: pip install eventhive==0.5.0 'redis>=4.5.1'
//! ```
//!
//! Type `set flowers 3` or `del flowers`; after each change, whoever made it, every member prints the dictionary. The end of
//! the input ends the member.
//!
//! How it works: all members listen on one channel, and hear what they publish themselves. A write is an event, `setitem` or
//! `delitem`, and changes nothing until it comes back: so all members apply all writes in the order of the broker. A newcomer
//! calls `getall-req`, every member answers with `getall-resp`, and the newcomer takes what the oldest has; what was
//! written since the newcomer listens is applied to it again, which makes up for writes that overtook the answer.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use eventhive::{Event, Hive, StartOptions};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// How long a newcomer takes answers, and remembers writes.
const JOINING: Duration = Duration::from_secs(5);

type Failure = Box<dyn std::error::Error>;

#[derive(Clone)]
enum Change {
    Set(String, Value),
    Delete(String),
}

/// What one member has.
struct Replica {
    store: BTreeMap<String, Value>,
    /// When this member began, in seconds since 1970.
    created: f64,
    /// When the member began whose dictionary this is.
    oldest: f64,
    joining_until: Instant,
    /// Every change while this member joins: a few seconds' worth.
    since: Vec<Change>,
}

impl Replica {
    fn new() -> Self {
        let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        Self { store: BTreeMap::new(), created, oldest: created, joining_until: Instant::now(), since: Vec::new() }
    }

    /// Takes answers again, from anyone who is older.
    fn join(&mut self) {
        self.oldest = self.created;
        self.joining_until = Instant::now() + JOINING;
        self.since.clear();
    }

    fn is_joining(&mut self) -> bool {
        let joining = Instant::now() < self.joining_until;
        if !joining {
            self.since = Vec::new();
        }
        joining
    }

    fn change(&mut self, change: Change) {
        if self.is_joining() {
            self.since.push(change.clone());
        }
        self.apply(change);
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Set(key, value) => drop(self.store.insert(key, value)),
            Change::Delete(key) => drop(self.store.remove(&key)),
        }
    }

    /// What another member has. An answer to somebody else is as good.
    fn adopt(&mut self, created: f64, store: BTreeMap<String, Value>) {
        if self.is_joining() && created <= self.oldest {
            (self.oldest, self.store) = (created, store);
            self.since.clone().into_iter().for_each(|change| self.apply(change));
        }
    }
}

/// A member: its hive, and the prefix of the dictionary's events in the network.
struct Member {
    hive: Hive,
    events: String,
    replica: Replica,
}

impl Member {
    fn publish(&self, event: &str, payload: Value) {
        if let Err(error) = self.hive.emit(&format!("{}/{event}", self.events), payload) {
            eprintln!("{error}");
        }
    }

    /// Makes up for what was missed before, and whenever the link was down.
    fn join(&mut self) {
        self.replica.join();
        self.publish("getall-req", json!({}));
    }

    fn typed(&self, line: &str) {
        match *line.splitn(3, ' ').collect::<Vec<_>>() {
            ["set", key, text] => {
                let value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
                self.publish("setitem", json!({"key": key, "value": value}));
            }
            ["del", key] => self.publish("delitem", json!({"key": key})),
            _ => eprintln!("type `set KEY VALUE` or `del KEY`"),
        }
    }

    fn heard(&mut self, event: &Event) {
        let Some(payload) = event.payload().as_object() else { return };
        let key = payload.get("key").and_then(Value::as_str).map(str::to_owned);
        let action = event.name().as_str().rsplit('/').next().unwrap_or_default();
        match (action, key, payload.get("value"), payload.get("created"), payload.get("store")) {
            ("setitem", Some(key), Some(value), ..) => self.replica.change(Change::Set(key, value.clone())),
            ("delitem", Some(key), ..) => self.replica.change(Change::Delete(key)),
            ("getall-req", ..) => {
                let answer = json!({"created": self.replica.created, "store": self.replica.store});
                return self.publish("getall-resp", answer);
            }
            ("getall-resp", _, _, Some(created), Some(Value::Object(store))) => {
                let store = store.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
                self.replica.adopt(created.as_f64().unwrap_or(f64::MAX), store);
            }
            _ => return eprintln!("not understood: {} {}", event.name(), event.payload().as_text()),
        }
        println!("{}", json!(self.replica.store));
    }
}

/// The original's configuration, or one with a given broker.
fn configuration(name: &str, place: Option<&str>) -> Result<String, Failure> {
    let network = format!("clusterdict-{name}");
    let Some(place) = place else {
        let server =
            "pubsub_type: fastapi, create: needed, broadcast: true, init: {host: 0.0.0.0, port: 0, endpoint: /pubsub}";
        let connector = format!("pubsub_type: fastapi, input_channel: {name}, from_broadcast: 10");
        return Ok(format!("servers: {{{network}: {{{server}}}}}\nconnectors: {{{network}: {{{connector}}}}}"));
    };
    let (scheme, rest) = place.split_once("://").ok_or("the place is redis://HOST:PORT or ws://HOST:PORT/ENDPOINT")?;
    let (address, endpoint) = rest.split_once('/').unwrap_or((rest, "pubsub"));
    let keys = match (scheme, address.rsplit_once(':')) {
        ("redis", _) => format!("pubsub_type: redis, init: {{url: '{place}'}}"),
        ("ws", Some((host, port))) => {
            format!("pubsub_type: fastapi, init: {{host: '{host}', port: {port}, endpoint: '/{endpoint}'}}")
        }
        _ => return Err("the place is redis://HOST:PORT or ws://HOST:PORT/ENDPOINT".into()),
    };
    Ok(format!("connectors: {{{network}: {{input_channel: {name}, {keys}}}}}"))
}

/// The lines of standard input, read by a thread of their own.
fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

#[eventhive::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let mut words = std::env::args().skip(1);
    let name =
        words.next().ok_or("say NAME, and the place of the broker if it is not to be found by mDNS")?.to_lowercase();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric());
    // The original publishes nothing whose name begins like its own channel.
    if !is_name || "clusterdict-".starts_with(&name) {
        return Err("NAME is letters and digits, and no beginning of `clusterdict`".into());
    }
    let network = format!("clusterdict-{name}");
    let hive = Hive::from_yaml(&configuration(&name, words.next().as_deref())?)?;
    // A Python hub knows no patterns: there, what is defined is subscribed by name.
    for event in ["setitem", "delitem", "getall-req", "getall-resp"] {
        hive.define(&format!("{name}/{event}"), "")?;
    }
    // One stream, so that the order of the broker is the order here.
    let mut events = hive.stream(format!("{name}/*"))?;
    hive.start_with(StartOptions::new().require(&network)).await?;
    let mut link = hive.link_state(&network).ok_or("no connector")?;
    let mut lines = lines();
    let mut member = Member { hive, events: format!("{network}/{name}"), replica: Replica::new() };
    eprintln!("a member of {network}: type `set KEY VALUE` or `del KEY`");
    member.join();
    link.mark_unchanged();
    loop {
        tokio::select! {
            Some(event) = events.next() => member.heard(&event),
            line = lines.recv() => match line {
                Some(line) => member.typed(line.trim()),
                None => break,
            },
            Ok(()) = link.changed() => {
                if link.borrow_and_update().is_up() {
                    member.join();
                }
            }
        }
    }
    member.hive.stop(Duration::from_secs(5)).await;
    Ok(())
}
