//! A haproxy of the test's own. Not a test.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use eventhive_conformance::free_port;
use tempfile::TempDir;

/// Servers are not on everyone's path.
const HAPROXY: &str = "/usr/sbin/haproxy";

/// Kills the proxy when this process closes the pipe, however it ends.
const GUARD: &str = r#""$@" & read -r _; kill -9 $!; wait"#;
/// The bound of the wait until it listens.
const LIMIT: Duration = Duration::from_secs(60);

/// How it tells whom it speaks for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// The PROXY protocol, version 1.
    Protocol1,
    /// The PROXY protocol, version 2.
    Protocol2,
    /// `X-Forwarded-For`.
    ForwardedFor,
}

/// A proxy on a free port of loopback.
pub(crate) struct HaProxy {
    pub(crate) address: SocketAddr,
    guard: Child,
    _folder: TempDir,
}

impl HaProxy {
    pub(crate) fn start(way: Way, server: SocketAddr) -> Self {
        let found = Command::new(HAPROXY).arg("-v").stdout(Stdio::null()).status();
        assert!(found.is_ok(), "install haproxy: apt-get install haproxy");
        let began = Instant::now();
        loop {
            let mut proxy = Self::begin(way, server);
            while proxy.guard.try_wait().unwrap().is_none() {
                if TcpStream::connect(proxy.address).is_ok() {
                    return proxy;
                }
                // Another program may have taken the port meanwhile.
                assert!(began.elapsed() < LIMIT, "haproxy does not listen on {}", proxy.address);
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    fn begin(way: Way, server: SocketAddr) -> Self {
        let address = (Ipv4Addr::LOCALHOST, free_port()).into();
        let (mode, option) = match way {
            Way::Protocol1 => ("tcp", "send-proxy"),
            Way::Protocol2 => ("tcp", "send-proxy-v2"),
            Way::ForwardedFor => ("http", ""),
        };
        let forward = if mode == "http" { "option forwardfor" } else { "" };
        let text = format!(
            "global\n maxconn 100\ndefaults\n mode {mode}\n {forward}\n timeout connect 10s\n timeout client 60s\n \
             timeout server 60s\nlisten all\n bind {address}\n server one {server} {option}\n"
        );
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("haproxy.cfg");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "sh", HAPROXY, "-db", "-f"]).arg(file);
        let guard = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Self { address, guard, _folder: folder }
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        _ = self.guard.wait();
    }
}
