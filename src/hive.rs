//! The hive: what a program holds to define, hook and call events.

use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use eventhive_transport::{EventName, Glob};
use serde_json::Value;

use crate::builder::HiveBuilder;
use crate::handler::{Handler, States};
use crate::hooking::{HookBuilder, HookHandle};
use crate::registry::call::Manner;
use crate::registry::{
    CallError, CallOptions, Emitted, EventInfo, EventStream, HookId, HookInfo, IntoPatterns, Outcomes, Registry,
    SetupError,
};
use crate::runtime::park;
use crate::runtime::threads::Threads;
use crate::start::{Blueprint, Networks};
use crate::{Event, Payload};

/// One process's events, hooks and networks. Cheap to clone; all clones are the same hive, from any thread.
///
/// Hooks run on the actix system that the hive was built in. Outside of one, in `#[tokio::main]` or in a plain
/// thread, the hive has background threads of its own. When the last clone is dropped, the hooks handle what waits in
/// their mailboxes and end; [`stop`](Self::stop) also waits for that.
///
/// A hook that calls events takes the hive as an argument. One that captures a clone keeps the hive alive for good.
#[derive(Clone)]
pub struct Hive(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) registry: Arc<Registry>,
    pub(crate) threads: Threads,
    pub(crate) states: Arc<States>,
    networks: Mutex<Networks>,
}

/// A hive that may be gone.
#[derive(Clone)]
pub(crate) struct WeakHive(Weak<Parts>);

impl WeakHive {
    pub(crate) fn upgrade(&self) -> Option<Hive> {
        self.0.upgrade().map(Hive)
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.registry.close();
        self.threads.retire(self.registry.clone());
    }
}

impl Hive {
    /// A hive with no network: the hooks declared with `#[eventhive::hook]`, and what the program adds.
    ///
    /// # Errors
    /// [`SetupError`] if a declared hook cannot be, or threads cannot be started.
    pub fn local() -> Result<Self, SetupError> {
        Self::builder().build()
    }

    /// A hive with states and options of its own.
    pub fn builder() -> HiveBuilder {
        HiveBuilder::new()
    }

    pub(crate) fn assemble(registry: Registry, threads: Threads, states: States, blueprint: Blueprint) -> Self {
        let networks = Mutex::new(Networks::new(blueprint));
        Self(Arc::new(Parts { registry: Arc::new(registry), threads, states: Arc::new(states), networks }))
    }

    /// Where the networks stand. The lock covers a look or a swap, never a wait.
    pub(crate) fn networks(&self) -> MutexGuard<'_, Networks> {
        self.0.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The runtime that connectors and servers run on.
    pub(crate) fn runtime(&self) -> &tokio::runtime::Handle {
        &self.0.threads.first().runtime
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.0
    }

    pub(crate) fn downgrade(&self) -> WeakHive {
        WeakHive(Arc::downgrade(&self.0))
    }

    /// The table of events and hooks.
    #[must_use]
    pub fn registry(&self) -> &Arc<Registry> {
        &self.0.registry
    }

    /// Defines an event with a help text. An event that is defined already keeps its hooks, and its help if `help` is
    /// empty. Hooking a name defines it too.
    ///
    /// # Errors
    /// [`SetupError::Name`] for a text that is no event name.
    #[track_caller]
    pub fn define(&self, name: &str, help: &str) -> Result<(), SetupError> {
        let source = Location::caller().into();
        self.0.registry.define(&EventName::new(name)?, help, source);
        Ok(())
    }

    /// Hooks `handler` to a name or a glob, or several. A name is defined if it was not; a glob also matches events
    /// that are defined later. The handler runs once for an event, however many of the patterns match.
    ///
    /// What the mailbox holds, how many events are handled at a time and more is said with [`on`](Self::on).
    /// [`handler`](crate::handler) says what can be hooked.
    ///
    /// # Errors
    /// [`SetupError`]: a pattern that is none, a missing state.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use eventhive::{Hive, Json};
    /// use serde_json::json;
    ///
    /// let hive = Hive::local()?;
    /// hive.hook("worker/add", async |Json((a, b)): Json<(i64, i64)>| a + b)?;
    /// let outcomes = hive.call("worker/add", json!([2, 3])).await?;
    /// assert_eq!(outcomes.value(), Some(&json!(5)));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn hook<M>(&self, patterns: impl IntoPatterns, handler: impl Handler<M>) -> Result<HookHandle, SetupError> {
        self.on(patterns).hook(handler)
    }

    /// Begins a hook or stream with options.
    ///
    /// ```
    /// # fn main() -> Result<(), eventhive::SetupError> {
    /// use eventhive::{Event, Hive, Overflow};
    ///
    /// let hive = Hive::local()?;
    /// hive.on("worker/*")
    ///     .named("audit")
    ///     .mailbox(64)
    ///     .overflow(Overflow::DropOldest)
    ///     .hook(async |event: Event| println!("{}", event.name()))?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn on(&self, patterns: impl IntoPatterns) -> HookBuilder<'_> {
        HookBuilder::new(self, patterns.into_patterns(), Location::caller().into())
    }

    /// Takes a hook out. Events in its mailbox are still handled. Returns whether it was there.
    pub fn unhook(&self, id: HookId) -> bool {
        self.0.registry.unhook(id)
    }

    /// All defined events with help, source and hooks, sorted by code point.
    #[must_use]
    pub fn events(&self) -> Vec<EventInfo> {
        self.0.registry.events()
    }

    /// All hooks, in the order in which they were hooked.
    #[must_use]
    pub fn hooks(&self) -> Vec<HookInfo> {
        self.0.registry.hooks()
    }

    /// Calls an event and waits for the outcome of each of its hooks.
    ///
    /// The hooks run one after another in their order; an error or panic of one does not stop the next (other than in
    /// Python; see [`CallOptions::stop_on_error`]). A name of a network (`network/channel/event`) is also published
    /// there; its remote hooks are not waited for. A hook that calls an event whose hook is itself waits for ever.
    ///
    /// An event counts as known if it was defined or hooked, if a glob hook or stream matches it, or if its first
    /// segment is a network. An event without hooks has no outcomes, and that is no error.
    ///
    /// # Errors
    /// [`CallError`] if no hook could be asked: above all, [`CallError::Unknown`] with the nearest known name.
    pub async fn call(&self, name: &str, payload: impl Into<Payload>) -> Result<Outcomes, CallError> {
        self.call_with(CallOptions::new(), name, payload).await
    }

    /// As [`call`](Self::call), with options.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_with(
        &self,
        options: CallOptions,
        name: &str,
        payload: impl Into<Payload>,
    ) -> Result<Outcomes, CallError> {
        self.0.registry.call(name, payload.into(), self.manner(options)).await
    }

    /// Calls every defined event that matches `glob`, in the order of their code points, as the original does.
    ///
    /// # Errors
    /// As [`call`](Self::call). A glob that matches no event calls none, and that is no error.
    pub async fn call_matching(&self, glob: &str, payload: impl Into<Payload>) -> Result<Vec<Outcomes>, CallError> {
        let payload = payload.into();
        let mut all = Vec::new();
        for name in self.0.registry.matching(&Glob::new(glob)?) {
            let copy = payload.share();
            all.push(self.0.registry.call(name.as_str(), copy, self.manner(CallOptions::new())).await?);
        }
        Ok(all)
    }

    /// Calls an event as a waterfall: each hook gets what the one before it returned as its payload, the first gets
    /// `payload`. The last value is the result; without hooks it is `payload`.
    ///
    /// # Errors
    /// [`CallError::Waterfall`] with the hook that did not succeed; otherwise as [`call`](Self::call).
    pub async fn waterfall(&self, name: &str, payload: impl Into<Payload>) -> Result<Value, CallError> {
        self.0.registry.waterfall(name, payload.into(), self.manner(CallOptions::new())).await
    }

    /// As [`call`](Self::call), from a plain thread.
    ///
    /// # Errors
    /// [`CallError::WouldBlock`] on a thread that runs hooks; otherwise as [`call`](Self::call).
    pub fn call_blocking(&self, name: &str, payload: impl Into<Payload>) -> Result<Outcomes, CallError> {
        if self.0.threads.runs_here() {
            return Err(CallError::WouldBlock);
        }
        park::block_on(self.call(name, payload))
    }

    /// Fires an event and forgets it: it goes into the mailbox of each hook, which handles it in its own time, and to
    /// its network. Never waits; may be used anywhere, also in hooks.
    ///
    /// A hook whose mailbox is full does as its overflow policy says; `block` cannot wait here and refuses the event.
    /// Every drop is counted at the hook. [`send`](Self::send) waits.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn emit(&self, name: &str, payload: impl Into<Payload>) -> Result<Emitted, CallError> {
        self.0.registry.emit(name, payload.into())
    }

    /// As [`emit`](Self::emit), waiting for room in the mailbox of each hook with the policy `block`: back-pressure
    /// without waiting for outcomes.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn send(&self, name: &str, payload: impl Into<Payload>) -> Result<Emitted, CallError> {
        self.0.registry.send(name, payload.into()).await
    }

    /// Gives an event that came in from a network to the hooks of exactly its name and waits for their outcomes. It is
    /// not published again.
    ///
    /// # Errors
    /// [`CallError::Unknown`] if nothing here knows the event.
    pub async fn fire_and_wait(&self, event: Event, options: CallOptions) -> Result<Outcomes, CallError> {
        self.0.registry.fire_and_wait(event, self.manner(options)).await
    }

    /// The events that match, from now on, as a stream. At most 1,024 wait; then the oldest are dropped and counted.
    /// Other bounds and policies are said with [`on`](Self::on).
    ///
    /// # Errors
    /// [`SetupError::Name`] for a pattern that is none.
    #[track_caller]
    pub fn stream(&self, patterns: impl IntoPatterns) -> Result<EventStream, SetupError> {
        self.on(patterns).overflow(eventhive_transport::Overflow::DropOldest).stream()
    }

    /// Closes all hooks and streams, waits until the hooks have handled what was in their mailboxes, at most
    /// `deadline` each time something is under way, and ends the hive's own threads. Events called from now on find
    /// their hooks closed. Returns whether everything was handled.
    pub async fn stop(&self, deadline: Duration) -> bool {
        self.stop_networks(deadline).await;
        self.0.registry.close();
        let drained = {
            let _runtime = self.0.threads.first().runtime.enter();
            tokio::time::timeout(deadline, self.0.registry.drained())
        };
        let drained = drained.await.is_ok();
        self.0.threads.stop();
        drained
    }

    fn manner(&self, options: CallOptions) -> Manner<'_> {
        Manner { options, runtime: &self.0.threads.first().runtime }
    }
}

impl std::fmt::Debug for Hive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Hive").field(&self.0.registry).finish()
    }
}
