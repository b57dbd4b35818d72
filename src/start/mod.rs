//! Starting and stopping what a configuration says: servers, then connectors.
//!
//! # Layout
//! - here: the verbs. `options`, `started`: what they take and give.
//! - `launch`: from the configuration to what runs. `stage`: what a hive has, from stage to stage.
//! - `status`: what a running hive tells of its networks. `signals`: what it is told by the system.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::Hive;

mod launch;
mod options;
mod signals;
mod stage;
mod started;
mod status;

pub use options::StartOptions;
pub(crate) use stage::{Blueprint, Networks};
pub use started::{ConnectorOutcome, ConnectorStarted, StartError, Started};

use stage::{Abandon, Stage, Starting};

/// How long what is under way has to end when a running hive is told to.
const GRACE: Duration = Duration::from_secs(10);

impl Hive {
    /// Starts the servers and connectors of the configuration. Returns when each connector is up or its first attempt
    /// has failed; what is not up keeps trying, and what is called for it waits in its outbox.
    ///
    /// # Errors
    /// [`StartError::NotIdle`] the second time.
    pub async fn start(&self) -> Result<Started, StartError> {
        self.start_with(StartOptions::new()).await
    }

    /// As [`start`](Self::start), with options.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub async fn start_with(&self, options: StartOptions) -> Result<Started, StartError> {
        let (ended_sender, ended) = oneshot::channel();
        let (keep, cancelled) = oneshot::channel();
        let blueprint = self.begin(&options.required, Starting { keep, ended })?;
        // Dropping this future ends what it has begun.
        let _abandoned = Abandon(self);
        let hive = self.clone();
        let launch = async move {
            let _ended = ended_sender;
            hive.launch(blueprint, options, cancelled).await
        };
        // The task fails only if the hive's threads are gone.
        self.runtime().spawn(launch).await.unwrap_or(Err(StartError::NotIdle))
    }

    /// Takes the blueprint, if the hive is idle and has the connectors that are required.
    fn begin(&self, required: &[String], starting: Starting) -> Result<Box<Blueprint>, StartError> {
        let mut networks = self.networks();
        let Stage::Idle(blueprint) = &networks.stage else { return Err(StartError::NotIdle) };
        let names = blueprint.unknown(required);
        if !names.is_empty() {
            return Err(StartError::Unknown { names });
        }
        match std::mem::replace(&mut networks.stage, Stage::Starting(starting)) {
            Stage::Idle(blueprint) => Ok(blueprint),
            // Seen to be idle under this lock.
            _ => Err(StartError::NotIdle),
        }
    }

    /// Launches, unless told to stop meanwhile. Then, and if a required connector is missing, nothing is left running.
    async fn launch(
        &self,
        blueprint: Box<Blueprint>,
        options: StartOptions,
        cancelled: oneshot::Receiver<Infallible>,
    ) -> Result<Started, StartError> {
        let registry = self.registry();
        let board = self.networks().board.clone();
        let names: Vec<String> = blueprint.connectors().iter().map(|connector| connector.name.clone()).collect();
        let launched = tokio::select! {
            launched = blueprint.launch(registry, &board, options.within) => Some(launched),
            _ = cancelled => None,
        };
        let Some((running, started)) = launched else {
            // What had been started ended with the launch; its routes did not.
            for name in &names {
                registry.remove_route(name);
            }
            board.stopped();
            return Err(StartError::NotIdle);
        };
        let missing = started.not_up(&options.required);
        let result = if missing.is_empty() { Ok(started) } else { Err(StartError::Required { connectors: missing }) };
        let left = match (&result, &mut self.networks().stage) {
            (Ok(_), stage @ Stage::Starting(_)) => {
                *stage = Stage::Running(Box::new(running));
                return result;
            }
            (Err(_), stage @ Stage::Starting(_)) => {
                *stage = Stage::Stopped;
                running
            }
            _ => running,
        };
        left.stop(registry, Duration::ZERO).await;
        result.and(Err(StartError::NotIdle))
    }

    /// Starts, runs until SIGINT (Ctrl-C) or SIGTERM, and stops; what is under way then has ten seconds to end. SIGHUP and
    /// SIGUSR2 read certificates and access lists again.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn run(&self) -> Result<(), StartError> {
        let hive = self.clone();
        // The hive's own runtime has the signal driver; the caller's may not.
        let mut told = self.runtime().spawn(async move { signals::until_told(&hive).await });
        tokio::select! {
            started = self.start() => started?.log(),
            _ = &mut told => {
                self.stop(GRACE).await;
                return Ok(());
            }
        }
        if let Ok(Err(error)) = told.await {
            tracing::error!("signals cannot be waited for: {error}");
        }
        self.stop(GRACE).await;
        Ok(())
    }

    /// Flushes and closes the connectors, then drains the servers.
    pub(crate) async fn stop_networks(&self, within: Duration) {
        let stage = std::mem::replace(&mut self.networks().stage, Stage::Stopped);
        match stage {
            Stage::Running(running) => {
                let registry = Arc::clone(self.registry());
                // The task fails only if the hive's threads are gone, and with them everything that it would stop.
                let _ = self.runtime().spawn(async move { running.stop(&registry, within).await }).await;
            }
            Stage::Starting(Starting { keep, ended }) => {
                drop(keep);
                // The sender is dropped with the launch, which is the answer.
                let _ = ended.await;
            }
            Stage::Idle(_) | Stage::Stopped => {}
        }
    }
}
