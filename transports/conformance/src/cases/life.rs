//! The life of a link.

use std::sync::Arc;

use bytes::Bytes;
use eventhive_transport::{Incoming, LinkError, LinkState, Refused, RefusedReason};

use crate::case::{Check, Stop, ensure};
use crate::context::Context;

pub(super) async fn a_link_goes_from_up_to_closed(context: Context) -> Check {
    let link = context.link().await?;
    ensure!(link.state_now().is_up(), "the link is {}", link.state_now());
    link.close().await?;
    ensure!(link.state_now() == LinkState::Closed, "after close the link is {}", link.state_now());
    Ok(())
}

pub(super) async fn closing_flushes_what_was_accepted(context: Context) -> Check {
    let (publisher, subscriber) = (context.link().await?, context.link().await?);
    let topic = context.topic("a");
    let mut received = subscriber.listen(&topic).await?;
    let mut accepted = 0_u64;
    while accepted < 500 {
        match publisher.try_publish(&topic, Bytes::from(accepted.to_string())) {
            Ok(_receipt_not_wanted) => accepted += 1,
            Err(Refused { reason: RefusedReason::Full, .. }) => break,
            Err(refused) => return Err(Stop::Failed(refused.to_string())),
        }
    }
    publisher.close().await?;
    let mut numbers = Vec::new();
    for _ in 0..accepted {
        numbers.push(received.number().await?);
    }
    numbers.sort_unstable();
    ensure!(numbers.iter().copied().eq(0..accepted), "of {accepted} accepted messages these arrived: {numbers:?}");
    Ok(())
}

pub(super) async fn publishing_after_closing_gives_the_message_back(context: Context) -> Check {
    let link = context.link().await?;
    link.close().await?;
    let topic = context.topic("a");
    let Err(refused) = link.try_publish(&topic, "x") else {
        return Err(Stop::Failed("a closed link took a message".into()));
    };
    ensure!(refused.reason == RefusedReason::Closed, "expected Closed, got {:?}", refused.reason);
    ensure!(refused.topic == topic && refused.payload == "x", "the refusal does not give the message back");
    Ok(())
}

pub(super) async fn subscribing_after_closing_is_refused(context: Context) -> Check {
    let link = context.link().await?;
    link.close().await?;
    let filter = eventhive_transport::Filter::Exact(context.topic("a"));
    let made = link.try_subscribe(filter, Arc::new(|_: Incoming| {})).await?;
    ensure!(matches!(made, Err(LinkError::Closed)), "expected Closed, got {made:?}");
    Ok(())
}

pub(super) async fn closing_twice_and_at_once_is_fine(context: Context) -> Check {
    let link = context.link().await?;
    tokio::try_join!(link.close(), link.close(), link.close())?;
    link.close().await?;
    ensure!(link.state_now() == LinkState::Closed, "after close the link is {}", link.state_now());
    Ok(())
}

pub(super) async fn closing_one_link_leaves_the_others_alone(context: Context) -> Check {
    let (publisher, subscriber, closed) = (context.link().await?, context.link().await?, context.link().await?);
    let topic = context.topic("a");
    let mut received = subscriber.listen(&topic).await?;
    let _theirs = closed.listen(&topic).await?;
    closed.close().await?;
    publisher.publish(&topic, "x").await?;
    received.expect(&topic, "x").await?;
    ensure!(publisher.state_now().is_up() && subscriber.state_now().is_up(), "another link went down");
    Ok(())
}

pub(super) async fn a_closed_link_delivers_nothing_more(context: Context) -> Check {
    let (publisher, subscriber, closed) = (context.link().await?, context.link().await?, context.link().await?);
    let topic = context.topic("a");
    let (mut received, mut theirs) = (subscriber.listen(&topic).await?, closed.listen(&topic).await?);
    publisher.publish(&topic, "before").await?;
    received.expect(&topic, "before").await?;
    theirs.expect(&topic, "before").await?;
    closed.close().await?;
    publisher.publish(&topic, "after").await?;
    received.expect(&topic, "after").await?;
    let surplus = theirs.here();
    ensure!(surplus.is_empty(), "the closed link delivered {surplus:?}");
    Ok(())
}
