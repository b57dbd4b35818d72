//! Several processes of `hive-cli serve` with one configuration.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::alone;
use crate::bee::{Bee, NEEDED, connector, reaches};
use crate::namespace::ADDRESS;
use crate::python::{LIMIT, Packages, Program, read_lines};

/// A running `hive-cli serve`; dropped, it is killed.
struct Serve {
    child: std::process::Child,
    lines: UnboundedReceiver<Value>,
    log: UnboundedReceiver<String>,
    /// Where its server stood last.
    state: Value,
    _folder: tempfile::TempDir,
}

impl Serve {
    fn start(yaml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("eventhive.yaml"), yaml).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hive-cli"));
        command.args(["serve", "--json"]).current_dir(folder.path());
        for variable in ["EVENTHIVE_CONFIG", "EVENTHIVE_SECRET"] {
            command.env_remove(variable);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = read_lines(child.stdout.take().unwrap());
        let log = read_log(child.stderr.take().unwrap());
        Self { child, lines, log, state: Value::Null, _folder: folder }
    }

    fn note(&mut self, line: &Value) {
        if let Some(server) = line["servers"].get(0) {
            self.state = server.clone();
        }
    }

    /// Waits for the next line.
    async fn line(&mut self) {
        let line = self.lines.recv().await.expect("it runs");
        self.note(&line);
    }

    fn serves(&self) -> bool {
        self.state["state"] == "listening"
    }

    /// The port of the server that it follows.
    fn follows(&self) -> Option<u16> {
        self.state["at"].as_str()?.rsplit_once(':')?.1.parse().ok()
    }

    fn port(&self) -> Option<u16> {
        let url = self.state["urls"][0].as_str()?;
        url.trim_start_matches("ws://").split_once(':')?.1.split('/').next()?.parse().ok()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_log(stream: impl std::io::Read + Send + 'static) -> UnboundedReceiver<String> {
    let (sender, receiver) = unbounded_channel();
    std::thread::spawn(move || {
        // Read to its end, whoever listens: a full pipe would hold the program up.
        BufReader::new(stream).lines().map_while(Result::ok).for_each(|line| _ = sender.send(line));
    });
    receiver
}

/// Waits until one serves and all others follow it. Gives which.
async fn one_serves(all: &mut [Serve]) -> usize {
    let settled = async {
        loop {
            let serving: Vec<usize> = (0..all.len()).filter(|at| all[*at].serves()).collect();
            if let [at] = serving[..]
                && let port @ Some(_) = all[at].port()
                && all.iter().enumerate().all(|(other, one)| other == at || one.follows() == port)
            {
                return at;
            }
            let next = all.iter_mut().map(|one| Box::pin(one.line()));
            futures_util::future::select_all(next).await;
        }
    };
    let settled = tokio::time::timeout(LIMIT, settled).await;
    settled.unwrap_or_else(|_| panic!("{:?}", all.iter().map(|one| &one.state).collect::<Vec<_>>()))
}

alone! {
    async fn of_processes_started_at_once_one_serves_and_hives_go_on_exchanging_events() {
        for count in [2, 3] {
            // Started together, they look together, find nothing, and each starts a server.
            let mut all: Vec<Serve> = (0..count).map(|_| Serve::start(NEEDED)).collect();
            let mut worker = Bee::start(&connector("worker", "")).await;
            let mut queen = Bee::start(&connector("queen", "")).await;
            one_serves(&mut all).await;
            reaches(&queen, "net/worker/action", &mut worker, "there").await;
            reaches(&worker, "net/queen/done", &mut queen, "and back").await;
        }
    }
}

alone! {
    async fn a_server_that_is_killed_is_replaced_by_another_process_and_hives_move_there() {
        let mut all: Vec<Serve> = (0..3).map(|_| Serve::start(NEEDED)).collect();
        let mut worker = Bee::start(&connector("worker", "")).await;
        let mut queen = Bee::start(&connector("queen", "")).await;
        for left in [2, 1] {
            let first = one_serves(&mut all).await;
            reaches(&queen, "net/worker/action", &mut worker, "before").await;
            all.remove(first).kill();
            assert_eq!(all.len(), left);
            one_serves(&mut all).await;
            reaches(&queen, "net/worker/action", &mut worker, "after").await;
            reaches(&worker, "net/queen/done", &mut queen, "and back").await;
        }
    }
}

alone! {
    async fn that_an_announcement_is_not_signed_is_said_once() {
        let txt = json!({"host": ADDRESS, "port": 9, "endpoint": "/pubsub"});
        let what = json!({"name": "net", "port": 9, "txt": txt});
        let mut python = Program::start(Packages::Eventhive, "announce", &[&what.to_string()]);
        python.said("announced").await;
        // It looks for the server again and again.
        let looks = connector("worker", ", secret: hunter2").replace("from_broadcast: 60", "from_broadcast: 0.2");
        let mut serve = Serve::start(&looks);
        let mut said = Vec::new();
        let until = tokio::time::Instant::now() + std::time::Duration::from_secs(12);
        while let Ok(line) = tokio::time::timeout_at(until, serve.log.recv()).await {
            said.push(line.expect("it runs"));
        }
        let ignored: Vec<&String> = said.iter().filter(|line| line.contains("an announcement is ignored")).collect();
        assert_eq!(ignored.len(), 1, "{said:?}");
        assert!(ignored[0].contains("it is not signed, and this network has a secret"), "{ignored:?}");
        assert!(said.iter().all(|line| !line.contains("hunter2")));
    }
}
