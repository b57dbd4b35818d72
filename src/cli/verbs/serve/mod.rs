//! Running servers and connectors. `tell` has what is printed of them, `data` where a server without a configuration keeps what
//! it must not forget.

#[cfg(feature = "webhook")]
mod data;
mod tell;

use std::convert::Infallible;
#[cfg(feature = "http")]
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use eventhive::config::{Kinds, Sources};
use eventhive::{Config, Hive, ServerOutcome, StartOptions, Started};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::cli::config_args::ConfigArgs;
use crate::cli::console::Console;
use crate::cli::exit::{Exit, Failure};
#[cfg(feature = "http")]
use crate::cli::pypubsub;
use crate::cli::run::{Asked, Signals, block_on};
use crate::cli::verb::Verb;

use tell::Servers;

/// How long clients have to take what is queued for them when the server ends.
const DRAIN: Duration = Duration::from_secs(10);

/// How long connectors have before it is told where the servers listen. They go on trying.
const FIRST_TRY: Duration = Duration::from_secs(2);

/// `hive-cli serve`
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    config: ConfigArgs,

    /// The configuration of a PyPubSub server, pypubsub.yaml, in place of one of ours
    #[cfg(feature = "http")]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "network", "host", "port", "http_port"])]
    #[cfg_attr(feature = "webhook", arg(conflicts_with = "webhook_port"))]
    pypubsub: Option<PathBuf>,

    /// With --pypubsub: its access list [default: pypubsub_acl.yaml, if there is one]
    #[cfg(feature = "http")]
    #[arg(long, value_name = "FILE", requires = "pypubsub")]
    acl: Option<PathBuf>,

    /// Without a configuration: the network's name [default: hive]
    #[arg(long, conflicts_with = "files")]
    network: Option<String>,

    /// Without a configuration: the address to listen on [default: 127.0.0.1]
    #[arg(long, conflicts_with = "files")]
    host: Option<String>,

    /// Without a configuration: the port for websockets, and for HTTP streams and webhooks unless they have their own; 0 takes a
    /// free one [default: 8085]
    #[arg(short, long, conflicts_with = "files")]
    port: Option<u16>,

    /// Without a configuration: the port for HTTP streams [default: that of --port, or else 2069]
    #[cfg(feature = "http")]
    #[arg(long, conflicts_with = "files")]
    http_port: Option<u16>,

    /// Without a configuration: the port for webhooks [default: that of --port, or else 3003]
    #[cfg(feature = "webhook")]
    #[arg(long, conflicts_with = "files")]
    webhook_port: Option<u16>,
}

impl Verb for Serve {
    const NAME: &'static str = "serve";
    const ABOUT: &'static str =
        "Run the servers and connectors of a configuration, or a hub on this machine without one";
    const MORE: &'static str = "Ctrl-C or SIGTERM ends it: clients get what is queued for them, then are told to go.\n\
                                SIGHUP and SIGUSR2 read TLS certificates and access lists again.\n\
                                An access list is also read again when it has changed.\n\
                                A server with `create: needed` may be handed over to another hive, and back: that is told too.\n\
                                On one port, /pubsub is for websockets, /v1 for webhooks, and each other path for HTTP streams.\n\
                                --json: a line with `servers` for those that listen, and again for those that change; one\n\
                                with `connectors` when each had its first attempt.\n\
                                Exit code 0: it was told to end; 2: the configuration cannot be used; 4: a server did not start.";
    const LOG_LEVEL: &'static str = "info";

    fn run(self, console: Console) -> Result<Exit, Failure> {
        let config = self.load(console)?;
        console.warn(config.warnings());
        if config.servers.is_empty() && config.connectors.is_empty() {
            let message = "the configuration has neither `servers:` nor `connectors:`: there is nothing to run";
            return Err(Failure::new(Exit::Usage, message));
        }
        block_on(serve(config, console))
    }
}

impl Serve {
    fn load(&self, console: Console) -> Result<Config, Failure> {
        let mut sources = self.config.sources();
        if let Some(option) = self.own() {
            for name in sources.names() {
                console.note(&format!("note: {name} is not used because of {option}"));
            }
            sources = Sources::new();
        }
        #[cfg(feature = "http")]
        if let Some(file) = &self.pypubsub {
            pypubsub::read(&mut sources, file, self.acl.clone(), console);
        }
        if sources.is_empty() {
            sources.read_named("hive-cli serve", &self.embedded());
        }
        Ok(sources.resolve(&Kinds::compiled_in())?)
    }

    /// The first of the options that stand for a configuration.
    const fn own(&self) -> Option<&'static str> {
        #[cfg(feature = "http")]
        if self.pypubsub.is_some() {
            return Some("--pypubsub");
        }
        match (&self.network, &self.host, self.port, self.http_port()) {
            (Some(_), ..) => Some("--network"),
            (_, Some(_), ..) => Some("--host"),
            (_, _, Some(_), _) => Some("--port"),
            (.., Some(_)) => Some("--http-port"),
            _ if self.webhook_port().is_some() => Some("--webhook-port"),
            _ => None,
        }
    }

    #[cfg(feature = "webhook")]
    const fn webhook_port(&self) -> Option<u16> {
        self.webhook_port
    }

    #[cfg(not(feature = "webhook"))]
    const fn webhook_port(&self) -> Option<u16> {
        None
    }

    #[cfg(feature = "http")]
    const fn http_port(&self) -> Option<u16> {
        self.http_port
    }

    #[cfg(not(feature = "http"))]
    const fn http_port(&self) -> Option<u16> {
        None
    }

    /// The configuration when there is none: one hub with all doors that this program has, on loopback unless another
    /// host is asked for. On one port the HTTP streams have all paths but those of the websockets and webhooks.
    fn embedded(&self) -> String {
        let network = self.network.as_deref().unwrap_or("hive");
        #[cfg(any(feature = "http", feature = "webhook", feature = "websocket"))]
        let host = self.host.as_deref().unwrap_or("127.0.0.1");
        let doors: &[Value] = &[
            #[cfg(feature = "websocket")]
            json!({ "pubsub_type": "websocket", "init": {
                "host": host, "port": self.port.unwrap_or(8085), "endpoint": "/pubsub" } }),
            #[cfg(feature = "http")]
            json!({ "pubsub_type": "http", "init": {
                "host": host, "port": self.http_port.or(self.port).unwrap_or(2069) } }),
            #[cfg(feature = "webhook")]
            json!({ "pubsub_type": "webhook", "init": {
                "host": host, "port": self.webhook_port.or(self.port).unwrap_or(3003), "database": data::database(network) } }),
        ];
        json!({ "servers": { network: { "create": "always", "doors": doors } } }).to_string()
    }
}

async fn serve(config: Config, console: Console) -> Result<Exit, Failure> {
    // First of all, so that a signal while the hive starts is not lost.
    let mut signals = Signals::listen()?;
    let failed = |error: &dyn std::fmt::Display| Failure::new(Exit::Failed, error.to_string());
    let hive = Hive::builder().config(config).build().map_err(|error| failed(&error))?;
    let mut servers = Servers::new(&hive, console);
    let started = {
        let starting = hive.start_with(StartOptions::new().within(FIRST_TRY));
        tokio::pin!(starting);
        loop {
            tokio::select! {
                started = &mut starting => break Some(started.map_err(|error| failed(&error))?),
                () = servers.changed() => servers.tell_listening()?,
                _ = signals.end() => break None,
            }
        }
    };
    let result = match started {
        None => {
            hive.stop(Duration::ZERO).await;
            return Ok(Exit::Ok);
        }
        Some(started) => match not_started(&started) {
            Some(failure) => Err(failure),
            None => until_told(&hive, &started, &mut servers, &mut signals, console).await,
        },
    };
    hive.stop(DRAIN).await;
    result
}

async fn until_told(
    hive: &Hive,
    started: &Started,
    servers: &mut Servers,
    signals: &mut Signals,
    console: Console,
) -> Result<Exit, Failure> {
    servers.tell()?;
    tell::connectors(started, console)?;
    let wanted = Notify::new();
    let mut reloads = pin!(reloads(hive, &wanted, console));
    loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Interrupt | Asked::Terminate => return Ok(Exit::Ok),
                Asked::Reload => wanted.notify_one(),
            },
            () = servers.changed() => servers.tell()?,
            never = &mut reloads => match never {},
        }
    }
}

/// Reads files again, one time after the other. It may take long, when many passwords have new hashes: the end does not wait
/// for it, and what is wanted meanwhile is done once.
async fn reloads(hive: &Hive, wanted: &Notify, console: Console) -> Infallible {
    loop {
        wanted.notified().await;
        let problems = hive.reload().await;
        let fine = if problems.is_empty() {
            "certificates and access lists read again"
        } else {
            "what is wrong was not replaced; the old stays in use"
        };
        console.note(&problems.iter().map(String::as_str).chain([fine]).collect::<Vec<_>>().join("\n"));
    }
}

/// The servers that failed, as the reason to end.
fn not_started(started: &Started) -> Option<Failure> {
    let failed = started.servers.iter().filter_map(|server| match &server.outcome {
        ServerOutcome::Failed(reason) => Some(format!("server {}: {reason}", server.name)),
        _ => None,
    });
    let reasons: Vec<String> = failed.collect();
    (!reasons.is_empty()).then(|| Failure::new(Exit::Failed, reasons.join("\n")))
}
