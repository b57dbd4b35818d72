//! Which store, and how its urls are called.

use std::path::Path;
use std::sync::Arc;

use eventhive::Config;
use eventhive_webhook::broadcaster::{Authority, SystemClock};
use eventhive_webhook::config::Config as Door;
use eventhive_webhook::outgoing::Outgoing;
use eventhive_webhook::store::{self, Options, Store, StoreError};

use crate::cli::config_args::ConfigArgs;
use crate::cli::exit::{Exit, Failure};

/// `--config`, `--server`, `--store`
#[derive(Debug, Clone, clap::Args)]
pub(super) struct PlaceArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// The server of the configuration, if several have webhooks
    #[arg(long, value_name = "NAME")]
    server: Option<String>,

    /// A store's address, such as sqlite:subscriptions.db, in place of that of the configuration. Without --config and
    /// --server no configuration is read: requests are not signed then
    #[arg(long, value_name = "ADDRESS")]
    store: Option<String>,
}

/// A store that is open, and the door whose it is.
pub(super) struct Place {
    pub(super) store: Arc<dyn Store>,
    door: Option<Door>,
}

impl PlaceArgs {
    /// Opens the store. One in a file that is not there is not made.
    pub(super) async fn open(&self) -> Result<Place, Failure> {
        let alone = self.store.is_some() && self.config.files.is_empty() && self.server.is_none();
        let door = if alone { None } else { Some(self.door(&self.config.load()?)?) };
        let address = self.store.as_deref().or(door.as_ref().map(|door| &*door.database)).unwrap_or_default();
        if let Some(path) = missing_file(address) {
            let message = format!("there is no store at `{path}`: is this the server's working directory?");
            return Err(Failure::new(Exit::Failed, message));
        }
        let store = store::open(address, &Options::default()).await.map_err(failure)?;
        Ok(Place { store, door })
    }

    /// The door with webhooks.
    fn door(&self, config: &Config) -> Result<Door, Failure> {
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

    /// Closes the store, and hands a result on.
    pub(super) async fn close<T>(self, result: Result<T, Failure>) -> Result<T, Failure> {
        self.store.close().await;
        result
    }
}

/// Opening would make it.
fn missing_file(address: &str) -> Option<&str> {
    let path = address.trim().strip_prefix("sqlite:")?;
    (path != ":memory:" && !path.is_empty() && !Path::new(path).exists()).then_some(path)
}

/// Why a store does not answer.
pub(super) fn failure(error: StoreError) -> Failure {
    let exit = match &error {
        StoreError::Unavailable { .. } => Exit::Unreachable,
        StoreError::Address { .. } => Exit::Usage,
        _ => Exit::Failed,
    };
    Failure::new(exit, error.to_string())
}
