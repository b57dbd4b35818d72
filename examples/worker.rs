//! A worker: hooks a function to an event that anyone on the network can call.
//!
//! Start a hub, then this, then the queen:
//!
//! ```text
//! cargo run --release -- serve
//! cargo run --example worker
//! cargo run --example queen
//! ```

use eventhive::{Hive, Json};
use serde_json::{Value, json};

#[eventhive::hook("worker/action")]
async fn action(Json(payload): Json<Value>) -> Value {
    println!("worker/action was called with {payload}");
    json!({"done": true})
}

#[eventhive::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hive = Hive::from_yaml(
        "connectors:
           my-hive:
             pubsub_type: websocket
             input_channel: worker
             init: {host: 127.0.0.1, port: 8085, endpoint: /pubsub}",
    )?;
    Ok(hive.run().await?)
}
