//! Events as a stream.

use eventhive::{Event, Hive, Overflow};
use futures_util::{Stream, StreamExt};

use crate::support::{bare, soon};

async fn texts(stream: impl Stream<Item = Event>) -> Vec<String> {
    soon(stream.map(|event| event.payload().as_text().to_owned()).collect()).await
}

#[tokio::test]
async fn a_stream_yields_matching_events_in_order_also_those_defined_later() {
    let hive = bare();
    let mut stream = hive.stream(["worker/*", "single"]).unwrap();
    hive.define("worker/later", "").unwrap();
    hive.define("other", "").unwrap();
    for (name, n) in [("worker/later", 1), ("other", 2), ("worker/undefined", 3), ("single", 4)] {
        hive.emit(name, n).unwrap();
    }
    soon(hive.call("single", 5)).await.unwrap();
    for (name, n) in [("worker/later", "1"), ("worker/undefined", "3"), ("single", "4"), ("single", "5")] {
        let event = soon(stream.next()).await.unwrap();
        assert_eq!((event.name().as_str(), event.payload().as_text()), (name, n));
    }
}

#[tokio::test]
async fn a_slow_stream_loses_the_oldest_and_counts_them() {
    let hive = bare();
    let stream = hive.on("a").mailbox(3).overflow(Overflow::DropOldest).stream().unwrap();
    for n in 0..10 {
        hive.emit("a", n).unwrap();
    }
    assert_eq!(stream.dropped(), 7);
    assert_eq!(texts(stream.take(3)).await, ["7", "8", "9"]);
}

#[tokio::test]
async fn under_disconnect_a_slow_stream_ends_after_what_it_has() {
    let hive = bare();
    let stream = hive.on("a").mailbox(2).overflow(Overflow::Disconnect).stream().unwrap();
    for n in 0..4 {
        hive.emit("a", n).unwrap();
    }
    assert_eq!(texts(stream).await, ["0", "1"]);
}

#[tokio::test]
async fn under_block_an_awaiting_caller_waits_for_the_stream() {
    let hive = bare();
    let mut stream = hive.on("a").mailbox(1).overflow(Overflow::Block).stream().unwrap();
    hive.emit("a", 0).unwrap();
    let other = hive.clone();
    let sent = tokio::spawn(async move { other.send("a", 1).await });
    assert_eq!(soon(stream.next()).await.unwrap().payload().as_text(), "0");
    soon(sent).await.unwrap().unwrap();
    assert_eq!(soon(stream.next()).await.unwrap().payload().as_text(), "1");
}

#[tokio::test]
async fn a_dropped_stream_is_forgotten_and_a_stopped_hive_ends_it() {
    let hive = bare();
    drop(hive.stream("a*").unwrap());
    assert!(hive.call("ab", ()).await.is_err());
    let stream = hive.stream("b").unwrap();
    hive.emit("b", 1).unwrap();
    soon(hive.stop(std::time::Duration::from_secs(5))).await;
    assert_eq!(texts(stream).await, ["1"]);
}

#[test]
fn a_stream_can_be_read_by_any_executor() {
    let hive = Hive::builder().declared_hooks(false).build().unwrap();
    let mut stream = hive.stream("a").unwrap();
    let thread = std::thread::spawn(move || {
        // Not a tokio runtime's thread: the test's own blocking call.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { stream.next().await.unwrap().payload().as_text().to_owned() })
    });
    hive.emit("a", "x").unwrap();
    assert_eq!(thread.join().unwrap(), "\"x\"");
}
