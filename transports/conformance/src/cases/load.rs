//! Those who do not take what is sent to them.

use bytes::Bytes;
use eventhive_transport::{RefusedReason, Topic};

use crate::case::{Check, MEGABYTE, Stop, ensure};
use crate::client::Client;
use crate::collector::Collector;
use crate::context::Context;
use crate::proxy::Mode;

/// Of the size of a large event.
const PAYLOAD: usize = 16 * 1024;

fn length(context: &Context) -> usize {
    PAYLOAD.min(context.capabilities().max_payload.unwrap_or(PAYLOAD))
}

pub(super) async fn a_stalled_link_refuses_instead_of_growing(context: Context) -> Check {
    /// Far more than any send queue should hold by default.
    const MOST: usize = 256 * MEGABYTE;
    let (proxy, link) = context.proxied().await?;
    stall(&proxy).await?;
    let (topic, payload) = (context.topic("a"), Bytes::from(vec![b'x'; length(&context)]));
    let mut accepted = 0;
    while accepted < MOST {
        match link.try_publish(&topic, payload.clone()) {
            Ok(_receipt_not_wanted) => accepted += payload.len(),
            // Down, if the link found out first.
            Err(refused) => {
                let expected = matches!(refused.reason, RefusedReason::Full | RefusedReason::Down);
                ensure!(expected, "expected Full, got {:?}", refused.reason);
                ensure!(refused.payload == payload, "the refusal does not give the message back");
                return Ok(());
            }
        }
    }
    Err(Stop::Failed(format!("the link took {accepted} bytes that went nowhere")))
}

async fn stall(proxy: &crate::FaultProxy) -> Check {
    proxy.set(Mode::Stall).await.map_err(|error| Stop::Failed(format!("the fault proxy: {error}")))
}

/// Messages enough to fill what the system buffers for a stalled connection (some megabytes) and more.
const MESSAGES: usize = 16 * MEGABYTE / PAYLOAD;

/// Sends them all to a quick subscriber; its pace bounds the publisher's, as it does where the broker is fair. No two are
/// alike, as no two events are.
async fn flood(publisher: &Client, topic: &Topic, length: usize, quick: &mut Collector) -> Check {
    for round in 0..MESSAGES / 64 {
        let sent: Vec<_> = (0..64).map(|at| Bytes::from(format!("{:0length$}", round * 64 + at))).collect();
        publisher.publish_many(sent.iter().map(|payload| (topic.clone(), payload.clone())).collect()).await?;
        let mut got = Vec::new();
        for _ in &sent {
            let message = quick.next().await?;
            ensure!(message.topic == *topic, "a message on {topic} came on {}", message.topic);
            got.push(message.payload);
        }
        got.sort();
        ensure!(got == sent, "in round {round} the quick subscriber did not receive each message once");
    }
    Ok(())
}

pub(super) async fn a_slow_subscriber_delays_nobody_else(context: Context) -> Check {
    let ((proxy, slow), quick) = (context.proxied().await?, context.link().await?);
    let (publisher, topic) = (context.link().await?, context.topic("a"));
    // The slow one comes first, where a broker that serves one after the other would wait for it.
    let _never_read = slow.listen(&topic).await?;
    let mut received = quick.listen(&topic).await?;
    stall(&proxy).await?;
    flood(&publisher, &topic, length(&context), &mut received).await?;
    ensure!(quick.state_now().is_up(), "the quick subscriber is {}", quick.state_now());
    ensure!(publisher.state_now().is_up(), "the publisher is {}", publisher.state_now());
    Ok(())
}

pub(super) async fn a_slow_subscriber_costs_the_broker_bounded_memory(context: Context) -> Check {
    let broker = context.broker()?;
    broker.queued_bytes().ok_or(Stop::Lacks("queued_bytes of the broker"))?;
    let ((proxy, slow), quick) = (context.proxied().await?, context.link().await?);
    let (publisher, topic) = (context.link().await?, context.topic("a"));
    let _never_read = slow.listen(&topic).await?;
    let mut received = quick.listen(&topic).await?;
    stall(&proxy).await?;
    flood(&publisher, &topic, length(&context), &mut received).await?;
    let queued = broker.queued_bytes().unwrap_or_default();
    // Half of what was sent: a queue without a bound would hold all but what the system buffers.
    ensure!(queued < MESSAGES * PAYLOAD / 2, "the broker holds {queued} bytes for a subscriber that takes none");
    Ok(())
}
