//! Webhooks in one program: a broadcaster, and a subscriber that it posts messages to. It ends by itself.
//!
//! ```text
//! cargo run --example webhooks
//! ```
//!
//! The broadcaster is a hive's server, as `hive-cli serve` runs one, with its subscriptions in memory. The subscriber listens on
//! a port of its own, and asks the broadcaster to post there what matches `orders/*`.

use std::time::Duration;

use eventhive::{Hive, ServerOutcome, StartOptions};
use eventhive_listener::{Limits, Listen};
use eventhive_webhook::message::Message;
use eventhive_webhook::subscriber::{Broadcaster, Subscriber};
use futures_util::StreamExt as _;

type Failure = Box<dyn std::error::Error>;

#[eventhive::main]
async fn main() -> Result<(), Failure> {
    let hive = Hive::from_yaml(
        "servers:
           events:
             create: always
             pubsub_type: webhook
             init:
               port: 0
               database: 'sqlite::memory:'
               allow: [loopback]    # where the subscriber is",
    )?;
    let started = hive.start_with(StartOptions::new()).await?;
    let broadcaster = match started.servers.first().map(|server| &server.outcome) {
        Some(ServerOutcome::Listening(bound)) => bound.first().map(|bound| format!("http://{}", bound.address)),
        other => return Err(format!("the broadcaster does not listen: {other:?}").into()),
    };
    let talked = talk(&broadcaster.unwrap_or_default()).await;
    hive.stop(Duration::from_secs(5)).await;
    talked
}

async fn talk(broadcaster: &str) -> Result<(), Failure> {
    let listen = Listen { host: "127.0.0.1".to_owned(), port: 0, tls: None, proxies: None, limits: Limits::default() };
    let subscriber = Subscriber::builder().broadcaster(Broadcaster::new(broadcaster)?).listen(listen).build()?;
    let mut orders = subscriber.subscribe_glob("orders/*").await?;
    println!("{} is posted what matches orders/*", subscriber.receive_url().unwrap_or_default());

    let told = subscriber.notify("orders/17", "paid").await?;
    println!("orders/17 reached {} subscriber(s)", told.count);
    let Some(message) = orders.next().await else { return Err("the subscription has ended".into()) };
    println!("heard {}", text(&message));
    subscriber.close().await;
    Ok(())
}

/// Larger messages than this one are in a file, and are read in pieces.
fn text(message: &Message) -> String {
    let body = message.body.as_bytes().map_or("a file".into(), |bytes| String::from_utf8_lossy(bytes));
    format!("{}: {body}", String::from_utf8_lossy(&message.topic))
}
