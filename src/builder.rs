//! How a hive is put together.

use std::path::Path;
use std::sync::Arc;

use eventhive_listener::DoorTransport;
use eventhive_transport::Transport;

use crate::config::{Config, ConfigError, Kind, Kinds, Sources};
use crate::declared;
use crate::handler::States;
use crate::registry::{Registry, SetupError};
use crate::runtime::threads::Threads;
use crate::server::{self, Findings};
use crate::start::Blueprint;
use crate::{DeclaredHook, Hive};

/// A hive in the making.
#[must_use = "a builder does nothing until it builds"]
pub struct HiveBuilder {
    states: States,
    separator: Box<str>,
    threads: Option<usize>,
    all_declared: bool,
    declared: Vec<&'static DeclaredHook>,
    blueprint: Blueprint,
}

/// Why a hive could not be made from a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A hook or the hive's threads could not be made.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

impl HiveBuilder {
    pub(crate) fn new() -> Self {
        Self {
            states: States::default(),
            separator: "/".into(),
            threads: None,
            all_declared: true,
            declared: Vec::new(),
            blueprint: Blueprint::compiled_in(),
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

    /// The servers and connectors that [`Hive::start`] starts, and the separator of names.
    pub fn config(mut self, config: Config) -> Self {
        self.separator = config.hive.channel_separator.as_str().into();
        self.blueprint.config = Some(config);
        self
    }

    /// A transport beside those that are built in; one of the same kind takes the place of a built-in one.
    pub fn transport(mut self, transport: impl Transport + 'static) -> Self {
        self.blueprint.transports.insert(0, Arc::new(transport));
        self
    }

    /// A kind of door beside those that are built in; one of the same kind takes the place of a built-in one.
    pub fn door(mut self, door: impl DoorTransport + 'static) -> Self {
        self.blueprint.doors.insert(0, Arc::new(door));
        self
    }

    /// The transports and doors that a configuration for this hive may name.
    #[must_use]
    pub fn kinds(&self) -> Kinds {
        let Blueprint { transports, doors, .. } = &self.blueprint;
        let door_keys = |kind| doors.iter().find(|door| door.kind() == kind).map(|door| door.keys());
        let of_transports = transports.iter().rev().map(|transport| Kind {
            name: transport.kind(),
            aliases: transport.aliases(),
            connector: Some(transport.keys()),
            door: door_keys(transport.kind()),
        });
        let only_doors = doors.iter().rev().filter(|door| transports.iter().all(|one| one.kind() != door.kind()));
        let of_doors = only_doors.map(|door| Kind {
            name: door.kind(),
            aliases: door.aliases(),
            connector: None,
            door: Some(door.keys()),
        });
        of_transports.chain(of_doors).fold(Kinds::none(), Kinds::with)
    }

    /// What a configuration has that only transports can see, such as a certificate that cannot be read. Nothing is
    /// started.
    #[must_use]
    pub fn check(&self, config: &Config) -> Findings {
        let mut findings = Findings::default();
        for connector in &config.connectors {
            if let Some(transport) = self.find_transport(connector.pubsub_type) {
                findings.problems.extend(transport.check(&connector.init));
            }
        }
        for server in &config.servers {
            let found = server::check(server, &self.blueprint.doors);
            findings.problems.extend(found.problems);
            findings.warnings.extend(found.warnings);
        }
        findings
    }

    /// The transport of this kind: of those given, or of the built-in ones.
    #[must_use]
    pub fn find_transport(&self, kind: &str) -> Option<Arc<dyn Transport>> {
        self.blueprint.transports.iter().find(|transport| transport.kind() == kind).map(Arc::clone)
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

    /// Makes the hive. Its hooks run; its networks wait for [`Hive::start`].
    ///
    /// # Errors
    /// [`SetupError`] if a declared hook cannot be, or threads cannot be started.
    pub fn build(self) -> Result<Hive, SetupError> {
        let threads = Threads::start(self.threads)?;
        let hive = Hive::assemble(Registry::new(&self.separator), threads, self.states, self.blueprint);
        let mut hooks = self.declared;
        if self.all_declared {
            hooks.extend(declared::all());
        }
        declared::register(&hive, hooks)?;
        Ok(hive)
    }
}

impl Hive {
    /// A hive with the configuration that the environment names: the file in `EVENTHIVE_CONFIG`, or `eventhive.yaml` in
    /// the working directory if there is one, and `EVENTHIVE_SECRET`.
    ///
    /// # Errors
    /// [`BuildError::Config`] with every problem in the configuration.
    pub fn from_env() -> Result<Self, BuildError> {
        Self::from_sources(|sources| {
            sources.read_environment();
        })
    }

    /// A hive with the configuration of a file.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, BuildError> {
        Self::from_sources(|sources| {
            sources.read_file(path);
        })
    }

    /// A hive with the configuration in a text.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    pub fn from_yaml(text: &str) -> Result<Self, BuildError> {
        Self::from_sources(|sources| {
            sources.read_string(text);
        })
    }

    fn from_sources(read: impl FnOnce(&mut Sources)) -> Result<Self, BuildError> {
        let builder = Self::builder();
        let mut sources = Sources::new();
        read(&mut sources);
        let config = sources.resolve(&builder.kinds())?;
        Ok(builder.config(config).build()?)
    }
}
