//! The threads of a hive, and the actors that run hooks on them.
//!
//! - [`threads`]: the actix system: the running one, or one of the hive's own in the background.
//! - [`actor`]: the supervised actor of a hook.
//! - [`sequence`]: how `async` handlers run. [`batch`]: how blocking ones run. [`pool`]: on which threads.
//! - [`park`]: waiting in a plain thread.

mod actor;
mod batch;
pub(crate) mod park;
mod pool;
mod sequence;
pub(crate) mod threads;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use crate::handler::{Context, ExtractError, Respond};
use crate::payload::Misfit;
use crate::registry::hook::{Hook, Letter, Running};
use crate::registry::stats::Count;
use crate::registry::{Refusal, Status};

/// Starts an `async` handler's actor on this thread.
pub(crate) fn start_async<H, R>(running: Running, handler: H)
where
    H: AsyncFn(&Context<'_>) -> Result<R, ExtractError> + 'static,
    R: Respond,
{
    let (hook, handler) = (running.hook.clone(), Rc::new(handler));
    actor::start(running, move || sequence::run(hook.clone(), handler.clone()));
}

/// Starts the actor of a handler that is not `async` on this thread. Unless the hook is inline, the handler runs on
/// other threads.
pub(crate) fn start_sync<H, R>(running: Running, handler: H)
where
    H: Fn(&Context<'_>) -> Result<R, ExtractError> + Send + Sync + 'static,
    R: Respond,
{
    if running.hook.options.inline {
        return start_async(running, async move |context: &Context<'_>| handler(context));
    }
    let (hook, handler) = (running.hook.clone(), Arc::new(handler));
    actor::start(running, move || batch::run(hook.clone(), handler.clone()));
}

/// Why a hook's loop came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// The hook was closed and its mailbox is empty.
    Closed,
    /// The handler panicked; the loop wants to be started again.
    Panicked,
}

/// What a handler left: its answer, or the panic that it ended with.
type Attempt<R> = Result<Result<R, ExtractError>, Box<dyn std::any::Any + Send>>;

/// Counts, tells whoever waits, and says whether the handler panicked.
fn finish<R: Respond>(hook: &Hook, letter: Letter, attempt: Attempt<R>) -> bool {
    // Turning the answer into JSON is the user's code too.
    let attempt = if letter.reply.wanted() {
        attempt.and_then(|answer| catch_unwind(AssertUnwindSafe(|| answer.map(Respond::respond))))
    } else {
        match attempt.and_then(|answer| catch_unwind(AssertUnwindSafe(|| answer.map(Respond::discard)))) {
            Ok(Ok(Ok(()))) => {
                count_as(hook, Count::Handled);
                return false;
            }
            problem => problem.map(|answer| answer.map(|result| result.map(|()| serde_json::Value::Null))),
        }
    };
    let (count, status) = match attempt {
        Ok(Ok(Ok(value))) => (Count::Handled, Status::Value(value)),
        Ok(Ok(Err(error))) => (Count::Failed, Status::Failed(error)),
        Ok(Err(error)) => (Count::Refused, Status::Refused(refusal(hook, &letter, error))),
        Err(panic) => (Count::Panicked, Status::Panicked(message(panic))),
    };
    count_as(hook, count);
    let panicked = matches!(status, Status::Panicked(_));
    if !matches!(status, Status::Value(_)) {
        report(hook, &letter, &status);
    }
    letter.reply.settle(status);
    panicked
}

fn count_as(hook: &Hook, count: Count) {
    match count {
        // One event at a time is one after another, whichever threads they run on.
        Count::Handled if hook.options.concurrency == 1 => hook.counters.handled_alone(),
        other => hook.counters.add(other),
    }
}

fn refusal(hook: &Hook, letter: &Letter, error: ExtractError) -> Refusal {
    let misfit = match error {
        ExtractError::Misfit(misfit) => misfit,
        other => Misfit { field: ".".to_owned(), message: other.to_string() },
    };
    Refusal { event: letter.event.name().clone(), hook: hook.name().clone(), misfit }
}

fn message(panic: Box<dyn std::any::Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().map_or_else(|| "(no message)".to_owned(), |text| (*text).to_owned()),
    }
}

/// A caller that waits learns it from the outcome; the log is for events that nobody waits for.
#[cold]
fn report(hook: &Hook, letter: &Letter, status: &Status) {
    let (event, name) = (letter.event.name(), hook.name());
    match status {
        Status::Failed(error) => tracing::warn!(%event, hook = %name, %error, "hook failed"),
        Status::Refused(refusal) => {
            tracing::warn!(%event, hook = %name, field = refusal.misfit.field, "payload refused")
        }
        Status::Panicked(message) => tracing::error!(%event, hook = %name, message, "hook panicked, restarting it"),
        Status::Value(_) | Status::Skipped(_) => {}
    }
}
