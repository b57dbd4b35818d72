//! One connection's life: subscribe again, then publish, subscribe and check until it is lost.
//!
//! Everything is driven by one task, so the order in which things are asked for is the order in which they are sent.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use eventhive_transport::{Gap, Incoming, LinkError, LinkState, Topic};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use redis::aio::ConnectionLike;
use redis::{Pipeline, PushInfo, PushKind, RedisError, Value};
use tokio::sync::{oneshot, watch};
use tokio::time::MissedTickBehavior;

use crate::config::{Mode, Servers};
use crate::dial::{Nodes, Push};
use crate::failure::Failure;
use crate::link::{Control, Shared};
use crate::queue::Item;
use crate::streams::{Readers, StreamId, StreamInfo, reader};
use crate::supervisor::Memory;
use crate::table::{Key, Table};
use crate::wire::{Answer, Refusal, answer, refusal};

/// Batches on the wire at once, for each node. Two would do to keep the server busy; while all are under way, what
/// comes in gathers to a larger batch.
const FLIGHTS: usize = 4;
/// A batch is at most this long, so that its answers do not have to wait for a long one to be written.
const BATCH_ITEMS: usize = 512;
const BATCH_BYTES: usize = 256 * 1024;
/// Channels that are subscribed again in one go.
const AGAIN: usize = 512;

/// Why a session ended.
pub(crate) enum End {
    Closed,
    Lost(String),
}

/// The reason why the session is over, as soon as anything finds one.
pub(crate) type Lost = watch::Sender<Option<String>>;

pub(crate) struct Session {
    nodes: Nodes,
    lost: watch::Receiver<Option<String>>,
}

impl Session {
    pub(crate) async fn open(shared: &Arc<Shared>) -> Result<Self, Failure> {
        let (sender, lost) = watch::channel(None);
        let push = on_push(Arc::clone(shared), sender);
        let nodes = Nodes::open(&shared.config, &push).await?;
        Ok(Self { nodes, lost })
    }

    pub(crate) async fn run(self, shared: &Arc<Shared>, memory: &mut Memory) -> End {
        let mut work = Work {
            shared,
            memory,
            nodes: self.nodes,
            lost: self.lost,
            flights: FuturesUnordered::new(),
            requests: FuturesUnordered::new(),
            readers: Readers::default(),
            counted: shared.config.mode == Mode::PubSub && !matches!(shared.config.servers, Servers::Cluster(_)),
            up: false,
        };
        let end = work.run().await;
        // A reader that still ran would deliver beside those of the next session.
        work.readers.stop_all().await;
        if matches!(end, End::Closed) {
            let leave = work.readers.leave_groups(shared, &work.nodes, &work.memory.positions);
            if tokio::time::timeout(shared.config.close_timeout, leave).await.is_err() {
                tracing::debug!("closed without leaving the consumer groups");
            }
        } else if work.up {
            work.memory.down_since = Some(Instant::now());
        }
        end
    }
}

/// What the connection's reading task does with what is pushed: hands it out, at once. Nothing is queued in between, so
/// a subscriber's pace reaches the server.
fn on_push(shared: Arc<Shared>, lost: Lost) -> Push {
    Arc::new(move |info| {
        if let Err(reason) = pushed(&shared.table, info) {
            lost.send_if_modified(|known| {
                let first = known.is_none();
                known.get_or_insert_with(|| reason.to_owned());
                first
            });
        }
    })
}

fn pushed(table: &Table, info: PushInfo) -> Result<(), &'static str> {
    match info.kind {
        PushKind::Message | PushKind::SMessage => {
            if let [Value::BulkString(channel), Value::BulkString(payload)] = &mut *{ info.data } {
                table.deliver(channel, std::mem::take(payload).into());
            }
        }
        PushKind::PMessage => {
            if let [Value::BulkString(pattern), Value::BulkString(topic), Value::BulkString(payload)] =
                &mut *{ info.data }
            {
                let (topic, payload) = (Topic::new(std::mem::take(topic)), std::mem::take(payload).into());
                table.deliver_by_pattern(pattern, Incoming { topic, payload });
            }
        }
        // Unasked for, it means that the channel's slot went to another node. One that was asked for has no listener.
        PushKind::SUnsubscribe => {
            if let Some(Value::BulkString(channel)) = info.data.into_iter().next()
                && table.has(&Key::Name(Topic::new(channel)))
            {
                return Err("a channel moved to another node of the cluster");
            }
        }
        PushKind::Disconnection => return Err("the connection was lost"),
        _ => {}
    }
    Ok(())
}

/// A session at work.
struct Work<'a> {
    shared: &'a Arc<Shared>,
    memory: &'a mut Memory,
    nodes: Nodes,
    lost: watch::Receiver<Option<String>>,
    flights: FuturesUnordered<BoxFuture<'static, Flight>>,
    requests: FuturesUnordered<BoxFuture<'static, Request>>,
    readers: Readers,
    counted: bool,
    up: bool,
}

/// A batch of messages, and its answers.
type Flight = (Vec<Item>, Result<Vec<Value>, RedisError>);

/// What was asked beside publishing, and the answers.
pub(crate) enum Request {
    Subscribed { keys: Vec<Key>, answers: Result<Vec<Value>, RedisError> },
    Unsubscribed { gone: oneshot::Sender<()>, answers: Result<Vec<Value>, RedisError> },
}

impl Work<'_> {
    async fn run(&mut self) -> End {
        let config = &self.shared.config;
        let mut checks = tokio::time::interval(config.check_interval);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut check: Option<BoxFuture<'static, Result<(), String>>> = None;
        let mut closing = self.memory.closing.clone();
        let mut deadline = None;
        self.subscribe_again();
        loop {
            if !self.up && self.requests.is_empty() {
                self.go_up();
            }
            self.send_waiting();
            if *closing.borrow_and_update() {
                if !self.up || (self.flights.is_empty() && self.shared.queue.is_empty()) {
                    return End::Closed;
                }
                deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(config.close_timeout)));
            }
            let done = tokio::select! {
                _ = self.lost.changed() => Err(self.reason()),
                Some(flight) = self.flights.next() => self.landed(flight),
                Some(request) = self.requests.next() => self.answered(request),
                Some(failed) = self.readers.failed() => Err(failed),
                Some(control) = self.memory.controls.recv() => { self.attend(control); Ok(()) }
                () = self.shared.queue.filled() => Ok(()),
                _ = checks.tick(), if check.is_none() => {
                    check = Some(Box::pin(self.nodes.check(config.answer_timeout)));
                    Ok(())
                }
                checked = wait_for(&mut check) => { check = None; checked }
                _ = closing.changed() => Ok(()),
                () = wait_for(&mut deadline) => return End::Closed,
            };
            if let Err(reason) = done {
                return End::Lost(reason);
            }
        }
    }

    fn reason(&self) -> String {
        self.lost.borrow().clone().unwrap_or_else(|| "the connection was lost".into())
    }

    fn go_up(&mut self) {
        self.up = true;
        self.memory.told = None;
        let keeps = matches!(self.shared.config.mode, Mode::Streams(_));
        match self.memory.down_since.take() {
            Some(since) if !keeps && !self.shared.table.keys().is_empty() => tracing::warn!(
                "the link to Redis is up again after {:?}; what was published meanwhile is lost, as pub/sub keeps nothing",
                since.elapsed()
            ),
            _ => tracing::info!("the link to Redis is up"),
        }
        // The queue first: whoever sees the link up must find publishing possible.
        self.shared.queue.open();
        self.shared.state.send_replace(LinkState::Up);
    }

    fn subscribe_again(&mut self) {
        let keys = self.shared.table.keys();
        if let Mode::Streams(_) = self.shared.config.mode {
            // A stream that is known is read on from its place. It must be asked all the same for those who have waited
            // since the connection was lost.
            keys.iter().for_each(|key| self.read(key.topic()));
            let asked = |key: &Key| !self.readers.has(key.topic()) || self.is_waited_for(key);
            return self.subscribe(keys.into_iter().filter(asked).collect());
        }
        for key in &keys {
            let stands = self.shared.table.ids(key).iter().any(|id| !self.memory.waiting.contains_key(id));
            if stands && self.memory.down_since.is_some() {
                // Before anything new can come.
                self.shared.table.gap(key, Gap { lost: None });
            }
        }
        self.subscribe(keys);
    }

    fn is_waited_for(&self, key: &Key) -> bool {
        self.shared.table.ids(key).iter().any(|id| self.memory.waiting.contains_key(id))
    }

    /// Asks for keys, each at its node.
    fn subscribe(&mut self, keys: Vec<Key>) {
        for (number, keys) in self.by_node(keys, |key| key.topic().clone()) {
            for keys in keys.chunks(AGAIN) {
                let mut pipeline = Pipeline::with_capacity(keys.len());
                keys.iter().for_each(|key| self.shared.config.mode.subscribe(&mut pipeline, key));
                let (keys, mut connection) = (keys.to_vec(), self.nodes.at(number).connection.clone());
                self.requests.push(Box::pin(async move {
                    let answers = connection.req_packed_commands(&pipeline, 0, pipeline.len()).await;
                    Request::Subscribed { keys, answers }
                }));
            }
        }
    }

    fn by_node<T>(&self, items: Vec<T>, place: impl Fn(&T) -> Topic) -> Vec<(usize, Vec<T>)> {
        if self.nodes.len() == 1 {
            return vec![(0, items)];
        }
        let mut nodes: Vec<_> = (0..self.nodes.len()).map(|number| (number, Vec::new())).collect();
        for item in items {
            let number = self.nodes.of(&place(&item));
            if let Some((_, items)) = nodes.get_mut(number) {
                items.push(item);
            }
        }
        nodes
    }

    /// Sends what waits, as many batches as may be under way.
    fn send_waiting(&mut self) {
        while self.up && self.flights.len() < FLIGHTS * self.nodes.len() {
            let items = self.shared.queue.take(BATCH_ITEMS, BATCH_BYTES);
            if items.is_empty() {
                return;
            }
            let mode = &self.shared.config.mode;
            for (number, items) in self.by_node(items, |item| mode.place_of(&item.topic)) {
                if items.is_empty() {
                    continue;
                }
                let mut pipeline = Pipeline::with_capacity(items.len());
                items.iter().for_each(|item| mode.publish(&mut pipeline, &item.topic, &item.payload));
                mode.expire(&mut pipeline, items.iter().map(|item| &item.topic));
                let mut connection = self.nodes.at(number).connection.clone();
                self.flights.push(Box::pin(async move {
                    let answers = connection.req_packed_commands(&pipeline, 0, pipeline.len()).await;
                    (items, answers)
                }));
            }
        }
    }

    /// Settles the receipts of a batch.
    fn landed(&mut self, (items, answers): Flight) -> Result<(), String> {
        let answers = answers.map_err(|error| error.to_string())?;
        let mut elsewhere = None;
        let mut bytes = 0;
        // The newest first: who awaits the receipts in their order is woken once, by the oldest, and finds all settled.
        for (item, value) in items.into_iter().zip(&answers).rev() {
            bytes += item.cost();
            match answer(value, self.counted) {
                Answer::Is(result) => item.settle(result),
                // Dropped, the item settles as unconfirmed: its owner sends it again, when there is a new connection.
                Answer::Elsewhere(reason) => elsewhere = Some(reason),
            }
        }
        self.shared.queue.release(bytes);
        elsewhere.map_or(Ok(()), Err)
    }

    fn attend(&mut self, control: Control) {
        match control {
            Control::Add { entry, made } => {
                let key = entry.key.clone();
                self.memory.waiting.insert(entry.id, made);
                self.shared.table.add(entry);
                self.subscribe(vec![key]);
            }
            Control::Remove { id, gone } => {
                self.memory.waiting.remove(&id);
                match self.shared.table.remove(id) {
                    Some(key) => self.unsubscribe(key, gone),
                    None => {
                        let _ = gone.send(());
                    }
                }
            }
        }
    }

    fn unsubscribe(&mut self, key: Key, gone: oneshot::Sender<()>) {
        if matches!(self.shared.config.mode, Mode::Streams(_)) {
            self.readers.stop(key.topic());
            self.memory.positions.forget(&self.shared.config.mode, key.topic());
            let _ = gone.send(());
            return;
        }
        let mut pipeline = Pipeline::new();
        self.shared.config.mode.unsubscribe(&mut pipeline, &key);
        let mut connection = self.nodes.at(self.nodes.of(key.topic())).connection.clone();
        self.requests.push(Box::pin(async move {
            let answers = connection.req_packed_commands(&pipeline, 0, 1).await;
            Request::Unsubscribed { gone, answers }
        }));
    }

    fn answered(&mut self, request: Request) -> Result<(), String> {
        match request {
            Request::Unsubscribed { gone, answers } => {
                let _ = gone.send(());
                answers.map(drop).map_err(|error| error.to_string())
            }
            Request::Subscribed { keys, answers } => {
                let answers = answers.map_err(|error| error.to_string())?;
                for (key, answers) in keys.iter().zip(answers.chunks(self.shared.config.mode.answers())) {
                    match self.stands(key, answers) {
                        Err(Refusal::Elsewhere(reason)) => return Err(reason),
                        Err(Refusal::No(reason)) => self.settle(key, Err(LinkError::Rejected(reason))),
                        Ok(()) => self.settle(key, Ok(())),
                    }
                }
                Ok(())
            }
        }
    }

    /// What the answers for one key say.
    fn stands(&mut self, key: &Key, answers: &[Value]) -> Result<(), Refusal> {
        let Mode::Streams(streams) = &self.shared.config.mode else { return check_all(answers) };
        let stream = key.topic();
        let (info, made) = answers.split_last().unwrap_or((&Value::Nil, &[]));
        let has_group = |answer: &&Value| !matches!(answer, Value::ServerError(error) if error.code() == "BUSYGROUP");
        made.iter().filter(has_group).try_for_each(|answer| check_all(std::slice::from_ref(answer)))?;
        let info = match info {
            Value::ServerError(error) if error.details() == Some("no such key") => StreamInfo::NONE,
            other => {
                check_all(std::slice::from_ref(other))?;
                StreamInfo::read(other)
            }
        };
        // A group goes on where it was, so nothing that it is given is too old.
        self.shared.table.starts_at(stream, if streams.group.is_some() { StreamId::default() } else { info.last });
        self.memory.positions.begin(stream.clone(), info);
        self.read(stream);
        Ok(())
    }

    /// Makes sure that a stream is being read.
    fn read(&mut self, stream: &Topic) {
        if !self.readers.has(stream)
            && let Some(reader) = reader(self.shared, &self.nodes, &self.memory.positions, stream)
        {
            self.readers.start(stream.clone(), reader);
        }
    }

    /// Tells those who wait for a key. One refused subscription ends; the link goes on.
    fn settle(&mut self, key: &Key, result: Result<(), LinkError>) {
        for id in self.shared.table.ids(key) {
            match (self.memory.waiting.remove(&id), &result) {
                (Some(made), Err(_)) => {
                    self.shared.table.remove(id);
                    let _ = made.send(result.clone());
                }
                (Some(made), Ok(())) => drop(made.send(Ok(()))),
                (None, Err(error)) => tracing::error!(key = %key.topic(), "a subscription no longer stands: {error}"),
                (None, Ok(())) => {}
            }
        }
    }
}

fn check_all(answers: &[Value]) -> Result<(), Refusal> {
    let error =
        answers.iter().find_map(|answer| if let Value::ServerError(error) = answer { Some(error) } else { None });
    error.map_or(Ok(()), |error| Err(refusal(error)))
}

/// For ever pending when there is nothing to wait for.
async fn wait_for<T>(work: &mut Option<Pin<Box<impl Future<Output = T> + ?Sized>>>) -> T {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}
