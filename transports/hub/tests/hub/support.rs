//! What the tests share.

use std::future::Future;
use std::time::Duration;

use eventhive_hub::{Draft, Hub, HubSettings, Outbound, Outgoing, Session, SessionSettings};
use eventhive_transport::{Filter, Glob};
use futures_util::StreamExt;
use tokio::task::LocalSet;

/// Runs a test on a thread that can have a worker, and fails it when it hangs.
pub(crate) fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bounded = async { tokio::time::timeout(Duration::from_secs(30), test).await.expect("the test hangs") };
    LocalSet::new().block_on(&runtime, bounded)
}

pub(crate) fn hub() -> Hub {
    Hub::new(HubSettings::default())
}

/// A session with these filters, on this thread.
pub(crate) fn session(hub: &Hub, settings: SessionSettings, filters: &[Filter]) -> (Session, Outgoing) {
    let (session, outgoing) = hub.worker().open(settings);
    for filter in filters {
        session.subscribe(filter.clone()).unwrap();
    }
    (session, outgoing)
}

pub(crate) fn glob(text: &str) -> Filter {
    Filter::Glob(Glob::new(text).unwrap())
}

pub(crate) fn publish(hub: &Hub, topic: &str, payload: &str) -> u64 {
    hub.publish(Draft::json(topic, payload.to_owned())).unwrap().receivers
}

/// The payload of the next item, event or own frame; `None` at the end.
pub(crate) async fn next(outgoing: &mut Outgoing) -> Option<String> {
    Some(text(outgoing.next().await?))
}

/// The next `count` payloads.
pub(crate) async fn take(outgoing: &mut Outgoing, count: usize) -> Vec<String> {
    outgoing.take(count).map(text).collect().await
}

pub(crate) fn text(item: Outbound) -> String {
    let bytes = match item {
        Outbound::Event { message, .. } => message.payload().clone(),
        Outbound::Own(frame) => frame,
    };
    String::from_utf8(bytes.to_vec()).unwrap()
}
