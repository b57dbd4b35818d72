//! The link on the Python broadcaster.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use eventhive_conformance::{Broker, Fixture, Outcome};
use eventhive_transport::settings::Value;
use eventhive_transport::{Capabilities, Link, Transport};
use eventhive_webhook::Webhook;
use futures_util::future::BoxFuture;

use crate::lonely::Lonely;
use crate::settings::settings;

/// Large enough for the cases of 1 MiB.
const MESSAGE: i64 = 2 << 20;

struct Original {
    upgrade: &'static str,
    lonely: Lonely,
}

impl Original {
    fn settings(&self, address: SocketAddr) -> eventhive_transport::Settings {
        settings(address, self.upgrade, &[("max_message_bytes", Value::Integer(MESSAGE))])
    }
}

impl Fixture for Original {
    fn capabilities(&self) -> Capabilities {
        Webhook.capabilities_with(&self.settings(self.lonely.address))
    }

    fn link(&self) -> BoxFuture<'_, Arc<dyn Link>> {
        self.link_via(self.lonely.address)
    }

    fn broker(&self) -> Option<&dyn Broker> {
        Some(self)
    }

    fn excused(&self, case: &str) -> Option<&'static str> {
        const COPIES: &str = "it sends a websocket one copy for each pattern that anybody has";
        const HELD_UP: &str = "it delivers to one subscriber after the other, and waits for each";
        match (case, self.upgrade) {
            ("patterns_beside_a_name_each_receive_a_message_once", "websocket")
            | ("overlapping_filters_each_receive_a_message_once", "websocket") => Some(COPIES),
            ("a_slow_subscriber_delays_nobody_else", _) => Some(HELD_UP),
            _ => None,
        }
    }

    fn copies(&self) -> usize {
        2
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }
}

impl Broker for Original {
    fn address(&self) -> SocketAddr {
        self.lonely.address
    }

    fn link_via(&self, address: SocketAddr) -> BoxFuture<'_, Arc<dyn Link>> {
        Box::pin(async move { Webhook.connect(&self.settings(address)).unwrap() })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.lonely.stop() })
    }

    fn start(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.lonely.start_again() })
    }
}

async fn passes(upgrade: &'static str) {
    let begin = || async move { Original { upgrade, lonely: Lonely::start(None) } };
    let report = eventhive_conformance::run_all(begin).await;
    let failed: Vec<_> = report.failures().map(|case| (case.case, &case.outcome)).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(report.results.iter().any(|case| matches!(case.outcome, Outcome::Passed)), "{report:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_passes_over_http() {
    passes("never").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_passes_over_a_websocket() {
    passes("websocket").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_passes_with_both() {
    passes("auto").await;
}
