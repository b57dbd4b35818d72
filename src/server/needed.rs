//! A server with `create: needed`: run while no other hive runs it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eventhive_listener::{DoorTransport, Reload};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::announced::described;
use super::open::Open;
use super::outcome::{Board, ServerOutcome};
use super::plan::plan;
use super::pulse::Pulse;
use crate::config::{DiscoverySettings, ServerConfig};
use crate::discovery::needed::{Follower, Member, Neighbourhood, Timing, watch};
use crate::discovery::{Found, Server, Sources};

/// How long clients have to take what is queued for them when the server hands over.
const DRAIN: Duration = Duration::from_secs(10);

/// The server, while this hive runs it.
type Slot = Arc<Mutex<Option<Open>>>;

fn take(slot: &Slot) -> Option<Open> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// The watch over a server. [`close`](Self::close) it; dropping it ends the watch, and the server if it runs here.
pub(super) struct Supervised {
    place: usize,
    stop: Option<oneshot::Sender<()>>,
    watch: JoinHandle<()>,
    open: Slot,
}

impl Supervised {
    /// Starts the watch, inside a tokio runtime. It tells by the board where the server stands.
    pub(super) fn start(
        place: usize,
        config: ServerConfig,
        discovery: &DiscoverySettings,
        kinds: Vec<Arc<dyn DoorTransport>>,
        board: Board,
    ) -> Self {
        let sources = Sources::configured(discovery, config.secret.as_ref());
        let mut network = Neighbourhood::new(config.name.clone(), sources);
        if !config.broadcast {
            network = network.silent();
        }
        let open = Slot::default();
        let runner = Runner { place, config, kinds, board, open: Arc::clone(&open), pulse: Pulse::default() };
        let (stop, stopped) = oneshot::channel();
        let watch = tokio::spawn(async move {
            // A sender that is gone is an order to stop too.
            watch(network, runner, Timing::default(), async move { _ = stopped.await }).await;
        });
        Self { place, stop: Some(stop), watch, open }
    }

    /// Waits until it is known whether the server is run here or elsewhere.
    pub(super) async fn settled(&self, board: &Board) {
        let mut states = board.watch();
        let is = |wanted: fn(&ServerOutcome) -> bool| {
            move |servers: &Vec<_>| servers.get(self.place).is_none_or(|it: &super::ServerStarted| wanted(&it.outcome))
        };
        // The board is there for as long as this is.
        let _ = states.wait_for(is(|outcome| *outcome != ServerOutcome::Pending)).await;
        // The port is taken, say, by a server of the name that another hive of this machine has only just started.
        let found = states.wait_for(is(|outcome| !matches!(outcome, ServerOutcome::Failed(_))));
        let _ = tokio::time::timeout(Timing::default().retry, found).await;
    }

    /// What reads files again.
    pub(super) fn reload(&self) -> Reload {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map(Open::reload).unwrap_or_default()
    }

    /// Withdraws the announcement and ends the watch, then closes the server if it runs here.
    pub(super) async fn close(mut self, within: Duration) {
        drop(self.stop.take());
        // Fails only if the task panicked; what it started is in the slot all the same.
        let _ = (&mut self.watch).await;
        if let Some(open) = take(&self.open) {
            open.close(within).await;
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

/// What the watch has done.
struct Runner {
    place: usize,
    config: ServerConfig,
    kinds: Vec<Arc<dyn DoorTransport>>,
    board: Board,
    open: Slot,
    pulse: Pulse,
}

impl Runner {
    async fn try_serve(&self) -> Result<Server, String> {
        let planned = plan(&self.config, &self.kinds).await?;
        let open = Open::start(vec![planned]).await?;
        let bound = open.bound().next().unwrap_or_default();
        let server = described(&self.config, &bound).ok_or("it listens on no address")?;
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(open);
        self.board.set(self.place, ServerOutcome::Listening(bound));
        Ok(server)
    }
}

impl Follower for Runner {
    async fn follow(&mut self, server: &Found) {
        self.board.set(self.place, ServerOutcome::Found { at: server.to_string() });
        self.pulse = Pulse::of(server);
    }

    async fn lost(&mut self) {
        self.pulse.lost().await;
    }

    fn reaches(&self) -> bool {
        self.pulse.is_felt()
    }
}

impl Member for Runner {
    type Error = String;

    async fn serve(&mut self) -> Result<Server, String> {
        let served = self.try_serve().await;
        if let Err(reason) = &served {
            self.board.set(self.place, ServerOutcome::Failed(reason.clone()));
        }
        served
    }

    async fn step_down(&mut self, to: &Found) {
        self.board.set(self.place, ServerOutcome::Found { at: to.to_string() });
        if let Some(open) = take(&self.open) {
            open.close(DRAIN).await;
        }
    }
}
