use std::sync::Arc;
use std::time::Duration;

use eventhive::config::ConnectorConfig;
use eventhive::envelope::Envelope;
use eventhive::{Config, Glob, Hive, LinkState};
use eventhive_transport::{Filter, Incoming, Link, LinkError, Subscription, Transport};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::cli::calling::seconds;
use crate::cli::console::{Console, bold, visible};
use crate::cli::exit::{Exit, Failure};
use crate::cli::run::{Signals, block_on};
use crate::cli::target::TargetArgs;
use crate::cli::verb::Verb;

/// Messages that wait to be printed; more are dropped and told. With the largest messages about 1 GiB, usually a few MB.
const WAITING: usize = 1024;

/// `hive-cli listen`
#[derive(Debug, clap::Args)]
pub(crate) struct Listen {
    /// Which events: a name or a pattern with * and ?, such as 'my-hive/worker/*'. By default all of every network of
    /// the configuration.
    pattern: Option<String>,

    /// End after so many events.
    #[arg(short = 'n', long)]
    count: Option<u64>,

    /// End after so many seconds.
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<f64>,

    #[command(flatten)]
    target: TargetArgs,
}

impl Verb for Listen {
    const NAME: &'static str = "listen";
    const ABOUT: &'static str = "Print the events of a network as they are published";
    const MORE: &'static str = "It only looks: no hook runs, and no other listener misses anything.\n\
                                Exit code 0: --count was reached, or --timeout was and something came; 1: --timeout was, and too little came;\n\
                                2: no such network; 3: not reached; 130: ended by Ctrl-C.";

    fn run(self, console: Console) -> Result<Exit, Failure> {
        let pattern = self.pattern.as_deref().map(Glob::new).transpose();
        let pattern = pattern.map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        // Without a configuration the connector is only a way to the hub: its name is nothing to go by.
        let config = self.target.load("hub")?;
        let bare = self.target.is_bare();
        block_on(async { self.listen(tails(&config, pattern.as_ref(), bare)?, console).await })
    }
}

/// One network that is listened to.
struct Tail {
    name: String,
    /// The name is one that others know, and not only ours.
    named: bool,
    link: Arc<dyn Link>,
    filter: Filter,
    /// What is printed, where the wire gives more than was asked for.
    wanted: Option<Glob>,
    envelope: Envelope,
}

/// What came from the tail of this number.
type Arrived = (usize, Incoming);

/// A tail of every connector that the pattern may concern. Links start here: it needs a runtime.
fn tails(config: &Config, pattern: Option<&Glob>, bare: bool) -> Result<Vec<Tail>, Failure> {
    let separator = &config.hive.channel_separator;
    let mut tails = Vec::new();
    for connector in &config.connectors {
        let own = format!("{}{separator}", connector.name);
        let wanted = match pattern {
            Some(pattern) if bare || concerns(pattern, &own) => Some(pattern.clone()),
            Some(_) => continue,
            None if bare => None,
            // A name is no pattern: its own brackets must not become one.
            None => Some(below(&own)?),
        };
        tails.push(Tail { named: !bare, ..tail(config, connector, wanted)? });
    }
    if tails.is_empty() {
        let known: Vec<&str> = config.connectors.iter().map(|connector| connector.name.as_str()).collect();
        let message = format!("no network of the configuration fits the pattern; there are: {}", known.join(", "));
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(tails)
}

/// Whether a pattern can match anything that begins with `own`.
fn concerns(pattern: &Glob, own: &str) -> bool {
    let prefix = pattern.literal_prefix();
    prefix.starts_with(own) || (own.starts_with(&prefix) && pattern.literal().is_none())
}

fn below(own: &str) -> Result<Glob, Failure> {
    let escaped = Glob::escape(own).and_then(|own| Glob::new(&format!("{}*", own.as_str())));
    escaped.map_err(|error| Failure::new(Exit::Usage, error.to_string()))
}

fn tail(config: &Config, connector: &ConnectorConfig, wanted: Option<Glob>) -> Result<Tail, Failure> {
    let failed = |message: String| Failure::new(Exit::Failed, message);
    let transport = Hive::builder().find_transport(connector.pubsub_type);
    let transport =
        transport.ok_or_else(|| failed(format!("no transport `{}` in this build", connector.pubsub_type)))?;
    let link = link(config, connector, &transport)?;
    let secrets = connector.secret.as_ref().map_or(&[][..], |secrets| secrets.as_slice());
    let envelope = Envelope::plain(config.hive.metadata_key.clone(), false);
    let envelope = envelope.sealed(connector.cipher, secrets, connector.replay_window());
    let capabilities = transport.capabilities_with(&connector.init);
    let filter = match &wanted {
        Some(glob) => match glob.literal() {
            Some(name) => Filter::exact(name.as_str()),
            None if capabilities.patterns => Filter::Glob(glob.clone()),
            None => Filter::All,
        },
        None => Filter::All,
    };
    let envelope = envelope.map_err(|error| failed(error.to_string()))?;
    Ok(Tail { name: connector.name.clone(), named: true, link, filter, wanted, envelope })
}

/// To the server that is configured, or that is found.
fn link(
    config: &Config,
    connector: &ConnectorConfig,
    transport: &Arc<dyn Transport>,
) -> Result<Arc<dyn Link>, Failure> {
    #[cfg(feature = "discovery")]
    if connector.from_broadcast.is_some() {
        return Ok(eventhive::discovery::connect(Arc::clone(transport), connector, &config.hive.discovery));
    }
    transport.connect(&connector.init).map_err(|problems| Failure::from(config.error(problems)))
}

impl Listen {
    async fn listen(&self, tails: Vec<Tail>, console: Console) -> Result<Exit, Failure> {
        let mut signals = Signals::listen()?;
        // One deadline for all of it; a time that no clock can add up is as good as for ever.
        let deadline = self.timeout.and_then(|it| Instant::now().checked_add(Duration::from_secs_f64(it)));
        let (sender, mut arrivals) = mpsc::channel(WAITING);
        let mut subscriptions = Vec::new();
        for (number, tail) in tails.iter().enumerate() {
            tokio::select! {
                subscription = subscribe(tail, number, sender.clone()) => subscriptions.push(subscription?),
                () = until(deadline) => {
                    return Err(Failure::new(Exit::Unreachable, format!("{}: no answer in time", tail.name)));
                }
                exit = signals.end() => return Ok(exit),
            }
        }
        let names: Vec<String> =
            tails.iter().map(|tail| format!("{:?}", tail.wanted.as_ref().map_or("*", Glob::as_str))).collect();
        console.note(&format!("listening to {}", names.join(", ")));
        let mut seen = 0;
        let exit = tokio::select! {
            done = self.print(&tails, &mut arrivals, &mut seen, console) => done?,
            () = until(deadline) => None,
            exit = signals.end() => Some(exit),
        };
        // A link's close has a deadline of its own; what is left is nobody's loss.
        for tail in &tails {
            tail.link.close().await;
        }
        let enough = seen > 0 && self.count.is_none_or(|count| seen >= count);
        Ok(exit.unwrap_or(if enough { Exit::Ok } else { Exit::Negative }))
    }

    /// Prints until there were enough.
    async fn print(
        &self,
        tails: &[Tail],
        arrivals: &mut mpsc::Receiver<Arrived>,
        seen: &mut u64,
        console: Console,
    ) -> Result<Option<Exit>, Failure> {
        while self.count.is_none_or(|count| *seen < count) {
            let Some((number, incoming)) = arrivals.recv().await else { break };
            let Some(tail) = tails.get(number) else { continue };
            if let Some(event) = tail.read(&incoming, console) {
                console.answer(|| event.text(), || event.json())?;
                *seen += 1;
            }
        }
        Ok(Some(Exit::Ok))
    }
}

/// Subscribes; the first attempt must succeed, later losses are the link's own to mend.
async fn subscribe(tail: &Tail, number: usize, sender: mpsc::Sender<Arrived>) -> Result<Subscription, Failure> {
    let wanted = tail.wanted.clone();
    let name = tail.name.clone();
    let sink = move |incoming: Incoming| {
        let fits = wanted.as_ref().is_none_or(|glob| incoming.topic.as_str().is_some_and(|topic| glob.matches(topic)));
        if fits && sender.try_send((number, incoming)).is_err() {
            tracing::warn!(network = name, "an event was dropped: the output is too slow");
        }
    };
    let sink = Arc::new(sink);
    let subscribing = async {
        match tail.link.subscribe(tail.filter.clone(), sink.clone()).await {
            // This server knows no patterns, others of its kind do. The sink takes what is wanted.
            Err(LinkError::Unsupported(_)) => tail.link.subscribe(Filter::All, sink).await,
            other => other,
        }
    };
    let mut state = tail.link.state();
    let unreachable = |reason: &str| Failure::new(Exit::Unreachable, format!("{}: {reason}", tail.name));
    tokio::select! {
        made = subscribing => made.map_err(|error| unreachable(&error.to_string())),
        down = state.wait_for(|state| matches!(state, LinkState::Down { .. } | LinkState::Closed)) => {
            Err(down.map_or_else(|_| unreachable("the link ended"), |state| unreachable(&state.to_string())))
        }
    }
}

pub(super) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// A message, opened if it was sealed.
struct Seen<'a> {
    network: Option<&'a str>,
    event: String,
    payload: Value,
    metadata: Option<Value>,
}

impl Tail {
    /// `None` for a message that cannot be opened with the connector's secret.
    fn read(&self, incoming: &Incoming, console: Console) -> Option<Seen<'_>> {
        let event = incoming.topic.to_string();
        let parse = |bytes: &[u8]| {
            serde_json::from_slice(bytes).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(bytes).into_owned()))
        };
        let (payload, metadata) = match self.envelope.open(&event, &incoming.payload) {
            Ok(opened) => {
                let metadata = opened
                    .metadata
                    .map(|it| json!({ "id": it.id, "time": it.time, "version": it.version, "event": it.event }));
                (parse(&opened.payload), metadata)
            }
            Err(error) if self.envelope.is_sealed() => {
                console.note(&format!("{event}: dropped: {error}"));
                return None;
            }
            // Others than hives publish what they like.
            Err(_) => (parse(&incoming.payload), None),
        };
        Some(Seen { network: self.named.then_some(self.name.as_str()), event, payload, metadata })
    }
}

impl Seen<'_> {
    fn text(&self) -> String {
        format!("{} {}", bold(&visible(&self.event)), visible(&self.payload.to_string()))
    }

    fn json(&self) -> Value {
        json!({ "network": self.network, "event": self.event, "payload": self.payload, "metadata": self.metadata })
    }
}
