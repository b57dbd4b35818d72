//! The life of a door's broadcaster: opened when its store can be, run, and ended in good order.

use std::sync::Arc;
use std::time::Duration;

use eventhive_hub::{Draft, Hub};
use eventhive_transport::Backoff;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::sleep;

use super::{Common, Opened};
use crate::broadcaster::{Authority, BridgeSettings, Broadcaster, Deliver, Parts, SystemClock};
use crate::config::{Announce, Config};
use crate::delivery::{Delivered, Delivery, Disabled, GivenUp};
use crate::index::Target;
use crate::message::Message;
use crate::outgoing::Outgoing;
use crate::session::Sessions;
use crate::store;

/// The wait after a failure: between the first and twice that, doubled up to the second.
const AFTER_FAILURE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// The topic of an event that a url was disabled.
const DISABLED: &str = "webhooks/disabled";

/// How long publishers at other doors wait for slow urls, where that is configured: as long as they may be silent.
const LONGEST_BLOCK: Duration = Duration::from_secs(5);

/// How often authorizations are forgotten that have outlived their time.
const FORGET: Duration = Duration::from_secs(60);

/// Opens the broadcaster, and runs it until the door ends. Nothing is answered before but with 503.
pub(super) async fn run(common: Arc<Common>, hub: Hub) {
    let mut stopping = common.stopping.subscribe();
    let opened = tokio::select! {
        opened = open_at_last(&common.config, &hub) => Some(opened),
        _ = stopping.wait_for(|stopping| *stopping) => None,
    };
    if let Some((opened, delivery)) = opened {
        let broadcaster = Arc::clone(&opened.broadcaster);
        common.opened.store(Some(Arc::new(opened)));
        common.open.send_replace(true);
        if *stopping.borrow() {
            // Whoever drains may have looked before it was there.
            broadcaster.close();
        }
        tokio::select! {
            ((), ()) = async { tokio::join!(delivery.begin(), broadcaster.run()) } => {}
            () = forget(&broadcaster) => {}
        }
        delivery.drain().await;
        broadcaster.store().close().await;
    }
    common.ended.send_replace(true);
}

/// Tries until it works.
async fn open_at_last(config: &Config, hub: &Hub) -> (Opened, Delivery) {
    let mut backoff = Backoff::new(AFTER_FAILURE.0, AFTER_FAILURE.1);
    loop {
        match open(config, hub).await {
            Ok(opened) => return opened,
            Err(problem) if backoff.failures() == 0 => {
                tracing::error!(problem, "webhooks are answered with 503 until this is mended; it is tried again");
            }
            Err(problem) => tracing::debug!(problem, "still"),
        }
        sleep(backoff.next_wait()).await;
    }
}

async fn open(config: &Config, hub: &Hub) -> Result<(Opened, Delivery), String> {
    let secrecy = config.secrecy.clone();
    let schemes = tokio::task::spawn_blocking(move || secrecy.read()).await.map_err(|error| error.to_string())??;
    let store = store::open(&config.database, &store::Options::default()).await.map_err(|error| error.to_string())?;
    let authority = Arc::new(Authority::new(schemes, Arc::new(SystemClock), Arc::clone(&store)));
    let mut outgoing = config.outgoing.clone();
    outgoing.vouch = Arc::<Authority>::clone(&authority);
    let outgoing = Outgoing::new(outgoing).map_err(|error| error.to_string())?;
    let delivery = Delivery::new(Arc::clone(&store), outgoing, config.delivery.clone());
    announce(&delivery, hub, config.announce_disabled);
    let broadcaster = Broadcaster::new(Parts {
        authority,
        store,
        deliver: Arc::new(delivery.clone()),
        hub: Some(BridgeSettings {
            hub: hub.clone(),
            queue_bytes: config.hub_queue_bytes,
            overflow: config.hub_overflow,
            longest_block: LONGEST_BLOCK,
            max_message: config.hub_max_message,
        }),
        advertised: config.advertised.clone(),
        max_deliveries: config.max_deliveries,
    });
    let sessions = Sessions::new(Arc::clone(&broadcaster), config.sessions());
    Ok((Opened { broadcaster, sessions, delivery: Some(delivery.clone()) }, delivery))
}

/// Makes an event of each url that is disabled.
fn announce(delivery: &Delivery, hub: &Hub, whom: Announce) {
    if whom == Announce::Never {
        return;
    }
    let hub = hub.clone();
    delivery.on_disabled(move |Disabled { url, since, reason }| {
        let event = serde_json::json!({ "url": url, "since": since, "reason": reason }).to_string();
        let draft = Draft::json(DISABLED, event).private(whom == Announce::Private);
        if let Err(error) = hub.publish(draft) {
            tracing::warn!(reason = %error.reason, "that a url was disabled is no event");
        }
    });
}

impl Deliver for Delivery {
    fn deliver<'a>(&'a self, target: &'a Target, message: &'a Message) -> BoxFuture<'a, Delivered> {
        Self::deliver(self, target, message).boxed()
    }

    fn give_up(&self, target: &Target, message: &Message, why: GivenUp) {
        Self::give_up(self, target, message, why);
    }

    fn enable(&self, url: &str) {
        Self::enable(self, url);
    }
}

async fn forget(broadcaster: &Broadcaster) {
    loop {
        sleep(FORGET).await;
        let now = broadcaster.authority().now().as_secs();
        if let Err(error) = broadcaster.store().forget(now).await {
            tracing::debug!(%error, "old authorizations were not forgotten");
        }
    }
}
