//! The link of the hub's own process against the suite that defines a working transport.

use std::sync::Arc;

use eventhive_conformance::Fixture;
use eventhive_hub::{Hub, HubSettings, LocalLink};
use eventhive_transport::{Capabilities, Link};
use futures_util::future::{BoxFuture, FutureExt};

struct InProcess(Hub);

impl InProcess {
    async fn start() -> Self {
        Self(Hub::new(HubSettings::default()))
    }
}

impl Fixture for InProcess {
    fn capabilities(&self) -> Capabilities {
        LocalLink::CAPABILITIES
    }

    fn wire(&self) -> Option<&'static str> {
        Some("hub in the process")
    }

    fn link(&self) -> BoxFuture<'_, Arc<dyn Link>> {
        async { Arc::new(LocalLink::new(self.0.clone()).unwrap()) as Arc<dyn Link> }.boxed()
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        self.0.close().boxed()
    }
}

eventhive_conformance::conformance!(InProcess::start);
