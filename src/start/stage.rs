//! The stages of a hive's networks.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eventhive_listener::DoorTransport;
use eventhive_transport::Transport;
use futures_util::future::join_all;
use tokio::sync::oneshot;

use crate::config::Config;
use crate::connector::Connector;
use crate::registry::{Registry, Route, RouteError, Sent};
use crate::server::{Board, Servers};
use crate::{Event, Hive};

/// The networks of a hive.
pub(crate) struct Networks {
    pub(super) stage: Stage,
    /// Where its servers stand, from the start on.
    pub(super) board: Board,
}

impl Networks {
    pub(crate) fn new(blueprint: Blueprint) -> Self {
        Self { stage: Stage::Idle(Box::new(blueprint)), board: Board::default() }
    }
}

/// The configuration and the transports that a hive was built with, until it starts; then what runs.
pub(super) enum Stage {
    Idle(Box<Blueprint>),
    Starting(Starting),
    Running(Box<Running>),
    Stopped,
}

/// A start that is under way.
pub(super) struct Starting {
    /// Dropped, it tells the launch to end.
    pub(super) keep: oneshot::Sender<Infallible>,
    /// Resolves when the launch has ended.
    pub(super) ended: oneshot::Receiver<()>,
}

/// Ends a start whose caller has gone.
pub(super) struct Abandon<'a>(pub(super) &'a Hive);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        let mut networks = self.0.networks();
        if matches!(networks.stage, Stage::Starting(_)) {
            networks.stage = Stage::Stopped;
        }
    }
}

/// What a hive will start.
#[derive(Default)]
pub(crate) struct Blueprint {
    pub(crate) config: Option<Config>,
    pub(crate) transports: Vec<Arc<dyn Transport>>,
    pub(crate) doors: Vec<Arc<dyn DoorTransport>>,
}

/// What a hive has started.
#[derive(Default)]
pub(super) struct Running {
    pub(super) servers: Servers,
    pub(super) connectors: Vec<Connector>,
    /// Networks whose connector could not be made.
    pub(super) not_started: Vec<String>,
}

/// The route to a network whose connector could not be made.
pub(super) struct NotStarted {
    pub(super) network: String,
    pub(super) reason: String,
}

impl Route for NotStarted {
    fn publish(&self, _: &Event) -> Result<Sent, RouteError> {
        let reason = format!("its connector was not started: {}", self.reason);
        Err(RouteError { network: self.network.clone(), reason })
    }
}

impl Blueprint {
    /// The transports that this library was built with.
    pub(crate) fn compiled_in() -> Self {
        Self {
            config: None,
            transports: vec![
                #[cfg(feature = "websocket")]
                Arc::new(eventhive_websocket::WebSocket),
                #[cfg(feature = "http")]
                Arc::new(eventhive_http::Http),
                #[cfg(feature = "redis")]
                Arc::new(eventhive_redis::Redis),
                #[cfg(feature = "webhook")]
                Arc::new(eventhive_webhook::Webhook),
            ],
            doors: vec![
                #[cfg(feature = "websocket")]
                Arc::new(eventhive_websocket::WebSocket),
                #[cfg(feature = "http")]
                Arc::new(eventhive_http::Http),
                #[cfg(feature = "webhook")]
                Arc::new(eventhive_webhook::Webhook),
            ],
        }
    }
}

impl Running {
    /// Finishes answering, flushes and closes the connectors, then drains the servers.
    pub(super) async fn stop(self, registry: &Registry, within: Duration) {
        let begun = Instant::now();
        // Half: a hook that never ends must not cost what waits in the outbox its time.
        join_all(self.connectors.iter().map(|connector| connector.finish_answers(within / 2))).await;
        let left = within.saturating_sub(begun.elapsed());
        let close = self.connectors.into_iter().map(|connector| async move {
            let name = connector.name().to_owned();
            match connector.close(left).await {
                0 => {}
                left => tracing::warn!(connector = name, events = left, "stopped with events unsent in the outbox"),
            }
            registry.remove_route(&name);
        });
        join_all(close).await;
        for name in &self.not_started {
            registry.remove_route(name);
        }
        self.servers.stop(within).await;
    }
}
