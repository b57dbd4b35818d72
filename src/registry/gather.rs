//! Fire-and-forget whose outcomes are wanted all the same: by a hook that asks for earlier results, or by whoever requested an
//! answer. Every hook that does not ask gets the event at once, each that asks gets it when all before it have ended.
//! Nobody waits; the last to end passes it on.

use std::sync::{Arc, Mutex, PoisonError};

use crate::Event;
use crate::registry::hook::{Letter, Reply};
use crate::registry::resolved::Resolved;
use crate::registry::{Earlier, Outcome, Skip, Status};
use crate::request::answer::{self, Answer, Answerer};

struct Gather {
    event: Event,
    resolved: Arc<Resolved>,
    /// Whether somebody requested an answer, which may have been given by now.
    requested: bool,
    progress: Mutex<Progress>,
}

struct Progress {
    outcomes: Vec<Option<Outcome>>,
    /// The first hook that asks and was not given the event yet, or the number of hooks.
    next: usize,
    /// Who requested an answer, until there is one.
    answerer: Option<Answerer>,
}

/// The place of one hook in a gathering. Dropped without an answer, it counts as closed.
pub(crate) struct Seat {
    gather: Arc<Gather>,
    index: usize,
    settled: bool,
}

/// Gives the event to all hooks. Returns how many took it or will be given it. With hooks, `answerer` gets their answer as
/// soon as it is settled, on the thread of the hook that settled it; without any it is dropped.
pub(crate) fn start(event: &Event, resolved: &Arc<Resolved>, answerer: Option<Answerer>) -> usize {
    let count = resolved.hooks.len();
    let next = asking_from(resolved, 0);
    let requested = answerer.is_some();
    let progress = Mutex::new(Progress { outcomes: vec![None; count], next, answerer });
    let gather = Arc::new(Gather { event: event.clone(), resolved: resolved.clone(), requested, progress });
    let mut taken = 0;
    for (index, hook) in resolved.hooks.iter().enumerate() {
        if hook.asks_earlier {
            // Its seat is made when its turn comes.
            taken += 1;
        } else {
            let seat = Seat { gather: gather.clone(), index, settled: false };
            taken += usize::from(hook.offer(Letter::new(event.clone(), Reply::Seat(seat))));
        }
    }
    Gather::advance(&gather);
    taken
}

fn asking_from(resolved: &Resolved, from: usize) -> usize {
    (from..resolved.hooks.len()).find(|index| resolved.hooks[*index].asks_earlier).unwrap_or(resolved.hooks.len())
}

impl Seat {
    /// Whether the event is a request that this hook answers.
    pub(crate) fn is_requested(&self) -> bool {
        self.gather.requested
    }

    pub(crate) fn settle(mut self, status: Status) {
        self.record(status);
    }

    fn record(&mut self, status: Status) {
        self.settled = true;
        let Some(hook) = self.gather.resolved.hooks.get(self.index) else { return };
        if let [only] = &*self.gather.resolved.hooks {
            // Nobody else looks at the outcome, so the value need not be copied.
            let answerer = self.gather.lock().answerer.take();
            if let Some(answerer) = answerer {
                answerer(answer::of_one(only.name(), status));
            }
            return;
        }
        let outcome = Outcome::new(hook.name().clone(), status);
        let settled = {
            let mut progress = self.gather.lock();
            if let Some(place) = progress.outcomes.get_mut(self.index) {
                *place = Some(outcome);
            }
            progress.settled()
        };
        if let Some((answerer, answer)) = settled {
            answerer(answer);
        }
        Gather::advance(&self.gather);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.settled {
            self.record(Status::Skipped(Skip::Closed));
        }
    }
}

impl Progress {
    /// Whom to give which answer, once.
    fn settled(&mut self) -> Option<(Answerer, Answer)> {
        self.answerer.as_ref()?;
        let answer = answer::of_all(&self.outcomes)?;
        Some((self.answerer.take()?, answer))
    }
}

impl Gather {
    fn lock(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the event to the hook whose turn it is, if all before it have ended. The offer is made outside the lock:
    /// it may settle at once and come back here.
    fn advance(gather: &Arc<Self>) {
        while let Some((index, earlier)) = gather.take_turn() {
            let seat = Seat { gather: gather.clone(), index, settled: false };
            let letter = Letter { event: gather.event.clone(), reply: Reply::Seat(seat), earlier: Some(earlier) };
            if let Some(hook) = gather.resolved.hooks.get(index) {
                hook.offer(letter);
            }
        }
    }

    fn take_turn(&self) -> Option<(usize, Earlier)> {
        let mut progress = self.lock();
        let index = progress.next;
        if index >= self.resolved.hooks.len() {
            return None;
        }
        let earlier = progress.outcomes.get(..index)?.iter().cloned().collect::<Option<Vec<_>>>()?;
        progress.next = asking_from(&self.resolved, index + 1);
        Some((index, Earlier::of(&earlier)))
    }
}
