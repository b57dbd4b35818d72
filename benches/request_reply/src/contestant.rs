//! What is measured, and the processes that each contestant needs beside the one that asks.

use std::io::{self, Error};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A way to ask and be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contestant {
    /// A TCP connection to the answering process, with no server between: the floor.
    Tcp,
    /// NATS request-reply: the `async-nats` client and Debian's nats-server.
    Nats,
    /// A hive at `hive-cli serve`.
    Hub,
    /// The same, sealed with `aes-256-gcm`.
    HubSealed,
    /// A hive at Debian's redis-server, pub/sub.
    Redis,
    /// The same, sealed with `aes-256-gcm`.
    RedisSealed,
}

impl Contestant {
    pub(crate) const ALL: [Self; 6] =
        [Self::Tcp, Self::Nats, Self::Hub, Self::HubSealed, Self::Redis, Self::RedisSealed];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Nats => "nats",
            Self::Hub => "hub",
            Self::HubSealed => "hub-sealed",
            Self::Redis => "redis",
            Self::RedisSealed => "redis-sealed",
        }
    }

    /// The server between the two ends.
    fn server(self, port: u16) -> io::Result<Option<Command>> {
        let port = port.to_string();
        let (program, arguments) = match self {
            Self::Tcp => return Ok(None),
            Self::Nats => ("nats-server".to_owned(), vec!["-a", "127.0.0.1", "-p", &port]),
            Self::Hub | Self::HubSealed => (hive_cli()?, vec!["serve", "--port", &port]),
            Self::Redis | Self::RedisSealed => {
                let arguments = vec!["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"];
                ("redis-server".to_owned(), arguments)
            }
        };
        let mut command = Command::new(program);
        command.args(arguments);
        Ok(Some(command))
    }
}

/// Where `benches/run.sh` says that hive-cli is.
fn hive_cli() -> io::Result<String> {
    std::env::var("BENCH_HIVE_CLI").map_err(|_| Error::other("BENCH_HIVE_CLI is not set: start this by benches/run.sh"))
}

/// A contestant's server and its answering end; killed when dropped.
pub(crate) struct Running {
    /// Where the asking end connects to.
    pub(crate) port: u16,
    children: Vec<Child>,
    _folder: TempDir,
}

impl Running {
    /// Starts both on free ports of loopback. The answering end may still be on its way.
    pub(crate) fn start(contestant: Contestant) -> io::Result<Self> {
        let folder = TempDir::new()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut running = Self { port, children: Vec::new(), _folder: folder };
        if let Some(server) = contestant.server(port)? {
            running.spawn(server)?;
            running.wait_until_it_accepts()?;
        }
        let mut answering = Command::new(std::env::current_exe()?);
        answering.args(["answer", contestant.name(), &port.to_string()]);
        running.spawn(answering)?;
        running.wait_until_it_accepts()?;
        Ok(running)
    }

    fn spawn(&mut self, mut command: Command) -> io::Result<()> {
        command.current_dir(self._folder.path()).stdin(Stdio::piped()).stdout(Stdio::null());
        let child = command.spawn().map_err(|error| Error::other(format!("{command:?}: {error}")))?;
        self.children.push(child);
        Ok(())
    }

    fn wait_until_it_accepts(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            for child in &mut self.children {
                if let Some(status) = child.try_wait()? {
                    return Err(Error::other(format!("a process ended at once: {status}")));
                }
            }
            if Instant::now() > deadline {
                return Err(Error::other("nothing accepts connections"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
