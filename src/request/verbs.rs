//! What a hive can ask.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio::time::Sleep;
use uuid::Uuid;

use super::alarm::{Alarm, Rang};
use super::error::{RemoteError, RemoteErrorKind, RequestError};
use super::options::RequestOptions;
use super::replies::{Replies, Source};
use crate::Hive;
use crate::connector::{Conversation, Heard};
use crate::event::{Event, Exchange, since_epoch};
use crate::payload::Payload;
use crate::registry::dispatch;
use crate::registry::resolved::Resolved;
use crate::registry::{CallError, RouteError};

impl Hive {
    /// Calls an event and waits for the answer: what a hook of it returned, as a `T`. With ten seconds to come.
    ///
    /// The hook is in this process if the name is local, and in another hive if it names a network; then the request
    /// travels like any event, and the first hive that has an answer gives it. Hooks of this process on the network's own
    /// name get the event too, and are not waited for. [`request`](crate::request) says which hook answers, and the rules.
    ///
    /// Unlike [`call`](Self::call) it never waits for room in a mailbox: a full one is an error of the kind `busy`. Dropping the
    /// future ends the request and frees everything; a hook that is at work goes on.
    ///
    /// # Errors
    /// [`RequestError`]. Where the wire can tell, [`RequestError::NoListener`] comes at once.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use eventhive::{Hive, HookError, Json, RemoteErrorKind, RequestError};
    /// use serde_json::json;
    ///
    /// let hive = Hive::local()?;
    /// hive.hook("hive/divide", async |Json((a, b)): Json<(i64, i64)>| {
    ///     a.checked_div(b).ok_or_else(|| HookError::new("divided by zero").with_code("zero"))
    /// })?;
    /// let six: i64 = hive.request("hive/divide", json!([42, 7])).await?;
    /// assert_eq!(six, 6);
    /// match hive.request::<i64>("hive/divide", json!([1, 0])).await {
    ///     Err(RequestError::Remote(error)) => {
    ///         assert_eq!((error.kind(), error.code()), (&RemoteErrorKind::Failed, Some("zero")));
    ///     }
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn request<T: DeserializeOwned>(
        &self,
        name: &str,
        payload: impl Into<Payload>,
    ) -> Result<T, RequestError> {
        self.request_with(RequestOptions::new(), name, payload).await
    }

    /// As [`request`](Self::request), with options.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn request_with<T: DeserializeOwned>(
        &self,
        options: RequestOptions,
        name: &str,
        payload: impl Into<Payload>,
    ) -> Result<T, RequestError> {
        let question = Question::new(self, name, options)?;
        let answer = question.one(self, payload.into()).await?;
        answer.to().map_err(|misfit| RequestError::Answer { event: question.resolved.name.clone(), misfit })
    }

    /// Calls an event and gathers the answers of all hives that have one, as they come: until there are as many as
    /// [`count`](RequestOptions::count) says, or every hive has answered where the wire counts them, or the time is over. Each hive
    /// answers once, with a value or an error; one without a hook for the event is passed over. A local event has one
    /// answer.
    ///
    /// # Errors
    /// [`RequestError`] if the request did not get as far as the outbox. What goes wrong later ends the answers, and
    /// [`Replies::end`] says it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use eventhive::{Hive, RequestOptions};
    ///
    /// let hive = Hive::local()?;
    /// hive.hook("hive/weight", async || 40)?;
    /// let mut replies = hive.request_all(RequestOptions::new(), "hive/weight", ()).await?;
    /// while let Some(reply) = replies.next().await {
    ///     println!("{:?} says {:?}", reply.from(), reply.payload());
    /// }
    /// println!("{:?}", replies.end());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn request_all(
        &self,
        options: RequestOptions,
        name: &str,
        payload: impl Into<Payload>,
    ) -> Result<Replies, RequestError> {
        let question = Question::new(self, name, options)?;
        let mut deadline = Alarm::after(question.left, self.runtime());
        let source = if question.is_remote() {
            Source::Network(Box::new(question.publish(payload.into(), (&mut deadline).map(drop)).await?))
        } else {
            Source::Local(question.ask_here(payload.into()))
        };
        Ok(Replies::new(question.resolved.name.clone(), source, deadline, options.count))
    }
}

/// A request that was begun.
struct Question {
    resolved: Arc<Resolved>,
    left: Duration,
    /// Seconds since the epoch.
    deadline: f64,
}

impl Question {
    fn new(hive: &Hive, name: &str, options: RequestOptions) -> Result<Self, CallError> {
        let left = options.left();
        // Both are far from what a clock can add.
        let deadline = SystemTime::now().checked_add(left).map_or(f64::MAX, since_epoch);
        Ok(Self { resolved: hive.registry().known(name)?, left, deadline })
    }

    fn is_remote(&self) -> bool {
        self.resolved.route.is_some()
    }

    /// A timer for as long as the network is there: a conversation ends before the hive's threads do.
    fn timer(&self, hive: &Hive) -> Sleep {
        // A timer needs a tokio runtime, which the caller may not have.
        let _runtime = hive.runtime().enter();
        tokio::time::sleep(self.left)
    }

    async fn one(&self, hive: &Hive, payload: Payload) -> Result<Payload, RequestError> {
        if self.is_remote() {
            let mut deadline = pin!(self.timer(hive));
            let conversation = self.publish(payload, deadline.as_mut()).await?;
            return self.first(conversation, deadline).await;
        }
        tokio::select! {
            biased;
            answer = self.ask_here(payload) => match answer {
                Ok(Ok(value)) => Ok(value.into()),
                Ok(Err(error)) => Err(self.unanswered(Some(error))),
                Err(_) => Err(RequestError::Stopped),
            },
            rang = Alarm::after(self.left, hive.runtime()) => Err(match rang {
                Rang::InTime => self.timed_out(true),
                Rang::Never => RequestError::Stopped,
            }),
        }
    }

    /// Gives the event to the hooks of this process.
    fn ask_here(&self, payload: Payload) -> oneshot::Receiver<super::answer::Answer> {
        let (sender, receiver) = oneshot::channel();
        let exchange = Exchange::Request { reply_to: None, deadline: Some(self.deadline) };
        let event = Event::asking(self.resolved.name.clone(), payload, Uuid::new_v4(), exchange);
        // An asker that has gone away is no problem.
        dispatch::ask(&self.resolved, &event, Box::new(move |answer| drop(sender.send(answer))));
        receiver
    }

    /// Gives the event to its network, and to the hooks that this process has on it.
    async fn publish(
        &self,
        payload: Payload,
        deadline: impl Future<Output = ()>,
    ) -> Result<Conversation, RequestError> {
        let name = &self.resolved.name;
        let Some(asker) = self.resolved.asker.clone() else { return Err(self.no_asker()) };
        let event = asker.event(name.clone(), payload, self.deadline);
        let conversation = tokio::select! {
            biased;
            conversation = asker.ask(&event) => conversation?,
            () = deadline => return Err(self.timed_out(false)),
        };
        dispatch::offer(&self.resolved, event, None);
        Ok(conversation)
    }

    /// The first answer that no other hive can better.
    async fn first(&self, mut talk: Conversation, mut deadline: Pin<&mut Sleep>) -> Result<Payload, RequestError> {
        let (mut answered, mut best) = (0, None::<RemoteError>);
        poll_fn(|context| {
            // The number of receivers is of interest only once somebody could not answer.
            while let Poll::Ready(heard) = talk.poll(context, answered > 0) {
                match heard {
                    Heard::Answer { answer: Ok(payload), .. } => return Poll::Ready(Ok(payload)),
                    Heard::Answer { answer: Err(error), .. } if error.kind().is_preliminary() => {
                        answered += 1;
                        best = Some(better(best.take(), error));
                    }
                    Heard::Answer { answer: Err(error), .. } => return Poll::Ready(Err(error.into())),
                    Heard::Receivers => {}
                    Heard::Over(error) => return Poll::Ready(Err(error)),
                }
                if talk.receivers().is_some_and(|receivers| answered >= receivers) {
                    return Poll::Ready(Err(self.unanswered(best.take())));
                }
            }
            deadline.as_mut().poll(context).map(|()| {
                let told = best.take().filter(|error| *error.kind() != RemoteErrorKind::NoHook);
                Err(told.map_or_else(|| self.timed_out(talk.is_published()), RequestError::Remote))
            })
        })
        .await
    }

    /// Nobody is left who could answer; this is the best that was said.
    fn unanswered(&self, best: Option<RemoteError>) -> RequestError {
        match best.filter(|error| *error.kind() != RemoteErrorKind::NoHook) {
            Some(error) => error.into(),
            None => RequestError::NoListener { event: self.resolved.name.clone() },
        }
    }

    fn timed_out(&self, published: bool) -> RequestError {
        RequestError::TimedOut { event: self.resolved.name.clone(), within: self.left, published }
    }

    fn no_asker(&self) -> RequestError {
        let reason = "this route takes events only, and brings no answers back".to_owned();
        RouteError { network: self.resolved.name.to_string(), reason }.into()
    }
}

/// The error that says more: a hive that could have answered says more than one without a hook.
fn better(first: Option<RemoteError>, second: RemoteError) -> RemoteError {
    first.filter(|first| *first.kind() != RemoteErrorKind::NoHook).unwrap_or(second)
}
