//! Reads one stream on a connection of its own and hands out what comes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use eventhive_transport::{Backoff, Gap, Topic};
use redis::aio::ConnectionLike;
use redis::{Pipeline, Value};
use tokio::time::Instant;

use super::answers::{self, Content, Entry, StreamId, StreamInfo};
use super::position::{Loss, Position, SharedPosition};
use crate::config::{Address, Group, Mode};
use crate::dial::{Node, dial};
use crate::failure::Failure;
use crate::link::Shared;
use crate::table::Key;
use crate::wire::{Refusal, expire, refusal};

/// Entries in the first read; later ones adapt.
const FIRST_COUNT: usize = 16;
const MOST_COUNT: usize = 512;
/// What a read should bring at most; the size of entries is guessed by those of the last read.
const TARGET_BYTES: usize = 1 << 20;

/// Why reading ended.
enum Trouble {
    /// The connection is of no use any more.
    Lost(String),
    /// The server says no: the key is no stream, the user has no right, the group was removed.
    Refused(String),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Lost(failure.reason)
    }
}

pub(crate) struct Reader {
    shared: Arc<Shared>,
    address: Address,
    stream: Topic,
    position: SharedPosition,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, address: Address, stream: Topic, position: SharedPosition) -> Self {
        Self { shared, address, stream, position }
    }

    /// Runs until its connection is lost, and says why. A stream that the server refuses to have read costs the link
    /// nothing else: it is tried again, as long as the link is up.
    pub(super) async fn run(self) -> String {
        let Mode::Streams(streams) = &self.shared.config.mode else { return "the mode is not streams".into() };
        let (min, max) = self.shared.config.backoff;
        let mut backoff = Backoff::new(min, max);
        loop {
            let ended = match &streams.group {
                None => self.follow().await,
                Some(group) => self.share(group).await,
            };
            match ended {
                Ok(never) => match never {},
                Err(Trouble::Lost(reason)) => return reason,
                Err(Trouble::Refused(reason)) => {
                    let wait = backoff.next_wait();
                    tracing::error!(stream = %self.stream, ?wait, "cannot be read, will be tried again: {reason}");
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Alone: the place is remembered here.
    async fn follow(&self) -> Result<Infallible, Trouble> {
        let node = self.connect().await?;
        let mut count = FIRST_COUNT;
        let mut checked = None;
        loop {
            if self.is_due(&mut checked) {
                self.look_for_losses(&node).await?;
                self.keep_inbox(&node).await?;
            }
            let mut read = Pipeline::new();
            let from = self.position.lock().last;
            read.cmd("XREAD").arg("COUNT").arg(count).arg("BLOCK").arg(self.block()).arg("STREAMS");
            read.arg(self.stream.as_bytes()).arg(from.to_string());
            let entries = self.ask(&node, &read).await?.pop().map(answers::read).unwrap_or_default();
            count = next_count(count, &entries);
            for entry in entries {
                self.hand_out(entry.id, entry.content);
                let mut position = self.position.lock();
                position.last = entry.id;
                position.passed = position.passed.map(|passed| passed + 1);
            }
        }
    }

    /// In a group: the place is remembered there, and what is handed out is acknowledged together with the next read.
    async fn share(&self, group: &Group) -> Result<Infallible, Trouble> {
        let node = self.connect().await?;
        self.join(&node, group).await?;
        self.look_for_losses_of(&node, group).await?;
        self.finish_own(&node, group).await?;
        let mut count = FIRST_COUNT;
        let mut looked = None;
        loop {
            if self.is_due_after(&mut looked, group.claim_idle / 2) {
                self.take_over(&node, group).await?;
                self.keep_inbox(&node).await?;
            }
            let entries = self.read_group(&node, group, ">", count, Some(self.block())).await?;
            count = next_count(count, &entries);
            self.hand_out_all(entries);
        }
    }

    async fn connect(&self) -> Result<Node, Trouble> {
        let config = &self.shared.config;
        let connection = dial(config, &self.address, &config.login, None).await?;
        Ok(Node { address: self.address.clone(), connection })
    }

    /// Milliseconds that a read waits for something. In between, the connection is seen to be alive.
    fn block(&self) -> u64 {
        u64::try_from(self.shared.config.check_interval.as_millis()).unwrap_or(u64::MAX).max(1)
    }

    fn is_due(&self, checked: &mut Option<Instant>) -> bool {
        self.is_due_after(checked, self.shared.config.check_interval)
    }

    fn is_due_after(&self, last: &mut Option<Instant>, interval: Duration) -> bool {
        let due = last.is_none_or(|last| last.elapsed() >= interval);
        if due {
            *last = Some(Instant::now());
        }
        due
    }

    /// Asks, and waits as long as a read may wait for something and an answer may take.
    async fn ask(&self, node: &Node, pipeline: &Pipeline) -> Result<Vec<Value>, Trouble> {
        let answers = self.try_ask(node, pipeline).await?;
        for answer in &answers {
            if let Value::ServerError(error) = answer {
                return Err(self.refused(error));
            }
        }
        Ok(answers)
    }

    /// As `ask`, with the server's errors among the answers.
    async fn try_ask(&self, node: &Node, pipeline: &Pipeline) -> Result<Vec<Value>, Trouble> {
        let mut connection = node.connection.clone();
        let patience = self.shared.config.check_interval + self.shared.config.answer_timeout;
        let asked = connection.req_packed_commands(pipeline, 0, pipeline.len());
        match tokio::time::timeout(patience, asked).await {
            Ok(answers) => answers.map_err(|error| Trouble::Lost(format!("{}: {error}", self.address))),
            Err(_) => Err(Trouble::Lost(format!("{} did not answer within {patience:?}", self.address))),
        }
    }

    fn refused(&self, error: &redis::ServerError) -> Trouble {
        match refusal(error) {
            Refusal::No(reason) => Trouble::Refused(reason),
            Refusal::Elsewhere(reason) => Trouble::Lost(format!("{}: {reason}", self.address)),
        }
    }

    fn hand_out(&self, id: StreamId, content: Content) {
        match content {
            Content::Message(incoming) => self.shared.table.deliver_entry(&self.stream, id, incoming),
            Content::Foreign => {
                tracing::warn!(stream = %self.stream, %id, "an entry without `topic` and `payload` is passed over")
            }
            Content::Gone => self.tell(Gap { lost: Some(1) }),
        }
    }

    fn tell(&self, gap: Gap) {
        match gap.lost {
            Some(lost) => {
                tracing::warn!(stream = %self.stream, lost, "messages were trimmed away before they were read")
            }
            None => tracing::warn!(stream = %self.stream, "the stream was lost, with what was not read of it"),
        }
        self.shared.table.gap(&Key::Name(self.stream.clone()), gap);
    }

    async fn look_for_losses(&self, node: &Node) -> Result<(), Trouble> {
        let info = self.info(node).await?;
        let loss = self.position.lock().lost(info);
        if loss == Loss::Everything {
            self.shared.table.starts_over(&self.stream);
        }
        if let Some(gap) = loss.gap() {
            self.tell(gap);
        }
        Ok(())
    }

    /// The stream of an inbox lives for a while longer than the last who reads it.
    async fn keep_inbox(&self, node: &Node) -> Result<(), Trouble> {
        let Mode::Streams(streams) = &self.shared.config.mode else { return Ok(()) };
        if !streams.is_of_inbox(&self.stream) {
            return Ok(());
        }
        let mut command = Pipeline::new();
        expire(&mut command, &self.stream);
        // A user without the right to do so can read all the same.
        self.try_ask(node, &command).await.map(drop)
    }

    async fn info(&self, node: &Node) -> Result<StreamInfo, Trouble> {
        let mut command = Pipeline::new();
        command.cmd("XINFO").arg("STREAM").arg(self.stream.as_bytes());
        match self.try_ask(node, &command).await?.pop() {
            Some(Value::ServerError(error)) if error.details() == Some("no such key") => Ok(StreamInfo::NONE),
            Some(Value::ServerError(error)) => Err(self.refused(&error)),
            answer => Ok(StreamInfo::read(&answer.unwrap_or_default())),
        }
    }
}

/// As many entries as the target has room for, by the size of the last ones; no sudden growth.
fn next_count(count: usize, entries: &[Entry]) -> usize {
    let size = |entry: &Entry| match &entry.content {
        Content::Message(incoming) => incoming.topic.as_bytes().len() + incoming.payload.len(),
        _ => 0,
    };
    match entries.iter().map(size).sum::<usize>().checked_div(entries.len()) {
        Some(size) => (TARGET_BYTES / size.max(1)).clamp(1, (count * 2).min(MOST_COUNT)),
        None => count,
    }
}

/// The part of a group's member.
impl Reader {
    /// Makes the group if it is not there. One that was there when the subscription was made is gone with its stream.
    async fn join(&self, node: &Node, group: &Group) -> Result<(), Trouble> {
        let last = self.position.lock().last;
        let info = self.info(node).await?;
        let start = if info.last < last { StreamId::default() } else { last };
        let mut create = Pipeline::new();
        create.cmd("XGROUP").arg("CREATE").arg(self.stream.as_bytes()).arg(&group.name);
        create.arg(start.to_string()).arg("MKSTREAM");
        match self.try_ask(node, &create).await?.pop() {
            Some(Value::ServerError(error)) if error.code() == "BUSYGROUP" => Ok(()),
            Some(Value::ServerError(error)) => Err(self.refused(&error)),
            _ => {
                *self.position.lock() = Position { last: start, ..Position::default() };
                self.tell(Gap { lost: None });
                Ok(())
            }
        }
    }

    async fn look_for_losses_of(&self, node: &Node, group: &Group) -> Result<(), Trouble> {
        let info = self.info(node).await?;
        let mut command = Pipeline::new();
        command.cmd("XINFO").arg("GROUPS").arg(self.stream.as_bytes());
        let groups = self.ask(node, &command).await?.pop().unwrap_or_default();
        if let (Some(read), Some(trimmed)) = (answers::read_by_group(&groups, &group.name), info.trimmed())
            && let Some(lost) = trimmed.checked_sub(read).filter(|lost| *lost > 0)
        {
            self.tell(Gap { lost: Some(lost) });
        }
        Ok(())
    }

    /// What this member was given before and has not acknowledged, because the connection or the process ended.
    async fn finish_own(&self, node: &Node, group: &Group) -> Result<(), Trouble> {
        let mut from = StreamId::default();
        loop {
            let entries = self.read_group(node, group, &from.to_string(), FIRST_COUNT, None).await?;
            let Some(last) = entries.last() else { return Ok(()) };
            from = last.id;
            self.hand_out_all(entries);
        }
    }

    /// What a member that is gone has left.
    async fn take_over(&self, node: &Node, group: &Group) -> Result<(), Trouble> {
        let mut from = Some(StreamId::default());
        while let Some(start) = from.take() {
            let mut claim = Pipeline::new();
            claim.cmd("XAUTOCLAIM").arg(self.stream.as_bytes()).arg(&group.name).arg(group.consumer.name());
            claim.arg(u64::try_from(group.claim_idle.as_millis()).unwrap_or(u64::MAX));
            claim.arg(start.to_string()).arg("COUNT").arg(FIRST_COUNT);
            let (next, entries) = self.ask(node, &claim).await?.pop().map(answers::claimed).unwrap_or_default();
            if !entries.is_empty() {
                tracing::info!(stream = %self.stream, entries = entries.len(), "taking over what another member left");
            }
            self.hand_out_all(entries);
            from = next.filter(|next| *next > StreamId::default());
        }
        Ok(())
    }

    /// Acknowledges what was handed out, and reads on, in one go.
    async fn read_group(
        &self,
        node: &Node,
        group: &Group,
        from: &str,
        count: usize,
        block: Option<u64>,
    ) -> Result<Vec<Entry>, Trouble> {
        let done: Vec<StreamId> = self.position.lock().unacknowledged.iter().copied().collect();
        let mut pipeline = Pipeline::new();
        if !done.is_empty() {
            pipeline.cmd("XACK").arg(self.stream.as_bytes()).arg(&group.name);
            for id in &done {
                pipeline.arg(id.to_string());
            }
        }
        pipeline.cmd("XREADGROUP").arg("GROUP").arg(&group.name).arg(group.consumer.name()).arg("COUNT").arg(count);
        if let Some(block) = block {
            pipeline.arg("BLOCK").arg(block);
        }
        pipeline.arg("STREAMS").arg(self.stream.as_bytes()).arg(from);
        let entries = self.ask(node, &pipeline).await?.pop().map(answers::read).unwrap_or_default();
        let mut position = self.position.lock();
        position.unacknowledged.retain(|id| !done.contains(id));
        drop(position);
        Ok(entries)
    }

    fn hand_out_all(&self, entries: Vec<Entry>) {
        for entry in entries {
            // One that is known was handed out before its acknowledgement was lost.
            let new = self.position.lock().unacknowledged.insert(entry.id);
            if new {
                self.hand_out(entry.id, entry.content);
                let mut position = self.position.lock();
                position.last = position.last.max(entry.id);
            }
        }
    }
}
