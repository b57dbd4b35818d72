//! The link on the Python broadcaster.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventhive_conformance::{Broker, Fixture};
use eventhive_transport::settings::Value;
use eventhive_transport::{Capabilities, Link, Transport};
use eventhive_webhook::Webhook;
use futures_util::future::BoxFuture;

use crate::lonely::Lonely;
use crate::settings::settings;

/// Large enough for the cases of 1 MiB.
const MESSAGE: i64 = 2 << 20;

/// Those that no case has just now: to start one takes longer than most cases do. They end with this program.
static IDLE: Mutex<Vec<Arc<Lonely>>> = Mutex::new(Vec::new());

struct Original {
    upgrade: &'static str,
    lonely: Arc<Lonely>,
}

impl Original {
    async fn start(upgrade: &'static str) -> Self {
        let idle = IDLE.lock().unwrap().pop();
        Self { upgrade, lonely: idle.unwrap_or_else(|| Arc::new(Lonely::start(None))) }
    }

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
        match (case, self.upgrade) {
            ("patterns_beside_a_name_each_receive_a_message_once", "websocket")
            | ("overlapping_filters_each_receive_a_message_once", "websocket") => Some(COPIES),
            _ => None,
        }
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if self.lonely.is_running() {
                IDLE.lock().unwrap().push(Arc::clone(&self.lonely));
            }
        })
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

mod over_http {
    eventhive_conformance::conformance!(|| super::Original::start("never"));
}

mod over_a_websocket {
    eventhive_conformance::conformance!(|| super::Original::start("websocket"));
}

mod with_both {
    eventhive_conformance::conformance!(|| super::Original::start("auto"));
}
