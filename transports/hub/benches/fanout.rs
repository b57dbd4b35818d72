//! What the hub itself costs: fan-out, matching, subscribing, memory. `cargo bench -p eventhive-hub`.
//!
//! One thread does everything, so wall time is CPU time. Each figure is the best of several rounds, or the median of many
//! short turns.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that fails should say so loudly")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use eventhive_hub::{BacklogBounds, Draft, Hub, HubSettings, Outgoing, Session, SessionSettings, SubscriptionId};
use eventhive_transport::{Filter, Glob, Topic};
use futures_util::{FutureExt, StreamExt};
use tokio::task::{LocalSet, yield_now};

const ROUNDS: usize = 5;

/// Publishes between two turns of the readers.
const BURST: usize = 64;

/// Deliveries a round.
const DELIVERIES: usize = 400_000;

/// Subscriptions that do not match.
const OTHERS: usize = 100_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        // First, while no freed memory is there to be used again.
        memory();
        println!("fan-out, 128 B, ns a delivery   reader tasks   drained in place");
        for sessions in [1, 10, 100, 1000] {
            let (tasks, drained) = (with_tasks(sessions).await, drained(sessions).await);
            println!("  1 -> {sessions:<5} {tasks:>28.0} {drained:>18.0}");
        }
        let [covered, told, found] = cursors();
        println!("a cursor, ns: covered {covered:.0}, as text too {told:.0}; read from a client {found:.0}");
        println!("publish to nobody, ns, beside   one topic         new topics   (x: of that beside none)");
        beside_others();
    });
}

/// What it costs that clients learn nothing from a cursor: once for each form in which an event is sent.
fn cursors() -> [f64; 3] {
    const TIMES: u32 = 200_000;
    let hub = hub();
    let per = |run: &dyn Fn()| {
        let rounds = (0..ROUNDS).map(|_| {
            let start = Instant::now();
            (0..TIMES).for_each(|_| run());
            start.elapsed()
        });
        rounds.min().unwrap_or_default().as_nanos() as f64 / f64::from(TIMES)
    };
    let cursor = hub.newest();
    let text = hub.public(cursor, false).to_string();
    let cover = || _ = black_box(hub.public(black_box(cursor), false));
    let tell = || _ = black_box(hub.public(black_box(cursor), false).to_string());
    // In memory, it never waits.
    let find = || _ = black_box(hub.find(text.parse().unwrap(), None).now_or_never().unwrap().unwrap());
    [per(&cover), per(&tell), per(&find)]
}

fn hub() -> Hub {
    let backlog = BacklogBounds { messages: 1000, ..BacklogBounds::default() };
    Hub::new(HubSettings { backlog, worker_inbox_max_bytes: usize::MAX, ..HubSettings::default() })
}

fn open(hub: &Hub, filter: Filter) -> (Session, Outgoing) {
    let settings =
        SessionSettings { max_subscriptions: usize::MAX, max_patterns: usize::MAX, ..SessionSettings::default() };
    let (session, outgoing) = hub.worker().open(settings);
    session.subscribe(filter).unwrap();
    (session, outgoing)
}

fn draft() -> Draft {
    static PAYLOAD: [u8; 128] = [b'7'; 128];
    Draft::json(Topic::from_static("my-hive/worker/action"), Bytes::from_static(&PAYLOAD))
}

/// The best of the rounds, in ns for each of `items`.
fn best(rounds: Vec<Duration>, items: usize) -> f64 {
    rounds.into_iter().min().unwrap().as_nanos() as f64 / items as f64
}

/// Each session is read by a task of its own, as by a socket.
async fn with_tasks(sessions: usize) -> f64 {
    let hub = hub();
    let open = (0..sessions).map(|_| open(&hub, Filter::exact("my-hive/worker/action")));
    let (handles, outgoing): (Vec<_>, Vec<_>) = open.unzip();
    for mut outgoing in outgoing {
        tokio::task::spawn_local(async move {
            while let Some(item) = outgoing.next().await {
                black_box(item);
            }
        });
    }
    let publishes = DELIVERIES / sessions;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let (start, target) = (Instant::now(), hub.stats().delivered + (publishes * sessions) as u64);
        for number in 0..publishes {
            hub.publish(draft()).unwrap();
            if number % BURST == BURST - 1 {
                yield_now().await;
            }
        }
        while hub.stats().delivered < target {
            yield_now().await;
        }
        rounds.push(start.elapsed());
    }
    drop(handles);
    best(rounds, publishes * sessions)
}

/// No tasks and no wakers: what is left is the hub.
async fn drained(sessions: usize) -> f64 {
    let hub = hub();
    let mut open: Vec<_> = (0..sessions).map(|_| open(&hub, Filter::exact("my-hive/worker/action"))).collect();
    let publishes = DELIVERIES / sessions;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let (start, target) = (Instant::now(), hub.stats().delivered + (publishes * sessions) as u64);
        for number in 0..publishes {
            hub.publish(draft()).unwrap();
            if number % BURST == BURST - 1 {
                drain(&mut open).await;
            }
        }
        while hub.stats().delivered < target {
            drain(&mut open).await;
        }
        rounds.push(start.elapsed());
    }
    best(rounds, publishes * sessions)
}

async fn drain(open: &mut [(Session, Outgoing)]) {
    yield_now().await;
    for (_, outgoing) in open {
        while let Some(item) = outgoing.try_next() {
            black_box(item);
        }
    }
}

fn glob(text: String) -> Filter {
    Filter::Glob(Glob::new(&text).unwrap())
}

type Kind = (&'static str, fn(usize) -> Filter);

fn kinds() -> [Kind; 5] {
    [
        ("no other subscription", |_| Filter::exact("x")),
        ("100,000 exact", |number| Filter::exact(format!("hive{}/worker{number}/action", number % 100))),
        ("100,000 globs, prefix", |number| glob(format!("hive{}/worker{number}/*", number % 100))),
        ("100,000 globs, middle", |number| glob(format!("*/worker{number}/a?t*"))),
        ("100,000 segment sets", |number| {
            let segments = [format!("hive{}", number % 100), format!("worker{number}"), "action".to_owned()];
            Filter::Segments(vec![segments.into_iter().map(Topic::from).collect()])
        }),
    ]
}

/// A hub with subscriptions that do not match what is published there.
struct Beside {
    name: &'static str,
    hub: Hub,
    session: Session,
    _outgoing: Outgoing,
    others: Vec<SubscriptionId>,
    /// To make one of them, in ns.
    subscribing: f64,
    one_topic: Vec<Duration>,
    new_topics: Vec<Duration>,
}

/// Publishes of a turn.
const PUBLISHES: usize = 4_000;

/// Turns of each hub. They follow on each other, so that a busy moment of the machine meets all.
const TURNS: usize = 25;

impl Beside {
    fn new((name, filter): Kind) -> Self {
        let hub = hub();
        let others = if name.starts_with("no ") { 1 } else { OTHERS };
        let (session, outgoing) = open(&hub, Filter::exact("nothing"));
        let filters: Vec<Filter> = (0..others).map(filter).collect();
        let start = Instant::now();
        let others: Vec<_> = filters.into_iter().map(|filter| session.subscribe(filter).unwrap()).collect();
        let subscribing = start.elapsed().as_nanos() as f64 / others.len() as f64;
        let (one_topic, new_topics) = (Vec::new(), Vec::new());
        Self { name, hub, session, _outgoing: outgoing, others, subscribing, one_topic, new_topics }
    }

    fn turn(&mut self, turn: usize) {
        let start = Instant::now();
        (0..PUBLISHES).for_each(|_| drop(black_box(self.hub.publish(draft()))));
        self.one_topic.push(start.elapsed());
        let topics: Vec<_> = (0..PUBLISHES).map(|n| Topic::from(format!("hive{}/work{turn}/{n}", n % 100))).collect();
        let start = Instant::now();
        topics.into_iter().for_each(|topic| drop(black_box(self.hub.publish(Draft::json(topic, "7")))));
        self.new_topics.push(start.elapsed());
    }

    /// Prints what it cost, and beside how it was without the others: the median of the ratios within a turn.
    fn report(self, without: &(Vec<Duration>, Vec<Duration>)) {
        let ratios = [(&self.one_topic, &without.0), (&self.new_topics, &without.1)].map(|(with, without)| {
            let pairs = with.iter().zip(without);
            median(pairs.map(|(with, without)| with.as_secs_f64() / without.as_secs_f64()).collect())
        });
        let nanos =
            |turns: &[Duration]| median(turns.iter().map(|turn| turn.as_nanos() as f64 / PUBLISHES as f64).collect());
        let (one, new) = (nanos(&self.one_topic), nanos(&self.new_topics));
        let (start, number) = (Instant::now(), self.others.len() as f64);
        self.others.into_iter().for_each(|other| assert!(self.session.unsubscribe(other)));
        let ending = start.elapsed().as_nanos() as f64 / number;
        println!(
            "  {:<24} {one:>9.0} x {:<4.2} {new:>9.0} x {:<4.2}   (subscribe {:.0}, unsubscribe {ending:.0})",
            self.name, ratios[0], ratios[1], self.subscribing
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What a publish costs beside subscriptions that do not match, and what those cost to make and to end.
fn beside_others() {
    let mut all = kinds().map(Beside::new);
    for turn in 0..TURNS {
        all.iter_mut().for_each(|beside| beside.turn(turn));
    }
    let without = (all[0].one_topic.clone(), all[0].new_topics.clone());
    all.into_iter().for_each(|beside| beside.report(&without));
}

/// Resident memory of idle sessions with one subscription of their own each.
fn memory() {
    let hub = hub();
    let before = resident_bytes();
    let open: Vec<_> =
        (0..OTHERS).map(|number| open(&hub, Filter::exact(format!("hive/worker{number}/action")))).collect();
    let bytes = resident_bytes().saturating_sub(before) as usize / OTHERS;
    println!("memory of an idle session with a topic of its own: {bytes} B");
    drop(open);
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}
