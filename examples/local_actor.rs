//! An actor of one's own as a hook: it keeps its state between events and answers with the outcome.
//!
//! `#[eventhive::main]` runs an actix system, which the hive uses. Run it with `cargo run --example local_actor`.

use actix::prelude::*;
use eventhive::{Event, Hive, HookError};
use serde_json::{Value, json};

#[derive(Default)]
struct Queen {
    eggs: u64,
}

impl Actor for Queen {
    type Context = Context<Self>;
}

impl Handler<Event> for Queen {
    type Result = Result<Value, HookError>;

    fn handle(&mut self, event: Event, _: &mut Context<Self>) -> Self::Result {
        let wanted = event.payload().as_value()?.as_u64().ok_or_else(|| HookError::new("say how many, as a number"))?;
        self.eggs += wanted;
        Ok(json!({ "eggs": self.eggs }))
    }
}

#[eventhive::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hive = Hive::local()?;
    hive.on("hive/lay").named("queen").hook(Queen::default().start())?;
    for payload in [json!(3), json!(4), json!("many")] {
        for outcome in hive.call("hive/lay", payload).await?.iter() {
            println!("{outcome}");
        }
    }
    Ok(())
}
