//! What handlers take and return.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use eventhive::{Earlier, Event, EventName, Hive, Json, Metadata, Payload, SetupError, State, Status};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::support::{bare, soon};

#[derive(Debug, Deserialize, Serialize, PartialEq)]
struct Work {
    cells: Vec<Cell>,
}

#[derive(Debug, Deserialize, Serialize, PartialEq)]
struct Cell {
    size: u32,
}

async fn measure(Json(work): Json<Work>) -> Json<BTreeMap<&'static str, u32>> {
    Json(BTreeMap::from([("total", work.cells.iter().map(|cell| cell.size).sum())]))
}

#[tokio::test]
async fn a_payload_that_does_not_fit_names_event_hook_and_field_and_is_counted() {
    let hive = bare();
    let hook = hive.hook("comb/measure", measure).unwrap();
    let payload = Payload::raw(r#"{"cells": [{"size": 1}, {"size": -2}]}"#).unwrap();
    let outcomes = soon(hive.call("comb/measure", payload)).await.unwrap();
    let Status::Refused(refusal) = outcomes[0].status() else { panic!("{outcomes:?}") };
    assert_eq!(
        refusal.to_string(),
        "event `comb/measure` does not fit hook `measure`: field `cells[1].size`: \
         invalid value: integer `-2`, expected u32 at line 1 column 35"
    );
    let good = soon(hive.call("comb/measure", json!({"cells": [{"size": 1}, {"size": 2}]}))).await.unwrap();
    assert_eq!(good.value(), Some(&json!({"total": 3})));
    let stats = hook.stats();
    assert_eq!((stats.handled, stats.refused, stats.failed, stats.panicked), (1, 1, 0, 0));
}

#[tokio::test]
async fn eight_arguments_of_all_kinds_are_filled_by_type() {
    let hive = Hive::builder().declared_hooks(false).state(AtomicU64::new(5)).build().unwrap();
    hive.hook(
        "a/*",
        async |Json(n): Json<u64>,
               event: Event,
               name: EventName,
               metadata: Metadata,
               state: State<AtomicU64>,
               earlier: Earlier,
               hive: Hive,
               text: Option<Json<String>>| {
            state.fetch_add(n, Ordering::SeqCst);
            assert_eq!((event.name(), metadata.event.as_str()), (&name, "a/b"));
            assert_eq!((earlier.len(), hive.hooks().len(), text), (0, 1, None));
            state.load(Ordering::SeqCst)
        },
    )
    .unwrap();
    assert_eq!(soon(hive.call("a/b", 7)).await.unwrap().value(), Some(&json!(12)));
}

#[tokio::test]
async fn a_missing_state_is_an_error_when_hooking() {
    let hive = bare();
    let error = hive.on("a").named("counter").hook(|_: State<AtomicU64>| ()).unwrap_err();
    assert!(matches!(&error, SetupError::MissingState { hook, .. } if &**hook == "counter"));
    assert!(error.to_string().contains("Hive::builder().state(..)"), "{error}");
    assert!(hive.events().is_empty());
}

#[tokio::test]
async fn options_that_make_no_sense_are_refused() {
    let hive = bare();
    assert!(matches!(hive.on("a").mailbox(0).hook(|| ()), Err(SetupError::Zero { option: "mailbox", .. })));
    assert!(matches!(hive.on("a").concurrency(0).hook(|| ()), Err(SetupError::Zero { option: "concurrency", .. })));
    let error = hive.on("a").overflow(eventhive::Overflow::Disconnect).hook(|| ()).unwrap_err();
    assert!(error.to_string().contains("use block, drop_oldest or drop_newest"), "{error}");
}

#[tokio::test]
async fn handlers_return_nothing_scalars_collections_options_and_results() {
    let hive = bare();
    hive.hook("r", || ()).unwrap();
    hive.hook("r", async || true).unwrap();
    hive.hook("r", || 1.5).unwrap();
    hive.hook("r", async || Some("text")).unwrap();
    hive.hook("r", || vec![1, 2]).unwrap();
    hive.hook("r", || Ok::<_, std::io::Error>(Json(Cell { size: 3 }))).unwrap();
    hive.hook("r", async || json!({"raw": null})).unwrap();
    let outcomes = soon(hive.call("r", ())).await.unwrap();
    let values: Vec<_> = outcomes.values().cloned().collect();
    let expected =
        [json!(null), json!(true), json!(1.5), json!("text"), json!([1, 2]), json!({"size": 3}), json!({"raw": null})];
    assert_eq!(values, expected);
}

#[tokio::test]
async fn errors_are_counted_also_when_nobody_waits() {
    let hive = bare();
    let hook = hive.hook("a", |Json(n): Json<i64>| if n > 1 { Err("too many") } else { Ok(n) }).unwrap();
    for payload in [json!(1), json!(2), json!("x")] {
        hive.emit("a", payload).unwrap();
    }
    crate::support::until(|| hook.stats().refused == 1).await;
    let stats = hook.stats();
    assert_eq!((stats.handled, stats.failed, stats.refused), (1, 1, 1));
}
