//! A redis-server of the test's own. Not a test: included by those that need it.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use eventhive_conformance::free_port;
use tempfile::TempDir;

/// Kills the server when this process closes the pipe, however it ends.
const GUARD: &str = r#""$@" & read -r _; kill -9 $!; wait"#;
/// The bound of the wait for its first answer.
const LIMIT: Duration = Duration::from_secs(60);

/// A server on a free port of loopback, with its data in a folder that ends with it.
pub(crate) struct RedisServer {
    pub(crate) port: u16,
    guard: Child,
    folder: TempDir,
}

impl RedisServer {
    /// With more options, as on the command line; they may have `PORT` for the port.
    pub(crate) fn start(options: &[&str]) -> Self {
        let began = Instant::now();
        loop {
            let mut server = Self::begin(options);
            while server.guard.try_wait().unwrap().is_none() && !server.has_ended() {
                if server.answers() {
                    return server;
                }
                assert!(began.elapsed() < LIMIT, "redis-server does not answer on port {}", server.port);
                std::thread::sleep(Duration::from_millis(5));
            }
            // Another program has taken the port meanwhile.
            assert!(began.elapsed() < LIMIT, "redis-server does not start: {}", server.log());
        }
    }

    fn begin(options: &[&str]) -> Self {
        let port = free_port();
        let folder = TempDir::new().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "sh", "redis-server", "--port", &port.to_string(), "--bind", "127.0.0.1"]);
        command.args(["--save", "", "--logfile", "log", "--dir"]).arg(folder.path());
        command.args(options.iter().map(|option| option.replace("PORT", &port.to_string())));
        let found = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
        assert!(found.is_ok(), "install redis-server: apt-get install redis-server");
        let guard = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        Self { port, guard, folder }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn has_ended(&self) -> bool {
        self.log().contains("Failed listening on port")
    }

    /// Any answer is one: it may ask for a password, or speak TLS only and hang up.
    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) else { return false };
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let answer = stream.write_all(b"PING\r\n").and_then(|()| stream.read(&mut [0; 64]));
        !matches!(answer, Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}
