//! Hooking with options.

use std::sync::{Arc, Weak};

use eventhive_transport::{NameError, Overflow};

use crate::Hive;
use crate::handler::{Handler, Setup};
use crate::registry::hook::{Hook, Options};
use crate::registry::mailbox::{Bounds, Mailbox};
use crate::registry::stats::Counters;
use crate::registry::stream::Tap;
use crate::registry::{EventStream, HookId, HookStats, Pattern, Registry, SetupError, Source};

/// A hook or stream in the making. From [`Hive::on`].
#[must_use = "nothing is hooked until `hook` or `stream` is called"]
pub struct HookBuilder<'a> {
    hive: &'a Hive,
    patterns: Result<Vec<Pattern>, NameError>,
    options: Options,
}

impl<'a> HookBuilder<'a> {
    pub(crate) fn new(hive: &'a Hive, patterns: Result<Vec<Pattern>, NameError>, source: Source) -> Self {
        let options = Options {
            name: "".into(),
            module: "".into(),
            patterns: Vec::new(),
            after: Vec::new(),
            order: 0,
            bounds: Bounds::DEFAULT,
            overflow: Overflow::default(),
            concurrency: 1,
            inline: false,
            source,
        };
        Self { hive, patterns, options }
    }

    /// The hook's name, for outcomes, listings and the log. By default the function's; a closure has its file and line.
    pub fn named(mut self, name: &str) -> Self {
        self.options.name = name.into();
        self
    }

    /// The module that the hook belongs to, for [`after`](Self::after). By default the module
    /// that the function or closure stands in.
    pub fn in_module(mut self, module: &str) -> Self {
        self.options.module = module.into();
        self
    }

    /// Runs behind the hooks of `module` on the same event: the path of a Rust module, the last parts of one, or the
    /// name of a hook. As long as there is none of them, this hook does not run and its outcome says so. May be called
    /// several times.
    pub fn after(mut self, module: &str) -> Self {
        self.options.after.push(module.into());
        self
    }

    /// Hooks of a smaller order run earlier; those of the same order, 0 by default, run as they were hooked.
    pub fn order(mut self, order: i32) -> Self {
        self.options.order = order;
        self
    }

    /// The most events that wait; 1,024 by default.
    pub fn mailbox(mut self, events: usize) -> Self {
        self.options.bounds.messages = events;
        self
    }

    /// The most bytes of payload that wait; 16 MiB by default. One event always fits.
    pub fn mailbox_bytes(mut self, bytes: usize) -> Self {
        self.options.bounds.bytes = bytes;
        self
    }

    /// What a full mailbox does with one more event.
    ///
    /// | policy | `call`, `send` | `emit` and events from networks |
    /// |---|---|---|
    /// | `block` (default for hooks) | wait for room | the event is refused |
    /// | `drop_newest` | the event is refused | the event is refused |
    /// | `drop_oldest` (default for streams) | the oldest event goes | the oldest event goes |
    /// | `disconnect` | for streams only: the stream ends | the same |
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.options.overflow = overflow;
        self
    }

    /// How many events the hook handles at a time. 1, the default, keeps their order.
    pub fn concurrency(mut self, events: usize) -> Self {
        self.options.concurrency = events;
        self
    }

    /// Runs a handler that is not `async` where `async` handlers run. It saves the way to another thread, some
    /// microseconds, and is right for handlers that never block: as long as one runs, no other hook of that thread
    /// does.
    pub fn inline(mut self) -> Self {
        self.options.inline = true;
        self
    }

    /// Hooks `handler`.
    ///
    /// # Errors
    /// [`SetupError`]: a pattern that is none, an option that makes no sense, a missing state.
    pub fn hook<M>(mut self, handler: impl Handler<M>) -> Result<HookHandle, SetupError> {
        self.identify(std::any::type_name_of_val(&handler));
        self.check()?;
        if self.options.overflow == Overflow::Disconnect {
            return Err(SetupError::Disconnect(self.options.name));
        }
        let parts = self.hive.parts();
        let setup = Setup { hook: &self.options.name, states: &parts.states };
        let prepared = handler.prepare(&setup)?;
        let hook = Arc::new(Hook {
            id: HookId(parts.registry.next_id()),
            asks_earlier: prepared.asks_earlier,
            mailbox: Mailbox::new(self.options.bounds, self.options.overflow),
            counters: Counters::default(),
            states: parts.states.clone(),
            hive: self.hive.downgrade(),
            options: self.options,
        });
        let running = parts.registry.running(hook.clone());
        parts.threads.pick().run(move || (prepared.start)(running))?;
        parts.registry.add_hook(&hook);
        Ok(HookHandle { registry: Arc::downgrade(&parts.registry), hook })
    }

    /// A stream of the events, from now on.
    ///
    /// # Errors
    /// [`SetupError`]: a pattern that is none, a bound of zero.
    pub fn stream(mut self) -> Result<EventStream, SetupError> {
        self.check()?;
        let registry = &self.hive.parts().registry;
        let mailbox = Mailbox::new(self.options.bounds, self.options.overflow);
        let tap = Arc::new(Tap::new(registry.next_id(), self.options.patterns, mailbox));
        registry.add_tap(&tap, self.options.source);
        Ok(EventStream::new(tap, Arc::downgrade(registry)))
    }

    /// Fills in what the user has not said, from the path of the handler's type.
    fn identify(&mut self, handler: &str) {
        let Source { file, line } = self.options.source;
        let (path, closure) = match handler.split_once("::{{closure}}") {
            Some((path, _)) => (path, true),
            None => (handler, false),
        };
        // A type with parameters, such as an actor's address, is no path of a function.
        let (module, function) = match path.rsplit_once("::") {
            Some(parts) if !handler.contains('<') => parts,
            _ => (file, ""),
        };
        if self.options.module.is_empty() {
            self.options.module = module.into();
        }
        if self.options.name.is_empty() {
            let named = !closure && !function.is_empty();
            self.options.name = if named { function.into() } else { format!("{file}:{line}").into() };
        }
    }

    fn check(&mut self) -> Result<(), SetupError> {
        let options = &mut self.options;
        options.patterns = std::mem::replace(&mut self.patterns, Ok(Vec::new()))?;
        if options.patterns.is_empty() {
            return Err(SetupError::NoPattern(options.name.clone()));
        }
        let bounds = [("mailbox", options.bounds.messages), ("concurrency", options.concurrency)];
        match bounds.iter().find(|(_, value)| *value == 0) {
            Some((option, _)) => Err(SetupError::Zero { hook: options.name.clone(), option }),
            None => Ok(()),
        }
    }
}

/// A hook that stands. Dropping the handle leaves it; [`HookHandle::guard`] binds it to a scope.
pub struct HookHandle {
    registry: Weak<Registry>,
    hook: Arc<Hook>,
}

impl HookHandle {
    /// Which hook.
    #[must_use]
    pub fn id(&self) -> HookId {
        self.hook.id
    }

    /// Its counters now.
    #[must_use]
    pub fn stats(&self) -> HookStats {
        self.hook.stats()
    }

    /// Takes the hook out. Events in its mailbox are still handled. Returns whether it was there.
    pub fn unhook(&self) -> bool {
        self.registry.upgrade().is_some_and(|registry| registry.unhook(self.hook.id))
    }

    /// Takes the hook out when the guard is dropped.
    pub fn guard(self) -> HookGuard {
        HookGuard(self)
    }
}

impl std::fmt::Debug for HookHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HookHandle").field("hook", self.hook.name()).finish_non_exhaustive()
    }
}

/// Takes its hook out when dropped.
#[derive(Debug)]
#[must_use = "dropping the guard takes the hook out"]
pub struct HookGuard(HookHandle);

impl std::ops::Deref for HookGuard {
    type Target = HookHandle;
    fn deref(&self) -> &HookHandle {
        &self.0
    }
}

impl Drop for HookGuard {
    fn drop(&mut self) {
        self.0.unhook();
    }
}
