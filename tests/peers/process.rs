//! A peer in a process of its own, driven by lines of JSON.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::environment::{Stack, root};

/// The bound of every wait: what takes longer has failed. Long, because the machine may be busy with other tests.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A running peer. Dropped, it and its children are killed.
pub(crate) struct Peer {
    name: String,
    child: Child,
    commands: Option<ChildStdin>,
    lines: Receiver<Value>,
    /// Lines that no wait has asked for yet.
    unread: VecDeque<Value>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// Starts `python/<program>.py` with the packages of `stack`.
    pub(crate) fn python(stack: Stack, program: &str, arguments: &[&str]) -> Self {
        Self::python_trusting(None, stack, program, arguments)
    }

    /// The same, that trusts the certificates of this file in place of the system's.
    pub(crate) fn python_trusting(authority: Option<&str>, stack: Stack, program: &str, arguments: &[&str]) -> Self {
        let script = root().join("tests/peers/python").join(format!("{program}.py"));
        let mut command = Command::new(stack.program("python"));
        command.arg("-B").arg(script).args(arguments).envs(authority.map(|file| ("SSL_CERT_FILE", file)));
        Self::start(&format!("{program} ({stack:?})"), command)
    }

    /// Starts a program whose standard output is one JSON object a line.
    pub(crate) fn start(name: &str, mut command: Command) -> Self {
        // A group of its own, so that children of the peer are reached too.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = read_lines(child.stdout.take().unwrap(), "out", &log);
        drop(read_lines(child.stderr.take().unwrap(), "err", &log));
        Self { name: name.to_owned(), commands: child.stdin.take(), child, lines, unread: VecDeque::new(), log }
    }

    /// Gives one command.
    pub(crate) fn tell(&mut self, command: &Value) {
        self.write(&command.to_string());
    }

    /// Writes one line to its standard input.
    pub(crate) fn write(&mut self, line: &str) {
        let commands = self.commands.as_mut().expect("the peer was finished");
        writeln!(commands, "{line}")
            .and_then(|()| commands.flush())
            .unwrap_or_else(|error| self.fail(&error.to_string()));
    }

    /// Gives one command and waits for its answer.
    pub(crate) fn ask(&mut self, command: &Value) -> Value {
        self.tell(command);
        self.wait_for("did", &command["do"])
    }

    /// The first unread line whose `key` has this value; others stay unread.
    pub(crate) fn wait_for(&mut self, key: &str, value: &Value) -> Value {
        self.wait_until(&format!("{key} = {value}"), |line| line.get(key) == Some(value))
    }

    /// The first unread line that is accepted; others stay unread.
    pub(crate) fn wait_until(&mut self, what: &str, accept: impl Fn(&Value) -> bool) -> Value {
        if let Some(line) = self.unread.iter().position(&accept).and_then(|at| self.unread.remove(at)) {
            return line;
        }
        let deadline = Instant::now() + LIMIT;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if accept(&line) => return line,
                Ok(line) => self.unread.push_back(line),
                Err(RecvTimeoutError::Timeout) => self.fail(&format!("no line with {what} within {LIMIT:?}")),
                Err(RecvTimeoutError::Disconnected) => self.fail(&format!("ended before a line with {what}")),
            }
        }
    }

    /// The next unread line; `None` once it has ended.
    pub(crate) fn next_line(&mut self) -> Option<Value> {
        if let Some(line) = self.unread.pop_front() {
            return Some(line);
        }
        match self.lines.recv_timeout(LIMIT) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => self.fail(&format!("no line within {LIMIT:?}")),
        }
    }

    /// Waits for a line with this text on either output, and gives it.
    pub(crate) fn said(&self, text: &str) -> String {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(line) = self.log.lock().unwrap().iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            if Instant::now() > deadline {
                self.fail(&format!("`{text}` was not said"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends it a signal, by its name without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "{}: {name}", self.name);
    }

    /// The next message that it received, as (topic or event, data).
    pub(crate) fn received(&mut self) -> (String, Value) {
        let line = self.wait_until("received", |line| line.get("received").is_some());
        message(line).expect("accepted by its key")
    }

    /// Closes its input, waits until it has ended by itself, and gives the messages not yet looked at.
    pub(crate) fn finish(mut self) -> Vec<(String, Value)> {
        self.commands = None;
        let deadline = Instant::now() + LIMIT;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.unread.push_back(line),
                Err(RecvTimeoutError::Timeout) => self.fail("did not end after its input was closed"),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        std::mem::take(&mut self.unread).into_iter().filter_map(message).collect()
    }

    fn fail(&self, what: &str) -> ! {
        panic!("{}: {what}", self.name);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {} said:\n{}", self.name, self.log.lock().unwrap().join("\n"));
        }
        self.commands = None;
        kill_group(self.child.id());
        let _ = self.child.wait();
    }
}

/// A message that a peer says it has received, as (topic or event, data).
fn message(mut line: Value) -> Option<(String, Value)> {
    let topic = line.get("received")?.as_str()?.to_owned();
    Some((topic, line["data"].take()))
}

/// Kills all of a process group. The standard library cannot, so the shell does.
fn kill_group(leader: u32) {
    let _ = Command::new("sh").args(["-c", &format!("kill -s KILL -- -{leader}")]).stderr(Stdio::null()).status();
}

/// Reads on in a thread, so that no pipe ever fills up; lines that are JSON objects are handed on.
fn read_lines(
    stream: impl Read + Send + 'static,
    name: &'static str,
    log: &Arc<Mutex<Vec<String>>>,
) -> Receiver<Value> {
    let (sender, receiver) = channel();
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if let Ok(value @ Value::Object(_)) = serde_json::from_str(&line) {
                let _ = sender.send(value);
            }
            let shown: String = line.chars().take(300).collect();
            log.lock().unwrap().push(format!("{name} {shown}"));
        }
    });
    receiver
}

/// Standard output, standard error and exit code of a program that ends by itself.
pub(crate) fn run(program: &Path, folder: &Path, arguments: &[&str]) -> (String, String, i32) {
    let output = Command::new(program).args(arguments).current_dir(folder).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().expect("ended by a signal"))
}

/// A command for [`Peer::ask`]: publish with the defaults of `PubSubClient`.
pub(crate) fn publish(topic: &str, data: Value) -> Value {
    json!({"do": "publish", "topics": [topic], "data": data})
}
