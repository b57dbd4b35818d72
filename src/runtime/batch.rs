//! How handlers run that may block: on a thread of the pool, which takes the hook's events until its mailbox is empty.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::oneshot;

use super::{Ended, finish, pool};
use crate::handler::{Context, ExtractError, Respond};
use crate::registry::hook::Hook;

/// How long to wait for a thread when the system has none.
const NO_THREAD: Duration = Duration::from_millis(100);

/// The loop of a hook: it starts a batch when something waits, at most `concurrency` at a time.
pub(super) async fn run<H, R>(hook: Arc<Hook>, handler: Arc<H>) -> Ended
where
    H: Fn(&Context<'_>) -> Result<R, ExtractError> + Send + Sync + 'static,
    R: Respond,
{
    let mut batches = FuturesUnordered::new();
    let mut ended = None;
    loop {
        let step = poll_fn(|task| {
            if let Poll::Ready(Some(panicked)) = batches.poll_next_unpin(task) {
                return Poll::Ready(Step::Done { panicked });
            }
            let busy = !batches.is_empty();
            if ended.is_some() || batches.len() >= hook.options.concurrency {
                return if busy { Poll::Pending } else { Poll::Ready(Step::Closed) };
            }
            hook.mailbox.poll_filled(task).map(|filled| if filled { Step::Filled } else { Step::Closed })
        });
        match step.await {
            Step::Filled => match batch(&hook, &handler) {
                Ok(done) => batches.push(done),
                Err(error) => {
                    tracing::error!(hook = %hook.name(), %error, "no thread for a hook, trying again");
                    tokio::time::sleep(NO_THREAD).await;
                }
            },
            Step::Done { panicked: true } => ended = Some(Ended::Panicked),
            Step::Done { panicked: false } => {}
            Step::Closed => ended = ended.or(Some(Ended::Closed)),
        }
        if let (Some(ended), true) = (ended, batches.is_empty()) {
            return ended;
        }
    }
}

enum Step {
    Filled,
    Done { panicked: bool },
    Closed,
}

type Done = futures_util::future::Map<oneshot::Receiver<bool>, fn(Result<bool, oneshot::error::RecvError>) -> bool>;

fn batch<H, R>(hook: &Arc<Hook>, handler: &Arc<H>) -> std::io::Result<Done>
where
    H: Fn(&Context<'_>) -> Result<R, ExtractError> + Send + Sync + 'static,
    R: Respond,
{
    let (sender, receiver) = oneshot::channel();
    let (hook, handler) = (hook.clone(), handler.clone());
    pool::run(Box::new(move || {
        let panicked = work(&hook, &*handler);
        // The loop is gone if its thread has ended.
        let _ = sender.send(panicked);
    }))?;
    // A batch that ends without a word has panicked outside of the handler.
    Ok(futures_util::FutureExt::map(receiver, |word| word.unwrap_or(true)))
}

/// Handles what is in the mailbox. Returns whether the handler panicked; then what is left stays in the mailbox.
fn work<H, R>(hook: &Hook, handler: &H) -> bool
where
    H: Fn(&Context<'_>) -> Result<R, ExtractError>,
    R: Respond,
{
    while let Some(letter) = hook.mailbox.try_pop() {
        let Some(letter) = hook.in_time(letter) else { continue };
        let context = Context { hook, event: &letter.event, earlier: letter.earlier.as_ref() };
        let attempt = catch_unwind(AssertUnwindSafe(|| handler(&context)));
        if finish(hook, letter, attempt) {
            return true;
        }
    }
    false
}
