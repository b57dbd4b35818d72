//! Whole hives on the network `net`: ours in the test's process, and Python's.

use std::time::Duration;

use eventhive::{Event, Hive, ServerOutcome, StartOptions};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::python::{LIMIT, Packages, Program};

/// A connector that looks for the server, with more keys.
pub(crate) fn connector(channel: &str, more: &str) -> String {
    format!("connectors: {{net: {{pubsub_type: fastapi, input_channel: {channel}, from_broadcast: 60{more}}}}}\n")
}

/// A server on a free port that is run while no other hive runs one.
pub(crate) const NEEDED: &str =
    "servers: {net: {pubsub_type: fastapi, create: needed, broadcast: true, init: {host: 0.0.0.0, port: 0}}}\n";

/// A hive of ours, which hooks everything on its channel.
pub(crate) struct Bee {
    pub(crate) hive: Hive,
    received: UnboundedReceiver<(String, Value)>,
}

impl Bee {
    /// Starts a hive; its connector, if it has one, must come up.
    pub(crate) async fn start(yaml: &str) -> Self {
        let hive = Hive::from_yaml(yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
        let (sender, received) = unbounded_channel();
        let handler = move |event: Event| {
            let data: Value = event.payload().to().unwrap_or_else(|misfit| panic!("{misfit}"));
            _ = sender.send((event.name().as_str().to_owned(), data));
        };
        // Defined, because a Python hub knows no patterns.
        for name in ["worker/action", "queen/done"] {
            hive.hook(name, handler.clone()).unwrap();
        }
        let mut options = StartOptions::new().within(LIMIT);
        if yaml.contains("connectors:") {
            options = options.require("net");
        }
        hive.start_with(options).await.unwrap_or_else(|error| panic!("{error}"));
        Self { hive, received }
    }

    pub(crate) fn call(&self, event: &str, data: Value) {
        self.hive.emit(event, data).unwrap().published.unwrap().unwrap();
    }

    /// The next event.
    pub(crate) async fn received(&mut self) -> (String, Value) {
        tokio::time::timeout(LIMIT, self.received.recv()).await.expect("an event came").unwrap()
    }

    /// Where its server stands, once it does as wanted.
    pub(crate) async fn server(&self, wanted: impl Fn(&ServerOutcome) -> bool) -> ServerOutcome {
        let mut servers = self.hive.watch_servers();
        let stands = servers.wait_for(|servers| servers.first().is_some_and(|server| wanted(&server.outcome)));
        let stands = tokio::time::timeout(LIMIT, stands).await;
        match stands {
            Ok(servers) => servers.unwrap()[0].outcome.clone(),
            Err(_) => panic!("{:?}", self.hive.server_states()),
        }
    }

    /// The port that its server listens on.
    pub(crate) async fn port(&self) -> u16 {
        match self.server(|outcome| matches!(outcome, ServerOutcome::Listening(_))).await {
            ServerOutcome::Listening(bound) => bound[0].address.port(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn stop(self) {
        self.hive.stop(Duration::from_secs(10)).await;
    }
}

/// Calls the event again and again until the other hive has got what was called from now on: what is called while a
/// hive is on its way to another server does not reach it.
pub(crate) async fn reaches(from: &Bee, event: &str, to: &mut Bee, what: &str) {
    let calling = async {
        let mut pace = tokio::time::interval(Duration::from_millis(50));
        loop {
            pace.tick().await;
            from.call(event, json!({"what": what}));
        }
    };
    let arriving = async { while to.received().await.1["what"] != what {} };
    tokio::select! {
        () = calling => {}
        () = arriving => {}
    }
}

/// Starts a hive of eventhive 0.5.0 with this configuration, which answers `worker/action` by `net/queen/done`. Returns
/// when it has subscribed.
pub(crate) async fn python(folder: &tempfile::TempDir, config: &str) -> Program {
    let file = folder.path().join("python.yaml");
    std::fs::write(&file, config).unwrap();
    let arguments = ["--config", file.to_str().unwrap(), "--hook", "worker/action", "--answer", "net/queen/done"];
    let mut python = Program::start(Packages::Eventhive, "../peers/python/hive", &arguments);
    python.said("state").await;
    python
}
