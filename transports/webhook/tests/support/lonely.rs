//! The Python broadcaster, from `tests/peers/setup.sh`, to be stopped and started.
#![allow(dead_code, reason = "each test program uses a part")]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use eventhive_conformance::free_port;
use eventhive_webhook::broadcaster::{Rotation, Schemes};
use eventhive_webhook::wire::auth::Secrets;

/// The workspace's folder.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn python() -> PathBuf {
    let peers = std::env::var_os("EVENTHIVE_PEERS").map_or_else(|| root().join("target/peers"), PathBuf::from);
    let python = peers.join("lonely/bin/python");
    assert!(python.exists(), "no {}: run tests/peers/setup.sh, or all tests by tests/all.sh", python.display());
    python
}

/// The text of a key, by its last character, which is one with nothing in its last four bits.
macro_rules! key {
    ($last:literal) => {
        concat!("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODk", "tX", $last)
    };
}

/// lonelypss, with databases that outlive a restart.
pub(crate) struct Lonely {
    pub(crate) address: SocketAddr,
    secrets: Option<&'static str>,
    more: Vec<String>,
    folder: tempfile::TempDir,
    process: Mutex<Option<Process>>,
}

/// Killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop((self.0.kill(), self.0.wait()));
    }
}

impl Lonely {
    /// With the text of a file of secrets, or none in both directions.
    pub(crate) fn start(secrets: Option<&'static str>) -> Self {
        Self::with(secrets, &[])
    }

    pub(crate) fn with(secrets: Option<&'static str>, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let more = more.iter().map(ToString::to_string).collect();
        let address = ([127, 0, 0, 1], free_port()).into();
        let made = Self { address, secrets, more, folder, process: Mutex::default() };
        made.run();
        made
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn schemes(&self) -> Schemes {
        let Some(text) = self.secrets else { return Schemes::default() };
        let (to_broadcaster, to_subscriber) = Secrets::read(text).unwrap().schemes().unwrap();
        Schemes { to_broadcaster: Rotation::new([to_broadcaster]), to_subscriber: Rotation::new([to_subscriber]) }
    }

    /// Where its subscriptions are.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("subscriptions.db")
    }

    /// Runs a statement on its database, and returns what it prints: one row a line, with its columns as Python writes
    /// them.
    pub(crate) fn sql(&self, statement: &str) -> String {
        const PROGRAM: &str = "import sys, pysqlite3\n\
             base = pysqlite3.connect(sys.argv[1], timeout=10)\n\
             for row in base.execute(sys.argv[2]): print(*row)\n\
             base.commit()";
        let output = Command::new(python()).args(["-c", PROGRAM]).arg(self.database()).arg(statement).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn run(&self) {
        let mut command = Command::new(python());
        command.arg(root().join("tests/peers/python/lonely_broadcaster.py"));
        command
            .args(["--bound", "3600", "--port", &self.address.port().to_string(), "--delete-folder", "--folder"])
            .arg(self.folder.path());
        if let Some(secrets) = self.secrets {
            let file = self.folder.path().join("broadcaster-secrets.json");
            std::fs::write(&file, secrets).unwrap();
            command.arg("--secrets").arg(file);
        }
        let mut child = command.args(&self.more).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("listening"), "{line}");
        *self.process.lock().unwrap() = Some(Process(child));
    }

    pub(crate) fn is_running(&self) -> bool {
        self.process.lock().unwrap().is_some()
    }

    pub(crate) fn stop(&self) {
        self.process.lock().unwrap().take();
    }

    /// Again, at the same address.
    pub(crate) fn start_again(&self) {
        if !self.is_running() {
            self.run();
        }
    }
}

/// Every pair of authorizations: to broadcasters, and to subscribers.
pub(crate) const PAIRS: [(&str, &str); 9] = [
    ("none", r#"{"version": "2"}"#),
    (
        "token both ways",
        r#"{"version": "2", "to-broadcaster": {"type": "token", "secret": "up"}, "to-subscriber": {"type": "token", "secret": "down"}}"#,
    ),
    (
        "hmac both ways",
        concat!(
            r#"{"version": "2", "to-broadcaster": {"type": "hmac", "secret": ""#,
            key!("A"),
            r#""}, "to-subscriber": {"type": "hmac", "secret": ""#,
            key!("g"),
            r#""}}"#
        ),
    ),
    ("none, token", r#"{"version": "2", "to-subscriber": {"type": "token", "secret": "down"}}"#),
    ("token, none", r#"{"version": "2", "to-broadcaster": {"type": "token", "secret": "up"}}"#),
    ("none, hmac", concat!(r#"{"version": "2", "to-subscriber": {"type": "hmac", "secret": ""#, key!("g"), r#""}}"#)),
    ("hmac, none", concat!(r#"{"version": "2", "to-broadcaster": {"type": "hmac", "secret": ""#, key!("A"), r#""}}"#)),
    (
        "token, hmac",
        concat!(
            r#"{"version": "2", "to-broadcaster": {"type": "token", "secret": "up"}, "to-subscriber": {"type": "hmac", "secret": ""#,
            key!("g"),
            r#""}}"#
        ),
    ),
    (
        "hmac, token",
        concat!(
            r#"{"version": "2", "to-broadcaster": {"type": "hmac", "secret": ""#,
            key!("A"),
            r#""}, "to-subscriber": {"type": "token", "secret": "down"}}"#
        ),
    ),
];
