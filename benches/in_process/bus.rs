//! The bus.

use std::cell::Cell;

use actix_rt::SystemRunner;
use eventhive::{Event, Hive, Json, Payload};
use serde::Deserialize;
use serde_json::json;

use crate::bare::BATCH;
use crate::report::Contestant;

/// What else the hive knows.
#[derive(Clone, Copy)]
pub(crate) enum Crowd {
    None,
    Events,
    Globs,
}

const EVENT: &str = "bench/one/event";

fn hive(crowd: Crowd) -> (SystemRunner, Hive) {
    let system = actix::System::new();
    let hive = system.block_on(async { Hive::builder().declared_hooks(false).build().unwrap() });
    match crowd {
        Crowd::None => {}
        Crowd::Events => (0..10_000).for_each(|number| hive.define(&format!("crowd/{number}"), "").unwrap()),
        Crowd::Globs => (0..1_000).for_each(|number| {
            hive.on(format!("bench/*/no{number}*")).hook(async || ()).unwrap();
        }),
    }
    (system, hive)
}

/// Does what the bare actor does.
fn counting() -> impl AsyncFn(Json<u64>) -> u64 + Send + 'static {
    let sum = Cell::new(0_u64);
    async move |Json(number): Json<u64>| {
        sum.set(sum.get().wrapping_add(number));
        sum.get()
    }
}

pub(crate) struct Emit {
    system: SystemRunner,
    hive: Hive,
    payload: fn(u64) -> Payload,
}

#[derive(Deserialize)]
struct Work {
    cells: u64,
    kind: String,
}

impl Emit {
    pub(crate) fn start(crowd: Crowd) -> Self {
        let (system, hive) = hive(crowd);
        hive.hook(EVENT, counting()).unwrap();
        Self { system, hive, payload: Payload::from }
    }

    pub(crate) fn typed() -> Self {
        let (system, hive) = hive(Crowd::None);
        hive.hook(EVENT, async |Json(work): Json<Work>| work.cells + work.kind.len() as u64).unwrap();
        Self { system, hive, payload: |cells| json!({"cells": cells, "kind": "honey"}).into() }
    }

    pub(crate) fn blocking() -> Self {
        let (system, hive) = hive(Crowd::None);
        hive.hook(EVENT, |_: Event| ()).unwrap();
        Self { system, hive, payload: Payload::from }
    }
}

impl Contestant for Emit {
    fn handle(&mut self, events: u64) {
        self.system.block_on(async {
            for _ in 0..events / BATCH {
                for number in 1..BATCH {
                    let emitted = self.hive.emit(EVENT, (self.payload)(number)).unwrap();
                    assert_eq!(emitted.taken, 1);
                }
                // Its turn comes behind all the others.
                assert!(self.hive.call(EVENT, (self.payload)(0)).await.unwrap().is_ok());
            }
        });
    }
}

/// The hooks run on a thread of the hive's own, as they do in `#[tokio::main]` and in plain threads.
pub(crate) struct AcrossThreads(Hive);

impl AcrossThreads {
    pub(crate) fn start(blocking: bool) -> Self {
        let hive = Hive::builder().declared_hooks(false).threads(1).build().unwrap();
        if blocking {
            hive.hook(EVENT, |_: Event| ()).unwrap();
        } else {
            hive.hook(EVENT, counting()).unwrap();
        }
        Self(hive)
    }
}

impl Contestant for AcrossThreads {
    fn handle(&mut self, events: u64) {
        for _ in 0..events / BATCH {
            for number in 1..BATCH {
                assert_eq!(self.0.emit(EVENT, number).unwrap().taken, 1);
            }
            assert!(self.0.call_blocking(EVENT, 0).unwrap().is_ok());
        }
    }
}

pub(crate) struct Call {
    system: SystemRunner,
    hive: Hive,
}

impl Call {
    pub(crate) fn start(crowd: Crowd) -> Self {
        let (system, hive) = hive(crowd);
        hive.hook(EVENT, async |Json(number): Json<u64>| number).unwrap();
        Self { system, hive }
    }

    pub(crate) fn blocking() -> Self {
        let (system, hive) = hive(Crowd::None);
        hive.hook(EVENT, |Json(number): Json<u64>| number).unwrap();
        Self { system, hive }
    }
}

impl Contestant for Call {
    fn handle(&mut self, events: u64) {
        self.system.block_on(async {
            for number in 0..events {
                let outcomes = self.hive.call(EVENT, number).await.unwrap();
                assert!(outcomes.is_ok());
            }
        });
    }
}
