//! Asks the worker and prints what its hook returned; then asks every hive that listens. See `worker.rs`.

use std::time::Duration;

use eventhive::{Hive, RequestError, RequestOptions, StartOptions};
use serde_json::{Value, json};

#[eventhive::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hive = Hive::from_yaml(
        "connectors:
           my-hive:
             pubsub_type: websocket
             input_channel: ''
             init: {host: 127.0.0.1, port: 8085, endpoint: /pubsub}",
    )?;
    hive.start_with(StartOptions::new().require("my-hive")).await?;
    match hive.request::<Value>("my-hive/worker/action", json!({"param1": 1})).await {
        Ok(answer) => println!("the answer is {answer}"),
        Err(RequestError::NoListener { .. }) => println!("no worker is running: cargo run --example worker"),
        Err(error) => println!("{error}"),
    }
    let options = RequestOptions::new().within(Duration::from_secs(2));
    let mut replies = hive.request_all(options, "my-hive/worker/action", json!({"param1": 2})).await?;
    while let Some(reply) = replies.next().await {
        println!("{} says {:?}", reply.from().unwrap_or("somebody"), reply.value::<Value>());
    }
    hive.stop(Duration::from_secs(5)).await;
    Ok(())
}
