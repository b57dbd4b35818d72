//! The hubs: how each is started, and what the operating system says of its process.

use std::io::{self, BufRead, BufReader, Error};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A hub that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    /// Debian's nats-server.
    Nats,
    /// Debian's redis-server, its PUBLISH and SUBSCRIBE.
    Redis,
    /// `hive-cli serve`.
    Eventhive,
    /// `fastapi_websocket_pubsub` 1.0.1 under uvicorn.
    Python,
}

impl System {
    pub(crate) const ALL: [Self; 4] = [Self::Nats, Self::Redis, Self::Eventhive, Self::Python];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Redis => "redis",
            Self::Eventhive => "eventhive",
            Self::Python => "python",
        }
    }
}

/// A running hub; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    _folder: TempDir,
}

impl Server {
    /// Starts a hub on a free port of loopback, with its data in a folder that ends with it.
    pub(crate) fn start(system: System) -> io::Result<Self> {
        let folder = TempDir::new()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = command(system, port, &folder)?;
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| Error::other(format!("{command:?}: {error}")))?;
        let mut server = Self { child, port, _folder: folder };
        server.wait_until_it_accepts()?;
        Ok(server)
    }

    fn wait_until_it_accepts(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(Error::other(format!("the server ended at once: {status}")));
            }
            if Instant::now() > deadline {
                return Err(Error::other("the server does not accept connections"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Processor time of all its threads so far, user and system. The kernel counts in ticks of 10 ms.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name, in parentheses, may hold spaces; fields are counted from behind it. The 12th and 13th are the times.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Bytes of its memory that are in RAM.
    pub(crate) fn resident_bytes(&self) -> io::Result<u64> {
        let status = std::fs::File::open(format!("/proc/{}/status", self.child.id()))?;
        for line in BufReader::new(status).lines() {
            if let Some(value) = line?.strip_prefix("VmRSS:") {
                let kib = value.trim().trim_end_matches("kB").trim();
                return kib.parse::<u64>().map(|kib| kib * 1024).map_err(Error::other);
            }
        }
        Err(Error::other("the server has ended"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where `benches/run.sh` says a program is.
fn program(variable: &str) -> io::Result<String> {
    std::env::var(variable).map_err(|_| Error::other(format!("{variable} is not set: start this by benches/run.sh")))
}

fn command(system: System, port: u16, folder: &TempDir) -> io::Result<Command> {
    let port = port.to_string();
    let mut command = Command::new(match system {
        System::Nats => "nats-server".to_owned(),
        System::Redis => "redis-server".to_owned(),
        System::Eventhive => program("BENCH_HIVE_CLI")?,
        System::Python => program("BENCH_PYTHON")?,
    });
    command.current_dir(folder.path());
    match system {
        System::Nats => command.args(["-a", "127.0.0.1", "-p", &port]),
        System::Redis => command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"]),
        System::Eventhive => command.args(["serve", "--port", &port]),
        System::Python => command.args([&program("BENCH_PYTHON_SERVER")?, "--port", &port, "--bound", "600"]),
    };
    Ok(command)
}
