//! What an event's name means, worked out when something changes and not when the event is called.

use std::sync::Arc;

use eventhive_transport::EventName;

use crate::connector::Asker;
use crate::registry::Route;
use crate::registry::hook::Hook;
use crate::registry::stream::Tap;

/// All that a call needs to know of its event.
pub(crate) struct Resolved {
    pub(crate) name: EventName,
    /// The hooks that run, in order.
    pub(crate) hooks: Box<[Arc<Hook>]>,
    /// The hooks that do not run, and the modules they wait for.
    pub(crate) waiting: Box<[Waiting]>,
    pub(crate) taps: Box<[Arc<Tap>]>,
    pub(crate) route: Option<Arc<dyn Route>>,
    /// How to ask on the network of the route.
    pub(crate) asker: Option<Arc<Asker>>,
    pub(crate) asks_earlier: bool,
    /// Defined, hooked by its name, matched by a glob, or on a network. If not, nothing knows the event.
    pub(crate) known: bool,
}

/// A hook that waits for others to be hooked.
pub(crate) struct Waiting {
    pub(crate) hook: Arc<Hook>,
    pub(crate) missing: Vec<Arc<str>>,
}

/// Puts hooks in the order in which they run: by their `order`, then as they were hooked; a hook that has to run after
/// others follows when the last of those modules is there.
pub(crate) fn arrange(hooks: &[Arc<Hook>]) -> (Vec<Arc<Hook>>, Vec<Waiting>) {
    let mut sorted: Vec<Arc<Hook>> = hooks.to_vec();
    sorted.sort_by_key(|hook| (hook.options.order, hook.id));
    let mut ready: Vec<Arc<Hook>> = Vec::with_capacity(sorted.len());
    let mut held: Vec<Arc<Hook>> = Vec::new();
    for hook in sorted {
        held.push(hook);
        while let Some(at) = held.iter().position(|hook| missing(hook, &ready).next().is_none()) {
            ready.push(held.remove(at));
        }
    }
    let waiting = held.into_iter().map(|hook| Waiting { missing: missing(&hook, &ready).cloned().collect(), hook });
    let waiting = waiting.collect();
    (ready, waiting)
}

fn missing<'a>(hook: &'a Hook, ready: &'a [Arc<Hook>]) -> impl Iterator<Item = &'a Arc<str>> {
    hook.options.after.iter().filter(|module| !ready.iter().any(|other| other.is_of(module)))
}
