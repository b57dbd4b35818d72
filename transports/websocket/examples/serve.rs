//! A hub with one websocket door, and nothing else: `cargo run --example serve -- 127.0.0.1:8085`.

use std::error::Error;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use eventhive_hub::{Hub, HubSettings};
use eventhive_listener::{DoorPlan, Limits, Listen, Listeners};
use eventhive_websocket::{Config, WebSocketDoor};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address: SocketAddr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8085".to_owned()).parse()?;
    let door = WebSocketDoor::new(Hub::new(HubSettings::default()), Config::default());
    let listen = Listen {
        host: address.ip().to_string(),
        port: address.port(),
        tls: None,
        proxies: None,
        limits: Limits::default(),
    };
    let plan = DoorPlan::new("the only door", listen, "ws", "/pubsub", Arc::new(door));
    let listeners = Listeners::start(vec![plan]).map_err(|problems| problems[0].to_string())?;
    for bound in listeners.addresses() {
        println!("ws://{}/pubsub", bound.address);
    }
    pending().await
}
