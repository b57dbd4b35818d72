//! What was defined and hooked: the truth behind the resolved names. Lives under the registry's lock.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use eventhive_transport::{EventName, Glob};

use crate::connector::Asker;
use crate::registry::hook::{Hook, HookId, Source};
use crate::registry::resolved::{Resolved, arrange};
use crate::registry::stream::Tap;
use crate::registry::{Pattern, Route};

#[derive(Default)]
pub(super) struct Tables {
    /// Sorted, as calls that expand a glob promise.
    pub(super) events: BTreeMap<EventName, Entry>,
    pub(super) hooks: Vec<Arc<Hook>>,
    pub(super) taps: Vec<Arc<Tap>>,
    globs: Vec<GlobUse>,
    pub(super) routes: HashMap<Arc<str>, Way>,
}

/// A way out of the process.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) route: Arc<dyn Route>,
    /// Where it also brings answers back.
    pub(super) asker: Option<Arc<Asker>>,
}

/// A defined event. It knows its listeners, so that one more listener costs no look at all the patterns.
pub(super) struct Entry {
    pub(super) help: Arc<str>,
    pub(super) source: Source,
    pub(super) listeners: Listeners,
}

#[derive(Default, Clone)]
pub(super) struct Listeners {
    pub(super) hooks: Vec<Arc<Hook>>,
    taps: Vec<Arc<Tap>>,
}

struct GlobUse {
    glob: Glob,
    listener: Listener,
}

#[derive(Clone)]
enum Listener {
    Hook(Arc<Hook>),
    Tap(Arc<Tap>),
}

/// The names whose meaning has changed, and whether one of them is new.
type Touched = (Vec<EventName>, bool);

impl Tables {
    /// The entry of `name`, made if it is new.
    pub(super) fn define(&mut self, name: &EventName, source: Source) -> (&mut Entry, bool) {
        let new = !self.events.contains_key(name);
        let globs = &self.globs;
        let entry = self.events.entry(name.clone()).or_insert_with(|| Entry {
            help: Arc::from(""),
            source,
            listeners: matching(globs, name),
        });
        (entry, new)
    }

    pub(super) fn add_hook(&mut self, hook: &Arc<Hook>) -> Touched {
        self.hooks.push(hook.clone());
        self.listen(&hook.options.patterns, &Listener::Hook(hook.clone()), hook.options.source)
    }

    pub(super) fn add_tap(&mut self, tap: &Arc<Tap>, source: Source) -> Touched {
        self.taps.push(tap.clone());
        self.listen(&tap.patterns, &Listener::Tap(tap.clone()), source)
    }

    fn listen(&mut self, patterns: &[Pattern], listener: &Listener, source: Source) -> Touched {
        let mut touched = Vec::new();
        let mut defined = false;
        for pattern in patterns {
            match pattern {
                Pattern::Name(name) => {
                    let (entry, new) = self.define(name, source);
                    entry.listeners.add(listener);
                    touched.push(name.clone());
                    defined |= new;
                }
                Pattern::Glob(glob) => {
                    for (name, entry) in self.events.iter_mut().filter(|(name, _)| glob.matches(name.as_str())) {
                        entry.listeners.add(listener);
                        touched.push(name.clone());
                    }
                    self.globs.push(GlobUse { glob: glob.clone(), listener: listener.clone() });
                }
            }
        }
        (touched, defined)
    }

    pub(super) fn remove_hook(&mut self, id: HookId) -> Option<(Arc<Hook>, Vec<EventName>)> {
        let at = self.hooks.iter().position(|hook| hook.id == id)?;
        let hook = self.hooks.remove(at);
        self.globs.retain(|glob| !matches!(&glob.listener, Listener::Hook(other) if other.id == id));
        let touched = self.retain(|listeners| {
            let before = listeners.hooks.len();
            listeners.hooks.retain(|other| other.id != id);
            listeners.hooks.len() != before
        });
        Some((hook, touched))
    }

    pub(super) fn remove_tap(&mut self, id: u64) -> Vec<EventName> {
        self.taps.retain(|tap| tap.id != id);
        self.globs.retain(|glob| !matches!(&glob.listener, Listener::Tap(other) if other.id == id));
        self.retain(|listeners| {
            let before = listeners.taps.len();
            listeners.taps.retain(|other| other.id != id);
            listeners.taps.len() != before
        })
    }

    fn retain(&mut self, mut changed: impl FnMut(&mut Listeners) -> bool) -> Vec<EventName> {
        let entries = self.events.iter_mut();
        entries.filter_map(|(name, entry)| changed(&mut entry.listeners).then(|| name.clone())).collect()
    }

    pub(super) fn resolve_defined(&self, name: &EventName, separator: &str) -> Option<Resolved> {
        let entry = self.events.get(name)?;
        Some(self.resolve(name, &entry.listeners, true, separator))
    }

    /// What a name means that was never defined: what globs match it and which network it names.
    pub(super) fn resolve_passing(&self, name: &EventName, separator: &str) -> Resolved {
        let listeners = matching(&self.globs, name);
        let known = !listeners.hooks.is_empty() || !listeners.taps.is_empty();
        self.resolve(name, &listeners, known, separator)
    }

    fn resolve(&self, name: &EventName, listeners: &Listeners, known: bool, separator: &str) -> Resolved {
        let (hooks, waiting) = arrange(&listeners.hooks);
        let way = match name.split_first(separator) {
            (network, Some(_)) => self.routes.get(network).cloned(),
            (_, None) => None,
        };
        Resolved {
            name: name.clone(),
            asks_earlier: hooks.iter().any(|hook| hook.asks_earlier),
            hooks: hooks.into(),
            waiting: waiting.into(),
            taps: listeners.taps.clone().into(),
            known: known || way.is_some(),
            asker: way.as_ref().and_then(|way| way.asker.clone()),
            route: way.map(|way| way.route),
        }
    }
}

fn matching(globs: &[GlobUse], name: &EventName) -> Listeners {
    let mut listeners = Listeners::default();
    for used in globs.iter().filter(|used| used.glob.matches(name.as_str())) {
        listeners.add(&used.listener);
    }
    listeners
}

impl Listeners {
    /// Adds a listener once, however many of its patterns match.
    fn add(&mut self, listener: &Listener) {
        match listener {
            Listener::Hook(hook) if self.hooks.iter().all(|other| other.id != hook.id) => self.hooks.push(hook.clone()),
            Listener::Tap(tap) if self.taps.iter().all(|other| other.id != tap.id) => self.taps.push(tap.clone()),
            Listener::Hook(_) | Listener::Tap(_) => {}
        }
    }
}
