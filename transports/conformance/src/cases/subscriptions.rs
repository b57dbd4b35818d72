//! The life of a subscription.

use crate::case::{Check, ensure};
use crate::client::Client;
use crate::collector::Collector;
use crate::context::Context;
use eventhive_transport::Topic;

pub(super) async fn two_subscriptions_to_one_topic_both_receive(context: Context) -> Check {
    let (publisher, subscriber) = (context.link().await?, context.link().await?);
    let topic = context.topic("a");
    let (mut one, mut other) = (subscriber.listen(&topic).await?, subscriber.listen(&topic).await?);
    for payload in ["one", "two"] {
        publisher.publish(&topic, payload).await?;
        // Each exactly once: a second copy of the first would come before the second.
        one.expect(&topic, payload).await?;
        other.expect(&topic, payload).await?;
    }
    Ok(())
}

pub(super) async fn a_late_subscriber_receives_nothing_old(context: Context) -> Check {
    let (publisher, early, late) = (context.link().await?, context.link().await?, context.link().await?);
    let topic = context.topic("a");
    let mut early_received = early.listen(&topic).await?;
    for payload in ["old 1", "old 2"] {
        publisher.publish(&topic, payload).await?;
        // Through the broker, not only on the way to it.
        early_received.expect(&topic, payload).await?;
    }
    let mut late_received = late.listen(&topic).await?;
    publisher.publish(&topic, "new").await?;
    late_received.expect(&topic, "new").await?;
    early_received.expect(&topic, "new").await
}

/// Publishes a marker and waits for it, so that everything published before on this link has been through.
async fn fence(publisher: &Client, topic: &Topic, witness: &mut Collector) -> Check {
    publisher.publish(topic, "fence").await?;
    while witness.next().await?.payload != "fence" {}
    Ok(())
}

pub(super) async fn after_unsubscribing_nothing_more_arrives(context: Context) -> Check {
    let (publisher, subscriber) = (context.link().await?, context.link().await?);
    let (topic, marker) = (context.topic("a"), context.topic("marker"));
    let mut received = subscriber.listen(&topic).await?;
    let mut witness = subscriber.listen(&marker).await?;
    publisher.publish(&topic, "before").await?;
    received.expect(&topic, "before").await?;
    received.cancel().await?;
    publisher.publish(&topic, "after").await?;
    fence(&publisher, &marker, &mut witness).await?;
    let surplus = received.here();
    ensure!(surplus.is_empty(), "after unsubscribing this came: {surplus:?}");
    Ok(())
}

pub(super) async fn a_dropped_subscription_ends(context: Context) -> Check {
    let (publisher, subscriber) = (context.link().await?, context.link().await?);
    let (topic, marker) = (context.topic("a"), context.topic("marker"));
    let mut received = subscriber.listen(&topic).await?;
    let mut witness = subscriber.listen(&marker).await?;
    publisher.publish(&topic, "before").await?;
    received.expect(&topic, "before").await?;
    received.drop_subscriptions();
    // The end is made in the background: messages stop at some point, and nothing says when but their absence.
    context
        .within("the end of a dropped subscription", async {
            loop {
                publisher.publish(&topic, "after").await?;
                fence(&publisher, &marker, &mut witness).await?;
                if received.here().is_empty() {
                    return Ok(());
                }
            }
        })
        .await?
}

pub(super) async fn ending_one_of_two_subscriptions_leaves_the_other(context: Context) -> Check {
    let (publisher, subscriber) = (context.link().await?, context.link().await?);
    let topic = context.topic("a");
    let (mut ended, mut kept) = (subscriber.listen(&topic).await?, subscriber.listen(&topic).await?);
    publisher.publish(&topic, "both").await?;
    ended.expect(&topic, "both").await?;
    ended.cancel().await?;
    publisher.publish_numbers(&topic, 0..5).await?;
    kept.expect(&topic, "both").await?;
    let mut numbers = Vec::new();
    for _ in 0..5 {
        numbers.push(kept.number().await?);
    }
    numbers.sort_unstable();
    ensure!(numbers == [0, 1, 2, 3, 4], "the other subscription received {numbers:?}");
    let surplus = ended.here();
    ensure!(surplus.is_empty(), "the ended one received {surplus:?}");
    Ok(())
}

pub(super) async fn subscribing_again_after_unsubscribing_receives_again(context: Context) -> Check {
    let (publisher, subscriber) = (context.link().await?, context.link().await?);
    let topic = context.topic("a");
    for round in ["one", "two", "three"] {
        let mut received = subscriber.listen(&topic).await?;
        publisher.publish(&topic, round).await?;
        received.expect(&topic, round).await?;
        received.cancel().await?;
    }
    Ok(())
}

pub(super) async fn churn_of_subscriptions_costs_their_neighbour_nothing(context: Context) -> Check {
    let (publisher, subscriber) = (context.link().await?, context.link().await?);
    let topic = context.topic("steady");
    let mut steady = subscriber.listen(&topic).await?;
    let churn = async {
        for round in 0..30 {
            let mut short = subscriber.listen(&context.topic(&format!("short/{}", round % 3))).await?;
            let mut same = subscriber.listen(&topic).await?;
            short.cancel().await?;
            same.cancel().await?;
        }
        Ok(())
    };
    tokio::try_join!(churn, publisher.publish_numbers(&topic, 0..300))?;
    let mut numbers = Vec::new();
    for _ in 0..300 {
        numbers.push(steady.number().await?);
    }
    numbers.sort_unstable();
    ensure!(numbers.iter().copied().eq(0..300), "the neighbour did not receive each message once: {numbers:?}");
    Ok(())
}
