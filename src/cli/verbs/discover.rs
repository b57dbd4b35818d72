use std::time::{Duration, SystemTime};

use eventhive::Config;
use eventhive::config::{DiscoverySettings, Kinds};
use eventhive::discovery::{Change, Found, Interfaces, Mdns, Signature, Signer};
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::cli::config_args::ConfigArgs;
use crate::cli::console::{Console, bold, visible};
use crate::cli::exit::{Exit, Failure};
use crate::cli::run::{Signals, block_on};
use crate::cli::verb::Verb;

use super::listen::until;
use crate::cli::calling::seconds;

/// `hive-cli discover`
#[derive(Debug, clap::Args)]
pub(crate) struct Discover {
    /// End after so many seconds. Without it, the list goes on until Ctrl-C.
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<f64>,

    /// The network interface to look on, in place of the configuration's `discovery_interfaces`; may be given several
    /// times.
    #[arg(short, long = "interface", value_name = "NAME")]
    interfaces: Vec<String>,

    #[command(flatten)]
    config: ConfigArgs,
}

impl Verb for Discover {
    const NAME: &'static str = "discover";
    const ABOUT: &'static str = "List the servers that are announced by mDNS, and what changes";
    const MORE: &'static str = "`+` is a server that has come, `~` one that says something else of itself, `-` one that is gone.\n\
                                With a configuration that has a secret for the server's network, its signature is checked:\n\
                                valid, wrong, or unsigned; without, a signature is unchecked.\n\
                                Exit code 0: --timeout was reached and something was announced, or 1: nothing was;\n\
                                2: the configuration cannot be used; 4: mDNS cannot be used here; 130: ended by Ctrl-C.";

    fn run(self, console: Console) -> Result<Exit, Failure> {
        let sources = self.config.sources();
        // It is of use without any.
        let config = if sources.is_empty() { None } else { Some(sources.resolve(&Kinds::compiled_in())?) };
        block_on(self.discover(config.as_ref(), console))
    }
}

impl Discover {
    async fn discover(&self, config: Option<&Config>, console: Console) -> Result<Exit, Failure> {
        let mut signals = Signals::listen()?;
        let deadline = self.timeout.and_then(|it| Instant::now().checked_add(Duration::from_secs_f64(it)));
        let mdns = Mdns::new(self.interfaces(config.map(|config| &config.hive.discovery)), None);
        let mut browser = mdns.browse().map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        let mut seen = false;
        loop {
            let change = tokio::select! {
                change = browser.next() => change,
                () = until(deadline) => return if seen { Ok(Exit::Ok) } else { Err(nothing()) },
                exit = signals.end() => return Ok(exit),
            };
            seen = true;
            let line = Line::of(change, config);
            console.answer(|| line.text(), || line.json())?;
        }
    }

    fn interfaces(&self, settings: Option<&DiscoverySettings>) -> Interfaces {
        let configured = settings.map_or(&[][..], |settings| &settings.interfaces);
        match if self.interfaces.is_empty() { configured } else { &self.interfaces } {
            [] => Interfaces::Usual,
            names => Interfaces::Named(names.to_vec()),
        }
    }
}

fn nothing() -> Failure {
    let message = "no server is announced here: one is if it has `broadcast: true` and this network carries multicast \
                   (see `discovery_interfaces` for which interfaces are used)";
    Failure::new(Exit::Negative, message)
}

/// What is told of one change.
struct Line {
    mark: char,
    change: &'static str,
    found: Found,
    signature: Signature,
}

impl Line {
    fn of(change: Change, config: Option<&Config>) -> Self {
        let (mark, change, found) = match change {
            Change::Appeared(found) => ('+', "appeared", found),
            Change::Changed(found) => ('~', "changed", found),
            Change::Gone(found) => ('-', "gone", found),
        };
        let signer = config.and_then(|config| signer(config, &found.name));
        let signature = signer.map_or(found.signature, |signer| signer.verify(&found));
        Self { mark, change, found, signature }
    }

    /// As it would stand in a list of servers.
    fn url(&self) -> String {
        let found = &self.found;
        let scheme = found.setting("scheme").map_or_else(String::new, |scheme| format!("{scheme}://"));
        let path =
            found.setting("endpoint").map_or_else(String::new, |path| format!("/{}", path.trim_start_matches('/')));
        let host = found.host().unwrap_or("?");
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        format!("{scheme}{host}:{}{path}", found.port)
    }

    fn signature(&self) -> &'static str {
        match self.signature {
            Signature::Missing => "unsigned",
            Signature::Unchecked => "unchecked",
            Signature::Valid => "valid",
            Signature::Wrong => "wrong",
        }
    }

    fn text(&self) -> String {
        let name = bold(&visible(&self.found.name));
        let signature = match self.signature {
            Signature::Missing => "unsigned".to_owned(),
            _ => format!("signature {}", self.signature()),
        };
        let age = self.found.claim.created().map_or_else(String::new, |created| format!("  {}", age(created)));
        format!("{} {name}  {}  {signature}{age}", self.mark, visible(&self.url()))
    }

    fn json(&self) -> Value {
        let found = &self.found;
        let settings: Map<String, Value> =
            found.txt.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
        json!({
            "change": self.change, "name": found.name, "address": self.url(), "host": found.host(), "port": found.port,
            "signature": self.signature(), "id": found.claim.id(), "created": found.claim.created().map(unix),
            "since": unix(found.since), "settings": settings,
        })
    }
}

/// What checks announcements of this network: the secret of its connector, or of its server.
fn signer(config: &Config, name: &str) -> Option<Signer> {
    let connector = config.connectors.iter().find(|connector| connector.name.eq_ignore_ascii_case(name));
    let server = config.servers.iter().find(|server| server.name.eq_ignore_ascii_case(name));
    let secrets = connector.and_then(|connector| connector.announcement_secret());
    Signer::new(secrets.or_else(|| server?.secret.as_ref())?.as_slice())
}

fn unix(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// How old a server says that it is. Its clock may be ahead of ours.
fn age(created: SystemTime) -> String {
    let secs = created.elapsed().unwrap_or_default().as_secs();
    match secs {
        0..60 => format!("{secs} s old"),
        60..3_600 => format!("{} min old", secs / 60),
        3_600..172_800 => format!("{} h old", secs / 3_600),
        _ => format!("{} days old", secs / 86_400),
    }
}
