//! The actix actor of a hook: it runs the hook's loop, and its supervisor starts it again after a panic.

use actix::prelude::*;

use super::Ended;
use crate::registry::hook::Running;
use crate::registry::stats::Count;

/// Makes one run of a hook's loop.
pub(super) trait Loop: Unpin + 'static {
    type Run: Future<Output = Ended> + 'static;
    fn begin(&self) -> Self::Run;
}

impl<L, F> Loop for L
where
    L: Fn() -> F + Unpin + 'static,
    F: Future<Output = Ended> + 'static,
{
    type Run = F;
    fn begin(&self) -> F {
        self()
    }
}

struct HookActor<L: Loop> {
    running: Running,
    make_loop: L,
    /// An actor lives, and can be restarted, as long as somebody holds its address.
    this: Option<Addr<Self>>,
}

/// Starts the actor on this thread.
pub(super) fn start<L: Loop>(running: Running, make_loop: L) {
    Supervisor::start(|_| HookActor { running, make_loop, this: None });
}

impl<L: Loop> HookActor<L> {
    fn begin(&mut self, context: &mut Context<Self>) {
        let ended = self.make_loop.begin().into_actor(self);
        context.spawn(ended.map(|ended, actor, context| {
            if ended == Ended::Closed {
                actor.this = None;
            }
            context.stop();
        }));
    }
}

impl<L: Loop> Actor for HookActor<L> {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.this = Some(context.address());
        self.begin(context);
    }
}

impl<L: Loop> Supervised for HookActor<L> {
    fn restarting(&mut self, context: &mut Context<Self>) {
        self.running.hook.counters.add(Count::Restarted);
        self.begin(context);
    }
}
