//! Which store, and how its urls are called.

use std::path::Path;
use std::sync::Arc;

use eventhive::Config;
use eventhive::config::Kinds;
use eventhive_webhook::broadcaster::{Authority, SystemClock};
use eventhive_webhook::config::Config as Door;
use eventhive_webhook::outgoing::Outgoing;
use eventhive_webhook::store::{self, Options, Store, StoreError};

use crate::cli::config_args::ConfigArgs;
use crate::cli::exit::{Exit, Failure};
use crate::cli::verbs::serve::Serve;

/// `--config`, `--server`, `--store`
#[derive(Debug, Clone, clap::Args)]
pub(super) struct PlaceArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// The server of the configuration, if several have webhooks
    #[arg(long, value_name = "NAME")]
    server: Option<String>,

    /// A store's address, such as sqlite:subscriptions.db, in place of that of the configuration. Without --config and
    /// --server no configuration is read then: requests are not signed
    #[arg(long, value_name = "ADDRESS")]
    store: Option<String>,
}

/// A store that is open, and the door whose it is.
pub(super) struct Place {
    pub(super) store: Arc<dyn Store>,
    door: Option<Door>,
}

impl PlaceArgs {
    /// Opens the store to look into it: nothing in it is made, brought up to date or changed.
    pub(super) async fn look(&self) -> Result<Place, Failure> {
        self.open_with(Options::default().read_only()).await
    }

    /// Opens the store, and brings its tables up to date. One in a file that is not there is not made.
    pub(super) async fn open(&self) -> Result<Place, Failure> {
        self.open_with(Options::default()).await
    }

    async fn open_with(&self, options: Options) -> Result<Place, Failure> {
        let door = self.door()?;
        let address = self.store.as_deref().or(door.as_ref().map(|door| &*door.database)).unwrap_or_default();
        if let Some(path) = store::sqlite_file(address).filter(|path| !Path::new(path).exists()) {
            let message = format!(
                "there is no store at `{path}`, which `hive-cli serve` makes when it starts: is this its working directory?"
            );
            return Err(Failure::new(Exit::Failed, message));
        }
        let store = store::open(address, &options).await.map_err(failure)?;
        Ok(Place { store, door })
    }

    /// The door beside a store of its own, in memory: whatever is written there, is written down nowhere.
    pub(super) async fn aside(&self) -> Result<Place, Failure> {
        let door = self.door()?;
        let store = store::open("sqlite::memory:", &Options::default()).await.map_err(failure)?;
        Ok(Place { store, door })
    }

    /// The door of the configuration; without one, that of `hive-cli serve` without one. `None` beside a store.
    fn door(&self) -> Result<Option<Door>, Failure> {
        if self.store.is_some() && self.config.files.is_empty() && self.server.is_none() {
            return Ok(None);
        }
        let mut sources = self.config.sources();
        if sources.is_empty() {
            sources.read_named("hive-cli serve", &Serve::default().embedded());
        }
        self.door_of(&sources.resolve(&Kinds::compiled_in())?).map(Some)
    }

    fn door_of(&self, config: &Config) -> Result<Door, Failure> {
        let wrong = |message: String| Failure::new(Exit::Usage, message);
        let named = |name: &str| self.server.as_deref().is_none_or(|wanted| wanted == name);
        let doors: Vec<_> =
            config.servers.iter().flat_map(|server| server.doors.iter().map(|door| (&*server.name, door))).collect();
        let doors: Vec<_> = doors.into_iter().filter(|(_, door)| door.pubsub_type == "webhook").collect();
        let known = doors.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let mut fitting = doors.iter().filter(|(name, _)| named(name));
        match (fitting.next(), fitting.next(), &self.server) {
            (Some((_, door)), None, _) => Door::from_settings(&door.init)
                .map_err(|problems| wrong(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))),
            (Some(_), Some(_), None) => {
                Err(wrong(format!("several servers have webhooks: say --server with one of {known}")))
            }
            (Some(_), Some(_), Some(name)) => {
                Err(wrong(format!("`{name}` has several doors for webhooks: say --store with the address of one")))
            }
            (None, _, Some(name)) if !known.is_empty() => {
                Err(wrong(format!("no server `{name}` has webhooks: there are {known}")))
            }
            (None, ..) => Err(wrong("no server of the configuration has webhooks: say --store".to_owned())),
        }
    }
}

impl Place {
    /// What calls urls as the door does: with its secrets, and its guard.
    pub(super) fn outgoing(&self) -> Result<Outgoing, Failure> {
        let wrong = |message: String| Failure::new(Exit::Usage, message);
        let door = self.door.clone().unwrap_or_default();
        let schemes = door.secrecy.read().map_err(wrong)?;
        let authority = Authority::new(schemes, Arc::new(SystemClock), Arc::clone(&self.store));
        let mut settings = door.outgoing;
        settings.vouch = Arc::new(authority);
        Outgoing::new(settings).map_err(|error| wrong(error.to_string()))
    }

    /// Whether anything is known of a url: subscriptions, or how it does.
    pub(super) async fn knows(&self, url: &str) -> Result<bool, Failure> {
        let subscribed = !self.store.of_url(url, None, 1).await.map_err(failure)?.is_empty();
        Ok(subscribed || self.store.endpoint(url).await.map_err(failure)?.is_some())
    }

    /// Closes the store, and hands a result on.
    pub(super) async fn close<T>(self, result: Result<T, Failure>) -> Result<T, Failure> {
        self.store.close().await;
        result
    }
}

/// What is said of a url that nothing is known of.
pub(super) const UNKNOWN: &str = "no subscription has this url";

/// Why a store does not answer.
pub(super) fn failure(error: StoreError) -> Failure {
    let exit = match &error {
        StoreError::Unavailable { .. } => Exit::Unreachable,
        StoreError::Address { .. } => Exit::Usage,
        _ => Exit::Failed,
    };
    Failure::new(exit, error.to_string())
}
