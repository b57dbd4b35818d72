//! What becomes of what waits when a link is closed.

use std::sync::Arc;
use std::time::Duration;

use eventhive_conformance::{FaultProxy, Fixture, Mode};
use eventhive_transport::settings::Value;
use eventhive_transport::{Filter, Incoming, Link, LinkError, Topic, Transport};
use eventhive_webhook::Webhook;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::door::Ours;
use crate::settings::settings;

const SOON: Duration = Duration::from_secs(20);

async fn up(link: &dyn Link) {
    let mut state = link.state();
    timeout(SOON, state.wait_for(|state| state.is_up())).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_message_whose_answer_does_not_come_is_not_sent_again_because_the_link_closes() {
    let ours = Ours::over_http().await;
    let address = ours.broker().unwrap().address();
    let (received, mut messages) = mpsc::unbounded_channel();
    let listener = ours.link().await;
    up(&*listener).await;
    let topic = Topic::from("closing");
    let sink = Arc::new(move |incoming: Incoming| _ = received.send(incoming.payload));
    let subscription = timeout(SOON, listener.subscribe(Filter::Exact(topic.clone()), sink)).await.unwrap().unwrap();

    let proxy = FaultProxy::start(address).await.unwrap();
    // It is not asked whether it is there: it would not be heard.
    let quick = [("close_timeout_secs", Value::Float(0.2)), ("ping_interval_secs", Value::Float(60.0))];
    let link = Webhook.connect(&settings(proxy.address(), "never", &quick)).unwrap();
    up(&*link).await;
    proxy.set(Mode::LoseFromBroker).await.unwrap();
    let receipt = link.publish(topic.clone(), "once".into()).unwrap();
    assert_eq!(timeout(SOON, messages.recv()).await.unwrap().unwrap(), "once");
    timeout(SOON, link.close()).await.unwrap();
    assert_eq!(timeout(SOON, receipt).await.unwrap(), Err(LinkError::Unconfirmed));

    drop(listener.publish(topic, "the next".into()).unwrap());
    assert_eq!(timeout(SOON, messages.recv()).await.unwrap().unwrap(), "the next");
    drop(subscription);
}
