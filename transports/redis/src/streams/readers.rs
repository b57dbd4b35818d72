//! The readers of a session, one for each stream.

use std::collections::HashMap;
use std::sync::Arc;

use eventhive_transport::Topic;
use redis::Value;
use tokio::task::{AbortHandle, JoinSet};

use super::position::Positions;
use super::reader::Reader;
use crate::config::{Consumer, Mode};
use crate::dial::Nodes;
use crate::link::Shared;

/// Tasks, each of which ends only by failing or by being stopped. Empty where the mode is not streams.
#[derive(Default)]
pub(crate) struct Readers {
    tasks: JoinSet<String>,
    handles: HashMap<Topic, AbortHandle>,
}

impl Readers {
    pub(crate) fn has(&self, stream: &Topic) -> bool {
        self.handles.contains_key(stream)
    }

    pub(crate) fn start(&mut self, stream: Topic, reader: Reader) {
        let handle = self.tasks.spawn(reader.run());
        self.handles.insert(stream, handle);
    }

    /// Ends a reader where it waits. It never waits between handing out an entry and noting that it did.
    pub(crate) fn stop(&mut self, stream: &Topic) {
        if let Some(handle) = self.handles.remove(stream) {
            handle.abort();
        }
    }

    /// Ends all readers; none runs any more when this returns.
    pub(crate) async fn stop_all(&mut self) {
        self.handles.clear();
        self.tasks.shutdown().await;
    }

    /// Why a reader failed, as soon as one does; `None` at once if there is none.
    pub(crate) async fn failed(&mut self) -> Option<String> {
        loop {
            match self.tasks.join_next().await? {
                Ok(reason) => return Some(reason),
                Err(error) if error.is_cancelled() => {}
                Err(error) => return Some(format!("a reader of a stream failed: {error}")),
            }
        }
    }

    /// Takes a consumer that was named for this link alone out of its groups, or every link that ever was would stay
    /// listed. One that still has work in its name stays, so that the work can be taken over.
    pub(crate) async fn leave_groups(&self, shared: &Shared, nodes: &Nodes, positions: &Positions) {
        let Mode::Streams(streams) = &shared.config.mode else { return };
        let Some(group) = &streams.group else { return };
        let Consumer::Passing(consumer) = &group.consumer else { return };
        for stream in positions.streams() {
            let node = nodes.at(nodes.of(stream));
            let mut pending = redis::cmd("XPENDING");
            pending.arg(stream.as_bytes()).arg(&group.name).arg("-").arg("+").arg(1).arg(consumer);
            if !matches!(node.ask(&shared.config, &pending).await, Ok(Value::Array(work)) if work.is_empty()) {
                continue;
            }
            let mut leave = redis::cmd("XGROUP");
            leave.arg("DELCONSUMER").arg(stream.as_bytes()).arg(&group.name).arg(consumer);
            if let Err(failure) = node.ask(&shared.config, &leave).await {
                tracing::debug!(stream = %stream, "could not leave the group: {}", failure.reason);
            }
        }
    }
}

/// A reader for `stream`, on the node that has it.
pub(crate) fn reader(shared: &Arc<Shared>, nodes: &Nodes, positions: &Positions, stream: &Topic) -> Option<Reader> {
    let address = nodes.at(nodes.of(stream)).address.clone();
    Some(Reader::new(Arc::clone(shared), address, stream.clone(), positions.get(stream)?))
}
