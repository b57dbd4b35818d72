//! What there is, for people: events with help, source and hooks.

use std::sync::Arc;

use eventhive_transport::{EventName, Glob, Overflow};

use crate::registry::hook::Hook;
use crate::registry::{HookId, HookStats, Registry, Source};

/// A defined event.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EventInfo {
    /// Its name.
    pub name: EventName,
    /// Its help text; may be empty.
    pub help: Arc<str>,
    /// Where it was defined, or first hooked.
    pub source: Source,
    /// Its hooks, in the order in which they were hooked.
    pub hooks: Vec<HookInfo>,
}

/// A hook.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HookInfo {
    /// Which hook.
    pub id: HookId,
    /// Its name.
    pub name: Arc<str>,
    /// The module it belongs to.
    pub module: Arc<str>,
    /// The names and globs it was hooked to.
    pub patterns: Vec<String>,
    /// The modules it runs after.
    pub after: Vec<Arc<str>>,
    /// Where it was hooked.
    pub source: Source,
    /// How many of its events are handled at a time; 1 keeps their order.
    pub concurrency: usize,
    /// The most events in its mailbox.
    pub mailbox: usize,
    /// What a full mailbox does.
    pub overflow: Overflow,
    /// Its counters.
    pub stats: HookStats,
}

impl Registry {
    /// All defined events, sorted by code point.
    #[must_use]
    pub fn events(&self) -> Vec<EventInfo> {
        let tables = self.lock();
        let entries = tables.events.iter();
        entries
            .map(|(name, entry)| EventInfo {
                name: name.clone(),
                help: entry.help.clone(),
                source: entry.source,
                hooks: entry.listeners.hooks.iter().map(|hook| hook.info()).collect(),
            })
            .collect()
    }

    /// All hooks, in the order in which they were hooked; also those whose glob matches no event yet.
    #[must_use]
    pub fn hooks(&self) -> Vec<HookInfo> {
        self.lock().hooks.iter().map(|hook| hook.info()).collect()
    }

    /// The defined events that match, sorted by code point.
    #[must_use]
    pub fn matching(&self, glob: &Glob) -> Vec<EventName> {
        self.lock().events.keys().filter(|name| glob.matches(name.as_str())).cloned().collect()
    }
}

impl Hook {
    pub(crate) fn info(&self) -> HookInfo {
        let options = &self.options;
        HookInfo {
            id: self.id,
            name: options.name.clone(),
            module: options.module.clone(),
            patterns: options.patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
            after: options.after.clone(),
            source: options.source,
            concurrency: options.concurrency,
            mailbox: self.mailbox.bounds().messages,
            overflow: self.mailbox.overflow(),
            stats: self.stats(),
        }
    }
}
