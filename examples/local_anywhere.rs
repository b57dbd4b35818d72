//! One hive, used from tokio tasks and from plain threads, with a stream that watches.
//!
//! This program runs on tokio, so the hive has threads of its own. Run it with `cargo run --example local_anywhere`.

use std::sync::atomic::{AtomicU64, Ordering};

use eventhive::{Hive, Json, Overflow, State};

/// All hooks share the pantry.
struct Pantry {
    honey: AtomicU64,
}

/// Not `async`: it may take its time without keeping other hooks waiting.
fn store(Json(grams): Json<u64>, pantry: State<Pantry>) -> u64 {
    pantry.honey.fetch_add(grams, Ordering::Relaxed) + grams
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hive = Hive::builder().state(Pantry { honey: AtomicU64::new(0) }).build()?;
    hive.on("hive/store").mailbox(16).overflow(Overflow::Block).hook(store)?;

    // A stream sees what matches, from now on.
    let mut seen = hive.stream("hive/*")?;

    // Tasks wait for outcomes without blocking their threads.
    let task = tokio::spawn({
        let hive = hive.clone();
        async move { hive.call("hive/store", 25).await }
    });
    println!("in the pantry after a task: {:?}", task.await??.value());

    // Plain threads wait by blocking.
    let thread = std::thread::spawn({
        let hive = hive.clone();
        move || hive.call_blocking("hive/store", 17)
    });
    match thread.join() {
        Ok(outcomes) => println!("in the pantry after a thread: {:?}", outcomes?.value()),
        Err(_) => eprintln!("the thread panicked"),
    }

    // A sender that must not run ahead of the hooks waits for room in their mailboxes, not for outcomes.
    for grams in 1..=100 {
        hive.send("hive/store", grams).await?;
    }

    for _ in 0..3 {
        if let Some(event) = seen.next().await {
            println!("seen: {} {}", event.name(), event.payload().as_text());
        }
    }
    Ok(())
}
