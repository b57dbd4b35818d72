//! Running the program: to its end, or as long as a test needs it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use assert_cmd::cargo::CommandCargoExt as _;
use serde_json::Value;
use tempfile::TempDir;

/// What bounds a wait for something that should come at once: far more than a loaded machine needs.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: i32,
}

impl Ended {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The program in `folder`, without anything of the environment that it would read.
pub(crate) fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("hive-cli").unwrap();
    command.current_dir(folder).args(arguments);
    for variable in ["EVENTHIVE_CONFIG", "EVENTHIVE_SECRET", "RUST_LOG", "CLICOLOR_FORCE", "FORCE_COLOR"] {
        command.env_remove(variable);
    }
    // What a server without a configuration keeps is gone with the folder.
    command.env("XDG_DATA_HOME", folder);
    command
}

/// Runs to the end in `folder`, with nothing on standard input.
pub(crate) fn run_in(folder: &Path, arguments: &[&str]) -> Ended {
    ended(program(folder, arguments).stdin(Stdio::null()))
}

/// Runs to the end in an empty folder.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    run_in(TempDir::new().unwrap().path(), arguments)
}

pub(crate) fn ended(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap_or(-1),
    }
}

/// A run that goes on, with its output by line. Killed when the test ends.
pub(crate) struct Running {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
    /// Kept for as long as the program runs in it.
    folder: Option<TempDir>,
}

impl Running {
    pub(crate) fn start_in(folder: &Path, arguments: &[&str]) -> Self {
        Self::of(program(folder, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    /// Starts a command. What of its output is no pipe goes where it was told to go.
    pub(crate) fn of(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).spawn().unwrap();
        let out = child.stdout.take().map_or_else(|| channel().1, lines);
        let err = child.stderr.take().map_or_else(|| channel().1, lines);
        Self { child, out, err, folder: None }
    }

    pub(crate) fn start(arguments: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut running = Self::start_in(folder.path(), arguments);
        running.folder = Some(folder);
        running
    }

    /// The next line of standard output.
    pub(crate) fn line(&mut self) -> String {
        match self.out.recv_timeout(SOON) {
            Ok(line) => line,
            Err(error) => panic!("{error}; standard error: {:?}", self.err.try_iter().collect::<Vec<_>>()),
        }
    }

    pub(crate) fn json(&mut self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Waits for a line on standard error that has this text.
    pub(crate) fn told(&mut self, text: &str) -> String {
        loop {
            let line = self.err.recv_timeout(SOON).unwrap_or_else(|error| panic!("`{text}` was not told: {error}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end. What is left of standard output and error is in the result.
    pub(crate) fn end(mut self) -> Ended {
        let code = self.wait().code().unwrap_or(-1);
        let rest = |lines: &Receiver<String>| lines.iter().map(|line| line + "\n").collect::<String>();
        Ended { out: rest(&self.out), err: rest(&self.err), code }
    }

    fn wait(&mut self) -> ExitStatus {
        let until = std::time::Instant::now() + SOON;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(std::time::Instant::now() < until, "the program does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.folder.take();
    }
}

fn lines(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
            line.clear();
            if sender.send(text).is_err() {
                // Read on: a full pipe would hold the program up.
                let _ = stream.read_to_end(&mut Vec::new());
                return;
            }
        }
    });
    receiver
}

/// A hub on a free port.
pub(crate) struct Hub {
    pub(crate) running: Running,
    pub(crate) url: String,
    pub(crate) port: u16,
}

impl Hub {
    pub(crate) fn start() -> Self {
        Self::of(Running::start(&["serve", "--port", "0", "--json"]))
    }

    /// Waits until the started program serves.
    pub(crate) fn of(mut running: Running) -> Self {
        let started = running.json();
        let url = started["servers"][0]["urls"][0].as_str().unwrap().to_owned();
        let port = url.rsplit_once(':').unwrap().1.split('/').next().unwrap().parse().unwrap();
        Self { running, url, port }
    }
}

/// A folder with one file.
pub(crate) fn folder_with(name: &str, text: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join(name), text).unwrap();
    folder
}
