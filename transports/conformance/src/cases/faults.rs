//! Brokers that go away, and networks that do worse. One broker, restarted; or the fault proxy in front of one.

use std::ops::Range;

use bytes::Bytes;
use eventhive_transport::{LinkState, RefusedReason, Topic};

use crate::case::{Check, Stop, ensure};
use crate::client::Client;
use crate::collector::Collector;
use crate::context::Context;
use crate::proxy::{FaultProxy, Mode};

pub(super) async fn a_broker_restart_in_the_middle_of_a_stream_is_survived(context: Context) -> Check {
    let (publisher, subscriber, broker) = (context.link().await?, context.link().await?, context.broker()?);
    let topic = context.topic("a");
    let mut received = subscriber.listen(&topic).await?;
    publisher.publish_numbers(&topic, 0..50).await?;
    received.expect_numbers(0..50).await?;

    // A stream that runs all through the restart: what is refused or lost is lost, what arrives must be in order.
    let restart = async {
        broker.stop().await;
        tokio::try_join!(publisher.until_not_up(), subscriber.until_not_up())?;
        broker.start().await;
        tokio::try_join!(publisher.until_up(), subscriber.until_up())
    };
    tokio::select! {
        restarted = context.within("the restart", restart) => restarted?.map(drop)?,
        failed = stream_for_ever(&publisher, &topic) => return failed,
    }

    // The marker is far above what the stream reached.
    let after = 1_000_000_000;
    publisher.publish_numbers(&topic, after..after + 50).await?;
    let through = received.numbers_until(after).await?;
    ensure!(through.windows(2).all(|pair| pair.first() < pair.last()), "out of order, or twice: {through:?}");
    ensure!(through.first().is_none_or(|first| *first >= 50), "came again after the restart: {through:?}");
    received.expect_numbers(after + 1..after + 50).await
}

/// Publishes numbers from 50 on, whatever the link says of them, until it is dropped.
async fn stream_for_ever(publisher: &Client, topic: &Topic) -> Check {
    let mut number = 50_u64;
    loop {
        match publisher.try_publish(topic, Bytes::from(number.to_string())) {
            Ok(receipt) => drop(publisher.settled(receipt).await?),
            Err(refused) => ensure!(is_for_now(&refused.reason), "a restart is no reason for: {refused}"),
        }
        number += 1;
        tokio::task::yield_now().await;
    }
}

fn is_for_now(reason: &RefusedReason) -> bool {
    matches!(reason, RefusedReason::Down | RefusedReason::Full)
}

pub(super) async fn publishing_while_down_gives_the_message_back(context: Context) -> Check {
    let link = context.link().await?;
    context.broker()?.stop().await;
    link.until_not_up().await?;
    let topic = context.topic("a");
    let Err(refused) = link.try_publish(&topic, "x") else {
        return Err(Stop::Failed("a link that is down took a message".into()));
    };
    ensure!(refused.reason == RefusedReason::Down, "expected Down, got {:?}", refused.reason);
    ensure!(refused.topic == topic && refused.payload == "x", "the refusal does not give the message back");
    Ok(())
}

pub(super) async fn a_link_that_starts_before_its_broker_comes_up_with_it(context: Context) -> Check {
    let broker = context.broker()?;
    broker.stop().await;
    let link = context.link_via(broker.address()).await?;
    link.until_down().await?;
    broker.start().await;
    link.until_up().await?;
    works(&context, &link).await
}

pub(super) async fn a_subscription_made_while_down_stands_when_up(context: Context) -> Check {
    let (link, broker) = (context.link().await?, context.broker()?);
    broker.stop().await;
    link.until_not_up().await?;
    let topic = context.topic("a");
    let start = async {
        // The subscription is asked for first; it cannot be made before the broker is there.
        tokio::task::yield_now().await;
        broker.start().await;
        Ok(())
    };
    let (mut received, ()) = tokio::try_join!(link.listen(&topic), start)?;
    let publisher = context.link().await?;
    publisher.publish(&topic, "x").await?;
    received.expect(&topic, "x").await
}

pub(super) async fn the_states_of_a_link_are_told(context: Context) -> Check {
    let broker = context.broker()?;
    broker.stop().await;
    let link = context.link_via(broker.address()).await?;
    ensure!(!link.state_now().is_up(), "the link is up without a broker");
    link.until("connecting", |state| *state == LinkState::Connecting).await?;
    link.until_down().await?;
    let told = link.state_now();
    if let LinkState::Down { reason, .. } = &told {
        ensure!(!reason.is_empty(), "the link is down without a reason");
    }
    broker.start().await;
    link.until_up().await?;
    broker.stop().await;
    link.until_down().await?;
    broker.start().await;
    link.until_up().await?;
    link.close().await?;
    ensure!(link.state_now() == LinkState::Closed, "after close the link is {}", link.state_now());
    Ok(())
}

/// A link through a proxy with a subscription that works, and a link beside it to publish on.
struct Scene {
    proxy: FaultProxy,
    link: Client,
    other: Client,
    topic: Topic,
    received: Collector,
}

impl Scene {
    async fn set(context: &Context) -> Check<Self> {
        let ((proxy, link), other) = (context.proxied().await?, context.link().await?);
        let topic = context.topic("a");
        let mut received = link.listen(&topic).await?;
        other.publish(&topic, "before").await?;
        received.expect(&topic, "before").await?;
        Ok(Self { proxy, link, other, topic, received })
    }

    async fn mode(&self, mode: Mode) -> Check {
        self.proxy.set(mode).await.map_err(|error| Stop::Failed(format!("the fault proxy: {error}")))
    }

    /// The link must notice, come up again on a good connection, and have its subscription.
    async fn recovers(&mut self) -> Check {
        self.link.until_not_up().await?;
        self.mode(Mode::Pass).await?;
        self.is_good_again().await
    }

    /// Takes the link down, publishes what it cannot hear, and lets it up again.
    async fn misses(&mut self, numbers: Range<u64>) -> Check {
        self.mode(Mode::Refuse).await?;
        self.proxy.cut();
        self.link.until_down().await?;
        self.other.publish_numbers(&self.topic, numbers).await?;
        self.mode(Mode::Pass).await?;
        self.link.until_up().await
    }

    async fn is_good_again(&mut self) -> Check {
        self.link.until_up().await?;
        self.other.publish(&self.topic, "after").await?;
        self.received.expect(&self.topic, "after").await?;
        let mut theirs = self.other.listen(&self.topic).await?;
        self.link.publish(&self.topic, "outward").await?;
        theirs.expect(&self.topic, "outward").await
    }
}

pub(super) async fn a_cut_connection_is_made_again_with_its_subscriptions(context: Context) -> Check {
    let mut scene = Scene::set(&context).await?;
    let mut matched = None;
    if context.capabilities().patterns {
        matched = Some(scene.link.collect([context.glob("b/*")?]).await?);
    }
    scene.proxy.cut();
    scene.recovers().await?;
    if let Some(matched) = &mut matched {
        let topic = context.topic("b/c");
        scene.other.publish(&topic, "after").await?;
        matched.expect(&topic, "after").await?;
    }
    Ok(())
}

pub(super) async fn what_is_published_while_a_link_is_away_reaches_it(context: Context) -> Check {
    let mut scene = Scene::set(&context).await?;
    scene.misses(0..50).await?;
    scene.other.publish_numbers(&scene.topic, 50..100).await?;
    scene.received.expect_numbers(0..100).await?;
    ensure!(scene.received.gaps() == 0, "nothing was lost, but a gap was told");
    Ok(())
}

pub(super) async fn a_link_that_was_away_tells_that_messages_may_be_lost(context: Context) -> Check {
    let mut scene = Scene::set(&context).await?;
    ensure!(scene.received.gaps() == 0, "a gap was told of a link that was never down");
    for round in 1..=2 {
        scene.misses(0..1).await?;
        scene.other.publish_numbers(&scene.topic, round..round + 1).await?;
        scene.received.expect_numbers(round..round + 1).await?;
        let gaps = scene.received.gaps();
        ensure!(gaps >= usize::try_from(round).unwrap_or(0), "down {round} times, and {gaps} gaps were told");
    }
    Ok(())
}

pub(super) async fn a_refused_connection_is_tried_again(context: Context) -> Check {
    let mut scene = Scene::set(&context).await?;
    scene.mode(Mode::Refuse).await?;
    scene.proxy.cut();
    scene.link.until_down().await?;
    scene.link.until_down_once_more().await?;
    scene.recovers().await
}

pub(super) async fn a_stalled_connection_is_noticed(context: Context) -> Check {
    let mut scene = Scene::set(&context).await?;
    scene.mode(Mode::Stall).await?;
    scene.recovers().await
}

pub(super) async fn a_connection_that_loses_what_the_link_sends_is_noticed(context: Context) -> Check {
    let mut scene = Scene::set(&context).await?;
    scene.mode(Mode::LoseFromClient).await?;
    scene.recovers().await
}

pub(super) async fn a_connection_that_loses_what_the_broker_sends_is_noticed(context: Context) -> Check {
    let mut scene = Scene::set(&context).await?;
    scene.mode(Mode::LoseFromBroker).await?;
    scene.recovers().await
}

pub(super) async fn every_receipt_settles_when_the_connection_is_lost(context: Context) -> Check {
    let scene = Scene::set(&context).await?;
    scene.mode(Mode::Stall).await?;
    let mut receipts = Vec::new();
    for _ in 0..50 {
        match scene.link.try_publish(&scene.topic, "during") {
            Ok(receipt) => receipts.push(receipt),
            Err(refused) => ensure!(is_for_now(&refused.reason), "a stall is no reason for: {refused}"),
        }
    }
    scene.link.until_not_up().await?;
    scene.proxy.cut();
    for receipt in receipts {
        // Whatever it says: a wire without confirmations says Sent, one with them does not know.
        drop(scene.link.settled(receipt).await?);
    }
    scene.mode(Mode::Pass).await?;
    scene.link.until_up().await
}

pub(super) async fn a_link_that_is_down_closes(context: Context) -> Check {
    let scene = Scene::set(&context).await?;
    scene.mode(Mode::Refuse).await?;
    scene.proxy.cut();
    scene.link.until_down().await?;
    scene.link.close().await?;
    ensure!(scene.link.state_now() == LinkState::Closed, "after close the link is {}", scene.link.state_now());
    Ok(())
}

pub(super) async fn a_link_on_a_stalled_connection_closes(context: Context) -> Check {
    let scene = Scene::set(&context).await?;
    scene.mode(Mode::Stall).await?;
    drop(scene.link.try_publish(&scene.topic, "never sent"));
    scene.link.close().await?;
    ensure!(scene.link.state_now() == LinkState::Closed, "after close the link is {}", scene.link.state_now());
    Ok(())
}

/// A message goes there and back, on a topic each way: a subscription that its broker remembers may still hold the first.
async fn works(context: &Context, link: &Client) -> Check {
    let (there, back, other) = (context.topic("there"), context.topic("back"), context.link().await?);
    let (mut received, mut theirs) = (link.listen(&there).await?, other.listen(&back).await?);
    other.publish(&there, "to it").await?;
    received.expect(&there, "to it").await?;
    link.publish(&back, "from it").await?;
    theirs.expect(&back, "from it").await
}
