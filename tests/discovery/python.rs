//! Python programs that write a JSON object a line.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// The bound of every wait: what takes longer has failed. Long, because the machine may be busy with other tests.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// An environment with Python packages.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Packages {
    /// eventhive 0.5.0 with zeroconf 0.47.4.
    Eventhive,
    /// A recent zeroconf.
    Zeroconf,
}

/// Both, for tests of zeroconf.
pub(crate) const BOTH: [Packages; 2] = [Packages::Eventhive, Packages::Zeroconf];

impl Packages {
    pub(crate) fn python(self) -> PathBuf {
        let folder = match self {
            Self::Eventhive => "eventhive",
            Self::Zeroconf => "zeroconf",
        };
        let environments =
            std::env::var_os("EVENTHIVE_PEERS").map_or_else(|| root().join("target/peers"), PathBuf::from);
        let python = environments.join(folder).join("bin/python");
        assert!(
            python.exists(),
            "{} is missing: run tests/discovery/setup.sh, which installs the Python packages",
            python.display()
        );
        python
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A running program; dropped, it is killed.
pub(crate) struct Program {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: UnboundedReceiver<Value>,
}

impl Program {
    /// Starts `<program>.py`.
    pub(crate) fn start(packages: Packages, program: &str, arguments: &[&str]) -> Self {
        Self::start_with(packages, program, arguments, |_| {})
    }

    /// Starts `<program>.py`, with more said to it by `more`.
    pub(crate) fn start_with(
        packages: Packages,
        program: &str,
        arguments: &[&str],
        more: impl FnOnce(&mut Command),
    ) -> Self {
        let mut command = Command::new(packages.python());
        command.arg("-B").arg(root().join("tests/discovery").join(format!("{program}.py"))).args(arguments);
        more(&mut command);
        // Its complaints go where those of the test go.
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = read_lines(child.stdout.take().unwrap());
        Self { name: format!("{program} ({packages:?})"), input: child.stdin.take(), child, lines }
    }

    /// The value of `key` in the next line that has it.
    pub(crate) async fn said(&mut self, key: &str) -> Value {
        let wait = async {
            loop {
                let mut line = self.lines.recv().await.unwrap_or_else(|| panic!("{} ended without `{key}`", self.name));
                if let Some(value) = line.get_mut(key) {
                    return value.take();
                }
            }
        };
        tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("{} did not say `{key}`", self.name))
    }

    /// Tells it to end in good order.
    pub(crate) fn finish(&mut self) {
        self.input = None;
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn read_lines(stream: impl Read + Send + 'static) -> UnboundedReceiver<Value> {
    let (sender, receiver) = unbounded_channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                Ok(value @ Value::Object(_)) => _ = sender.send(value),
                _ => eprintln!("{line}"),
            }
        }
    });
    receiver
}
