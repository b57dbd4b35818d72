//! From a message to a sink.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use eventhive_transport::{Filter, Gap, Incoming, Sink, Topic};

use crate::message::Message;
use crate::subscriber::Consumer;

/// Hands on what passes the filter, until it is shut.
pub(super) struct Tap {
    filter: Filter,
    /// `None` once it is shut. Messages come on several threads; a sink is called by one at a time.
    sink: Mutex<Option<Arc<dyn Sink>>>,
}

impl Tap {
    pub(super) fn new(filter: Filter, sink: Arc<dyn Sink>) -> Self {
        Self { filter, sink: Mutex::new(Some(sink)) }
    }

    /// Nothing is handed on after this.
    pub(super) fn shut(&self) {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn with(&self, call: impl FnOnce(&dyn Sink)) {
        if let Some(sink) = &*self.sink.lock().unwrap_or_else(PoisonError::into_inner) {
            call(&**sink);
        }
    }
}

impl Consumer for Tap {
    fn deliver(&self, message: &Message) {
        let topic = Topic::new(Bytes::copy_from_slice(&message.topic));
        if !self.filter.matches(&topic) {
            return;
        }
        let Some(payload) = message.body.as_bytes() else {
            // Bodies that would be in files are larger than what a link takes.
            return tracing::error!(?topic, "a message is too large to be an event");
        };
        self.with(|sink| sink.deliver(Incoming { topic, payload: payload.clone() }));
    }

    fn gap(&self) {
        self.with(|sink| sink.gap(Gap { lost: None }));
    }

    fn end(&self) {
        self.shut();
    }
}
