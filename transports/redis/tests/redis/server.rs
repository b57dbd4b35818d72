//! A redis-server of the test's own.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::{FromRedisValue, cmd};
use tempfile::TempDir;
use tokio::net::TcpSocket;

/// Kills the server when this process closes the pipe, however it ends.
const GUARD: &str = r#""$@" & read -r _; kill -9 $!; wait"#;
const PATIENCE: Duration = Duration::from_secs(30);

/// A server on a free port, with a directory of its own. Killed when dropped.
pub(crate) struct Server {
    ports: Vec<Port>,
    options: Vec<String>,
    tls: bool,
    directory: TempDir,
    running: Mutex<Option<Child>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// With more options, as on the command line.
    pub(crate) fn with(options: &[&str]) -> Self {
        let port = Port::free();
        let number = port.number().to_string();
        Self::of(vec![port], [&["--port", &number], options].concat(), false)
    }

    /// One that speaks TLS only. It cannot be asked.
    pub(crate) fn with_tls(options: &[&str]) -> Self {
        let port = Port::free();
        let number = port.number().to_string();
        Self::of(vec![port], [&["--port", "0", "--tls-port", &number], options].concat(), true)
    }

    /// A node of a cluster that is yet to be made. Its bus has a port of its own: by itself it would take the one 10,000
    /// above, which may be none at all.
    pub(crate) fn node(options: &[&str]) -> Self {
        let ports = vec![Port::free(), Port::free()];
        let [port, bus] = [0, 1].map(|at: usize| ports[at].number().to_string());
        Self::of(
            ports,
            [&["--port", &port, "--cluster-enabled", "yes", "--cluster-port", &bus], options].concat(),
            false,
        )
    }

    /// A Sentinel with this configuration, which it changes.
    pub(crate) fn sentinel(configuration: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("sentinel.conf");
        std::fs::write(&file, configuration).expect("a configuration");
        let file = file.to_str().expect("a path of text").to_owned();
        let port = Port::free();
        let options = vec![file, "--sentinel".into(), "--port".into(), port.number().to_string()];
        Self::begin(Self { ports: vec![port], options, tls: false, directory, running: Mutex::default() })
    }

    fn of(ports: Vec<Port>, mut options: Vec<&str>, tls: bool) -> Self {
        options.extend(["--save", "", "--loglevel", "warning"]);
        // A subscriber that takes nothing costs no more than this.
        options.extend(["--client-output-buffer-limit", "pubsub", "4mb", "2mb", "5"]);
        let options = options.into_iter().map(str::to_owned).collect();
        let directory = tempfile::tempdir().expect("a directory");
        Self::begin(Self { ports, options, tls, directory, running: Mutex::default() })
    }

    fn begin(self) -> Self {
        self.resume();
        self
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port()).into()
    }

    pub(crate) fn port(&self) -> u16 {
        self.ports[0].number()
    }

    /// The port of a node's bus.
    pub(crate) fn bus_port(&self) -> u16 {
        self.ports[1].number()
    }

    /// Kills it, as a crash would. Returns when nothing listens any more.
    pub(crate) fn kill(&self) {
        let running = self.running().take();
        if let Some(mut child) = running {
            drop(child.stdin.take());
            child.wait().expect("the guard ends");
        }
    }

    /// Starts it again on its port. Returns when it answers.
    pub(crate) fn resume(&self) {
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "sh", "redis-server"]).args(&self.options);
        command.args(["--bind", "127.0.0.1", "--dir"]).arg(self.directory.path());
        let log = std::fs::File::create(self.directory.path().join("log")).expect("a log file");
        command.stdin(Stdio::piped()).stdout(log).stderr(Stdio::null());
        is_installed();
        *self.running() = Some(command.spawn().expect("sh runs"));
        eventually("redis-server answers", || self.answers().then_some(()));
    }

    fn answers(&self) -> bool {
        if self.tls {
            return TcpStream::connect(self.address()).is_ok();
        }
        redis::Client::open((Ipv4Addr::LOCALHOST.to_string(), self.port()))
            .and_then(|client| client.get_connection_with_timeout(Duration::from_secs(1)))
            // A server that has a password answers too.
            .map_or_else(|error| error.code().is_some(), |mut connection| {
                !matches!(cmd("PING").exec(&mut connection), Err(error) if error.code() == Some("LOADING"))
            })
    }

    /// Asks, on a connection of its own.
    pub(crate) fn ask<T: FromRedisValue>(&self, command: &[&str]) -> T {
        let client = redis::Client::open((Ipv4Addr::LOCALHOST.to_string(), self.port())).unwrap();
        let mut connection = client.get_connection().unwrap();
        let (name, arguments) = command.split_first().unwrap();
        cmd(name).arg(arguments).query(&mut connection).unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// What the server holds for clients that do not take it.
    pub(crate) fn queued_bytes(&self) -> usize {
        let list: String = self.ask(&["CLIENT", "LIST"]);
        list.split_whitespace().filter_map(|field| field.strip_prefix("omem=")?.parse::<usize>().ok()).sum()
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Fails with the remedy if there is no redis-server.
pub(crate) fn is_installed() {
    let found = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
    if found.is_err() {
        // Straight to the terminal: the line must be seen among the failures of all tests.
        let _ = writeln!(std::io::stderr(), "install redis-server: apt-get install redis-server");
        panic!("install redis-server: apt-get install redis-server");
    }
}

/// A port that nobody else gets while this lives: bound, but not listening, which lets a server that allows the reuse of
/// addresses, as Redis does, listen on it, again and again.
pub(crate) struct Port(TcpSocket);

impl Port {
    pub(crate) fn free() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option of sockets");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        Self(socket)
    }

    pub(crate) fn number(&self) -> u16 {
        self.0.local_addr().expect("a bound socket has an address").port()
    }
}

/// Asks again until there is an answer.
pub(crate) fn eventually<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
