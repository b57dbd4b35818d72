//! A queen: calls an event of the workers on the network. See `worker.rs`.

use std::time::Duration;

use eventhive::{Hive, StartOptions};
use serde_json::json;

#[eventhive::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hive = Hive::from_yaml(
        "connectors:
           my-hive:
             pubsub_type: websocket
             input_channel: queen
             init: {host: 127.0.0.1, port: 8085, endpoint: /pubsub}",
    )?;
    hive.start_with(StartOptions::new().require("my-hive")).await?;
    hive.call("my-hive/worker/action", json!({"param1": 1, "param2": 2})).await?;
    hive.stop(Duration::from_secs(5)).await;
    Ok(())
}
