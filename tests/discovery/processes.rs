//! Several processes of `hive-cli serve` with one configuration.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use eventhive::discovery::Claim;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::alone;
use crate::bee::{Bee, NEEDED, connector, reaches};
use crate::namespace::ADDRESS;
use crate::python::{LIMIT, Packages, Program, read_lines};
use crate::servers::{open, secret, server};

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

/// Runs `hive-cli discover` for a moment in a folder with this configuration; gives its lines and its exit code.
fn discover(yaml: Option<&str>, more: &[&str]) -> (Vec<String>, i32) {
    let folder = tempfile::tempdir().unwrap();
    if let Some(yaml) = yaml {
        std::fs::write(folder.path().join("eventhive.yaml"), yaml).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_hive-cli"));
    command.args(["discover", "--timeout", "2"]).args(more).current_dir(folder.path()).env_remove("EVENTHIVE_CONFIG");
    let output = command.env_remove("EVENTHIVE_SECRET").output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    (lines, output.status.code().unwrap())
}

alone! {
    async fn discover_lists_what_is_announced_with_its_signature() {
        assert_eq!(discover(None, &[]), (vec![], 1), "nothing is announced");
        let mut signed = server("net", ADDRESS, 18085);
        signed.claim = Some(Claim::now());
        let _signed = secret("ours").announce(&signed).await.unwrap();
        let _plain = open().announce(&server("plain", ADDRESS, 18086)).await.unwrap();

        let with = |secret: &str| Some(connector("''", &format!(", secret: {secret}")));
        for (config, status) in [(None, "unchecked"), (with("ours"), "valid"), (with("theirs"), "wrong")] {
            let (lines, code) = discover(config.as_deref(), &["--json"]);
            let mut found: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
            found.sort_by_key(|line| line["name"].to_string());
            assert_eq!((found.len(), code), (2, 0), "{lines:?}");
            assert_eq!((&found[0]["change"], &found[0]["signature"]), (&json!("appeared"), &json!(status)));
            assert_eq!(found[0]["address"], format!("{ADDRESS}:18085/pubsub"));
            assert_eq!(found[0]["id"], json!(signed.claim.as_ref().unwrap().id()));
            assert_eq!((&found[1]["name"], &found[1]["signature"]), (&json!("plain"), &json!("unsigned")));
        }

        let (mut lines, _) = discover(None, &[]);
        lines.sort();
        assert!(lines[0].starts_with(&format!("+ net  {ADDRESS}:18085/pubsub  signature unchecked  ")), "{lines:?}");
        assert_eq!(lines[1], format!("+ plain  {ADDRESS}:18086/pubsub  unsigned"));
        assert_eq!(discover(None, &["--interface", "eth7"]).1, 4, "there is no such interface");
    }
}

alone! {
    async fn discover_tells_live_what_comes_and_goes() {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hive-cli"));
        let folder = tempfile::tempdir().unwrap();
        command.args(["discover", "--json"]).current_dir(folder.path()).env_remove("EVENTHIVE_CONFIG");
        let mut child = command.env_remove("EVENTHIVE_SECRET").stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = read_lines(child.stdout.take().unwrap());
        let announcement = open().announce(&server("net", ADDRESS, 18085)).await.unwrap();
        let mut told = async |change: &str| {
            let told = async { while lines.recv().await.expect("it runs")["change"] != change {} };
            tokio::time::timeout(LIMIT, told).await.unwrap();
        };
        told("appeared").await;
        announcement.withdraw().await;
        told("gone").await;
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }
}

alone! {
    async fn listen_finds_the_server_of_its_network_by_itself() {
        let _server = Bee::start(NEEDED).await;
        let queen = Bee::start(&connector("queen", "")).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("eventhive.yaml"), connector("worker", "")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hive-cli"));
        command.args(["listen", "net/worker/*", "--json"]).current_dir(folder.path()).env_remove("EVENTHIVE_CONFIG");
        let mut child = command.env_remove("EVENTHIVE_SECRET").stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = read_lines(child.stdout.take().unwrap());
        let calling = async {
            let mut pace = tokio::time::interval(std::time::Duration::from_millis(50));
            loop {
                pace.tick().await;
                queen.call("net/worker/action", json!({"flowers": 3}));
            }
        };
        let line = tokio::select! {
            line = tokio::time::timeout(LIMIT, lines.recv()) => line.unwrap().unwrap(),
            () = calling => Value::Null,
        };
        assert_eq!((&line["event"], &line["payload"]["flowers"]), (&json!("net/worker/action"), &json!(3)), "{line}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
