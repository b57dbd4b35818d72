//! The table of events and their hooks in one process.
//!
//! Changes are rare and go through one lock ([`tables`]); calls are many and take none. Each change writes what a name
//! now means ([`resolved`]) into a map that is read without locks, so a call costs one lookup, whatever the number of
//! events and patterns.
//!
//! - [`pattern`], [`hook`], [`mailbox`], [`stats`]: what a hook is.
//! - [`route`]: the seam to the connectors.
//! - [`dispatch`]: fire-and-forget; [`call`]: waiting for outcomes; [`gather`]: earlier results without waiting.
//! - [`outcome`], [`error`]: what comes of it.
//! - [`stream`]: events as a stream. [`listing`]: what there is, for people.

pub(crate) mod call;
pub(crate) mod dispatch;
pub(crate) mod error;
pub(crate) mod gather;
pub(crate) mod hook;
mod listing;
pub(crate) mod mailbox;
mod outcome;
pub(crate) mod pattern;
pub(crate) mod resolved;
mod route;
pub(crate) mod stats;
pub(crate) mod stream;
mod tables;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eventhive_transport::EventName;
use tokio::sync::watch;

pub use call::CallOptions;
pub use dispatch::Emitted;
pub use error::{CallError, SetupError};
pub use hook::{HookId, Source};
pub use listing::{EventInfo, HookInfo};
pub use outcome::{Earlier, Outcome, Outcomes, Refusal, Skip, Status};
pub use pattern::{IntoPatterns, Pattern};
pub use route::{Route, RouteError, Sent};
pub use stats::HookStats;
pub use stream::EventStream;

use crate::connector::Connector;
use hook::{Hook, Running};
use resolved::Resolved;
use stream::Tap;
use tables::{Tables, Way};

/// Names that nothing defines but that a glob or a network knows, kept so that calling them again is one lookup. The
/// names can come from a network: the number is bounded (a full one is emptied; about 2 MB) and the hash is keyed.
const MAX_PASSING: usize = 4096;

/// The events of one process and their hooks.
pub struct Registry {
    tables: Mutex<Tables>,
    /// Every defined event. Only the program can add to it, so the hash is quick and not proof against attackers.
    defined: papaya::HashMap<EventName, Arc<Resolved>, foldhash::fast::RandomState>,
    passing: papaya::HashMap<EventName, Arc<Resolved>>,
    generation: watch::Sender<u64>,
    /// Hooks whose actors run.
    live: watch::Sender<usize>,
    next_id: AtomicU64,
    separator: Box<str>,
}

impl Registry {
    /// An empty registry whose names have `separator` between their segments.
    #[must_use]
    pub fn new(separator: &str) -> Self {
        Self {
            tables: Mutex::default(),
            defined: papaya::HashMap::with_hasher(foldhash::fast::RandomState::default()),
            passing: papaya::HashMap::new(),
            generation: watch::Sender::new(0),
            live: watch::Sender::new(0),
            next_id: AtomicU64::new(0),
            separator: separator.into(),
        }
    }

    /// What stands between the segments of a name.
    #[must_use]
    pub fn separator(&self) -> &str {
        &self.separator
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Defines an event. One that is defined keeps its hooks; a help text that is not empty replaces the earlier one.
    pub fn define(&self, name: &EventName, help: &str, source: Source) {
        let mut tables = self.lock();
        let (entry, new) = tables.define(name, source);
        if !help.is_empty() {
            entry.help = help.into();
        }
        if new {
            self.publish(&tables, name);
            // The name may be among those that were called before they were defined.
            self.passing.pin().remove(name);
            self.generation.send_modify(|generation| *generation += 1);
        }
    }

    pub(crate) fn add_hook(&self, hook: &Arc<Hook>) {
        let mut tables = self.lock();
        let (touched, defined) = tables.add_hook(hook);
        self.changed(&tables, &touched, defined);
    }

    pub(crate) fn add_tap(&self, tap: &Arc<Tap>, source: Source) {
        let mut tables = self.lock();
        let (touched, defined) = tables.add_tap(tap, source);
        self.changed(&tables, &touched, defined);
    }

    /// Takes a hook out. Events in its mailbox are still handled. Returns whether it was there.
    pub fn unhook(&self, id: HookId) -> bool {
        let mut tables = self.lock();
        let Some((hook, touched)) = tables.remove_hook(id) else { return false };
        self.changed(&tables, &touched, false);
        drop(tables);
        hook.mailbox.close();
        true
    }

    pub(crate) fn remove_tap(&self, id: u64) {
        let mut tables = self.lock();
        let touched = tables.remove_tap(id);
        self.changed(&tables, &touched, false);
    }

    /// Sends the events of `network` to `route` from now on. Requests cannot go there: see
    /// [`Hive::request`](crate::Hive::request).
    pub fn add_route(&self, network: &str, route: Arc<dyn Route>) {
        self.add_way(network, Way { route, asker: None });
    }

    /// Sends the events and the requests of `network` to a connector from now on.
    pub(crate) fn add_connector(&self, network: &str, connector: &Connector) {
        self.add_way(network, Way { route: connector.route(), asker: Some(connector.asker()) });
    }

    fn add_way(&self, network: &str, way: Way) {
        let mut tables = self.lock();
        tables.routes.insert(network.into(), way);
        self.all_changed(&tables);
    }

    /// Replaces all routes.
    pub fn set_routes(&self, routes: impl IntoIterator<Item = (Arc<str>, Arc<dyn Route>)>) {
        let mut tables = self.lock();
        tables.routes = routes.into_iter().map(|(network, route)| (network, Way { route, asker: None })).collect();
        self.all_changed(&tables);
    }

    /// Ends the route of `network`. Returns whether there was one.
    pub fn remove_route(&self, network: &str) -> bool {
        let mut tables = self.lock();
        let removed = tables.routes.remove(network).is_some();
        self.all_changed(&tables);
        removed
    }

    /// All defined events, sorted by code point.
    #[must_use]
    pub fn names(&self) -> Vec<EventName> {
        self.lock().events.keys().cloned().collect()
    }

    /// A number that grows whenever an event is defined, by hand or by hooking it. Read [`names`](Self::names) again
    /// after each change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Closes every hook and stream: events that wait are still handled, new ones are not taken.
    pub(crate) fn close(&self) {
        let (hooks, taps) = {
            let tables = self.lock();
            (tables.hooks.clone(), tables.taps.clone())
        };
        hooks.iter().for_each(|hook| hook.mailbox.close());
        taps.iter().for_each(|tap| tap.mailbox.close());
    }

    /// Marks a hook as running.
    pub(crate) fn running(&self, hook: Arc<Hook>) -> Running {
        Running::new(hook, self.live.clone())
    }

    /// Waits until no hook runs. Close them first.
    pub(crate) async fn drained(&self) {
        // The sender is ours, so it is there.
        let _ = self.live.subscribe().wait_for(|count| *count == 0).await;
    }

    fn changed(&self, tables: &Tables, touched: &[EventName], defined: bool) {
        for name in touched {
            self.publish(tables, name);
        }
        self.passing.pin().clear();
        if defined {
            self.generation.send_modify(|generation| *generation += 1);
        }
    }

    fn all_changed(&self, tables: &Tables) {
        for name in tables.events.keys() {
            self.publish(tables, name);
        }
        self.passing.pin().clear();
    }

    fn publish(&self, tables: &Tables, name: &EventName) {
        if let Some(resolved) = tables.resolve_defined(name, &self.separator) {
            self.defined.pin().insert(name.clone(), Arc::new(resolved));
        }
    }

    /// Looks at what `name` means now, without taking hold of it. Nothing in `look` may wait.
    pub(crate) fn with<T>(
        &self,
        name: &str,
        look: impl FnOnce(&Arc<Resolved>) -> T,
    ) -> Result<T, eventhive_transport::NameError> {
        let defined = self.defined.pin();
        match defined.get(name) {
            Some(resolved) => Ok(look(resolved)),
            None => self.resolve(name).map(|resolved| look(&resolved)),
        }
    }

    /// What `name` means now. Names that nothing knows are resolved too, and say so.
    pub(crate) fn resolve(&self, name: &str) -> Result<Arc<Resolved>, eventhive_transport::NameError> {
        if let Some(resolved) = self.defined.pin().get(name) {
            return Ok(resolved.clone());
        }
        if let Some(resolved) = self.passing.pin().get(name) {
            return Ok(resolved.clone());
        }
        self.resolve_passing(EventName::new(name)?)
    }

    #[cold]
    fn resolve_passing(&self, name: EventName) -> Result<Arc<Resolved>, eventhive_transport::NameError> {
        // Under the lock, so that a change cannot come in between and leave what was true before it in the map.
        let tables = self.lock();
        if let Some(resolved) = self.defined.pin().get(&name) {
            return Ok(resolved.clone());
        }
        let resolved = Arc::new(tables.resolve_passing(&name, &self.separator));
        let passing = self.passing.pin();
        if passing.len() >= MAX_PASSING {
            passing.clear();
        }
        passing.insert(name, resolved.clone());
        Ok(resolved)
    }

    fn unknown(&self, name: &EventName) -> CallError {
        let tables = self.lock();
        let known = tables.events.keys().map(EventName::as_str);
        let nearest = eventhive_transport::settings::nearest(name.as_str(), known).map(ToOwned::to_owned);
        CallError::Unknown { name: name.clone(), nearest }
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("events", &self.defined.len()).finish_non_exhaustive()
    }
}
