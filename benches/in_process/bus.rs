//! The bus.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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

fn counting() -> (Arc<AtomicU64>, impl AsyncFn(Event) + Send + 'static) {
    let count = Arc::new(AtomicU64::new(0));
    let counter = count.clone();
    let handler = async move |_: Event| {
        counter.fetch_add(1, Ordering::Relaxed);
    };
    (count, handler)
}

pub(crate) struct Emit {
    name: &'static str,
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
    pub(crate) fn start(name: &'static str, crowd: Crowd) -> Self {
        let (system, hive) = hive(crowd);
        hive.hook(EVENT, counting().1).unwrap();
        Self { name, system, hive, payload: Payload::from }
    }

    pub(crate) fn typed(name: &'static str) -> Self {
        let (system, hive) = hive(Crowd::None);
        hive.hook(EVENT, async |Json(work): Json<Work>| work.cells + work.kind.len() as u64).unwrap();
        Self { name, system, hive, payload: |cells| json!({"cells": cells, "kind": "honey"}).into() }
    }

    pub(crate) fn blocking(name: &'static str) -> Self {
        let (system, hive) = hive(Crowd::None);
        hive.hook(EVENT, |_: Event| ()).unwrap();
        Self { name, system, hive, payload: Payload::from }
    }
}

impl Contestant for Emit {
    fn name(&self) -> &str {
        self.name
    }

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

pub(crate) struct Call {
    name: &'static str,
    system: SystemRunner,
    hive: Hive,
}

impl Call {
    pub(crate) fn start(name: &'static str, crowd: Crowd) -> Self {
        let (system, hive) = hive(crowd);
        hive.hook(EVENT, async |Json(number): Json<u64>| number).unwrap();
        Self { name, system, hive }
    }

    pub(crate) fn blocking(name: &'static str) -> Self {
        let (system, hive) = hive(Crowd::None);
        hive.hook(EVENT, |Json(number): Json<u64>| number).unwrap();
        Self { name, system, hive }
    }
}

impl Contestant for Call {
    fn name(&self) -> &str {
        self.name
    }

    fn handle(&mut self, events: u64) {
        self.system.block_on(async {
            for number in 0..events {
                let outcomes = self.hive.call(EVENT, number).await.unwrap();
                assert!(outcomes.is_ok());
            }
        });
    }
}
