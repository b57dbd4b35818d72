//! A hive of ours in the test's process, with threads of its own.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use eventhive::{Event, Hive, StartOptions};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::process::LIMIT;

/// A started hive.
pub(crate) struct OurHive {
    hive: Hive,
    runtime: Runtime,
    received: Receiver<(String, Value)>,
}

impl OurHive {
    /// Starts a hive that listens for `hooks`, and that tells `answer` what it has received, under the key `answer`.
    pub(crate) fn start(yaml: &str, hooks: &[&str], answer: Option<&'static str>) -> Self {
        let hive = Hive::from_yaml(yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
        let (sender, received) = channel();
        for name in hooks {
            hook(&hive, name, sender.clone(), answer);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let start = hive.start_with(StartOptions::new().require("net"));
        runtime.block_on(start).unwrap_or_else(|error| panic!("{error}"));
        Self { hive, runtime, received }
    }

    /// Calls an event of the network.
    pub(crate) fn call(&self, event: &str, data: &Value) {
        self.runtime.block_on(self.hive.call(event, data.clone())).unwrap_or_else(|error| panic!("{event}: {error}"));
    }

    /// The next event that a hook got.
    pub(crate) fn received(&self) -> (String, Value) {
        self.received.recv_timeout(LIMIT).expect("our hive received nothing")
    }
}

impl Drop for OurHive {
    fn drop(&mut self) {
        self.runtime.block_on(self.hive.stop(Duration::from_secs(5)));
    }
}

fn hook(hive: &Hive, name: &str, sender: Sender<(String, Value)>, answer: Option<&'static str>) {
    let handler = move |hive: Hive, event: Event| {
        let sender = sender.clone();
        async move {
            let name = event.name().as_str().to_owned();
            let data: Value = event.payload().to().unwrap_or_else(|misfit| panic!("{misfit}"));
            // Where a Python hive has sent it, the name under which it was called is in the metadata.
            assert_eq!(event.metadata().event, format!("net/{name}"));
            if let Some(answer) = answer {
                hive.emit(answer, json!({"answer": data})).unwrap_or_else(|error| panic!("{answer}: {error}"));
            }
            sender.send((name, data)).unwrap();
        }
    };
    hive.hook(name, handler).unwrap();
}
