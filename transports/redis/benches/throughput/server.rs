//! The server, and its own tool.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use eventhive_conformance::free_port;
use redis::Client;

use crate::{Bench, Outcome, PIPELINE, TOPIC};

/// A running server; killed when dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    process: Child,
}

impl Server {
    pub(crate) fn start() -> Outcome<Self> {
        let port = free_port();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        // The loops are to be measured, not the server's limits.
        command.args(["--client-output-buffer-limit", "pubsub", "0", "0", "0"]);
        let missing = |error| format!("install redis-server: apt-get install redis-server ({error})");
        let process = command.stdout(Stdio::null()).spawn().map_err(missing)?;
        let server = Self { port, process };
        let client = Client::open(("127.0.0.1", port))?;
        let began = Instant::now();
        while client.get_connection().is_err() {
            if began.elapsed() > Duration::from_secs(10) {
                return Err("redis-server does not answer".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }

    /// What redis-benchmark publishes.
    pub(crate) fn benchmark(&self, bench: &Bench) -> Outcome<f64> {
        let mut command = Command::new("redis-benchmark");
        command.args(["-p", &self.port.to_string(), "-c", "1", "-P", &PIPELINE.to_string(), "--csv"]);
        command.args(["-n", &bench.messages.to_string(), "PUBLISH", TOPIC]).arg(str::from_utf8(&bench.payload)?);
        let text = String::from_utf8(command.output()?.stdout)?;
        // One header, one line: "PUBLISH ...","rate",...
        let rate = text.lines().last().and_then(|line| line.split("\",\"").nth(1));
        Ok(rate.ok_or("its output has changed")?.parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing is left to do if it is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
