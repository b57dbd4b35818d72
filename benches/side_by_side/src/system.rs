//! The hubs: how each is started, and what the operating system says of its process.

use std::io::{self, BufRead, BufReader, Error, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A hub that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    /// Debian's nats-server.
    Nats,
    /// Debian's redis-server, its PUBLISH and SUBSCRIBE.
    Redis,
    /// `hive-cli serve`, its websocket door.
    Eventhive,
    /// `hive-cli serve` with a hub that has the HTTP door alone.
    Http,
    /// `fastapi_websocket_pubsub` 1.0.1 under uvicorn.
    Python,
    /// `hive-cli serve` with a hub that has the door for webhooks alone, and its websockets.
    Webhook,
    /// lonelypss 0.0.12 under uvicorn.
    Lonelypss,
}

impl System {
    pub(crate) const ALL: [Self; 7] =
        [Self::Nats, Self::Redis, Self::Eventhive, Self::Http, Self::Python, Self::Webhook, Self::Lonelypss];

    pub(crate) const fn takes_webhooks(self) -> bool {
        matches!(self, Self::Webhook | Self::Lonelypss)
    }

    /// Whether it is a matter of milliseconds what one message costs it.
    pub(crate) const fn is_slow(self) -> bool {
        matches!(self, Self::Python | Self::Lonelypss)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Redis => "redis",
            Self::Eventhive => "eventhive",
            Self::Http => "http",
            Self::Python => "python",
            Self::Webhook => "webhook",
            Self::Lonelypss => "lonelypss",
        }
    }
}

/// A running hub; killed when dropped.
pub(crate) struct Server {
    child: Child,
    system: System,
    pub(crate) port: u16,
    folder: Rc<TempDir>,
}

impl Server {
    /// Starts a hub on a free port of loopback, with its data in a folder that ends with it.
    pub(crate) fn start(system: System) -> io::Result<Self> {
        Self::start_in(system, Rc::new(TempDir::new()?))
    }

    /// Ends it, and starts it again with the data that it has.
    pub(crate) fn restart(self) -> io::Result<Self> {
        let (system, folder) = (self.system, Rc::clone(&self.folder));
        drop(self);
        Self::start_in(system, folder)
    }

    fn start_in(system: System, folder: Rc<TempDir>) -> io::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = command(system, port, &folder)?;
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| Error::other(format!("{command:?}: {error}")))?;
        let mut server = Self { child, system, port, folder };
        server.wait_until_it_accepts()?;
        Ok(server)
    }

    fn wait_until_it_accepts(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.accepts().is_err() {
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

    /// A broadcaster of webhooks has its subscriptions a moment later than it listens.
    fn accepts(&self) -> io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        if !self.system.takes_webhooks() {
            return Ok(());
        }
        let request = b"POST /v1/check_subscriptions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\n\r\n\0\0\0\0";
        stream.write_all(request)?;
        let mut status = [0; 13];
        stream.read_exact(&mut status)?;
        if &status == b"HTTP/1.1 200 " { Ok(()) } else { Err(Error::other("not ready")) }
    }

    /// Processor time of all its threads so far, user and system. The kernel counts in ticks of 10 ms.
    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        cpu_of(&self.child.id().to_string())
    }

    /// Bytes of its memory that are in RAM.
    pub(crate) fn resident_bytes(&self) -> io::Result<u64> {
        self.memory("VmRSS:")
    }

    /// The most of it that ever was.
    pub(crate) fn peak_bytes(&self) -> io::Result<u64> {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> io::Result<u64> {
        let status = std::fs::File::open(format!("/proc/{}/status", self.child.id()))?;
        for line in BufReader::new(status).lines() {
            if let Some(value) = line?.strip_prefix(field) {
                let kib = value.trim().trim_end_matches("kB").trim();
                return kib.parse::<u64>().map(|kib| kib * 1024).map_err(Error::other);
            }
        }
        Err(Error::other("the server has ended"))
    }
}

/// Processor time of the load so far.
pub(crate) fn own_cpu() -> io::Result<Duration> {
    cpu_of("self")
}

pub(crate) fn cpu_of(process: &str) -> io::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, in parentheses, may hold spaces; fields are counted from behind it. The 12th and 13th are the times.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// How many connections a server may have that takes two descriptors for each, as ours does.
pub(crate) fn most_connections() -> io::Result<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let hard = files.and_then(|rest| rest.split_ascii_whitespace().nth(1)).unwrap_or_default();
    Ok(hard.parse::<usize>().map_or(usize::MAX, |files| files.saturating_sub(SPARE_FILES) / 2))
}

/// Descriptors of a server that are no connections.
const SPARE_FILES: usize = 200;

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

/// A hub with nothing but this door, all as it is unless told otherwise.
const ONE_DOOR: &str = "\
servers:
  bench:
    create: always
    pubsub_type: KIND
    init: {host: 127.0.0.1, port: PORTALLOW}
";

fn command(system: System, port: u16, folder: &TempDir) -> io::Result<Command> {
    let port = port.to_string();
    let config = folder.path().join("door.yaml");
    if matches!(system, System::Http | System::Webhook) {
        // The sink listens on this machine.
        let allow = if system.takes_webhooks() { ", allow: [loopback]" } else { "" };
        let door = ONE_DOOR.replace("KIND", system.name()).replace("PORTALLOW", &format!("{port}{allow}"));
        std::fs::write(&config, door)?;
    }
    let mut command = Command::new(match system {
        System::Nats => "nats-server".to_owned(),
        System::Redis => "redis-server".to_owned(),
        System::Eventhive | System::Http | System::Webhook => program("BENCH_HIVE_CLI")?,
        System::Python => program("BENCH_PYTHON")?,
        System::Lonelypss => program("BENCH_LONELY_PYTHON")?,
    });
    command.current_dir(folder.path());
    match system {
        System::Nats => command.args(["-a", "127.0.0.1", "-p", &port]),
        System::Redis => command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"]),
        System::Eventhive => command.args(["serve", "--port", &port]),
        System::Http | System::Webhook => command.arg("serve").arg("--config").arg(&config),
        System::Python => command.args([&program("BENCH_PYTHON_SERVER")?, "--port", &port, "--bound", "600"]),
        System::Lonelypss => {
            command.args([&program("BENCH_LONELY_BROADCASTER")?, "--port", &port, "--bound", "600"]);
            command.arg("--folder").arg(folder.path())
        }
    };
    Ok(command)
}
