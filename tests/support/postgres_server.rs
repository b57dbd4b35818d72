//! A PostgreSQL of the test's own. Not a test: included by those that need it.

use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use eventhive_conformance::free_port;

/// Ends the server when this process closes the pipe, however it ends, and deletes the folder, unless it is told to keep it.
const GUARD: &str = r#"folder=$1; shift; "$@" & read -r keep; kill -QUIT $!; wait; [ -n "$keep" ] || rm -rf "$folder""#;
/// The bound of the wait for its first answer.
const LIMIT: Duration = Duration::from_secs(60);
/// Of the user that has TCP connections.
pub(crate) const PASSWORD: &str = "p@ss:word/1";

/// A server on a socket in its folder, and, with TLS and a password, on a free port of loopback. Its folder is deleted when it
/// ends.
pub(crate) struct PostgresServer {
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    guard: Option<Child>,
}

impl PostgresServer {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap().keep();
        give(&folder);
        std::fs::write(folder.join("password"), PASSWORD).unwrap();
        certificate(&folder);
        let mut initdb = command("initdb");
        initdb.args(["-U", "eventhive", "-E", "UTF8", "--no-locale", "--no-sync", "-A", "scram-sha-256", "--pwfile"]);
        let made = initdb.arg(folder.join("password")).arg("-D").arg(folder.join("data")).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let rules = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
        std::fs::write(folder.join("data/pg_hba.conf"), rules).unwrap();
        let mut server = Self { folder, port: 0, guard: None };
        server.start_again();
        server
    }

    /// After [`stop`](Self::stop), with the same data, at the same place.
    pub(crate) fn start_again(&mut self) {
        let began = Instant::now();
        loop {
            if self.port == 0 {
                self.port = free_port();
            }
            let mut guard = self.run();
            while guard.try_wait().unwrap().is_none() && !self.log().contains("database system is shut down") {
                if self.log().contains("ready to accept connections") {
                    self.guard = Some(guard);
                    return;
                }
                assert!(began.elapsed() < LIMIT, "postgres does not answer: {}", self.log());
                std::thread::sleep(Duration::from_millis(5));
            }
            drop(guard.stdin.take().map(|mut pipe| writeln!(pipe, "keep")));
            let _ = guard.wait();
            // Another program has taken the port meanwhile.
            assert!(began.elapsed() < LIMIT, "postgres does not start: {}", self.log());
            self.port = 0;
        }
    }

    /// Ends it at once, with all its connections.
    pub(crate) fn stop(&mut self) {
        let mut guard = self.guard.take().unwrap();
        writeln!(guard.stdin.as_mut().unwrap(), "keep").unwrap();
        end(&mut guard);
    }

    fn run(&self) -> Child {
        let mut postgres = command("postgres");
        postgres.arg("-D").arg(self.folder.join("data")).arg("-k").arg(&self.folder);
        let settings = ["fsync=off", "ssl=on", "listen_addresses=127.0.0.1", "max_connections=500"];
        postgres.args(settings.iter().flat_map(|setting| ["-c", setting])).args(["-p", &self.port.to_string()]);
        for (setting, file) in [("ssl_cert_file", "cert.pem"), ("ssl_key_file", "key.pem")] {
            postgres.arg("-c").arg(format!("{setting}={}", self.folder.join(file).display()));
        }
        let mut guarded = Command::new("sh");
        guarded.args(["-c", GUARD, "sh"]).arg(&self.folder).arg(postgres.get_program()).args(postgres.get_args());
        let log = std::fs::File::create(self.folder.join("log")).unwrap();
        guarded.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// The address of a database, by the socket.
    pub(crate) fn address(&self, database: &str) -> String {
        let folder = self.folder.to_str().unwrap().replace('/', "%2F");
        format!("postgres://eventhive@{folder}:{}/{database}", self.port)
    }

    /// Makes a database, and tells its name.
    pub(crate) fn database(&self) -> String {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("test{}", MADE.fetch_add(1, Ordering::Relaxed));
        let mut createdb = command("createdb");
        createdb.arg("-h").arg(&self.folder).args(["-p", &self.port.to_string(), "-U", "eventhive", &name]);
        let made = createdb.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        name
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            end(&mut guard);
        }
    }
}

fn end(guard: &mut Child) {
    drop(guard.stdin.take());
    let _ = guard.wait();
}

/// One of the programs, run as the user `postgres` by root: they refuse to run as root.
fn command(program: &str) -> Command {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin").join(program)).collect();
    found.retain(|path| path.is_file());
    found.sort();
    let path = found.pop().expect("install PostgreSQL: apt-get install postgresql");
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(path);
        command
    } else {
        Command::new(path)
    };
    // One that this user may enter.
    command.current_dir("/");
    command
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Makes a folder or file that of the user who runs the server.
fn give(path: &Path) {
    if is_root() {
        let number = |option: &str| {
            let found = Command::new("id").args([option, "postgres"]).output().unwrap();
            String::from_utf8(found.stdout).unwrap().trim().parse().unwrap()
        };
        chown(path, Some(number("-u")), Some(number("-g"))).unwrap();
    }
}

/// A certificate for the server, which is trusted by its file.
fn certificate(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    let key = folder.join("key.pem");
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    give(&key);
}
