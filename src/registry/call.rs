//! Calls that wait for the outcome of each hook.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use smallvec::SmallVec;
use tokio::sync::oneshot;

use crate::registry::dispatch::publish;
use crate::registry::hook::{Hook, Letter, Reply};
use crate::registry::resolved::Resolved;
use crate::registry::{CallError, Earlier, Outcome, Outcomes, Registry, RouteError, Sent, Skip, Status};
use crate::{Event, Payload};

/// How a call goes about its hooks.
///
/// By default they run one after another in their order, as in Python; an error or panic of one does not stop the
/// next; and the call waits as long as it takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallOptions {
    pub(crate) stop_on_error: bool,
    pub(crate) together: bool,
    pub(crate) timeout: Option<Duration>,
}

impl CallOptions {
    /// The default.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Skips all hooks behind the first that does not succeed, as the original does.
    #[must_use]
    pub const fn stop_on_error(mut self) -> Self {
        self.stop_on_error = true;
        self
    }

    /// Gives the event to all hooks at once; outcomes keep the order of the hooks. A hook that asks for earlier
    /// results still runs behind all that stand before it.
    #[must_use]
    pub const fn together(mut self) -> Self {
        self.together = true;
        self
    }

    /// Waits this long for each hook, its turn in the mailbox included. One that is late is skipped in the outcomes
    /// ([`Skip::TimedOut`]) but not interrupted.
    #[must_use]
    pub const fn timeout(mut self, each: Duration) -> Self {
        self.timeout = Some(each);
        self
    }
}

/// A call's options with what is needed to keep time: tokio's timers want a runtime, which the caller may not have.
#[derive(Clone, Copy)]
pub(crate) struct Manner<'a> {
    pub(crate) options: CallOptions,
    pub(crate) runtime: &'a tokio::runtime::Handle,
}

type List = SmallVec<[Outcome; 1]>;

impl Registry {
    pub(crate) async fn call(&self, name: &str, payload: Payload, manner: Manner<'_>) -> Result<Outcomes, CallError> {
        let resolved = self.known(name)?;
        let event = Event::new(resolved.name.clone(), payload);
        let published = publish(&resolved, &event);
        Ok(run(&resolved, event, published, manner).await)
    }

    /// As [`fire`](Registry::fire), and waits for the outcomes: an event from a network whose sender wants an answer.
    pub(crate) async fn fire_and_wait(&self, event: Event, manner: Manner<'_>) -> Result<Outcomes, CallError> {
        let resolved = self.resolve(event.name().as_str())?;
        if !resolved.known {
            return Err(CallError::Unknown { name: event.name().clone(), nearest: None });
        }
        Ok(run(&resolved, event, None, manner).await)
    }

    pub(crate) async fn waterfall(&self, name: &str, payload: Payload, manner: Manner<'_>) -> Result<Value, CallError> {
        let resolved = self.known(name)?;
        let mut event = Event::new(resolved.name.clone(), payload);
        if let Some(waiting) = resolved.waiting.first() {
            let skip = Skip::Waiting(waiting.missing.clone());
            let outcome = Outcome::new(waiting.hook.name().clone(), Status::Skipped(skip));
            return Err(CallError::Waterfall(outcome));
        }
        for hook in &resolved.hooks {
            match ask(hook, Letter::new(event.clone(), Reply::Nobody), manner).await {
                Status::Value(value) => event = event.with_payload(Payload::from(value)),
                status => return Err(CallError::Waterfall(Outcome::new(hook.name().clone(), status))),
            }
        }
        Ok(event.payload().as_value()?.clone())
    }
}

async fn run(
    resolved: &Arc<Resolved>,
    event: Event,
    published: Option<Result<Sent, RouteError>>,
    manner: Manner<'_>,
) -> Outcomes {
    for tap in &resolved.taps {
        Box::pin(tap.deliver(&event)).await;
    }
    let mut list = match &*resolved.hooks {
        [] => List::new(),
        [only] => {
            let status = ask(only, Letter::new(event, Reply::Nobody), manner).await;
            SmallVec::from_buf([Outcome::new(only.name().clone(), status)])
        }
        hooks if manner.options.together => Box::pin(together(hooks, &event, manner)).await,
        hooks => Box::pin(in_order(hooks, &event, manner)).await,
    };
    list.extend(resolved.waiting.iter().map(|waiting| {
        let skip = Skip::Waiting(waiting.missing.clone());
        Outcome::new(waiting.hook.name().clone(), Status::Skipped(skip))
    }));
    Outcomes::new(resolved.name.clone(), list, published)
}

async fn in_order(hooks: &[Arc<Hook>], event: &Event, manner: Manner<'_>) -> List {
    let mut list = List::with_capacity(hooks.len());
    for hook in hooks {
        let status = match stopped_by(&list, manner) {
            Some(skip) => Status::Skipped(skip),
            None => ask(hook, letter(hook, event, &list), manner).await,
        };
        list.push(Outcome::new(hook.name().clone(), status));
    }
    list
}

fn stopped_by(list: &[Outcome], manner: Manner<'_>) -> Option<Skip> {
    let failed = list.iter().find(|outcome| !outcome.is_ok()).filter(|_| manner.options.stop_on_error)?;
    Some(Skip::Stopped(failed.hook().into()))
}

/// All at once, except that a hook that asks for earlier results waits for those before it.
async fn together(hooks: &[Arc<Hook>], event: &Event, manner: Manner<'_>) -> List {
    let mut list = List::with_capacity(hooks.len());
    let mut rest = hooks;
    while !rest.is_empty() {
        let batch_len = rest.iter().skip(1).take_while(|hook| !hook.asks_earlier).count() + 1;
        let (batch, after) = rest.split_at(batch_len);
        rest = after;
        if let Some(skip) = stopped_by(&list, manner) {
            let skipped = batch.iter().map(|hook| Outcome::new(hook.name().clone(), Status::Skipped(skip.clone())));
            list.extend(skipped.collect::<List>());
            continue;
        }
        let asked = batch.iter().map(|hook| ask(hook, letter(hook, event, &list), manner));
        let statuses = futures_util::future::join_all(asked).await;
        list.extend(batch.iter().zip(statuses).map(|(hook, status)| Outcome::new(hook.name().clone(), status)));
    }
    list
}

fn letter(hook: &Hook, event: &Event, list: &[Outcome]) -> Letter {
    let earlier = hook.asks_earlier.then(|| Earlier::of(list));
    Letter { event: event.clone(), reply: Reply::Nobody, earlier }
}

async fn ask(hook: &Hook, letter: Letter, manner: Manner<'_>) -> Status {
    // What is rare is boxed, so that the future of a plain call stays small.
    match manner.options.timeout {
        None => answer(hook, letter).await,
        Some(limit) => Box::pin(answer_in_time(hook, letter, limit, manner)).await,
    }
}

async fn answer_in_time(hook: &Hook, letter: Letter, limit: Duration, manner: Manner<'_>) -> Status {
    let timeout = {
        let _runtime = manner.runtime.enter();
        tokio::time::timeout(limit, answer(hook, letter))
    };
    timeout.await.unwrap_or(Status::Skipped(Skip::TimedOut))
}

async fn answer(hook: &Hook, mut letter: Letter) -> Status {
    let (sender, receiver) = oneshot::channel();
    letter.reply = Reply::Caller(sender);
    // What is refused settles the reply, so the answer is there in any case.
    hook.deliver(letter).await;
    receiver.await.unwrap_or(Status::Skipped(Skip::Closed))
}
