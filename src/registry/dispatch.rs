//! Fire-and-forget: an event goes into the mailboxes of its hooks, and nobody waits.

use std::sync::Arc;

use crate::registry::hook::{Letter, Reply};
use crate::registry::resolved::Resolved;
use crate::registry::{CallError, Registry, RouteError, Sent, gather};
use crate::request::answer::{self, Answerer};
use crate::{Event, Payload};

/// What became of an event that nobody waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emitted {
    /// Hooks that took the event.
    pub taken: usize,
    /// Hooks that did not: their mailbox was full or closed, or they wait for hooks of other modules. Their counters
    /// and the log say which and why.
    pub refused: usize,
    /// What the network said, for an event that was published to one.
    pub published: Option<Result<Sent, RouteError>>,
}

impl Registry {
    pub(crate) fn emit(&self, name: &str, payload: Payload) -> Result<Emitted, CallError> {
        self.with(name, |resolved| {
            if !resolved.known {
                return Err(self.unknown(&resolved.name));
            }
            let event = Event::new(resolved.name.clone(), payload);
            let published = publish(resolved, &event);
            Ok(offer(resolved, event, published))
        })?
    }

    pub(crate) async fn send(&self, name: &str, payload: Payload) -> Result<Emitted, CallError> {
        let resolved = self.known(name)?;
        let event = Event::new(resolved.name.clone(), payload);
        let published = publish(&resolved, &event);
        for tap in &resolved.taps {
            tap.deliver(&event).await;
        }
        if resolved.asks_earlier {
            let taken = gather::start(&event, &resolved, None);
            return Ok(Emitted::new(taken, &resolved, published));
        }
        let mut taken = 0;
        for hook in &resolved.hooks {
            taken += usize::from(hook.deliver(Letter::new(event.clone(), Reply::Nobody)).await);
        }
        Ok(Emitted::new(taken, &resolved, published))
    }

    /// Gives an event that came in from a network to the hooks of exactly its name (no glob is expanded, unlike
    /// Python 0.5.0). It is not published again. Never waits.
    ///
    /// # Errors
    /// [`CallError::Unknown`] if nothing here knows the event.
    pub fn fire(&self, event: Event) -> Result<Emitted, CallError> {
        let resolved = self.resolve(event.name().as_str())?;
        if !resolved.known {
            // Without the nearest name: a peer's mistakes must cost nothing.
            return Err(CallError::Unknown { name: event.name().clone(), nearest: None });
        }
        Ok(offer(&resolved, event, None))
    }

    /// As [`fire`](Self::fire), for an event whose caller waits for an answer. Without a hook that can run, the answer is that.
    pub(crate) fn ask(&self, event: Event, answerer: Answerer) {
        match self.resolve(event.name().as_str()) {
            Ok(resolved) => ask(&resolved, &event, answerer),
            Err(_) => answerer(Err(answer::no_hook(event.name().as_str()))),
        }
    }

    /// What `name` means.
    pub(crate) fn known(&self, name: &str) -> Result<Arc<Resolved>, CallError> {
        let resolved = self.resolve(name)?;
        if resolved.known { Ok(resolved) } else { Err(self.unknown(&resolved.name)) }
    }
}

/// Publishes before the hooks run, so that a slow hook delays no network.
pub(super) fn publish(resolved: &Resolved, event: &Event) -> Option<Result<Sent, RouteError>> {
    resolved.route.as_ref().map(|route| route.publish(event))
}

/// Gives an event to all who hear it, and the answer of its hooks to `answerer`. Never waits.
pub(crate) fn ask(resolved: &Arc<Resolved>, event: &Event, answerer: Answerer) {
    for tap in &resolved.taps {
        tap.offer(event);
    }
    if !resolved.waiting.is_empty() {
        report_waiting(resolved);
    }
    if resolved.hooks.is_empty() {
        return answerer(Err(answer::no_hook(resolved.name.as_str())));
    }
    gather::start(event, resolved, Some(answerer));
}

/// Gives an event to all who hear it. Never waits.
pub(crate) fn offer(resolved: &Arc<Resolved>, event: Event, published: Option<Result<Sent, RouteError>>) -> Emitted {
    for tap in &resolved.taps {
        tap.offer(&event);
    }
    if resolved.asks_earlier {
        let taken = gather::start(&event, resolved, None);
        return Emitted::new(taken, resolved, published);
    }
    // The last hook gets the event itself: with one hook there is no second reference to count.
    let taken = match &*resolved.hooks {
        [] => 0,
        [only] => usize::from(only.offer(Letter::new(event, Reply::Nobody))),
        [others @ .., last] => {
            let others = others.iter().filter(|hook| hook.offer(Letter::new(event.clone(), Reply::Nobody))).count();
            others + usize::from(last.offer(Letter::new(event, Reply::Nobody)))
        }
    };
    Emitted::new(taken, resolved, published)
}

impl Emitted {
    fn new(taken: usize, resolved: &Resolved, published: Option<Result<Sent, RouteError>>) -> Self {
        if !resolved.waiting.is_empty() {
            report_waiting(resolved);
        }
        Self { taken, refused: resolved.hooks.len() + resolved.waiting.len() - taken, published }
    }
}

#[cold]
fn report_waiting(resolved: &Resolved) {
    for waiting in &resolved.waiting {
        let (hook, missing) = (waiting.hook.name(), waiting.missing.join(", "));
        tracing::warn!(event = %resolved.name, %hook, %missing, "hook did not run: it waits for other modules");
    }
}
