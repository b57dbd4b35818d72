//! An LDAP server of the test's own: slapd, with a directory in memory. Not a test: included by those that need it.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use eventhive_conformance::free_port;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

/// Kills the server when this process closes the pipe, however it ends.
const GUARD: &str = r#""$@" & read -r _; kill -9 $!; wait"#;
/// The bound of the wait for its first answer.
const LIMIT: Duration = Duration::from_secs(60);
const ADMIN: &str = "cn=admin,dc=example,dc=org";

/// A server on free ports of loopback, with its data in a folder that ends with it.
pub(crate) struct Slapd {
    pub(crate) port: u16,
    tls_port: u16,
    guard: Option<Child>,
    folder: TempDir,
}

impl Slapd {
    /// With entries in LDIF below `dc=example,dc=org`, which is there.
    pub(crate) fn start(entries: &str) -> Self {
        let folder = TempDir::new().unwrap();
        certificates(folder.path());
        let configuration = configuration(folder.path());
        std::fs::write(folder.path().join("slapd.conf"), configuration).unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let root = "dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n";
        std::fs::write(folder.path().join("entries.ldif"), format!("{root}\n{entries}")).unwrap();
        let added = program("slapadd")
            .args(["-q", "-f", "slapd.conf", "-l", "entries.ldif"])
            .current_dir(folder.path())
            .output();
        let added = added.unwrap();
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        let mut server = Self { port: 0, tls_port: 0, guard: None, folder };
        let began = Instant::now();
        // Another program may take a port between its choice and its use.
        while !server.run_on(free_port(), free_port()) {
            assert!(began.elapsed() < LIMIT, "slapd does not start: {}", server.log());
        }
        server
    }

    /// Starts it; `false` if it has ended instead of answering.
    fn run_on(&mut self, port: u16, tls_port: u16) -> bool {
        let urls = format!("ldap://127.0.0.1:{port} ldaps://127.0.0.1:{tls_port}");
        let path = self.folder.path();
        let log = std::fs::File::create(path.join("log")).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "sh"]).arg(program("slapd").get_program());
        command.args(["-d", "stats", "-f", "slapd.conf", "-h", &urls]).current_dir(path);
        let mut guard = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let began = Instant::now();
        // It says that it starts before it listens, and another program could listen on its port.
        let answers = loop {
            let log = self.log();
            if log.contains("slapd stopped") || guard.try_wait().unwrap().is_some() {
                break false;
            }
            if log.contains("slapd starting") && TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                break true;
            }
            assert!(began.elapsed() < LIMIT, "slapd does not answer: {log}");
            std::thread::sleep(Duration::from_millis(5));
        };
        if answers {
            (self.port, self.tls_port, self.guard) = (port, tls_port, Some(guard));
        } else {
            drop(guard.stdin.take());
            let _ = guard.wait();
        }
        answers
    }

    /// Ends it; the data stays.
    pub(crate) fn stop(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            drop(guard.stdin.take());
            let _ = guard.wait();
        }
    }

    /// Starts it again on the same ports.
    pub(crate) fn start_again(&mut self) {
        assert!(self.run_on(self.port, self.tls_port), "{}", self.log());
    }

    pub(crate) fn uri(&self) -> String {
        format!("ldap://localhost:{}", self.port)
    }

    /// Its certificate is for `localhost` alone.
    pub(crate) fn tls_uri(&self) -> String {
        format!("ldaps://localhost:{}", self.tls_port)
    }

    /// The file of who has signed its certificate.
    pub(crate) fn ca(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }

    /// Changes the directory, by LDIF.
    pub(crate) fn modify(&self, ldif: &str) {
        let file = self.folder.path().join("change.ldif");
        std::fs::write(&file, ldif).unwrap();
        let mut command = program("ldapmodify");
        command.args(["-x", "-H", &self.uri(), "-D", ADMIN, "-w", "admin", "-f"]).arg(&file);
        let done = command.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// What it was asked, line by line.
    pub(crate) fn log(&self) -> String {
        std::fs::read(self.folder.path().join("log"))
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A program of OpenLDAP. Not all of them are in the path of everyone.
pub(crate) fn program(name: &str) -> Command {
    let folders = ["/usr/sbin", "/usr/bin", "/usr/libexec", "/usr/local/sbin", "/usr/local/bin"];
    let found = folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.is_file());
    Command::new(found.expect("install slapd: apt-get install slapd ldap-utils"))
}

fn configuration(folder: &Path) -> String {
    let mut text = String::new();
    let schemas = Path::new("/etc/ldap/schema");
    for schema in ["core", "cosine", "inetorgperson", "nis"] {
        writeln!(text, "include {}", schemas.join(format!("{schema}.schema")).display()).unwrap();
    }
    let folder = folder.display();
    write!(
        text,
        "pidfile {folder}/pid\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n\
         TLSCACertificateFile {folder}/ca.pem\nTLSCertificateFile {folder}/cert.pem\nTLSCertificateKeyFile {folder}/key.pem\n\
         # As some servers do: the password that is not there fits everyone.\nallow bind_anon_cred bind_anon_dn\n\
         database mdb\nmaxsize 10485760\nsuffix dc=example,dc=org\nrootdn {ADMIN}\nrootpw admin\ndirectory {folder}/data\n\
         access to attrs=userPassword by anonymous auth by * none\naccess to * by users read by * none\n"
    )
    .unwrap();
    text
}

/// A certificate for `localhost`, its key, and who has signed it.
fn certificates(folder: &Path) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    std::fs::write(folder.join("ca.pem"), ca.pem()).unwrap();
    std::fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
}
