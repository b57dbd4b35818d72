use std::fmt::Write as _;

use eventhive::config::{Config, ConnectorConfig};
use eventhive_transport::EventName;
use eventhive_transport::name::strip_segment;
use eventhive_transport::settings::nearest;
use serde_json::{Value, json};

use crate::cli::config_args::ConfigArgs;
use crate::cli::console::{Console, bold};
use crate::cli::exit::{Exit, Failure};
use crate::cli::verb::Verb;

/// `hive-cli explain`
#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// The event's name, such as my-hive/worker/action.
    name: String,
    #[command(flatten)]
    config: ConfigArgs,
}

impl Verb for Explain {
    const NAME: &'static str = "explain";
    const ABOUT: &'static str = "Tell where a call of an event would go, from the configuration alone";
    const MORE: &'static str =
        "Hooks are made by programs, not by the configuration: it can only tell in which hives they would run.";

    fn run(self, console: Console) -> Result<Exit, Failure> {
        let name = EventName::new(self.name.as_str()).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        let config = self.config.load()?;
        let path = Path::of(&config, &name);
        console.answer(|| path.text(), || path.json())?;
        Ok(Exit::Ok)
    }
}

/// Where an event goes.
struct Path<'a> {
    name: &'a str,
    separator: &'a str,
    route: Route<'a>,
}

enum Route<'a> {
    /// Below a connector's name: published there. `rest` is the name without the network.
    Remote { connector: &'a ConnectorConfig, rest: &'a str },
    /// Below the input channel of these connectors: called here, or by others through those networks.
    Accessible(Vec<&'a ConnectorConfig>),
    /// Neither. The connector that was perhaps meant.
    Local { meant: Option<&'a str> },
}

impl<'a> Path<'a> {
    fn of(config: &'a Config, name: &'a EventName) -> Self {
        let separator = config.hive.channel_separator.as_str();
        let name = name.as_str();
        let below = |first: &str| strip_segment(name, first, separator);
        let remote = config.connectors.iter().find_map(|connector| Some((connector, below(&connector.name)?)));
        let listens = |connector: &&ConnectorConfig| {
            connector.input_channel.as_deref().is_some_and(|channel| below(channel).is_some())
        };
        let route = match remote {
            Some((connector, rest)) => Route::Remote { connector, rest },
            None => match config.connectors.iter().filter(listens).collect::<Vec<_>>() {
                accessible if !accessible.is_empty() => Route::Accessible(accessible),
                _ => Route::Local { meant: meant(config, name, separator) },
            },
        };
        Self { name, separator, route }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let mut row = |key: &str, value: &str| {
            let _ = write!(text, "\n  {key:<11}{value}");
        };
        let category = match &self.route {
            Route::Remote { connector, rest } => {
                row("connector", &place(connector));
                row("topic", self.name);
                row("sealed", sealed(connector).unwrap_or("no"));
                row("hooks", &self.remote_hooks(connector, rest));
                "a remote event"
            }
            Route::Accessible(connectors) => {
                for connector in connectors {
                    let called = self.joined(&connector.name, self.name);
                    row("connector", &place(connector));
                    row("topic", &format!("other hives call it as {called}"));
                    row("sealed", sealed(connector).unwrap_or("no"));
                }
                row("hooks", "those of this process, whether it is called here or from the network");
                "a network-accessible event"
            }
            Route::Local { meant } => {
                row("hooks", "those of this process; a call never leaves it");
                if let Some(meant) = meant {
                    row("note", &format!("there is no connector of that name: did you mean `{meant}`?"));
                }
                "a strictly local event"
            }
        };
        format!("{}: {category}{text}\n  {:<11}`{}`", bold(self.name), "separator", self.separator)
    }

    fn json(&self) -> Value {
        let (category, connectors, meant): (_, Vec<Value>, _) = match &self.route {
            Route::Remote { connector, .. } => ("remote", vec![described(connector, self.name)], None),
            Route::Accessible(connectors) => {
                let described = |it: &&ConnectorConfig| described(it, &self.joined(&it.name, self.name));
                ("network_accessible", connectors.iter().map(described).collect(), None)
            }
            Route::Local { meant } => ("local", Vec::new(), *meant),
        };
        json!({
            "name": self.name, "category": category, "separator": self.separator, "connectors": connectors, "meant": meant,
        })
    }

    fn joined(&self, first: &str, rest: &str) -> String {
        format!("{first}{}{rest}", self.separator)
    }

    fn remote_hooks(&self, connector: &ConnectorConfig, rest: &str) -> String {
        let Some((channel, _)) = rest.split_once(self.separator) else {
            return format!("none: hives listen below a channel, as in {}", self.joined(self.name, "EVENT"));
        };
        let comes_back =
            connector.input_channel.as_deref().is_some_and(|own| strip_segment(rest, own, self.separator).is_some());
        let own = if comes_back { ", this one included" } else { "" };
        format!("`{rest}` in every hive of `{}` whose input_channel is `{channel}`{own}", connector.name)
    }
}

/// The connector that a name was perhaps meant for.
fn meant<'a>(config: &'a Config, name: &str, separator: &str) -> Option<&'a str> {
    let (first, _) = name.split_once(separator)?;
    nearest(first, config.connectors.iter().map(|connector| connector.name.as_str()))
}

fn place(connector: &ConnectorConfig) -> String {
    let address = address(connector).map_or_else(String::new, |address| format!(", {address}"));
    let found = connector.from_broadcast.map_or("", |_| ", found by mDNS");
    format!("{} ({}{})", connector.name, connector.pubsub_type, if found.is_empty() { &address } else { found })
}

/// Host, port and path, for transports that have them.
fn address(connector: &ConnectorConfig) -> Option<String> {
    let text = |name: &str| connector.init.text(name);
    let path = text("endpoint").map_or_else(String::new, |path| format!("/{}", path.trim_start_matches('/')));
    Some(format!("{}:{}{path}", text("host")?, connector.init.integer("port")?))
}

fn sealed(connector: &ConnectorConfig) -> Option<&'static str> {
    connector.secret.as_ref().map(|_| connector.cipher.word())
}

fn described(connector: &ConnectorConfig, topic: &str) -> Value {
    json!({
        "name": connector.name,
        "pubsub_type": connector.pubsub_type,
        "address": address(connector).filter(|_| connector.from_broadcast.is_none()),
        "input_channel": connector.input_channel,
        "topic": topic,
        "sealed": sealed(connector),
    })
}
