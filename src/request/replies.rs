//! Answers of several hives.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use eventhive_transport::EventName;
use futures_util::Stream;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::oneshot;

use super::alarm::{Alarm, Rang};
use super::answer::Answer;
use super::error::{RemoteError, RemoteErrorKind, RequestError};
use crate::connector::{Conversation, Heard};
use crate::payload::Payload;

/// One hive's answer.
#[derive(Debug)]
pub struct Reply {
    event: EventName,
    from: Option<Arc<str>>,
    answer: Answer<Payload>,
}

impl Reply {
    /// The hive that answered: an id that it made at its start. `None` for this hive, and for those that do not say, such as
    /// Python's.
    #[must_use]
    pub fn from(&self) -> Option<&str> {
        self.from.as_deref()
    }

    /// What its hook returned, or the error that it came to.
    pub fn payload(&self) -> Result<&Payload, &RemoteError> {
        self.answer.as_ref()
    }

    /// What its hook returned, as a `T`.
    ///
    /// # Errors
    /// [`RequestError::Remote`], or [`RequestError::Answer`] for a value that is no `T`.
    pub fn value<T: DeserializeOwned>(&self) -> Result<T, RequestError> {
        let payload = self.answer.as_ref().map_err(Clone::clone)?;
        payload.to().map_err(|misfit| RequestError::Answer { event: self.event.clone(), misfit })
    }
}

/// Why no more answers come.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum End {
    /// There were as many as were asked for.
    Enough,
    /// Every hive that the broker gave the request to has answered.
    AllAnswered,
    /// Nobody listens, or nobody who does has a hook for the event.
    NoListener,
    /// The time was over.
    Deadline,
    /// The request could not be published, or this hive is stopping.
    Failed(RequestError),
}

/// The answers to one request, as they come. It ends by itself; [`end`](Self::end) says why. With the end, or when it is
/// dropped, nothing is left of the request.
#[must_use = "answers come only while they are asked for"]
pub struct Replies {
    event: EventName,
    source: Source,
    deadline: Alarm,
    /// How many are still wanted.
    wanted: Option<usize>,
    answered: u64,
    given: usize,
    end: Option<End>,
}

pub(super) enum Source {
    Network(Box<Conversation>),
    Local(oneshot::Receiver<Answer<Value>>),
    /// Nothing more is wanted, and nothing kept.
    Over,
}

impl Replies {
    pub(super) fn new(event: EventName, source: Source, deadline: Alarm, wanted: Option<usize>) -> Self {
        let end = (wanted == Some(0)).then_some(End::Enough);
        Self { event, source, deadline, wanted, answered: 0, given: 0, end }
    }

    /// The next answer; `None` at the end. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Reply> {
        poll_fn(|context| self.poll(context)).await
    }

    /// Waits for the end, and gives all answers.
    pub async fn all(mut self) -> Vec<Reply> {
        let mut all = Vec::new();
        while let Some(reply) = self.next().await {
            all.push(reply);
        }
        all
    }

    /// Why no more come; `None` while some may.
    #[must_use]
    pub const fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Reply>> {
        while self.end.is_none() {
            let heard = match &mut self.source {
                Source::Network(conversation) => conversation.poll(context, true),
                Source::Local(answer) => Pin::new(answer).poll(context).map(|answer| match answer {
                    Ok(answer) => Heard::Answer { from: None, answer: answer.map(Payload::from) },
                    Err(_) => Heard::Over(RequestError::Stopped),
                }),
                Source::Over => return Poll::Ready(None),
            };
            let reply = match heard {
                Poll::Ready(heard) => self.take(heard),
                Poll::Pending => {
                    self.end = Some(match ready!(Pin::new(&mut self.deadline).poll(context)) {
                        Rang::InTime => End::Deadline,
                        Rang::Never => End::Failed(RequestError::Stopped),
                    });
                    None
                }
            };
            if self.end.is_some() {
                self.source = Source::Over;
            }
            if reply.is_some() {
                return Poll::Ready(reply);
            }
        }
        Poll::Ready(None)
    }

    fn take(&mut self, heard: Heard) -> Option<Reply> {
        let mut reply = None;
        match heard {
            Heard::Answer { from, answer } => {
                self.answered += 1;
                let is_none = matches!(&answer, Err(error) if *error.kind() == RemoteErrorKind::NoHook);
                reply = (!is_none).then(|| Reply { event: self.event.clone(), from, answer });
            }
            Heard::Receivers => {}
            Heard::Over(error) => self.end = Some(End::Failed(error)),
        }
        self.given += usize::from(reply.is_some());
        if self.wanted == Some(self.given) {
            self.end = Some(End::Enough);
        } else if self.receivers().is_some_and(|receivers| self.answered >= receivers) {
            self.end.get_or_insert(if self.given == 0 { End::NoListener } else { End::AllAnswered });
        }
        reply
    }

    fn receivers(&self) -> Option<u64> {
        match &self.source {
            Source::Network(conversation) => conversation.receivers(),
            Source::Local(_) => Some(1),
            Source::Over => None,
        }
    }
}

impl Stream for Replies {
    type Item = Reply;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Reply>> {
        self.poll(context)
    }
}

impl std::fmt::Debug for Replies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replies").field("given", &self.given).field("end", &self.end).finish_non_exhaustive()
    }
}
