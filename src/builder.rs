//! How a hive is put together.

use std::sync::Arc;

use crate::declared;
use crate::handler::States;
use crate::registry::{Registry, SetupError};
use crate::runtime::threads::Threads;
use crate::{DeclaredHook, Hive};

/// A hive in the making.
#[must_use = "a builder does nothing until it builds"]
pub struct HiveBuilder {
    states: States,
    separator: Box<str>,
    threads: Option<usize>,
    all_declared: bool,
    declared: Vec<&'static DeclaredHook>,
}

impl HiveBuilder {
    pub(crate) fn new() -> Self {
        Self {
            states: States::default(),
            separator: "/".into(),
            threads: None,
            all_declared: true,
            declared: Vec::new(),
        }
    }

    /// A state that handlers take as [`State<T>`](crate::State), one of each type.
    pub fn state<T: Send + Sync + 'static>(self, state: T) -> Self {
        self.shared_state(Arc::new(state))
    }

    /// A state that the program keeps a hold on.
    pub fn shared_state<T: Send + Sync + 'static>(mut self, state: Arc<T>) -> Self {
        self.states.insert(state);
        self
    }

    /// What stands between the segments of names; `/` by default (`eventhive.channel_separator`).
    pub fn separator(mut self, separator: &str) -> Self {
        self.separator = separator.into();
        self
    }

    /// Runs hooks on this many threads of the hive's own, also inside an actix system.
    pub fn threads(mut self, count: usize) -> Self {
        self.threads = Some(count);
        self
    }

    /// Whether to hook everything that is declared with `#[eventhive::hook]` in this program. True by default. A crate
    /// that holds nothing but declared hooks is only linked if the program names it: `use plugin as _;`.
    pub fn declared_hooks(mut self, all: bool) -> Self {
        self.all_declared = all;
        self
    }

    /// Hooks these declared functions, given as `hooks![..]`. One that is found by itself too is hooked once.
    pub fn hooks(mut self, hooks: impl IntoIterator<Item = &'static DeclaredHook>) -> Self {
        self.declared.extend(hooks);
        self
    }

    /// Starts the hive, without any network.
    ///
    /// # Errors
    /// [`SetupError`] if a declared hook cannot be, or threads cannot be started.
    pub fn build(self) -> Result<Hive, SetupError> {
        let threads = Threads::start(self.threads)?;
        let hive = Hive::assemble(Registry::new(&self.separator), threads, self.states);
        let mut hooks = self.declared;
        if self.all_declared {
            hooks.extend(declared::all());
        }
        declared::register(&hive, hooks)?;
        Ok(hive)
    }
}
