//! What a subscription receives, and what it must not.

use std::sync::Arc;

use eventhive_transport::{Filter, Incoming, LinkError, Topic};

use crate::case::{Check, Stop, ensure};
use crate::context::Context;

pub(super) async fn an_exact_filter_does_not_leak_to_its_neighbours(context: Context) -> Check {
    let (publisher, subscriber) = (context.link().await?, context.link().await?);
    // As names of events are: a prefix, an extension, another case, other segments, and patterns that are only text here.
    let names =
        ["a/b", "a", "a/", "a/b/", "a/b/c", "A/b", "a//b", "b/a", "a/*", "a/?", "a/[b]", "*", "a/bb", " a/b", "a/b "];
    for wanted in ["a/b", "a/*", "a/[b]", "*"] {
        let (topic, marker) = (context.topic(wanted), context.topic("marker"));
        let mut received = subscriber.collect([Filter::Exact(topic.clone()), Filter::Exact(marker.clone())]).await?;
        for name in names.iter().filter(|name| **name != wanted) {
            publisher.publish(&context.topic(name), "leaked").await?;
        }
        publisher.publish(&topic, "wanted").await?;
        received.expect(&topic, "wanted").await?;
        publisher.publish(&marker, "end").await?;
        received.expect(&marker, "end").await?;
        received.cancel().await?;
    }
    Ok(())
}

pub(super) async fn a_glob_filter_receives_what_it_matches(context: Context) -> Check {
    let (publisher, subscriber) = (context.link().await?, context.link().await?);
    let marker = context.topic("marker");
    let names = ["a", "ab", "a/b", "a/b/c", "abc", "A/b", "a/x", "b/a", "a*", "a[", "ä/b", "a/ä"];
    for pattern in ["a*", "a/?", "a/[bx]", "a/[!b]", "*b", "*/*", "a", "?", "a[*]", "a["] {
        let filter = context.glob(pattern)?;
        let mut received = subscriber.collect([filter.clone(), Filter::Exact(marker.clone())]).await?;
        let mut expected = Vec::new();
        for topic in names.iter().map(|name| context.topic(name)) {
            publisher.publish(&topic, "x").await?;
            expected.extend(filter.matches(&topic).then_some(topic));
        }
        let mut got = Vec::new();
        for _ in &expected {
            got.push(received.next().await?.topic);
        }
        got.sort();
        expected.sort();
        ensure!(got == expected, "`{pattern}` should receive {expected:?}, got {got:?}");
        publisher.publish(&marker, "end").await?;
        if filter.matches(&marker) {
            received.expect(&marker, "end").await?;
        }
        received.expect(&marker, "end").await?;
        received.cancel().await?;
    }
    Ok(())
}

pub(super) async fn a_segments_filter_receives_what_has_all_segments_of_a_set(context: Context) -> Check {
    let (publisher, subscriber) = (context.link().await?, context.link().await?);
    let marker = context.topic("marker");
    let names = ["a", "b", "a/b", "b/a", "a/c/b", "ab", "a/bb", "c/d", "c", "a*/b", "A/b", "ä/b"];
    // The id of this copy is the first segment of its topics, and a member of every set.
    let sets: [&[&[&str]]; 5] = [&[&["a", "b"]], &[&["a", "b"], &["c"]], &[&["b"]], &[&["a*"], &["ä"]], &[&[]]];
    for sets in sets {
        let own = |set: &&[&str]| set.iter().chain(&[context.id()]).map(|name| Topic::from(*name)).collect();
        let filter = Filter::Segments(sets.iter().map(own).collect());
        let mut received = subscriber.collect([filter.clone(), Filter::Exact(marker.clone())]).await?;
        let mut expected = Vec::new();
        for topic in names.iter().map(|name| context.topic(name)) {
            publisher.publish(&topic, "x").await?;
            expected.extend(filter.matches(&topic).then_some(topic));
        }
        publisher.publish(&marker, "end").await?;
        expected.extend(std::iter::repeat_n(marker.clone(), 1 + usize::from(filter.matches(&marker))));
        let mut got = Vec::new();
        for _ in &expected {
            got.push(received.next().await?.topic);
        }
        got.sort();
        expected.sort();
        ensure!(got == expected, "{sets:?} should receive {expected:?}, got {got:?}");
        received.cancel().await?;
    }
    Ok(())
}

pub(super) async fn the_everything_filter_receives_everything(context: Context) -> Check {
    let (publisher, subscriber) = (context.link().await?, context.link().await?);
    let mut received = subscriber.collect([Filter::All]).await?;
    let topics: Vec<Topic> = ["a", "a/b", "*", "Größe"].iter().map(|name| context.topic(name)).collect();
    for topic in &topics {
        publisher.publish(topic, "x").await?;
    }
    let mut left = topics;
    while !left.is_empty() {
        // Other copies publish as well, and everything includes theirs.
        let got = received.next().await?;
        if is_of(&context, &got) {
            let at = left.iter().position(|topic| *topic == got.topic);
            let at = at.ok_or_else(|| Stop::Failed(format!("{:?} came twice or was never published", got.topic)))?;
            left.swap_remove(at);
        }
    }
    Ok(())
}

fn is_of(context: &Context, incoming: &Incoming) -> bool {
    incoming.topic.as_bytes().starts_with(context.id().as_bytes())
}

pub(super) async fn overlapping_filters_each_receive_a_message_once(context: Context) -> Check {
    let (publisher, subscriber) = (context.link().await?, context.link().await?);
    let topic = context.topic("a");
    let mut exact = subscriber.listen(&topic).await?;
    let mut everything = subscriber.collect([Filter::All]).await?;
    for payload in ["one", "two"] {
        publisher.publish(&topic, payload).await?;
        exact.expect(&topic, payload).await?;
        let mut got = everything.next().await?;
        while !is_of(&context, &got) {
            got = everything.next().await?;
        }
        ensure!(got.payload == payload, "expected {payload} by the everything filter, got {:?}", got.payload);
    }
    Ok(())
}

pub(super) async fn patterns_beside_a_name_each_receive_a_message_once(context: Context) -> Check {
    let (publisher, subscriber) = (context.link().await?, context.link().await?);
    let topic = context.topic("a/b");
    let mut exact = subscriber.listen(&topic).await?;
    let mut wide = subscriber.collect([context.glob("*")?]).await?;
    let mut narrow = subscriber.collect([context.glob("a/?")?]).await?;
    for payload in ["one", "two"] {
        publisher.publish(&topic, payload).await?;
        for received in [&mut exact, &mut wide, &mut narrow] {
            received.expect(&topic, payload).await?;
        }
    }
    // One that ends takes none of the others along.
    narrow.cancel().await?;
    publisher.publish(&topic, "three").await?;
    exact.expect(&topic, "three").await?;
    wide.expect(&topic, "three").await?;
    let surplus = narrow.here();
    ensure!(surplus.is_empty(), "after unsubscribing the pattern this came: {surplus:?}");
    Ok(())
}

pub(super) async fn a_filter_beyond_the_capabilities_is_unsupported(context: Context) -> Check {
    let (publisher, link) = (context.link().await?, context.link().await?);
    let (capabilities, topic) = (context.capabilities(), context.topic("a"));
    let segments = Filter::Segments(vec![[Topic::from(context.id())].into_iter().collect()]);
    let filters = [
        (capabilities.patterns, context.glob("*")?),
        (capabilities.everything, Filter::All),
        (capabilities.segments, segments),
    ];
    for (_, filter) in filters.into_iter().filter(|(supported, _)| !supported) {
        let made = link.try_subscribe(filter.clone(), Arc::new(|_: Incoming| {})).await?;
        ensure!(matches!(made, Err(LinkError::Unsupported(_))), "{filter:?} is not supported, but gave {made:?}");
    }
    // The refusal costs the link nothing.
    let mut received = link.listen(&topic).await?;
    publisher.publish(&topic, "x").await?;
    received.expect(&topic, "x").await
}
