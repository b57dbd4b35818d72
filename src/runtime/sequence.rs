//! How `async` handlers run: one after another, or up to `concurrency` at a time.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use super::{Ended, finish};
use crate::handler::{Context, ExtractError, Respond};
use crate::registry::hook::{Hook, Letter};

/// The loop of a hook. After a panic it takes no further event, lets those under way end, and asks for a restart.
pub(super) async fn run<H, R>(hook: Arc<Hook>, handler: Rc<H>) -> Ended
where
    H: AsyncFn(&Context<'_>) -> Result<R, ExtractError>,
    R: Respond,
{
    if hook.options.concurrency > 1 {
        return side_by_side(hook, handler).await;
    }
    let mut hand = VecDeque::new();
    let mut turns = 0_u32;
    while poll_fn(|task| hook.mailbox.poll_take(task, &mut hand)).await {
        while let Some(letter) = hand.pop_front() {
            if handle(&hook, &*handler, letter).await {
                hook.mailbox.give_back(hand);
                return Ended::Panicked;
            }
            turns = turns.wrapping_add(1);
            if turns.is_multiple_of(TURNS) {
                tokio::task::yield_now().await;
            }
        }
    }
    Ended::Closed
}

/// Events that a hook whose handler never waits may handle before the other hooks of its thread have their turn.
const TURNS: u32 = 64;

async fn side_by_side<H, R>(hook: Arc<Hook>, handler: Rc<H>) -> Ended
where
    H: AsyncFn(&Context<'_>) -> Result<R, ExtractError>,
    R: Respond,
{
    let mut running = FuturesUnordered::new();
    let mut ended = None;
    loop {
        let step = poll_fn(|task| {
            if let Poll::Ready(Some(panicked)) = running.poll_next_unpin(task) {
                return Poll::Ready(Step::Done { panicked });
            }
            let full = running.len() >= hook.options.concurrency;
            next_letter(&hook, full || ended.is_some(), running.is_empty(), task)
        });
        match step.await {
            Step::Letter(letter) => running.push(handle(&hook, &*handler, letter)),
            Step::Done { panicked: true } => ended = Some(Ended::Panicked),
            Step::Done { panicked: false } => {}
            Step::Closed => ended = ended.or(Some(Ended::Closed)),
        }
        if let (Some(ended), true) = (ended, running.is_empty()) {
            return ended;
        }
    }
}

enum Step {
    Letter(Letter),
    Done { panicked: bool },
    Closed,
}

fn next_letter(hook: &Hook, hold: bool, idle: bool, task: &mut TaskContext<'_>) -> Poll<Step> {
    if hold && !idle {
        return Poll::Pending;
    }
    hook.mailbox.poll_pop(task).map(|letter| letter.map_or(Step::Closed, Step::Letter))
}

/// Runs the handler on one event. Returns whether it panicked.
async fn handle<H, R>(hook: &Hook, handler: &H, letter: Letter) -> bool
where
    H: AsyncFn(&Context<'_>) -> Result<R, ExtractError>,
    R: Respond,
{
    let Some(letter) = hook.in_time(letter) else { return false };
    let context = Context { hook, event: &letter.event, earlier: letter.earlier.as_ref() };
    let attempt = AssertUnwindSafe(async { handler(&context).await }).catch_unwind().await;
    finish(hook, letter, attempt)
}
