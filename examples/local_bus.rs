//! A hive in a single process: one event, several hooks, no network.
//!
//! The hooks do different things with the same event, each taking what it needs of it. Run it with
//! `cargo run --example local_bus`.

use eventhive::{CallOptions, Earlier, Event, Hive, Json, Metadata};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Stuff {
    task: String,
    #[serde(default = "one")]
    bees: u32,
}

fn one() -> u32 {
    1
}

/// A hook takes the payload as a type of its own. A key may be missing where the type has a default.
#[eventhive::hook("bee_stuff")]
async fn work(Json(stuff): Json<Stuff>) -> String {
    format!("{} bees do this: {}", stuff.bees, stuff.task)
}

/// Another takes the raw event and its metadata. It is not `async`, so it may block.
#[eventhive::hook("bee_stuff")]
fn note(event: Event, metadata: Metadata) -> String {
    format!("event {} has {}", metadata.id, event.payload().as_text())
}

/// One more looks at what the others did. `after` keeps it behind them.
#[eventhive::hook("bee_stuff", after = "work", after = "note")]
async fn summary(earlier: Earlier) -> usize {
    earlier.iter().filter(|outcome| outcome.is_ok()).count()
}

#[eventhive::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hive = Hive::local()?;
    hive.define("bee_stuff", "All that bees do.")?;

    println!("calling with a payload that fits:");
    for outcome in hive.call("bee_stuff", json!({"task": "collect nectar", "bees": 3})).await?.iter() {
        println!("  {outcome}");
    }

    println!("calling with one that does not fit the first hook:");
    for outcome in hive.call("bee_stuff", json!({"task": 7})).await?.iter() {
        println!("  {outcome}");
    }

    println!("the same, stopping at the first problem:");
    for outcome in hive.call_with(CallOptions::new().stop_on_error(), "bee_stuff", "not even an object").await?.iter() {
        println!("  {outcome}");
    }

    if let Err(error) = hive.emit("bee_stuf", json!({})) {
        println!("a slip of the pen:\n  {error}");
    }

    println!("what there is:");
    for event in hive.events() {
        println!("  {}: {}", event.name, event.help);
        for hook in event.hooks {
            println!("    {} ({}:{}), handled {}", hook.name, hook.source.file, hook.source.line, hook.stats.handled);
        }
    }
    Ok(())
}
