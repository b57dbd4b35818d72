//! Publish, subscribe, order, number.

use std::collections::BTreeSet;

use bytes::Bytes;
use eventhive_transport::{Delivery, Filter};
use futures_util::future::try_join_all;

use crate::case::{Check, Stop, ensure};
use crate::context::Context;

pub(super) async fn a_message_arrives_whole(context: Context) -> Check {
    let (publisher, subscriber) = (context.link().await?, context.link().await?);
    let topic = context.topic("a");
    let mut received = subscriber.listen(&topic).await?;
    publisher.publish(&topic, r#"{"param1": 1}"#).await?;
    received.expect(&topic, r#"{"param1": 1}"#).await
}

pub(super) async fn messages_of_one_publisher_keep_their_order(context: Context) -> Check {
    let (publisher, subscriber) = (context.link().await?, context.link().await?);
    let topic = context.topic("a");
    let mut received = subscriber.listen(&topic).await?;
    publisher.publish_numbers(&topic, 0..1000).await?;
    received.expect_numbers(0..1000).await
}

pub(super) async fn each_of_two_publishers_keeps_its_order(context: Context) -> Check {
    let (one, other, subscriber) = (context.link().await?, context.link().await?, context.link().await?);
    let topic = context.topic("a");
    let mut received = subscriber.listen(&topic).await?;
    // One sends below 1000, the other from there on.
    tokio::try_join!(one.publish_numbers(&topic, 0..300), other.publish_numbers(&topic, 1000..1300))?;
    let (mut low, mut high) = (0, 1000);
    while low < 300 || high < 1300 {
        let number = received.number().await?;
        let next = if number < 1000 { &mut low } else { &mut high };
        ensure!(number == *next, "expected message {next} of its publisher, got {number}");
        *next += 1;
    }
    Ok(())
}

pub(super) async fn all_subscribers_see_one_order(context: Context) -> Check {
    let (one, other) = (context.link().await?, context.link().await?);
    let topic = context.topic("a");
    let mut collectors = Vec::new();
    for _ in 0..3 {
        collectors.push(context.link().await?.listen(&topic).await?);
    }
    tokio::try_join!(one.publish_numbers(&topic, 0..300), other.publish_numbers(&topic, 1000..1300))?;
    let mut orders = Vec::new();
    for collector in &mut collectors {
        let mut order = Vec::new();
        for _ in 0..600 {
            order.push(collector.number().await?);
        }
        orders.push(order);
    }
    ensure!(orders.windows(2).all(|pair| pair.first() == pair.last()), "the subscribers saw different orders");
    Ok(())
}

pub(super) async fn every_message_arrives_once(context: Context) -> Check {
    const LAST: u64 = 500;
    let (publisher, subscriber) = (context.link().await?, context.link().await?);
    let topic = context.topic("a");
    let mut received = subscriber.listen(&topic).await?;
    publisher.publish_numbers(&topic, 0..LAST).await?;
    let mut seen = BTreeSet::new();
    for _ in 0..LAST {
        let number = received.number().await?;
        ensure!(seen.insert(number), "message {number} came twice");
    }
    // What comes behind the last message must be nothing but the marker.
    publisher.publish_numbers(&topic, LAST..LAST + 1).await?;
    let surplus = received.numbers_until(LAST).await?;
    ensure!(surplus.is_empty(), "these came once more: {surplus:?}");
    Ok(())
}

pub(super) async fn many_topics_do_not_mix(context: Context) -> Check {
    let (publisher, subscriber) = (context.link().await?, context.link().await?);
    let topics: Vec<_> = (0..100).map(|number| context.topic(&format!("{number}"))).collect();
    let mut collectors = Vec::new();
    for topic in &topics {
        collectors.push(subscriber.listen(topic).await?);
    }
    let message = |round: u64| {
        topics.iter().enumerate().map(move |(at, topic)| (topic.clone(), Bytes::from(format!("{at} {round}"))))
    };
    publisher.publish_many((0..3).flat_map(message).collect()).await?;
    for (at, (collector, topic)) in collectors.iter_mut().zip(&topics).enumerate() {
        let mut left: BTreeSet<String> = (0..3).map(|round| format!("{at} {round}")).collect();
        while !left.is_empty() {
            let got = collector.next().await?;
            let text = String::from_utf8_lossy(&got.payload);
            ensure!(got.topic == *topic && left.remove(&*text), "{topic:?} received {text:?} of {:?}", got.topic);
        }
    }
    Ok(())
}

pub(super) async fn many_subscribers_all_receive(context: Context) -> Check {
    let publisher = context.link().await?;
    let topic = context.topic("a");
    let mut collectors = Vec::new();
    for _ in 0..10 {
        collectors.push(context.link().await?.listen(&topic).await?);
    }
    publisher.publish_numbers(&topic, 0..20).await?;
    for (at, collector) in collectors.iter_mut().enumerate() {
        let mut left: BTreeSet<u64> = (0..20).collect();
        while !left.is_empty() {
            let number = collector.number().await?;
            ensure!(left.remove(&number), "subscriber {at} received {number} twice");
        }
    }
    Ok(())
}

pub(super) async fn many_tasks_publish_on_one_link(context: Context) -> Check {
    let (publisher, subscriber) = (context.link().await?, context.link().await?);
    let topic = context.topic("a");
    let mut received = subscriber.listen(&topic).await?;
    let tasks = (0..8).map(|task| {
        let (publisher, topic) = (publisher.clone(), topic.clone());
        async move {
            let work = tokio::spawn(async move { publisher.publish_numbers(&topic, task * 50..(task + 1) * 50).await });
            work.await.map_err(|error| Stop::Failed(format!("a publisher's task failed: {error}")))?
        }
    });
    try_join_all(tasks).await?;
    let mut left: BTreeSet<u64> = (0..400).collect();
    while !left.is_empty() {
        let number = received.number().await?;
        ensure!(left.remove(&number), "message {number} came twice");
    }
    Ok(())
}

pub(super) async fn own_messages_come_back_as_the_capability_says(context: Context) -> Check {
    let (own, other) = (context.link().await?, context.link().await?);
    let topic = context.topic("a");
    let (mut own_received, mut other_received) = (own.listen(&topic).await?, other.listen(&topic).await?);
    own.publish(&topic, "own").await?;
    other_received.expect(&topic, "own").await?;
    if context.capabilities().hears_itself {
        return own_received.expect(&topic, "own").await;
    }
    // The other's message was caused by the arrival of the first, so nothing of the first can still be on its way.
    other.publish(&topic, "other").await?;
    own_received.expect(&topic, "other").await
}

pub(super) async fn a_receipt_counts_the_receivers(context: Context) -> Check {
    let (publisher, one, other) = (context.link().await?, context.link().await?, context.link().await?);
    let topic = context.topic("a");
    let _collectors = (one.listen(&topic).await?, other.listen(&topic).await?);
    for (filter, expected) in [(topic, 2), (context.topic("nobody"), 0)] {
        let delivery = publisher.publish(&filter, "x").await?;
        ensure!(
            delivery == Delivery::Counted(expected),
            "expected {expected} receivers, the receipt says {delivery:?}"
        );
    }
    Ok(())
}

pub(super) async fn publishing_to_nobody_is_fine(context: Context) -> Check {
    let link = context.link().await?;
    link.publish(&context.topic("nobody"), "x").await?;
    let topic = context.topic("somebody");
    let other = context.link().await?;
    let mut received = other.collect([Filter::Exact(topic.clone())]).await?;
    link.publish(&topic, "y").await?;
    received.expect(&topic, "y").await
}
