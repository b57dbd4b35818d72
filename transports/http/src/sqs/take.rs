//! From messages to events.

use eventhive_hub::{Cursor, Draft, PublishError, PublishRefused};

use super::failure::Failure;
use super::queue::{Queue, Received};
use super::reader::{Found, Reader};
use crate::wire::event::{self, AddressError};

/// A message that the hub has taken. What becomes of its copies in the same answer is up to whether it is stored: a copy
/// deletes it as well as the message itself.
struct Taken {
    id: Option<String>,
    copies: Vec<Received>,
    cursor: Cursor,
}

/// Why a message became no event.
enum Refused {
    /// It never will.
    Bad(String),
    /// It may when it comes again.
    Hub(Failure),
    /// The door stops.
    Stopped,
}

impl Reader {
    /// Publishes messages, in their order, and deletes those that are done with, if that is wanted.
    ///
    /// # Errors
    /// What keeps the hub from taking events. Those that it did not take come again.
    pub(super) async fn take(&mut self, queue: &Queue, messages: Vec<Received>) -> Result<Found, Failure> {
        if messages.is_empty() {
            return Ok(Found::Nothing);
        }
        let (mut done, mut failed) = (Vec::with_capacity(messages.len()), None);
        let mut taken: Vec<Taken> = Vec::with_capacity(messages.len());
        for message in messages {
            if let Some(copies) = self.known(&message, &mut taken, &mut done) {
                self.counters.repeated.add_one();
                copies.push(message);
                continue;
            }
            match self.publish(&message.body).await {
                Ok(cursor) => taken.push(Taken { id: message.id.clone(), copies: vec![message], cursor }),
                Err(Refused::Bad(reason)) => {
                    self.leave_out(&message, &reason);
                    done.push(message);
                }
                Err(Refused::Hub(failure)) => {
                    failed = Some(failure);
                    break;
                }
                Err(Refused::Stopped) => break,
            }
        }
        let found = if taken.is_empty() { Found::OnlyKnown } else { Found::New };
        for Taken { id, copies, cursor } in taken {
            match self.store(cursor).await {
                Ok(()) => {
                    self.counters.published.add_one();
                    self.note(id.as_deref());
                    done.extend(copies);
                }
                Err(failure) => failed = Some(failure),
            }
        }
        if self.config.delete && !done.is_empty() {
            self.delete(queue, &done).await;
        }
        failed.map_or(Ok(found), Err)
    }

    /// Where a message goes that has been here before: to those that are `done`, or to what it is a copy of.
    fn known<'a>(
        &self,
        message: &Received,
        taken: &'a mut [Taken],
        done: &'a mut Vec<Received>,
    ) -> Option<&'a mut Vec<Received>> {
        let id = message.id.as_deref()?;
        if self.seen.has(id) {
            return Some(done);
        }
        taken.iter_mut().find(|other| other.id.as_deref() == Some(id)).map(|other| &mut other.copies)
    }

    fn note(&mut self, id: Option<&str>) {
        id.into_iter().for_each(|id| self.seen.note(id));
    }

    fn leave_out(&mut self, message: &Received, reason: &str) {
        self.counters.bad.add_one();
        self.note(message.id.as_deref());
        tracing::warn!(queue = self.config.name, id = message.id, reason, "a message became no event");
    }

    /// Publishes when the hub has room. That wait holds the queue back.
    async fn publish(&self, body: &str) -> Result<Cursor, Refused> {
        let mut draft = self.draft(body).map_err(Refused::Bad)?;
        loop {
            self.stop.unless(self.hub.ready()).await.ok_or(Refused::Stopped)?;
            match self.hub.publish(draft) {
                Ok(published) => return Ok(published.cursor),
                Err(PublishError { draft: back, reason: PublishRefused::Busy }) => draft = *back,
                Err(PublishError { reason: PublishRefused::Closed, .. }) => return Err(Refused::Stopped),
                Err(PublishError { reason: reason @ PublishRefused::TopicTooLong { .. }, .. }) => {
                    return Err(Refused::Bad(reason.to_string()));
                }
                Err(PublishError { reason, .. }) => return Err(Refused::Hub(Failure::new("hub", reason))),
            }
        }
    }

    fn draft(&self, body: &str) -> Result<Draft, String> {
        if body.len() > self.largest {
            let (size, largest) = (body.len(), self.largest);
            return Err(format!("it has {size} bytes, and the door takes {largest} (`max_payload_bytes`)"));
        }
        event::addressed(body).map_err(|error: AddressError| error.to_string())
    }

    /// Waits until the event is as safe as the hub promises.
    async fn store(&self, cursor: Cursor) -> Result<(), Failure> {
        if !self.hub.is_durable() {
            return Ok(());
        }
        self.hub.stored(cursor).await.map_err(|error| Failure::new("hub", error))
    }

    /// Deletes messages. Those that stay come again, are known then, and are tried again.
    async fn delete(&mut self, queue: &Queue, messages: &[Received]) {
        let (deleted, failure) = queue.delete(messages).await;
        self.counters.deleted.add(deleted);
        match failure {
            Some(failure) => {
                self.counters.failures.add_one();
                if self.deleting.failed(&failure) {
                    tracing::warn!(queue = self.config.name, %failure, "messages cannot be deleted; they are not published again");
                }
            }
            None if self.deleting.worked() => {
                tracing::info!(queue = self.config.name, "messages can be deleted again");
            }
            None => {}
        }
    }
}
