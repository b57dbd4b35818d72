//! `examples/cluster_dict`: a dictionary whose members, in Python and in Rust, find each other by mDNS.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::alone;
use crate::python::{LIMIT, Packages, read_lines, root};

struct Member {
    child: Child,
    lines: UnboundedReceiver<Value>,
}

impl Member {
    fn start(mut command: Command) -> Self {
        let mut child = command.arg("honey").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = read_lines(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn rust() -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_hive-cli")).parent().unwrap().join("examples/cluster_dict");
        assert!(program.exists(), "{} is missing: cargo build --example cluster_dict", program.display());
        Self::start(Command::new(program))
    }

    fn python() -> Self {
        let mut command = Command::new(Packages::Eventhive.python());
        command.arg("-B").arg(root().join("examples/cluster_dict.py"));
        Self::start(command)
    }

    fn write(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits until it has just this.
    async fn has(&mut self, dictionary: &Value) {
        let mut last = Value::Null;
        let wait = async {
            while last != *dictionary {
                last = self.lines.recv().await.expect("it runs");
            }
        };
        assert!(tokio::time::timeout(LIMIT, wait).await.is_ok(), "it has {last}, not {dictionary}");
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn a_dictionary_is_replicated(mut first: Member, second: fn() -> Member) {
    first.write("set flowers 3");
    first.has(&json!({"flowers": 3})).await;
    let mut second = second();
    second.has(&json!({"flowers": 3})).await;
    second.write("set bees 7");
    first.has(&json!({"flowers": 3, "bees": 7})).await;
    second.has(&json!({"flowers": 3, "bees": 7})).await;
}

alone! {
    async fn rust_begins_and_python_finds_it() {
        a_dictionary_is_replicated(Member::rust(), Member::python).await;
    }
}

alone! {
    async fn python_begins_and_rust_finds_it() {
        a_dictionary_is_replicated(Member::python(), Member::rust).await;
    }
}
