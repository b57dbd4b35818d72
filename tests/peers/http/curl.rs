//! curl, for requests and for streams.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use serde_json::Value;

use crate::process::LIMIT;

/// What curl printed.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn read(out: &[u8]) -> Option<Self> {
        let end = out.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&out[..end]).into_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Self { status, head, body: out[end + 4..].to_vec() })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?}", self.head, self.text())
    }
}

/// The value of a header.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

fn command(arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new("curl");
    // Its own configuration file could change everything.
    command.args(["-q", "-sS", "-i", "--path-as-is", "--globoff", "-H", "Expect:"]).args(arguments);
    command
}

/// One request with a body; the error is what curl says and its code.
pub(crate) fn try_curl(arguments: &[impl AsRef<OsStr>], body: &[u8]) -> Result<Answer, (String, i32)> {
    let mut command = command(arguments);
    command.args(["--max-time", &LIMIT.as_secs().to_string()]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| {
            panic!("{error}: install curl, as tests/all.sh does");
        });
    // What does not want the body closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(body);
    let output = child.wait_with_output().unwrap();
    let answer = Answer::read(&output.stdout).filter(|_| output.status.success());
    answer.ok_or_else(|| (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code().unwrap_or(-1)))
}

/// One request, with what `--data-binary @-` is to send.
pub(crate) fn curl(arguments: &[impl AsRef<OsStr>], body: &[u8]) -> Answer {
    try_curl(arguments, body).unwrap_or_else(|(text, code)| panic!("curl ended with {code}: {text}"))
}

/// Publishes, which has to be taken.
pub(crate) fn put(url: &str, body: &str) -> Answer {
    put_with(url, body, &[])
}

/// As [`put`], with more arguments.
pub(crate) fn put_with(url: &str, body: &str, more: &[&str]) -> Answer {
    let answer = curl(&[&["-X", "PUT", "--data-binary", "@-"], more, &[url]].concat(), body.as_bytes());
    assert_eq!(answer.status, 202, "{url}: {answer:?}");
    answer
}

/// A running `curl -N`. Dropped, it is killed.
pub(crate) struct Stream {
    child: Child,
    lines: Receiver<String>,
    pub(crate) head: String,
}

impl Stream {
    /// A stream whose head has come.
    pub(crate) fn open(arguments: &[impl AsRef<OsStr>]) -> Self {
        let mut child = command(arguments)
            .arg("-N")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{error}: install curl, as tests/all.sh does"));
        let (sender, lines) = channel();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            let mut line = Vec::new();
            while out.read_until(b'\n', &mut line).is_ok_and(|size| size > 0) {
                if sender.send(String::from_utf8_lossy(&std::mem::take(&mut line)).into_owned()).is_err() {
                    break;
                }
            }
        });
        let mut stream = Self { child, lines, head: String::new() };
        while !stream.head.ends_with("\r\n\r\n") {
            let line = stream.line();
            stream.head.push_str(&line);
        }
        stream
    }

    /// A stream that is subscribed: its first ping has come.
    pub(crate) fn subscribed(arguments: &[impl AsRef<OsStr>]) -> Self {
        let mut stream = Self::open(arguments);
        while !stream.line().contains("stillalive") {}
        stream
    }

    /// The next line, with its end.
    pub(crate) fn line(&mut self) -> String {
        self.next_line().unwrap_or_else(|| panic!("the stream has ended; its head was {}", self.head))
    }

    /// As [`line`](Self::line); `None` when the stream has ended.
    pub(crate) fn next_line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(LIMIT) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no line came; the head was {}", self.head),
        }
    }

    /// The next line that is no ping.
    pub(crate) fn event_line(&mut self) -> String {
        loop {
            let line = self.line();
            if !line.contains("\"stillalive\"") {
                return line;
            }
        }
    }

    pub(crate) fn event(&mut self) -> Value {
        let line = self.event_line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
